"""The test: scores with patients held out, the AUC with its interval, and what gives a scar away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.stats import rankdata

from claimslicer.errors import SpecificationError
from claimslicer.evaluation.cohort import Estimate
from claimslicer.evaluation.twosample.forest import Forest
from claimslicer.evaluation.twosample.network import PatchNetwork
from claimslicer.evaluation.twosample.samples import SliceSample

FOLDS = 5
REPEATS = {"forest": 3, "network": 1}
"""How often the patients are dealt into folds anew; the scores are means."""
FEWEST_PATIENTS = 4
"""Fewer patients can't be held out in turn."""
CLASSIFIERS: dict[str, type[Forest] | type[PatchNetwork]] = {"forest": Forest, "network": PatchNetwork}


class Classifier(Protocol):
    """Learns from some samples and says of others how synthetic they look."""

    def scores(self, train: np.ndarray, synthetic: np.ndarray, test: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class TwoSample:
    """How well a classifier tells two kinds apart: ``auc`` is 0.5 where it can't, 1 where it always can.

    The interval is a 95 % bootstrap over patients. ``scores`` says of each of ``samples`` how synthetic it
    looked to a classifier that had seen no slice of its patient. ``features`` are, for the forest, each
    feature's own AUC and its share in the decisions, by share; empty for the network.
    """

    kind: str
    classifier: str
    auc: Estimate
    samples: Sequence[SliceSample]
    scores: np.ndarray
    features: dict[str, tuple[float, float]]


def two_sample(
    samples: Sequence[SliceSample],
    kind: str,
    *,
    classifier: str = "forest",
    resamples: int = 500,
    repeats: int | None = None,
    explain: bool = True,
    seed: int = 0,
) -> TwoSample:
    """Tell the samples of ``kind`` from the ``real`` ones, all slices of a patient held out together.

    ``repeats`` is how often the patients are dealt into folds anew (None: :data:`REPEATS`); without
    ``resamples`` there is no interval, without ``explain`` no features are told.

    Raises SpecificationError where there are too few patients of either, or the classifier is unknown.
    """
    used = [sample for sample in samples if sample.kind in ("real", kind)]
    synthetic = np.array([sample.kind != "real" for sample in used], dtype=bool)
    patients = np.array([sample.patient for sample in used])
    for which, name in ((~synthetic, "real"), (synthetic, kind)):
        count = len(set(patients[which])) if used else 0
        if count < FEWEST_PATIENTS:
            raise SpecificationError(
                f"Telling real from synthetic scars needs {FEWEST_PATIENTS} patients of each; {count} of "
                f"the {name} ones show enough in a slice."
            )
    if classifier not in CLASSIFIERS:
        raise SpecificationError(
            f"There is no classifier '{classifier}': choose of {', '.join(CLASSIFIERS)}."
        )
    judge: Forest | PatchNetwork = CLASSIFIERS[classifier](used, seed)
    scores = held_out_scores(judge, synthetic, patients, seed, repeats or REPEATS[classifier])
    features = {}
    if explain and isinstance(judge, Forest):
        single = [_single_auc(column, synthetic) for column in judge.values.T]
        shares = judge.importances(synthetic)
        both = zip(judge.names, single, strict=True)
        features = {name: (auc, shares[name]) for name, auc in both}
        features = dict(sorted(features.items(), key=lambda item: -item[1][1]))
    auc = auc_with_interval(scores, synthetic, patients, resamples, seed)
    return TwoSample(kind, classifier, auc, used, scores, features)


def held_out_scores(
    judge: Classifier, synthetic: np.ndarray, patients: np.ndarray, seed: int, repeats: int
) -> np.ndarray:
    """Return every sample's score by classifiers that saw no sample of its patient, mean over repeats."""
    rng = np.random.default_rng(seed)
    total = np.zeros(len(synthetic))
    for _ in range(repeats):
        fold = _folds(synthetic, patients, rng)
        for number in range(FOLDS):
            test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
            if len(test):
                total[test] += judge.scores(train, synthetic, test)
    return total / repeats


def _folds(synthetic: np.ndarray, patients: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deal patients into folds so that each holds as many of each sort: real only, synthetic only, both."""
    sorts: dict[tuple[bool, bool], list[str]] = {}
    for patient in sorted(set(patients)):
        own = synthetic[patients == patient]
        sorts.setdefault((bool(own.any()), bool((~own).any())), []).append(patient)
    fold, dealt = {}, 0
    for _, names in sorted(sorts.items()):
        for name in rng.permutation(names):
            fold[name] = dealt % FOLDS
            dealt += 1
    return np.array([fold[patient] for patient in patients])


def auc(scores: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the probability that a synthetic sample scores higher than a real one, ties counting half."""
    ones, zeros = int(synthetic.sum()), int((~synthetic).sum())
    if not ones or not zeros:
        return float("nan")
    return float((rankdata(scores)[synthetic].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def auc_with_interval(
    scores: np.ndarray, synthetic: np.ndarray, patients: np.ndarray, resamples: int, seed: int
) -> Estimate:
    """Return the AUC with its 95 % percentile interval, patients drawn with replacement."""
    rng = np.random.default_rng([seed, 1])
    names = sorted(set(patients))
    own = {name: np.flatnonzero(patients == name) for name in names}
    drawn = []
    for _ in range(resamples):
        index = np.concatenate([own[names[i]] for i in rng.integers(len(names), size=len(names))])
        drawn.append(auc(scores[index], synthetic[index]))
    if not drawn:
        return Estimate(auc(scores, synthetic))
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return Estimate(auc(scores, synthetic), float(low), float(high))


def _single_auc(values: np.ndarray, synthetic: np.ndarray) -> float:
    known = ~np.isnan(values)
    return auc(values[known], synthetic[known])
