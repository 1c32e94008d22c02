"""Pieces of work that are done once: each leaves a note of what it was made with beside its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claimslicer.errors import SpecificationError
from claimslicer.json_files import read_json
from claimslicer.outputs import make_folder, write_text
from claimslicer.studies.provenance import to_json

SETTINGS_FILE = "settings.json"


def fingerprint(values: Mapping[str, Any]) -> str:
    """Return a hash of settings."""
    return hashlib.sha256(json.dumps(to_json(values), sort_keys=True).encode()).hexdigest()


def note_of(result: Path) -> Path:
    """Return the file that says what the file or folder ``result`` was made with."""
    return result.with_name(f"{result.name}.job.json")


def finished(result: Path, made_with: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was noted when ``result`` was made to its end with these settings, None where it wasn't.

    Raises SpecificationError where it was made with others: an experiment mixes nothing.
    """
    note = note_of(result)
    try:
        told = read_json(note)
        before, outcome = told["made_with"], dict(told["outcome"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpecificationError(f"'{note}' is damaged: remove it, and the work is done again.") from error
    if before != to_json(made_with):
        raise SpecificationError(
            f"'{result}' was made from other studies or settings: remove it and {note.name}, or choose "
            "another 'out'."
        )
    return outcome if result.exists() else None


def finish(result: Path, made_with: Mapping[str, Any], **outcome: Any) -> dict[str, Any]:
    """Note that ``result`` was made to its end with these settings, and what came out; return the latter."""
    note = {"made_with": to_json(made_with), "outcome": to_json(outcome)}
    write_text(note_of(result), json.dumps(note, indent=2, ensure_ascii=False) + "\n")
    return outcome


def claim_folder(out: Path, settings: Mapping[str, Any]) -> None:
    """Write down what an experiment in ``out`` is of.

    Raises SpecificationError where it is of something else, OutputError where it can't be written.
    """
    path = make_folder(out) / SETTINGS_FILE
    now = to_json(settings)
    if not path.exists():
        write_text(path, json.dumps(now, indent=2, ensure_ascii=False) + "\n")
        return
    try:
        before = read_json(path)
        other = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    except (OSError, ValueError, AttributeError) as error:
        raise SpecificationError(f"'{path}' is damaged: choose another folder as 'out'.") from error
    if other:
        raise SpecificationError(
            f"'{out}' holds an experiment with another {', another '.join(other)}: set that back, or choose "
            "another folder as 'out'."
        )
