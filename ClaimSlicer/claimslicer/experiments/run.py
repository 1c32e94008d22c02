"""An experiment from its settings to its scores; stopped or killed, it goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from claimslicer.errors import SpecificationError
from claimslicer.events import SILENT, Events
from claimslicer.experiments.arms import Arm
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.experiments.jobs import SETTINGS_FILE, claim_folder
from claimslicer.experiments.patients import HELD_BACK, Fold, Patient, Subjects, find_subjects
from claimslicer.experiments.scores import THRESHOLDS, ScoreBook, TestHeart
from claimslicer.experiments.train import FoldTraining
from claimslicer.models.registry import resolve
from claimslicer.outputs import check_outside
from claimslicer.training.runs import lock

LOCK_FILE = "lock"


def run_experiment(
    config: ExperimentConfig,
    events: Events = SILENT,
    after_round: Callable[[Subjects, ScoreBook], object] = lambda subjects, book: None,
) -> tuple[Subjects, ScoreBook]:
    """Do what is missing of an experiment in ``config.out``, and return its patients and scores.

    A round is one seed of all rows on one fold; the first seed of every fold comes first, and ``after_round``
    is called after each in which anything was done. Raises SpecificationError where the folder holds another
    experiment or a patient would be on both sides, OutputError when another process works there, StudyError
    and ModelError where studies or weights can't be used.
    """
    subjects = find_subjects(config, events)
    _check_generator(config, subjects)
    settings = {**config.to_dict(), "data": sorted(subjects.digests().items())}
    for folder in (*config.data, *config.tests.values()):
        check_outside(config.out, folder)
    claim_folder(config.out, settings)
    with lock.held(config.out / LOCK_FILE):
        if config.threads:
            import torch

            torch.set_num_threads(config.threads)
        _Run(config, subjects, events).carry_out(after_round)
    return subjects, ScoreBook(config.out)


def read_scores(config: ExperimentConfig, events: Events = SILENT) -> tuple[Subjects, ScoreBook]:
    """Return the patients of an experiment and the scores that it has so far.

    Raises SpecificationError where none has been begun.
    """
    if not (config.out / SETTINGS_FILE).exists():
        raise SpecificationError(f"There is no experiment in '{config.out}' yet: begin it without --report.")
    return find_subjects(config, events), ScoreBook(config.out)


class _Run:
    def __init__(self, config: ExperimentConfig, subjects: Subjects, events: Events) -> None:
        self._config, self._subjects, self._events = config, subjects, events
        self._book = ScoreBook(config.out)
        self._hearts: dict[str, TestHeart] = {}
        self._done = 0

    def carry_out(self, after_round: Callable[[Subjects, ScoreBook], object]) -> None:
        config, folds = self._config, self._subjects.folds
        total = config.seeds * len(folds) * len(config.arms)
        if config.thresholds:
            self._score_thresholds()
        for seed in range(config.seeds):
            for fold in folds:
                training = FoldTraining(config, fold, self._events)
                new = 0
                for arm in config.arms:
                    told = f"{fold.name}, {arm.name}, seed {seed}"
                    self._events.progress("experiment", self._done / total, told)
                    new += self._score(fold, arm, seed, training.segmenter(arm, seed))
                    self._done += 1
                if new:
                    after_round(self._subjects, self._book)
        for fold in folds:
            FoldTraining(config, fold, self._events).remove_row_caches()
        self._events.progress("experiment", 1.0, "done")

    def _score(self, fold: Fold, arm: Arm, seed: int, weights: Path) -> int:
        """Score a segmenter on whom it hasn't been yet, and return how many they were."""
        new = 0
        model = resolve(weights, "segmentation").card.sha256
        for test, patients in self._subjects.sets_of(fold).items():
            for number, patient in enumerate(patients):
                told = {"test": test, "arm": arm.name, "fold": fold.name, "model": model}
                if self._book.holds(patient, seed=seed, **told):
                    continue
                self._events.progress("scoring", number / len(patients), patient.name)
                heart = self._heart(patient)
                found = heart.segmented(weights, self._config.device)
                self._book.add(heart.score(found, seed=seed, **told))
                new += 1
        if new:
            self._events.emit("scored", fold=fold.name, arm=arm.name, seed=seed)
        return new

    def _score_thresholds(self) -> None:
        sets = [
            (HELD_BACK, fold.name, patient) for fold in self._subjects.folds for patient in fold.held_back
        ]
        sets += [(test, "", patient) for test, some in self._subjects.tests.items() for patient in some]
        for number, (test, fold, patient) in enumerate(sets):
            names = [name for name in THRESHOLDS if name != "Otsu" or patient.has_infarct]
            told = {"test": test, "fold": fold, "model": ""}
            missing = [name for name in names if not self._book.holds(patient, arm=name, seed=0, **told)]
            if not missing:
                continue
            self._events.progress("thresholds", number / len(sets), patient.name)
            heart = self._heart(patient)
            if not heart.thresholds:
                self._events.emit("skipped", study=patient.name, reason="thresholds: no frame can be laid")
            for name in missing:
                if name in heart.thresholds:
                    self._book.add(heart.score(heart.thresholds[name], arm=name, seed=0, **told))

    def _heart(self, patient: Patient) -> TestHeart:
        if patient.digest not in self._hearts:
            self._hearts[patient.digest] = TestHeart(patient)
        return self._hearts[patient.digest]


def _check_generator(config: ExperimentConfig, subjects: Subjects) -> None:
    """Refuse a given generator whose card says that it knows somebody who is to be tested on."""
    if config.generator is None:
        return
    known = set(resolve(config.generator, "synthesis").card.split.get("training", ()))
    tested = {
        patient.name
        for fold in subjects.folds
        for some in subjects.sets_of(fold).values()
        for patient in some
    }
    if both := sorted(known & tested):
        raise SpecificationError(
            f"The generator '{config.generator}' was trained on {both[0]}, who is to be tested on: take "
            "another, or leave 'generator' out."
        )
