"""Synthetic studies made while training goes on, by the generator as it is at that step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.errors import AnatomyError, SpecificationError, StudyError
from claimslicer.events import Events
from claimslicer.labels import labels_with_scar, scar_of_labels
from claimslicer.smile import ScarMask, ScarSpec, generate_scar, random_spec
from claimslicer.smile.resample import ScarTarget, scar_weights
from claimslicer.studies import Geometry, Study
from claimslicer.synthesis import synthesize
from claimslicer.synthesis.model import GeneratorModel
from claimslicer.training.data.cache import CachedStudy
from claimslicer.training.data.masks import draw_scar

POOL = 256
"""How many specifications are drawn for a heart, to take some of them by weight."""

DRAWS = 3
"""How often another scar is drawn where one doesn't fit the wall, or isn't good enough."""


@dataclass(frozen=True)
class _Heart:
    """A real study, its frame, and the specifications that a target distribution draws from."""

    parent: CachedStudy
    study: Study
    frame: LVFrame
    scar: np.ndarray
    pool: list[ScarSpec] = field(default_factory=list)
    weights: np.ndarray | None = None


class OnlinePainter:
    """Paints scars that SMILE draws into real hearts, normal and pathological ones.

    A heart with infarct gets another beside its own, or, by the chance ``repaint_share``, its own painted
    anew. ``target`` is the distribution that the drawn scars shall have, ``masks`` how they are drawn where
    there is none (see :mod:`claimslicer.training.data.masks`); ``normal_share`` is how often a heart without
    infarct is taken (None: as often as any other); ``options`` are those of
    :func:`claimslicer.synthesis.synthesize`. Everything that a heart needs is prepared once. A heart whose RV
    insertions can't be found is passed over, and an event says so. Raises StudyError when none is left.
    """

    def __init__(
        self,
        studies: Sequence[CachedStudy],
        *,
        repaint_share: float,
        target: ScarTarget | None,
        seed: int,
        options: dict[str, Any],
        events: Events,
        masks: str = "ours",
        normal_share: float | None = None,
    ) -> None:
        self._repaint_share, self._masks, self._options = repaint_share, masks, options
        self._normal_share = normal_share
        self._hearts: list[_Heart] = []
        for number, parent in enumerate(studies):
            if normal_share == (1.0 if parent.has_infarct else 0.0):
                continue
            events.progress("preparing", number / len(studies), parent.name)
            try:
                self._hearts.append(_prepare(parent, target, np.random.default_rng([seed, number])))
            except (AnatomyError, SpecificationError, StudyError) as error:
                events.emit("skipped", study=parent.name, reason=str(error))
        if not self._hearts:
            raise StudyError("No training study allows a scar to be drawn: check the labels.")

    def paint(
        self,
        generator: GeneratorModel,
        rng: np.random.Generator,
        good: Callable[[CachedStudy], bool] = lambda study: True,
    ) -> CachedStudy | None:
        """Return a new synthetic study that is ``good``, None where a few draws gave none.

        ``generator`` is used as it is, without gradients and in single precision.
        """
        for _ in range(DRAWS):
            heart = self._take(rng)
            try:
                child = self._child(heart, generator, rng)
            except (SpecificationError, StudyError):  # the wall can't hold this scar
                continue
            if good(child):
                return child
        return None

    def _take(self, rng: np.random.Generator) -> _Heart:
        hearts = self._hearts
        if self._normal_share is not None:
            normal = rng.random() < self._normal_share
            hearts = [heart for heart in hearts if heart.parent.has_infarct != normal] or hearts
        return hearts[int(rng.integers(len(hearts)))]

    def _child(self, heart: _Heart, generator: GeneratorModel, rng: np.random.Generator) -> CachedStudy:
        labels = heart.parent.labels
        again = bool(heart.scar.any()) and rng.random() < self._repaint_share
        if again:
            scar = heart.scar
        else:
            made = self._draw(heart, rng)
            scar, labels = made.labels * made.added, labels_with_scar(labels, made.labels)
        # Casts that autocast keeps would be those of a network without gradients.
        with torch.autocast(generator.device.type, enabled=False):
            result = synthesize(
                heart.study,
                heart.parent.labels,
                scar,
                model=generator,
                seed=int(rng.integers(2**31)),
                repaint_existing=again,
                **self._options,
            )
        name = f"{heart.parent.name}-synthetic"
        return dataclasses.replace(heart.parent, name=name, image=result.image, labels=labels, synthetic=True)

    def _draw(self, heart: _Heart, rng: np.random.Generator) -> ScarMask:
        if heart.weights is None:
            return draw_scar(self._masks, heart.frame, rng, heart.scar)
        taken = heart.pool[int(rng.choice(len(heart.pool), p=heart.weights))]
        spec = dataclasses.replace(taken, seed=int(rng.integers(2**31)))
        return generate_scar(spec, heart.frame, heart.scar)


def _prepare(parent: CachedStudy, target: ScarTarget | None, rng: np.random.Generator) -> _Heart:
    geometry = Geometry(parent.image.shape, parent.spacing_zyx[::-1])
    frame = build_frame(parent.labels, geometry, image=parent.image)
    study = Study(parent.name, parent.image, geometry)
    heart = _Heart(parent, study, frame, scar_of_labels(parent.labels))
    if target is None:
        return heart
    pool = [random_spec(frame, rng, existing=heart.scar) for _ in range(POOL)]
    weights = scar_weights(pool, target, sum(frame.segment_ml().values())).values
    return dataclasses.replace(heart, pool=pool, weights=weights)
