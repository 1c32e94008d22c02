"""What a segmenter's verdict on a synthetic scar is worth, calibrated on real scars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from claimslicer.errors import SpecificationError


@dataclass(frozen=True)
class QualityFilter:
    """Keeps a synthetic scar when a segmenter finds it with at least ``threshold`` Dice."""

    threshold: float

    @classmethod
    def calibrate(cls, real_dice: ArrayLike, pass_rate: float = 0.9) -> Self:
        """Return the strictest filter that at least ``pass_rate`` (0–1) of the real scars pass.

        ``real_dice`` are the segmenter's Dice values on real scars that it was not trained on.
        Raises SpecificationError without any, or for a rate outside (0, 1].
        """
        values = np.sort(np.asarray(real_dice, float))[::-1]
        if not 0 < pass_rate <= 1:
            raise SpecificationError(f"The pass rate must be above 0 and at most 1, not {pass_rate:g}.")
        if not len(values) or np.isnan(values).any():
            raise SpecificationError("A quality filter needs the Dice of at least one real scar.")
        # Rounding keeps 0.9 of ten at nine.
        return cls(float(values[int(np.ceil(round(pass_rate * len(values), 9))) - 1]))

    def passes(self, dice: float) -> bool:
        """Say whether a scar found with this Dice is kept."""
        return dice >= self.threshold


@dataclass(frozen=True)
class VolumeBias:
    """A segmenter's bias: it finds ``factor`` times the true volume, as real scars show it."""

    factor: float

    @classmethod
    def fit(cls, found_ml: ArrayLike, true_ml: ArrayLike) -> Self:
        """Regress found on true volumes through the origin: the median of found ÷ true, ``(studies,)``.

        The median, because errors grow with the volume and a scar that was missed must not count for much.
        An intercept would be a guess from few small scars, which it decides about.
        Raises SpecificationError for fewer than three studies, a study without scar, or a segmenter that
        finds nothing in most.
        """
        found, true = np.asarray(found_ml, float), np.asarray(true_ml, float)
        if found.shape != true.shape or found.size < 3 or not (true > 0).all():
            raise SpecificationError("A segmenter's volume bias needs three real studies with scar.")
        factor = float(np.median(found / true))
        if not factor > 0:
            raise SpecificationError("The segmenter misses most real scars: take a better segmenter.")
        return cls(factor)

    def corrected(self, found_ml: float) -> float:
        """Return the volume that the segmenter would find as ``found_ml``."""
        return found_ml / self.factor


def leave_one_out_corrected(found_ml: ArrayLike, true_ml: ArrayLike) -> list[float]:
    """Return each real study's corrected volume, by the bias that the other studies show."""
    found, true = np.asarray(found_ml, float), np.asarray(true_ml, float)
    return [
        VolumeBias.fit(np.delete(found, i), np.delete(true, i)).corrected(float(found[i]))
        for i in range(len(found))
    ]
