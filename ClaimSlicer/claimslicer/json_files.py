"""Reading JSON that anybody may have written: damaged, endless or nested without end, it is no JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST_BYTES = 2**26
"""The largest JSON file that is read; the largest of ours, a cohort's table, has a few MB."""


def parse_json(text: str | bytes) -> Any:
    """Return what ``text`` holds. Raises ValueError for what is no JSON, too deep, or too long a number."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path) -> Any:
    """Return what the file holds. Raises OSError where it can't be read, ValueError where it is no JSON."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    return parse_json(path.read_text(encoding="utf-8"))
