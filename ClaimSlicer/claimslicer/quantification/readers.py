"""Agreement of two readings of the same studies: ICC and weighted kappa, beside what :mod:`agreement` has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claimslicer.errors import SpecificationError


def icc_2_1(first: Sequence[float], second: Sequence[float]) -> float:
    """Return ICC(2,1): two-way random effects, absolute agreement, single rater.

    Shrout and Fleiss, Psychological Bulletin 1979, 86:420. Both are ``(patients,)``. NaN where nothing
    varies. Raises SpecificationError for fewer than two pairs or unequal lengths.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise SpecificationError("Agreement needs two lists of the same patients, at least two.")
    table = np.stack([a, b], 1)
    n, k = table.shape
    mean = table.mean()
    rows = k * ((table.mean(1) - mean) ** 2).sum() / (n - 1)
    columns = n * ((table.mean(0) - mean) ** 2).sum() / (k - 1)
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + mean
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    whole = rows + (k - 1) * error + k * (columns - error) / n
    return float((rows - error) / whole) if whole > 0 else float("nan")


def weighted_kappa(first: Sequence[int], second: Sequence[int], classes: int) -> float:
    """Return Cohen's kappa with linear weights of two classings 0 … ``classes`` − 1, both ``(items,)``.

    Cohen, Psychological Bulletin 1968, 70:213. NaN where both only know one and the same class.
    Raises SpecificationError for lists of unequal lengths or without items.
    """
    a, b = np.asarray(first, int), np.asarray(second, int)
    if a.shape != b.shape or not len(a):
        raise SpecificationError("Kappa needs two lists of classes of the same segments.")
    seen = np.zeros((classes, classes))
    np.add.at(seen, (a, b), 1.0 / len(a))
    weight = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes)))
    chance = float((weight * np.outer(seen.sum(1), seen.sum(0))).sum())
    return 1.0 - float((weight * seen).sum()) / chance if chance > 0 else float("nan")
