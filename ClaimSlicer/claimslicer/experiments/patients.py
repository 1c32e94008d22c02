"""Whose studies an experiment trains on and whose it holds back; nobody is on both sides."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from claimslicer.errors import SpecificationError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.labels import infarct_mask
from claimslicer.studies import Study, read_study
from claimslicer.studies.provenance import sha256_of_array
from claimslicer.studies.read import list_cases
from claimslicer.training.data.splits import EMIDEC_TEST, split_by_patient

HELD_BACK = "held back"
"""The name of the test set that the data's own patients make."""


@dataclass(frozen=True)
class Patient:
    """A labelled study; ``digest`` is that of its image and labels, ``image_digest`` of the image alone."""

    name: str
    folder: Path
    has_infarct: bool
    digest: str
    image_digest: str

    def read(self) -> Study:
        """Return the study, under the name of its folder. Raises StudyError."""
        return _read(self.folder)


@dataclass(frozen=True)
class Fold:
    """One split: who is trained on and who is held back."""

    name: str
    training: tuple[Patient, ...]
    held_back: tuple[Patient, ...]


@dataclass(frozen=True)
class Subjects:
    """The folds of an experiment, and its further test patients by the name of their set."""

    folds: tuple[Fold, ...]
    tests: dict[str, tuple[Patient, ...]]

    def sets_of(self, fold: Fold) -> dict[str, tuple[Patient, ...]]:
        """Return everybody whom a segmenter of ``fold`` is scored on, by test set."""
        return {HELD_BACK: fold.held_back, **self.tests}

    def digests(self) -> dict[str, str]:
        """Return the digests of all patients of the folds, by name."""
        return {p.name: p.digest for fold in self.folds for p in (*fold.training, *fold.held_back)}


def find_subjects(config: ExperimentConfig, events: Events = SILENT) -> Subjects:
    """Read everybody once and split the data's patients.

    Raises StudyError where a folder, a study or its labels can't be used; SpecificationError where a test
    study is among the data, two patients have one name, or a part would have nobody with infarct.
    """
    folders = [folder for root in config.data for folder in list_cases(root, events)]
    if config.folds:
        folders = [folder for folder in folders if folder.name not in EMIDEC_TEST]
    patients = _patients(folders, events)
    for one, other in pairwise(patients):
        if one.name == other.name:
            raise SpecificationError(f"Two folders of 'data' have a case {one.name}: rename one.")
    folds = _folds(patients, config.folds) if config.folds else (_fixed_split(patients),)
    for fold in folds:
        for part, who in (("train on", fold.training), ("hold back", fold.held_back)):
            if not any(patient.has_infarct for patient in who):
                raise SpecificationError(
                    f"Nobody with infarct is left to {part}: give more studies or fewer 'folds'."
                )
    tests = {
        name: tuple(_patients(list_cases(folder, events), events)) for name, folder in config.tests.items()
    }
    known = {patient.image_digest: patient.name for patient in patients}
    for name, some in tests.items():
        for patient in some:
            if patient.image_digest in known:
                raise SpecificationError(
                    f"{patient.name} of the test folder '{name}' is {known[patient.image_digest]} of 'data': "
                    "take it out of one of them."
                )
    return Subjects(folds, tests)


def _patients(folders: Sequence[Path], events: Events) -> list[Patient]:
    found = []
    for number, folder in enumerate(folders):
        events.progress("reading", number / len(folders), folder.name)
        study = _read(folder)
        labels = study.labels
        assert labels is not None
        image_digest, of_labels = sha256_of_array(study.image), sha256_of_array(labels)
        digest = hashlib.sha256(f"{image_digest}{of_labels}".encode()).hexdigest()
        found.append(Patient(folder.name, folder, bool(infarct_mask(labels).any()), digest, image_digest))
    events.progress("reading", 1.0, "done")
    return sorted(found, key=lambda patient: patient.name)


def _read(folder: Path) -> Study:
    study = read_study(folder)
    if study.labels is None:
        raise StudyError(f"'{folder}' has no labels; an experiment needs a label map for every study.")
    if study.synthetic:
        raise StudyError(f"'{folder}' is synthetic: an experiment makes its own, from real studies alone.")
    return dataclasses.replace(study, name=folder.name)


def _folds(patients: Sequence[Patient], count: int) -> tuple[Fold, ...]:
    """Deal patients with and without infarct into ``count`` parts by the hashes of their names."""
    place: dict[str, int] = {}
    for infarct in (True, False):
        group = [patient for patient in patients if patient.has_infarct is infarct]
        group.sort(key=lambda patient: hashlib.sha256(patient.name.encode()).hexdigest())
        # The second group is dealt the other way round, so that the parts stay of one size.
        place |= {p.name: k % count if infarct else count - 1 - k % count for k, p in enumerate(group)}
    return tuple(
        Fold(
            f"fold-{number + 1}",
            tuple(patient for patient in patients if place[patient.name] != number),
            tuple(patient for patient in patients if place[patient.name] == number),
        )
        for number in range(count)
    )


def _fixed_split(patients: Sequence[Patient]) -> Fold:
    parts = split_by_patient([patient.name for patient in patients])
    by_part = {
        part: tuple(patient for patient in patients if parts[patient.name] == part)
        for part in ("training", "validation")
    }
    return Fold("split", by_part["training"], by_part["validation"])
