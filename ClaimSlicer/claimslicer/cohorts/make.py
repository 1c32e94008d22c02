"""One synthetic study of a cohort: drawn, painted, judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.cohorts.config import CohortConfig
from claimslicer.cohorts.plan import Job, Parent
from claimslicer.errors import AnatomyError, SpecificationError, StudyError
from claimslicer.labels import infarct_mask, labels_with_scar, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar, random_spec
from claimslicer.smile.resample import ScarTarget, scar_weights
from claimslicer.studies import Study, read_study

if TYPE_CHECKING:
    from claimslicer.quantification.quality import QualityFilter

POOL = 256
"""How many specifications are drawn for a heart, to take some of them by weight."""


class PassedOver(Exception):
    """A study can't be made of this heart, or wasn't good enough; the cohort goes on without it."""


@dataclass(frozen=True)
class Heart:
    """A parent as it is read: ``existing`` is its own scar, ``(z, y, x)`` of :class:`ScarLabel`."""

    study: Study
    labels: np.ndarray
    frame: LVFrame
    existing: np.ndarray

    @property
    def lv_ml(self) -> float:
        """Volume of the LV wall."""
        return sum(self.frame.segment_ml().values())


@dataclass(frozen=True)
class Child:
    """A synthetic study in its parent's grid, all arrays ``(z, y, x)``.

    ``labels`` (internal table) hold the scar, ``scar`` (:class:`ScarLabel`) is what was painted, and ``band``
    what was painted at all (1 scar, 2 round it).
    """

    image: np.ndarray
    labels: np.ndarray
    scar: np.ndarray
    band: np.ndarray
    recipe: dict[str, Any]


class StudyMaker:
    """Makes the studies of one cohort; keeps the hearts that it read last.

    ``quality`` is the filter that a study must pass. Each study depends on the settings, its heart and its
    number alone, whoever makes it and when.
    """

    def __init__(self, config: CohortConfig, quality: QualityFilter | None = None) -> None:
        self._config = config
        self._quality = quality
        self._heart = lru_cache(maxsize=2)(read_heart)
        self._pools: dict[str, tuple[list[ScarSpec], np.ndarray]] = {}

    def make(self, job: Job) -> tuple[Heart, Child]:
        """Make one study.

        Raises PassedOver, with the reason, where its heart doesn't allow it or no attempt was good enough;
        other errors mean that the settings or the weights are wrong, or the program is.
        """
        try:
            heart = self._heart(job.parent.folder)
        except (StudyError, AnatomyError) as error:
            raise PassedOver(str(error)) from error
        reason = ""
        for attempt in range(self._config.attempts):
            rng = np.random.default_rng([self._config.seed, job.parent.key, job.number, attempt])
            try:
                spec = self._draw(job.parent, heart, rng)
                scar, labels = author(heart, spec)
            except SpecificationError as error:
                reason = str(error)
                continue
            seed = int(rng.integers(2**31))
            child = self._paint(job, heart, spec, (scar, labels), seed, attempt)
            if self._is_good(heart, child):
                return heart, child
            reason = f"The segmenter found too little of the scar in {attempt + 1} attempts."
        raise PassedOver(reason)

    def _draw(self, parent: Parent, heart: Heart, rng: np.random.Generator) -> ScarSpec | None:
        """Draw a scar; None means that the heart's own is painted anew."""
        if parent.infarcted == "repaint" and heart.existing.any():
            return None
        if self._config.target is None:
            return random_spec(heart.frame, rng, self._config.prior, heart.existing)
        specs, weights = self._pool(parent, heart, self._config.target)
        taken = specs[int(rng.choice(len(specs), p=weights))]
        return replace(taken, seed=int(rng.integers(2**31)))

    def _pool(self, parent: Parent, heart: Heart, target: ScarTarget) -> tuple[list[ScarSpec], np.ndarray]:
        """Return specifications drawn for the heart, and how likely each is taken; keep the last heart's."""
        if parent.name not in self._pools:
            rng = np.random.default_rng([self._config.seed, parent.key])
            specs = [random_spec(heart.frame, rng, self._config.prior, heart.existing) for _ in range(POOL)]
            self._pools = {parent.name: (specs, scar_weights(specs, target, heart.lv_ml).values)}
        return self._pools[parent.name]

    def _paint(
        self,
        job: Job,
        heart: Heart,
        spec: ScarSpec | None,
        scar: tuple[np.ndarray, np.ndarray],
        seed: int,
        attempt: int,
    ) -> Child:
        settings = {**self._config.painting(), "model": self._config.model}
        try:
            child = paint(heart, scar, seed, settings)
        except StudyError as error:
            raise PassedOver(str(error)) from error
        origin = {
            "name": job.name,
            "parent": job.parent.name,
            "part": job.parent.part,
            "cohort_seed": self._config.seed,
            "number": job.number,
            "attempt": attempt,
            "scar_ml": round(int((child.scar > 0).sum()) * heart.study.geometry.voxel_volume_ml, 4),
            "lv_ml": round(heart.lv_ml, 4),
        }
        smile = None if spec is None else spec.to_dict()
        return replace(child, recipe={**child.recipe, "command": "cohort", "smile": smile, "child": origin})

    def _is_good(self, heart: Heart, child: Child) -> bool:
        if self._config.quality is None or self._quality is None:
            return True
        painted = replace(heart.study, image=child.image, labels=None, synthetic=True)
        segmenter = self._config.quality.segmenter
        return self._quality.passes(infarct_dice(painted, child.labels, segmenter, self._config.device))


def read_heart(folder: Path) -> Heart:
    """Read a labelled study and lay its frame. Raises StudyError or AnatomyError."""
    return heart_of(read_study(folder))


def heart_of(study: Study) -> Heart:
    """Lay the frame of a study that has labels. Raises StudyError or AnatomyError."""
    if study.labels is None:
        raise StudyError(f"{study.name} comes without labels: label it first.")
    frame = build_frame(study.labels, study.geometry, image=study.image, apex_first=study.apex_first)
    return Heart(study, study.labels, frame, scar_of_labels(study.labels))


def author(heart: Heart, spec: ScarSpec | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the scar to be painted, and the labels that hold it.

    Without ``spec`` the heart's own scar is painted anew. Raises SpecificationError where the wall can't
    hold the scar.
    """
    if spec is None:
        return heart.existing, heart.labels
    made = generate_scar(spec, heart.frame, existing=heart.existing)
    labels = labels_with_scar(heart.labels, made.labels)
    return made.labels * made.added, labels


def paint(
    heart: Heart,
    scar: tuple[np.ndarray, np.ndarray],
    seed: int,
    settings: Mapping[str, Any],
) -> Child:
    """Paint what :func:`author` gave; ``settings`` are those of :func:`claimslicer.synthesis.synthesize`."""
    from claimslicer.synthesis import synthesize

    mask, labels = scar
    result = synthesize(
        heart.study,
        heart.labels,
        mask,
        **{**settings, "seed": seed, "repaint_existing": labels is heart.labels},
    )
    return Child(result.image, labels, mask, result.band, result.recipe)


def infarct_dice(study: Study, labels: np.ndarray, segmenter: str | None, device: str) -> float:
    """Return the Dice of the infarct (MVO included) that a segmenter finds with that of ``labels``.

    It is asked as judge; 0 where it finds no left ventricle. Raises ModelError.
    """
    from claimslicer.quantification.compare import dice
    from claimslicer.segmentation import segment

    try:
        found = segment(study, model=segmenter, device=device, judge=True)
    except StudyError:
        return 0.0
    return dice(infarct_mask(found.labels), infarct_mask(labels))
