"""All that the test says of a cohort: every kind by every classifier, beside nulls and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.evaluation.cohort import Estimate
from claimslicer.evaluation.config import KINDS
from claimslicer.evaluation.twosample.nulls import copied, real_halves, relabelled
from claimslicer.evaluation.twosample.samples import SliceSample
from claimslicer.evaluation.twosample.telling import FEWEST_PATIENTS, TwoSample, two_sample
from claimslicer.events import SILENT, Events

COPIED = "copied"
"""The null whose AUC is 0.5 exactly."""
TESTED = tuple(kind for kind in KINDS if kind != "copy")
"""The kinds that have anything to tell; scars of which nothing was painted are no scars to tell."""
DRAWS = {"forest": 8, "network": 3}
"""How often a null is drawn; the network takes longer."""


@dataclass(frozen=True)
class Told:
    """One kind by one classifier: the result, and the AUCs of its nulls, drawn anew a few times each.

    ``relabelled`` draws by lot which samples are real, ``halves`` sets real scars against real ones.
    ``copied`` is the AUC of the real scars against themselves.
    """

    result: TwoSample
    relabelled: np.ndarray
    halves: np.ndarray
    copied: float

    @property
    def kind(self) -> str:
        """The kind of scar that was told from real ones."""
        return self.result.kind

    @property
    def null(self) -> Estimate:
        """Median of the relabelled AUCs, with the lowest and the highest."""
        return Estimate(
            float(np.median(self.relabelled)), float(self.relabelled.min()), float(self.relabelled.max())
        )


def tell_apart(
    samples: Sequence[SliceSample],
    classifiers: Sequence[str],
    *,
    resamples: int = 500,
    seed: int = 0,
    events: Events = SILENT,
) -> tuple[list[Told], str]:
    """Return every kind among ``samples`` by every classifier, and what could not be tested and why.

    The same samples and seed give the same results.
    """
    kinds = [kind for kind in TESTED if any(sample.kind == kind for sample in samples)]
    told, notes = [], []
    for number, kind in enumerate(kinds):
        for classifier in classifiers:
            events.progress("telling apart", number / len(kinds), f"{kind} by {classifier}")
            try:
                told.append(_told(samples, kind, classifier, resamples, seed))
            except SpecificationError as error:
                notes.append(str(error))
    events.progress("telling apart", 1.0, "done")
    return told, " ".join(dict.fromkeys(notes))


def _told(samples: Sequence[SliceSample], kind: str, classifier: str, resamples: int, seed: int) -> Told:
    result = two_sample(samples, kind, classifier=classifier, resamples=resamples, seed=seed)
    rng = np.random.default_rng([seed, 3])
    draws = DRAWS[classifier] if kind in ("repainted", "authored") else 1

    def without_interval(some: Sequence[SliceSample], lot: int) -> float:
        return two_sample(some, kind, classifier=classifier, resamples=0, repeats=1, seed=lot).auc.value

    anew = [without_interval(relabelled(samples, kind, rng), lot) for lot in range(draws)]
    real = len({sample.patient for sample in samples if sample.kind == "real"})
    halves = [
        without_interval(real_halves(samples, kind, rng), lot)
        for lot in range(draws if real >= 2 * FEWEST_PATIENTS else 0)
    ]
    same = without_interval(copied(samples, kind), seed)
    return Told(result, np.array(anew), np.array(halves), same)
