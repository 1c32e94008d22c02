"""Subepicardial scar: it starts at the epicardium, as after myocarditis."""

import numpy as np

from claimslicer.smile.bed import Bed

DEPTH = 0.6
NARROWING = 1.4
"""A scar that fills its bed keeps to its layer only if this counts for more than to lie in the middle."""
IRREGULARITY = 0.08
POROSITY = 0.30


def subepicardial(bed: Bed) -> np.ndarray:
    """Score (N,): high at the outer face of the transmural range, and near the bed's centre."""
    rough = IRREGULARITY * bed.irregularity + POROSITY * bed.texture.porosity * bed.grain
    layer = DEPTH + NARROWING * bed.mean_fill
    return bed.centrality + bed.roughness * rough - layer * (1.0 - bed.depth)
