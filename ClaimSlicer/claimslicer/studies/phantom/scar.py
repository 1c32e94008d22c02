"""Scar and MVO in ventricular coordinates, cut at the asked volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.studies.phantom.settings import PhantomScar

OUTSIDE = np.float32(100.0)


@dataclass(frozen=True)
class ScarShape:
    """A scar's wave front: every place has a score, and low scores are taken first.

    ``waves`` is ``(n, 4)``: amplitude, angular order, cycles along the axis and phase of the front's ripple.
    """

    scar: PhantomScar
    waves: np.ndarray

    @classmethod
    def draw(cls, scar: PhantomScar, variation: float, rng: np.random.Generator) -> ScarShape:
        """Draw the front's ripple."""
        count = 6
        waves = np.stack(
            [
                variation * rng.uniform(0.03, 0.10, count),
                rng.integers(2, 9, count),
                rng.uniform(0.5, 3.0, count),
                rng.uniform(0, 2 * np.pi, count),
            ],
            axis=1,
        )
        return cls(scar, waves)

    def _place(self, degrees: np.ndarray, longitudinal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return position across and along the region, -1 to 1 inside it."""
        low, high = self.scar.longitudinal
        turn = (degrees - self.scar.centre_deg + 180) % 360 - 180
        return turn / (self.scar.width_deg / 2), (longitudinal - (low + high) / 2) / ((high - low) / 2)

    def scores(self, degrees: np.ndarray, longitudinal: np.ndarray, transmural: np.ndarray) -> np.ndarray:
        """Score of the scar: 0 at the middle of its endocardial side, 1 at its natural front."""
        across, along = self._place(degrees, longitudinal)
        depth = transmural / self.scar.transmurality
        score = across**4 + along**4 + depth**2
        radians = np.deg2rad(degrees)
        for amplitude, order, cycles, phase in self.waves.astype(np.float32):
            if amplitude:
                along_axis = np.float32(2 * np.pi) * cycles * longitudinal
                score = score + amplitude * np.cos(radians * order + along_axis + phase)
        outside = (np.abs(across) > 1) | (np.abs(along) > 1) | (depth > 1)
        return np.where(outside, OUTSIDE, score).astype(np.float32)

    def core_scores(
        self, degrees: np.ndarray, longitudinal: np.ndarray, transmural: np.ndarray
    ) -> np.ndarray:
        """Score of the MVO: 0 at the core of the scar."""
        across, along = self._place(degrees, longitudinal)
        depth = transmural / self.scar.transmurality
        return (across**2 + along**2 + ((depth - 0.4) / 0.5) ** 2).astype(np.float32)


def cut_at_volume(
    scores: np.ndarray, allowed: np.ndarray, volume_ml: float, voxel_ml: float, what: str
) -> tuple[np.ndarray, float]:
    """Take the lowest-scoring ``allowed`` voxels that make ``volume_ml``, to within half a voxel.

    Returns the mask, shape of ``scores``, and the score it was cut at. Raises SpecificationError when the
    region cannot hold that much or the volume is below half a voxel.
    """
    candidates = np.flatnonzero(allowed & (scores < OUTSIDE))
    count = round(volume_ml / voxel_ml)
    if count > candidates.size:
        raise SpecificationError(
            f"The phantom's {what} of {volume_ml:g} ml does not fit its region, which holds "
            f"{candidates.size * voxel_ml:.1f} ml; widen the region or ask for less."
        )
    if count == 0:
        raise SpecificationError(
            f"The phantom's {what} of {volume_ml:g} ml is less than a voxel ({voxel_ml:.3f} ml); "
            "ask for more."
        )
    order = np.argsort(scores.ravel()[candidates], kind="stable")[:count]
    chosen = candidates[order]
    mask = np.zeros(scores.size, bool)
    mask[chosen] = True
    return mask.reshape(scores.shape), float(scores.ravel()[chosen[-1]])
