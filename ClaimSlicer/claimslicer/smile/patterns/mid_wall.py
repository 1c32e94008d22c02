"""Mid-wall scar: a stripe between the inner and the outer third, as in dilated cardiomyopathy."""

import numpy as np

from claimslicer.smile.bed import Bed

STRIPE = 0.6
IRREGULARITY = 0.08
POROSITY = 0.30


def mid_wall(bed: Bed) -> np.ndarray:
    """Score (N,): high half-way through the transmural range, and near the bed's centre."""
    rough = IRREGULARITY * bed.irregularity + POROSITY * bed.texture.porosity * bed.grain
    return bed.centrality + rough - STRIPE * np.abs(2.0 * bed.depth - 1.0)
