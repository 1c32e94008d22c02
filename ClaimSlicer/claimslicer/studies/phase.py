"""Whether an infarct is acute or chronic, and a collection's table that says so."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import Literal, cast, get_args

from claimslicer.errors import StudyError

Phase = Literal["acute", "chronic"]
PHASES: tuple[Phase, ...] = get_args(Phase)


def read_phases(path: Path, cases: Collection[str]) -> dict[str, Phase]:
    """Return the phases of ``cases`` by the columns case and phase of the CSV file ``path``.

    Cases that aren't in it, or whose phase is empty, are left out. Raises StudyError for a file that isn't
    such a table, a case that isn't among ``cases``, one that is there twice, and an unknown phase.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream)
            columns, rows = set(table.fieldnames or ()), list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"Can't read '{path}': give a CSV file with the columns case and phase.") from error
    if not {"case", "phase"} <= columns:
        raise StudyError(f"'{path}' must have the columns case and phase in its first line.")
    told: dict[str, str] = {}
    for row in rows:
        case, phase = ((row[column] or "").strip() for column in ("case", "phase"))
        if case not in cases:
            raise StudyError(f"'{path}' names the case '{case}', which isn't in the folder of cases.")
        if case in told:
            raise StudyError(f"'{path}' names the case '{case}' twice: leave one line.")
        if phase and phase not in PHASES:
            raise StudyError(
                f"The phase of '{case}' in '{path}' is '{phase}': write acute, chronic or nothing."
            )
        told[case] = phase
    return {case: cast("Phase", phase) for case, phase in told.items() if phase}
