"""Folds by patient, in the form of nnU-Net's ``splits_final.json``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from claimslicer.errors import StudyError
from claimslicer.training.data.splits import Part


@dataclass(frozen=True)
class Case:
    """One case of a data set: its identifier, whose heart it shows, and the part of the patient's split.

    ``painted_by`` is name and hash of the weights that painted a synthetic one, where that is known.
    """

    name: str
    patient: str
    part: Part
    synthetic: bool = False
    has_infarct: bool = False
    painted_by: tuple[str, str] | None = None


Fold = dict[str, list[str]]
"""``train`` and ``val``: identifiers of cases."""


def make_folds(cases: Sequence[Case], count: int = 1) -> list[Fold]:
    """Return nnU-Net's folds: validation is on real cases only, training on what shows other patients.

    One fold is the program's own split. More are a cross-validation over all patients, in which patients with
    and without infarct are shared out evenly by the hash of their names, so always the same way. Raises
    StudyError where there are too few patients.
    """
    real = [case for case in cases if not case.synthetic]
    if count == 1:
        groups = [{case.patient for case in real if case.part == "validation"}]
    else:
        groups = [set() for _ in range(count)]
        for place, patient in enumerate(_shared_out(real)):
            groups[place % count].add(patient)
    if count < 1 or not all(groups) or len({case.patient for case in real}) < 2:
        raise StudyError(
            f"{len(real)} patients are too few for {count} folds: give more studies, or ask for fewer folds."
        )
    return [
        {
            "train": [case.name for case in cases if case.patient not in held_back],
            "val": [case.name for case in real if case.patient in held_back],
        }
        for held_back in groups
    ]


def _shared_out(real: Sequence[Case]) -> list[str]:
    """Return the patients with infarct and then those without, each in the order of their names' hashes."""
    with_infarct = {case.patient for case in real if case.has_infarct}

    def order(patient: str) -> tuple[bool, str]:
        return patient not in with_infarct, hashlib.sha256(patient.encode()).hexdigest()

    return sorted({case.patient for case in real}, key=order)
