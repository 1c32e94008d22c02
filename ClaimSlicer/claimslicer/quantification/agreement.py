"""Agreement of two measurements over a cohort, and intervals over patients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from claimslicer.errors import SpecificationError


@dataclass(frozen=True)
class BlandAltman:
    """Bias (measured − reference), SD of the differences and 95 % limits of agreement, in the unit given."""

    bias: float
    sd: float
    lower: float
    upper: float
    count: int


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval, and how many patients it stands on."""

    estimate: float
    low: float
    high: float
    count: int


def bland_altman(measured: Sequence[float], reference: Sequence[float]) -> BlandAltman:
    """Return bias and limits of agreement, bias ± 1.96 SD (Bland and Altman, Lancet 1986).

    Both are ``(patients,)``. Raises SpecificationError for fewer than two pairs or unequal lengths.
    """
    a, b = _pairs(measured, reference)
    difference = a - b
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    return BlandAltman(bias, sd, bias - 1.96 * sd, bias + 1.96 * sd, len(difference))


def concordance(measured: Sequence[float], reference: Sequence[float]) -> float:
    """Return the concordance correlation coefficient (Lin, Biometrics 1989, with 1/n moments).

    NaN where both are constant and equal, for which it isn't defined.
    """
    a, b = _pairs(measured, reference)
    covariance = np.mean((a - a.mean()) * (b - b.mean()))
    spread = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return float(2.0 * covariance / spread) if spread > 0 else float("nan")


def bootstrap_interval(
    values: Sequence[float],
    rng: np.random.Generator,
    *,
    statistic: Callable[..., float] = np.mean,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Return ``statistic`` of ``values`` (one per patient) with its percentile bootstrap interval.

    Patients are the unit that is drawn anew. NaN values (cases that a convention leaves out) are dropped
    first. Raises SpecificationError where fewer than two values are left.
    """
    from scipy.stats import bootstrap

    kept = np.asarray(values, float)
    kept = kept[~np.isnan(kept)]
    if len(kept) < 2:
        raise SpecificationError("An interval needs values of at least two patients; give a larger cohort.")
    estimate = float(statistic(kept))
    if np.ptp(kept) == 0:
        return Interval(estimate, estimate, estimate, len(kept))
    result = bootstrap(
        (kept,),
        statistic,
        confidence_level=level,
        n_resamples=resamples,
        method="percentile",
        random_state=rng,
    ).confidence_interval
    return Interval(estimate, float(result.low), float(result.high), len(kept))


def mean_of_known(values: Iterable[float]) -> float:
    """Return the mean of the values that are numbers, not a number without any."""
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")


def _pairs(measured: Sequence[float], reference: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(measured, float), np.asarray(reference, float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise SpecificationError(
            f"Agreement needs two lists of the same patients, at least two, not {a.size} and {b.size}."
        )
    return a, b
