"""Synthetic scars against real ones over a cohort: distances, the null of real against real, intervals.

The null is what two random halves of the real patients differ by. For a synthetic kind, the same halves are
drawn, and the second is replaced by synthetic scars of as many hearts that aren't in the first, one scar a
heart. So both are the same estimator on the same numbers of studies, and agree where the kind is as real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.stats import wasserstein_distance

from claimslicer.evaluation.record import ScarRecord

LEVELS = "grey levels"
"""The yardstick of the scars' grey levels, every study weighing the same; the others are one number each."""
CHANCE = 0.95
"""A kind fails a yardstick when it lies further from the real scars than this share of real halves do."""

Patients = Mapping[str, Sequence[ScarRecord]]
Measure = Callable[[ScarRecord], float]
Samples = Sequence[Sequence[np.ndarray]]
"""Of each patient, the values of each of its studies."""


@dataclass(frozen=True)
class Distance:
    """A kind's distance from the real scars on one yardstick, in the yardstick's unit.

    ``all_studies`` is the Wasserstein distance between all studies of either, patients weighing equally,
    and ``low`` and ``high`` the ends of its 95 % percentile bootstrap interval over patients.
    ``halves`` is the median over random halves, ``null`` that of real against real and ``null_high`` the
    null's 95th percentile. NaN where no study shows the measure.
    """

    all_studies: float
    low: float
    high: float
    halves: float
    null: float
    null_high: float

    @property
    def ratio(self) -> float:
        """``halves`` ÷ ``null``: 1 is as real as real scars are."""
        return self.halves / self.null if self.null > 0 else float("nan")

    @property
    def fails(self) -> bool:
        """Whether real halves are hardly ever as far apart."""
        return self.halves > self.null_high


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % bootstrap interval over patients, NaN where there is one patient."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


def by_patient(records: Sequence[ScarRecord]) -> dict[str, list[ScarRecord]]:
    """Return the records of each patient, in order of name."""
    patients: dict[str, list[ScarRecord]] = {}
    for record in sorted(records, key=lambda r: (r.case, r.draw)):
        patients.setdefault(record.case, []).append(record)
    return patients


def values_of(record: ScarRecord, yardstick: str) -> np.ndarray:
    """Return what a record shows on a yardstick: 200 quantiles of :data:`LEVELS`, else one number or none."""
    if yardstick == LEVELS:
        return record.quantiles
    value = getattr(record.measures, yardstick)
    return np.array([]) if np.isnan(value) else np.array([value])


def distance_between(one: Samples, other: Samples) -> float:
    """Return the Wasserstein distance of two groups, each patient weighing the same; NaN if one is empty."""
    (a, a_weights), (b, b_weights) = (_weighted(group) for group in (one, other))
    return float(wasserstein_distance(a, b, a_weights, b_weights)) if len(a) and len(b) else float("nan")


def _weighted(group: Samples) -> tuple[np.ndarray, np.ndarray]:
    values = [np.concatenate(studies) for studies in group]
    weights = [np.full(len(own), 1.0 / max(len(own), 1)) for own in values]
    return np.concatenate(values), np.concatenate(weights)


@dataclass(frozen=True)
class RealScars:
    """The real patients (one record each) and the random halves that every kind is compared by.

    ``nulls`` keeps what :meth:`null` has computed.
    """

    patients: Patients
    halves: Sequence[tuple[Sequence[str], Sequence[str]]]
    nulls: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, records: Sequence[ScarRecord], draws: int, rng: np.random.Generator) -> RealScars:
        """Draw ``draws`` random halves of the patients of ``records``."""
        patients = by_patient(records)
        names = np.array(sorted(patients))
        halves = [np.array_split(rng.permutation(names), 2) for _ in range(draws)]
        return cls(patients, [([str(n) for n in one], [str(n) for n in two]) for one, two in halves])

    def samples(self, yardstick: str) -> dict[str, list[np.ndarray]]:
        """Return each patient's values on a yardstick."""
        return _samples(self.patients, yardstick)

    def null(self, yardstick: str) -> np.ndarray:
        """Return the distance of every two halves."""
        if yardstick not in self.nulls:
            real = self.samples(yardstick)
            self.nulls[yardstick] = _known(
                distance_between([real[n] for n in one], [real[n] for n in two]) for one, two in self.halves
            )
        return self.nulls[yardstick]

    def quartiles(self, yardstick: str) -> tuple[float, float]:
        """Return the first and third quartile over all studies."""
        low, high = _quantiles(_flat(self.samples(yardstick).values()), (0.25, 0.75))
        return low, high


@dataclass(frozen=True)
class Against:
    """One kind of scar beside the real ones; ``resamples`` bootstrap samples, the same for all figures."""

    real: RealScars
    kind: Patients
    resamples: int
    seed: int = 0

    @cached_property
    def stand_ins(self) -> list[list[tuple[str, int]]]:
        """For each two halves, the hearts (and which scar of theirs) that stand in for the second."""
        rng = np.random.default_rng([self.seed, 0])
        drawn = []
        for one, two in self.real.halves:
            free = [name for name in sorted(self.kind) if name not in one]
            chosen = [free[i] for i in rng.permutation(len(free))[: len(two)]]
            drawn.append([(name, int(rng.integers(len(self.kind[name])))) for name in chosen])
        return drawn

    @cached_property
    def resampled(self) -> list[tuple[list[str], list[str]]]:
        """Patients drawn with replacement, real and of this kind; those that both have are drawn together."""
        rng = np.random.default_rng([self.seed, 1])
        names, hearts = sorted(self.real.patients), sorted(self.kind)
        paired = set(hearts) <= set(names)
        drawn = []
        for _ in range(self.resamples):
            real = [names[i] for i in rng.integers(len(names), size=len(names))]
            other = [hearts[i] for i in rng.integers(len(hearts), size=len(hearts))]
            drawn.append((real, [name for name in real if name in self.kind] if paired else other))
        return drawn

    def distance(self, yardstick: str) -> Distance:
        """Return the kind's distance from the real scars on a yardstick."""
        real, kind = self.real.samples(yardstick), _samples(self.kind, yardstick)
        own = _known(
            distance_between([real[n] for n in one], [[kind[n][i]] for n, i in chosen])
            for (one, _), chosen in zip(self.real.halves, self.stand_ins, strict=True)
        )
        spread = _known(
            distance_between([real[n] for n in ours], [kind[n] for n in theirs])
            for ours, theirs in self.resampled
        )
        return Distance(
            distance_between(list(real.values()), list(kind.values())),
            *_quantiles(spread, (0.025, 0.975)),
            *_quantiles(own, (0.5,)),
            *_quantiles(self.real.null(yardstick), (0.5, CHANCE)),
        )

    def share_inside(self, yardstick: str) -> tuple[float, float]:
        """Return the share (0–1) inside a real half's quartiles: of this kind, and of the other real half.

        Means over the halves. Half of the real studies lie inside their own quartiles by definition, so the
        second number is what may be hoped for.
        """
        real, kind = self.real.samples(yardstick), _samples(self.kind, yardstick)
        shares: tuple[list[float], list[float]] = ([], [])
        for (one, two), chosen in zip(self.real.halves, self.stand_ins, strict=True):
            low, high = _quantiles(_flat(real[n] for n in one), (0.25, 0.75))
            groups = (_flat([[kind[n][i]] for n, i in chosen]), _flat(real[n] for n in two))
            for found, values in zip(shares, groups, strict=True):
                if len(values):
                    found.append(float(np.mean((values >= low) & (values <= high))))
        of_kind, of_real = (float(np.mean(found)) if found else float("nan") for found in shares)
        return of_kind, of_real

    def mean(self, measure: Measure) -> Estimate:
        """Return the mean of ``measure``, a patient being the mean of its studies; NaN is left out."""
        means = _patient_means(self.kind, measure)
        drawn = _known(_mean([means[name] for name in theirs]) for _, theirs in self.resampled)
        return _estimate(_mean(list(means.values())), drawn, len(means))

    def dispersion(self, measure: Measure) -> float:
        """Return the SD of ``measure`` over patients ÷ that over the real ones; NaN for one patient."""
        own, real = (
            _known(_patient_means(patients, measure).values()) for patients in (self.kind, self.real.patients)
        )
        if min(len(own), len(real)) < 2 or not real.std() > 0:
            return float("nan")
        return float(own.std(ddof=1) / real.std(ddof=1))

    def difference(self, measure: Measure) -> Estimate:
        """Return the mean of ``measure`` over this kind minus that over the real scars."""
        real, own = _patient_means(self.real.patients, measure), _patient_means(self.kind, measure)
        drawn = _known(
            _mean([own[name] for name in theirs]) - _mean([real[name] for name in ours])
            for ours, theirs in self.resampled
        )
        return _estimate(_mean(list(own.values())) - _mean(list(real.values())), drawn, len(own))


def _samples(patients: Patients, yardstick: str) -> dict[str, list[np.ndarray]]:
    return {name: [values_of(r, yardstick) for r in records] for name, records in patients.items()}


def _patient_means(patients: Patients, measure: Measure) -> dict[str, float]:
    return {name: _mean([measure(record) for record in records]) for name, records in patients.items()}


def _flat(group: Iterable[Sequence[np.ndarray]]) -> np.ndarray:
    return np.concatenate([values for studies in group for values in studies])


def _known(values: Iterable[float]) -> np.ndarray:
    found = np.array(list(values))
    return found[~np.isnan(found)]


def _mean(values: Sequence[float]) -> float:
    known = _known(values)
    return float(known.mean()) if len(known) else float("nan")


def _estimate(value: float, drawn: np.ndarray, patients: int) -> Estimate:
    return Estimate(value, *_quantiles(drawn, (0.025, 0.975))) if patients > 1 else Estimate(value)


def _quantiles(values: np.ndarray, at: tuple[float, ...]) -> list[float]:
    return [float(q) for q in np.quantile(values, at)] if len(values) else [float("nan")] * len(at)
