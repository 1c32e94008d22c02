"""Subepicardial scar: it starts at the epicardium, as after myocarditis."""

import numpy as np

from claimslicer.smile.bed import Bed

DEPTH = 0.6
IRREGULARITY = 0.08
POROSITY = 0.30


def subepicardial(bed: Bed) -> np.ndarray:
    """Score (N,): high at the outer face of the transmural range, and near the bed's centre."""
    rough = IRREGULARITY * bed.irregularity + POROSITY * bed.texture.porosity * bed.grain
    return bed.centrality + rough - DEPTH * (1.0 - bed.depth)
