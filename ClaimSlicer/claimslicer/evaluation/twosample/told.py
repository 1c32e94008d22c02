"""All that the test says of a cohort: every kind by every classifier, beside nulls and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.evaluation.config import KINDS
from claimslicer.evaluation.twosample.nulls import copied, real_halves, relabelled
from claimslicer.evaluation.twosample.samples import SliceSample
from claimslicer.evaluation.twosample.telling import FEWEST_PATIENTS, TwoSample, two_sample
from claimslicer.events import SILENT, Events

COPIED = "copied"
"""The null whose AUC is 0.5 exactly."""
TESTED = tuple(kind for kind in KINDS if kind != "copy")
"""The kinds that have anything to tell; scars of which nothing was painted are no scars to tell."""
RELABELLED = ("repainted", "authored")
"""The kinds whose null is drawn."""
DRAWS = {"forest": 8, "network": 2}
"""How often a null is drawn; the network takes longer."""


@dataclass(frozen=True)
class Told:
    """One kind by one classifier: the result, and the AUCs of its nulls, drawn anew a few times each.

    ``relabelled`` draws by lot which samples are real (of :data:`RELABELLED`), ``halves`` sets real scars
    against real ones. ``copied`` is the AUC of the real scars against themselves.
    """

    result: TwoSample
    relabelled: np.ndarray
    halves: np.ndarray
    copied: float

    @property
    def kind(self) -> str:
        """The kind of scar that was told from real ones."""
        return self.result.kind


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
    for classifier in classifiers:
        ask = _Asked(samples, classifier, resamples, seed)
        for number, kind in enumerate(kinds):
            events.progress(f"telling apart by {classifier}", number / len(kinds), kind)
            try:
                told.append(ask.told(kind))
            except SpecificationError as error:
                notes.append(str(error))
        events.progress(f"telling apart by {classifier}", 1.0, "done")
    told.sort(key=lambda one: kinds.index(one.kind))
    return told, " ".join(dict.fromkeys(notes))


@dataclass(frozen=True)
class _Asked:
    """One classifier and the samples that it is asked about."""

    samples: Sequence[SliceSample]
    classifier: str
    resamples: int
    seed: int

    def told(self, kind: str) -> Told:
        result = two_sample(
            self.samples, kind, classifier=self.classifier, resamples=self.resamples, seed=self.seed
        )
        rng = np.random.default_rng([self.seed, 3])
        draws = DRAWS[self.classifier] if kind in RELABELLED else 0
        anew = [self._auc(relabelled(self.samples, kind, rng), kind, lot) for lot in range(draws)]
        halves, same = self.among_real
        return Told(result, np.array(anew), halves, same)

    @cached_property
    def among_real(self) -> tuple[np.ndarray, float]:
        """The AUCs of halves of the real patients, none where they are too few, and that of a copy."""
        rng = np.random.default_rng([self.seed, 4])
        patients = {sample.patient for sample in self.samples if sample.kind == "real"}
        draws = DRAWS[self.classifier] if len(patients) >= 2 * FEWEST_PATIENTS else 0
        halves = [self._auc(real_halves(self.samples, "other", rng), "other", lot) for lot in range(draws)]
        return np.array(halves), self._auc(copied(self.samples, "other"), "other", self.seed)

    def _auc(self, samples: Sequence[SliceSample], kind: str, seed: int) -> float:
        found = two_sample(
            samples, kind, classifier=self.classifier, resamples=0, repeats=1, explain=False, seed=seed
        )
        return found.auc.value
