"""Synthetic training studies: scars authored into normal hearts, and real scars painted anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from claimslicer.anatomy import build_frame
from claimslicer.errors import AnatomyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import labels_with_scar, scar_of_labels
from claimslicer.smile import generate_scar, random_spec
from claimslicer.studies import Geometry, Study
from claimslicer.synthesis import synthesize
from claimslicer.training.cache import CachedStudy, Cohort


def synthetic_children(
    cohort: Cohort, variants: int, *, seed: int = 0, model: str | None = None, events: Events = SILENT
) -> Iterator[CachedStudy]:
    """Yield ``variants`` synthetic children of every real training study; the other parts have none.

    A heart without infarct gets a random SMILE scar, one with infarct has its own painted anew in another
    texture. A heart whose RV insertions can't be found is passed over, and an event says so.
    """
    parents = [study for study in cohort.part("training") if not study.synthetic]
    for number, parent in enumerate(parents):
        for variant in range(variants):
            events.progress("painting", (number + variant / variants) / len(parents), parent.name)
            try:
                yield _child(parent, variant, np.random.default_rng([seed, number, variant]), model)
            except AnatomyError as error:
                events.emit("skipped", study=parent.name, reason=str(error))


def _child(parent: CachedStudy, variant: int, rng: np.random.Generator, model: str | None) -> CachedStudy:
    geometry = Geometry(parent.image.shape, parent.spacing_zyx[::-1])
    study = Study(parent.name, parent.image, geometry)
    if parent.has_infarct:
        scar = scar_of_labels(parent.labels)
    else:
        frame = build_frame(parent.labels, geometry, image=parent.image)
        scar = generate_scar(random_spec(frame, rng), frame).labels
    result = synthesize(
        study, parent.labels, scar, model=model, seed=int(rng.integers(2**31)), repaint_existing=True
    )
    return dataclasses.replace(
        parent,
        name=f"{parent.name}-synthetic-{variant}",
        image=result.image,
        labels=labels_with_scar(parent.labels, scar),
        synthetic=True,
    )
