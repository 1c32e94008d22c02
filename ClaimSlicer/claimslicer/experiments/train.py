"""What a fold's segmenters are made from, each piece once: studies, generator, painted sets, trainings.

Everything lies in the fold's own folder and comes from the fold's training patients alone. Trainings read
caches only (:mod:`claimslicer.training.data.cache`), so they need torch, MONAI and NumPy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from claimslicer.errors import ModelError
from claimslicer.events import EventFanOut, Events, JsonEvents
from claimslicer.experiments.arms import Arm
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.experiments.jobs import fingerprint, finish, finished
from claimslicer.experiments.patients import Fold, Patient
from claimslicer.models.registry import resolve
from claimslicer.outputs import make_folder
from claimslicer.training.data.cache import CachedStudy, Cohort, read_cache, write_cache

PAINTING_SEED = 0


@dataclasses.dataclass(frozen=True)
class Mixture:
    """How many studies of a fold a row has: real ones, and those that the generator paints."""

    real: int
    infarcted: int
    """Painted into hearts with infarct."""
    normal: int
    """Painted into hearts without."""

    @property
    def synthetic_share(self) -> float:
        """Share of synthetic studies among all."""
        painted = self.infarcted + self.normal
        return painted / (self.real + painted)

    @property
    def normal_share(self) -> float:
        """Share, among the synthetic studies, of those in hearts without infarct."""
        return self.normal / (self.infarcted + self.normal)


def mixture(arm: Arm, patients: Sequence[Patient]) -> Mixture:
    """Return what a row is made of where nobody is passed over."""
    infarcted = sum(patient.has_infarct for patient in patients)
    normal = len(patients) - infarcted
    real = infarcted + normal * ("N" in arm.sets)
    return Mixture(real, infarcted * arm.per_infarcted, normal * arm.per_normal)


class FoldTraining:
    """Makes what is missing of a fold, and nothing twice; ``events`` hear of progress and finished jobs."""

    def __init__(self, config: ExperimentConfig, fold: Fold, events: Events) -> None:
        self._config, self._fold, self._events = config, fold, events
        self.folder = config.out / fold.name

    def segmenter(self, arm: Arm, seed: int) -> Path:
        """Return the weights of a row's segmenter."""
        folder = self.folder / arm.folder / f"seed-{seed}"
        if arm.joint:
            return self._joint(arm, folder, seed)
        return self._plain(arm, folder, seed, self._config.steps)

    def generator(self) -> str:
        """Return the name or path of the generator that the fold's rows and seeds share."""
        if self._config.generator is not None:
            return self._config.generator
        from claimslicer.training.trainers.synthesis import train_synthesis

        folder, cache = self.folder / "generator", self._cohort()
        base = self._config.training(cache, folder, PAINTING_SEED).generator_stage()
        stage = dataclasses.replace(base, out=folder, name=f"{self._fold.name}-generator")
        made_with = {"patients": _digests(self._fold.training), "training": stage.to_dict()}
        return self._trained(folder, made_with, lambda told: train_synthesis(stage, resume=True, events=told))

    def painted(self, masks: str, infarcted: bool, number: int) -> tuple[Path, dict[str, Any]]:
        """Return the cache with one synthetic study of each heart with, or without, infarct, and its note.

        It is painted once, for all rows and seeds.
        """
        parents = [patient for patient in self._fold.training if patient.has_infarct is infarcted]
        file = self.folder / f"painted-{masks}-{'P' if infarcted else 'N'}{number + 1}.npz"
        generator = self.generator()
        made_with = {
            "patients": _digests(parents),
            "generator": resolve(generator, "synthesis").card.sha256,
            "masks": masks,
            "number": number,
            "painting": dict(self._config.painting),
        }
        note = finished(file, made_with)
        if note is None:
            from claimslicer.training.data.augment import synthetic_children

            names, skipped = {patient.name for patient in parents}, _Skipped(self._events)
            hearts = [study for study in read_cache(self._cohort()).studies if study.name in names]
            options = {**self._config.painting, "device": self._config.device}
            children = synthetic_children(
                Cohort(tuple(hearts)),
                [number],
                seed=PAINTING_SEED,
                model=generator,
                masks=masks,
                repaint=False,
                painting=options,
                events=skipped,
            )
            made = list(children)
            write_cache(file, made)
            note = finish(file, made_with, studies=len(made), passed_over=skipped.reasons)
            self._tell("painted", masks=masks, set=file.stem, studies=len(made))
        return file, {**note, "fingerprint": fingerprint(made_with)}

    def remove_row_caches(self) -> None:
        """Remove the rows' caches, which can be put together again."""
        for file in self.folder.glob("*/cohort.npz"):
            file.unlink()

    def _share(self, arm: Arm) -> float:
        share = mixture(arm, self._fold.training).synthetic_share
        return share if self._config.synthetic_share is None or not share else self._config.synthetic_share

    def _cohort(self) -> Path:
        """Return the cache of the fold's training patients, all of whom are there to learn from."""
        file, made_with = self.folder / "cohort.npz", {"patients": _digests(self._fold.training)}
        if finished(file, made_with) is None:
            write_cache(file, map(_cached, self._fold.training))
            finish(file, made_with, studies=len(self._fold.training))
        return file

    def _row(self, arm: Arm) -> tuple[dict[str, Any], Callable[[], Path]]:
        """Return what a row is made from, and what puts it together in one cache."""
        real = [patient for patient in self._fold.training if patient.has_infarct or "N" in arm.sets]
        wanted = [(True, number) for number in range(arm.per_infarcted)]
        wanted += [(False, number) for number in range(arm.per_normal)]
        sets = [self.painted(arm.masks, *one) for one in wanted]
        made_with = {"patients": _digests(real), "painted": [note["fingerprint"] for _, note in sets]}

        def write() -> Path:
            file, names = self._row_cache(arm), {patient.name for patient in real}
            if not file.exists():
                studies = [study for study in read_cache(self._cohort()).studies if study.name in names]
                for painted, _ in sets:
                    studies += read_cache(painted).studies
                write_cache(file, studies)
            return file

        return made_with, write

    def _row_cache(self, arm: Arm) -> Path:
        return self.folder / arm.folder / "cohort.npz"

    def _plain(self, arm: Arm, folder: Path, seed: int, steps: int) -> Path:
        """Return the weights of a segmenter that is trained on a row's studies as they are."""
        from claimslicer.training.trainers.segmentation import train_segmentation

        stage = dataclasses.replace(
            self._config.training(self._row_cache(arm), folder, seed).segmenter_stage(),
            out=folder,
            name=f"{self._fold.name}-{folder.parent.name}",
            steps=steps,
            synthetic_share=self._share(arm),
        )
        made_with, write_row = self._row(arm)

        def train(events: Events) -> Path:
            write_row()
            return train_segmentation(stage, resume=True, events=events)

        return Path(self._trained(folder, {**made_with, "training": stage.to_dict()}, train))

    def _joint(self, arm: Arm, folder: Path, seed: int) -> Path:
        """Return the weights of a segmenter trained on the real studies, then together with the generator."""
        from claimslicer.training.trainers.joint_run import train_joint

        first = Arm(tuple(one for one in arm.sets if one in ("P", "N")))
        begun = self.folder / f"{first.folder}-before-joint" / f"seed-{seed}"
        segmenter = self._plain(first, begun, seed, self._config.steps - self._config.joint_steps)
        generator = self.generator()
        hearts = [p for p in self._fold.training if p.has_infarct or arm.per_normal or "N" in arm.sets]
        everybody = len(hearts) == len(self._fold.training)
        begin = {"initial_segmenter": str(segmenter), "initial_generator": generator}
        config = self._config.training(
            self._cohort() if everybody else self._row_cache(first),
            folder,
            seed,
            name=f"{self._fold.name}-{arm.folder}",
            pretrain_segmenter_steps=0,
            generator_steps=0,
            **begin,
            synthetic_share=self._share(arm),
            normal_share=mixture(arm, self._fold.training).normal_share,
            normals="N" in arm.sets,
            repaint_share=0.0,
            masks=arm.masks,
        )
        made_with = {
            "patients": _digests(hearts),
            "segmenter": resolve(segmenter, "segmentation").card.sha256,
            "generator": resolve(generator, "synthesis").card.sha256,
            "training": {key: value for key, value in config.to_dict().items() if key not in begin},
        }

        def train(events: Events) -> Path:
            if not everybody:
                self._row(first)[1]()
            return train_joint(config, resume=True, events=events)[0]

        return Path(self._trained(folder, made_with, train))

    def _trained(self, folder: Path, made_with: dict[str, Any], train: Callable[[Events], Path]) -> str:
        """Return the path of the weights in ``folder``, trained now where they aren't there yet."""
        note = finished(folder, made_with)
        if note is None:
            name = folder.relative_to(self._config.out).as_posix()
            with (make_folder(folder) / "training.jsonl").open("a", encoding="utf-8") as stream:
                weights = train(EventFanOut(JsonEvents(stream), _Progress(name, self._events)))
            note = finish(folder, made_with, weights=weights.relative_to(folder).as_posix())
            for checkpoint in folder.rglob("checkpoint.safetensors"):  # as large as three models
                with suppress(OSError):
                    checkpoint.unlink()
            self._tell("trained", model=name)
        weights = folder / note["weights"]
        if not weights.exists():
            raise ModelError(
                f"The weights {weights} are missing: remove '{folder.name}.job.json' beside {folder}."
            )
        return str(weights)

    def _tell(self, kind: str, **values: Any) -> None:
        self._events.emit(kind, fold=self._fold.name, **values)


class _Progress:
    """Passes progress on with the training's name, and nothing else: the rest is kept in its folder."""

    def __init__(self, name: str, events: Events) -> None:
        self._name, self._events = name, events

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Pass it on."""
        self._events.progress(stage, fraction, f"{self._name}, {message}" if message else self._name)

    def emit(self, kind: str, **values: Any) -> None:
        """Drop it."""


class _Skipped(_Progress):
    """Keeps why hearts were passed over, and tells it."""

    def __init__(self, events: Events) -> None:
        super().__init__("", events)
        self.reasons: dict[str, str] = {}

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Pass it on."""
        self._events.progress(stage, fraction, message)

    def emit(self, kind: str, **values: Any) -> None:
        """Pass it on."""
        self._events.emit(kind, **values)
        if kind == "skipped":
            self.reasons[str(values["study"])] = str(values["reason"])


def _cached(patient: Patient) -> CachedStudy:
    study = patient.read()
    assert study.labels is not None
    return CachedStudy(patient.name, "training", study.image, study.labels, study.geometry.spacing_zyx)


def _digests(patients: Sequence[Patient]) -> dict[str, str]:
    return {patient.name: patient.digest for patient in patients}
