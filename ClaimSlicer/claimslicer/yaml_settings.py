"""Reading the YAML file that holds all settings of a run, an evaluation or a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from claimslicer.errors import SpecificationError


def read_yaml_settings(path: Path) -> dict[str, Any]:
    """Return the ``setting: value`` lines of the file. Raises SpecificationError."""
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecificationError(f"There is no configuration at '{path}'.") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SpecificationError(f"'{path}' can't be read as YAML: {error}".replace("\n", " ")) from error
    if not isinstance(values, dict):
        raise SpecificationError(f"'{path}' must hold 'setting: value' lines.")
    return values
