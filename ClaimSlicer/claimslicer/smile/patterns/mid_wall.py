"""Mid-wall scar: a stripe between the inner and the outer third, as in dilated cardiomyopathy."""

import numpy as np

from claimslicer.smile.bed import Bed

STRIPE = 0.6
NARROWING = 1.4
"""A scar that fills its bed keeps to its layer only if this counts for more than to lie in the middle."""
IRREGULARITY = 0.08
POROSITY = 0.30


def mid_wall(bed: Bed) -> np.ndarray:
    """Score (N,): high half-way through the transmural range, and near the bed's centre."""
    rough = IRREGULARITY * bed.irregularity + POROSITY * bed.texture.porosity * bed.grain
    stripe = STRIPE + NARROWING * bed.mean_fill
    return bed.centrality + bed.roughness * rough - stripe * np.abs(2.0 * bed.depth - 1.0)
