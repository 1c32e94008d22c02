"""Synthetic training studies: scars authored into hearts, and real scars painted anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.errors import AnatomyError, SpecificationError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import labels_with_scar, scar_of_labels
from claimslicer.studies import Geometry, Study
from claimslicer.synthesis import synthesize
from claimslicer.synthesis.settings import BAND_MM
from claimslicer.training.data.cache import CachedStudy, Cohort
from claimslicer.training.data.masks import draw_scar

PAINTING: dict[str, Any] = {"band_mm": BAND_MM}
"""Options of synthetic children unless others are given."""
DRAWS = 5
"""How often another scar is drawn where one doesn't fit the wall."""


def synthetic_children(
    cohort: Cohort,
    variants: int | Collection[int],
    *,
    seed: int = 0,
    model: str | None = None,
    masks: str = "ours",
    repaint: bool = True,
    painting: Mapping[str, Any] | None = None,
    events: Events = SILENT,
) -> Iterator[CachedStudy]:
    """Yield synthetic children of every real training study; the other parts have none.

    ``variants`` is how many of each, or their numbers: a child depends on ``seed``, its parent's place among
    the parents and its number alone. A heart without infarct gets a scar drawn by ``masks`` (see
    :mod:`claimslicer.training.data.masks`); one with infarct has its own painted anew in another texture or,
    not to ``repaint``, another drawn beside it. ``painting`` are options of
    :func:`claimslicer.synthesis.synthesize`, :data:`PAINTING` where there are none. A heart whose RV
    insertions can't be found, or that has no room for a scar, is passed over, and an event says so.
    """
    numbers = range(variants) if isinstance(variants, int) else variants
    parents = [study for study in cohort.part("training") if not study.synthetic]
    options = {**(PAINTING if painting is None else painting), "model": model}
    for place, parent in enumerate(parents):
        scar = scar_of_labels(parent.labels)
        again, frame = repaint and parent.has_infarct, None
        try:
            if not again:
                frame = _frame(parent)
            for done, number in enumerate(numbers):
                events.progress("painting", (place + done / len(numbers)) / len(parents), parent.name)
                rng = np.random.default_rng([seed, place, number])
                child = (
                    _painted(parent, scar, parent.labels, rng, options)
                    if frame is None
                    else _authored(parent, frame, scar, masks, rng, options)
                )
                yield dataclasses.replace(child, name=f"{parent.name}-synthetic-{number}")
        except (AnatomyError, SpecificationError) as error:
            events.emit("skipped", study=parent.name, reason=str(error))


def _frame(parent: CachedStudy) -> LVFrame:
    geometry = Geometry(parent.image.shape, parent.spacing_zyx[::-1])
    return build_frame(parent.labels, geometry, image=parent.image)


def _authored(
    parent: CachedStudy,
    frame: LVFrame,
    existing: np.ndarray,
    masks: str,
    rng: np.random.Generator,
    options: Mapping[str, Any],
) -> CachedStudy:
    """Return the parent with another scar. Raises SpecificationError where none of a few draws fits."""
    refused: Exception | None = None
    for _ in range(DRAWS):
        try:
            made = draw_scar(masks, frame, rng, existing)
            labels = labels_with_scar(parent.labels, made.labels)
            return _painted(parent, made.labels * made.added, labels, rng, options)
        except (SpecificationError, StudyError) as error:
            refused = error
    raise SpecificationError(f"No scar fits in {DRAWS} draws: {refused}")


def _painted(
    parent: CachedStudy,
    scar: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
    options: Mapping[str, Any],
) -> CachedStudy:
    """Return the parent with ``scar`` painted in; ``labels`` are those of the result."""
    study = Study(parent.name, parent.image, Geometry(parent.image.shape, parent.spacing_zyx[::-1]))
    again = labels is parent.labels
    seed = int(rng.integers(2**31))
    result = synthesize(study, parent.labels, scar, seed=seed, repaint_existing=again, **options)
    return dataclasses.replace(parent, image=result.image, labels=labels, synthetic=True)
