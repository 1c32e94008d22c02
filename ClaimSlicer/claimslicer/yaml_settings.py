"""Reading YAML, above all the file that holds all settings of a run, an evaluation or a cohort."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from claimslicer.errors import SpecificationError

_EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
"""Numbers such as 1e-3: YAML 1.2 reads them as numbers, PyYAML, which is of YAML 1.1, as text."""


def load_yaml(text: str) -> Any:
    """Return what the text holds, of Python's plain types. Raises yaml.YAMLError.

    Aliases are refused: a few lines of them stand for more values than a memory holds.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Knows ``_EXPONENT`` too, no aliases, and no setting given twice: the first would be lost."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("settings can't refer to each other with * and &")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            names = [key.value for key, _ in node.value]
            twice = next((key for key, _ in node.value if names.count(key.value) > 1), None)
            if twice is not None:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{twice.value}' is given twice: leave one out", twice.start_mark
                )
            return super().construct_mapping(node, deep=deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    except (ValueError, TypeError, OverflowError) as error:  # a date such as 2001-99-99
        raise yaml.YAMLError(str(error)) from error


def read_yaml_settings(path: Path) -> dict[str, Any]:
    """Return the ``setting: value`` lines of the file. Raises SpecificationError."""
    import yaml

    try:
        values = load_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecificationError(f"There is no configuration at '{path}'.") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SpecificationError(f"'{path}' can't be read as YAML: {error}".replace("\n", " ")) from error
    if not isinstance(values, dict):
        raise SpecificationError(f"'{path}' must hold 'setting: value' lines.")
    return values


def check_known(given: Iterable[object], known: Collection[str], where: str) -> None:
    """Raise SpecificationError for the first of the ``given`` settings that isn't ``known``."""
    for key in given:
        if key not in known:
            raise SpecificationError(f"Unknown setting '{key}' in {where}; known are {', '.join(known)}.")
