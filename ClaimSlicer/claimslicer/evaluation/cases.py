"""Which cases of the data are evaluated on, and which ones' scars were learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from claimslicer.errors import SpecificationError, StudyError
from claimslicer.studies.read import is_case, list_cases
from claimslicer.training.data.splits import split_by_patient


def named_data(value: Any, file: Path) -> Path | tuple[Path, ...]:
    """Return what the setting ``data`` of ``file`` names: a folder, or a list of folders and cases.

    Relative paths start at the file's folder. Raises SpecificationError where it is neither.
    """
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, str) for entry in entries):
        raise SpecificationError(f"The setting 'data' is missing in '{file}'; it names a folder, or a list.")
    paths = tuple((file.parent / Path(entry).expanduser()).resolve() for entry in entries)
    return paths[0] if isinstance(value, str) else paths


def evaluated_cases(data: Path | tuple[Path, ...], chosen: str | Sequence[str]) -> list[Path]:
    """Return the case folders to evaluate on, by name.

    ``chosen`` is a part of the split or a list of names; a case that ``data`` names itself is in any part;
    in a list, a ``*`` in the last part of a path stands for anything. Raises StudyError where there are none,
    or a name is missing; SpecificationError where two share a name.
    """
    named, roots = _told_apart(data)
    if isinstance(chosen, str):
        found = named + [folder for root in roots for folder in _of_part(root, chosen)]
    else:
        every = named + [folder for root in roots for folder in list_cases(root)]
        missing = set(chosen) - {folder.name for folder in every}
        if missing:
            where = f"'{data}' holds" if isinstance(data, Path) else "The data hold"
            raise StudyError(f"{where} no case {', '.join(sorted(missing))}: check the names.")
        found = [folder for folder in every if folder.name in chosen]
    if not found:
        raise StudyError(f"'{roots[0]}' holds no {chosen} cases: give the folder that has them, or names.")
    names = [folder.name for folder in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecificationError(f"The data hold two cases called {', '.join(twice)}: leave one out.")
    return sorted(found, key=lambda folder: folder.name)


def training_cases(data: Path | tuple[Path, ...], chosen: str | Sequence[str]) -> list[Path]:
    """Return the case folders that were trained on, by name; a case that ``data`` names itself is none.

    So there may be none where ``data`` is a list. Raises StudyError as :func:`evaluated_cases`.
    """
    if isinstance(data, Path):
        return evaluated_cases(data, chosen)
    _, roots = _told_apart(data)
    if isinstance(chosen, str):
        return [folder for root in roots for folder in _of_part(root, chosen)]
    return [folder for root in roots for folder in list_cases(root) if folder.name in chosen]


def _told_apart(data: Path | tuple[Path, ...]) -> tuple[list[Path], list[Path]]:
    """Return the cases that ``data`` names itself, and its folders of cases."""
    if isinstance(data, Path):
        return [], [data]
    every: list[Path] = []
    for path in data:
        found = sorted(path.parent.glob(path.name)) if "*" in path.name else [path]
        if not found:
            raise StudyError(f"Nothing is called '{path}', which 'data' names: check the name.")
        every += found
    named = [path for path in every if is_case(path)]
    return named, [path for path in every if path not in named]


def _of_part(root: Path, part: str) -> list[Path]:
    folders = list_cases(root)
    parts = split_by_patient([folder.name for folder in folders])
    return [folder for folder in folders if parts[folder.name] == part]
