"""Ischaemic scar: a wavefront that starts at the endocardium in the middle of the bed."""

import numpy as np

from claimslicer.smile.bed import Bed

ADVANCE = 1.5
"""Millimetres that a small front has come through the wall for each that it has spread along it."""
CROWDING = 2.5
"""How much rather a front goes on through the wall where its bed leaves it no room to spread.

Both are fitted to the infarcts of EMIDEC: their median depth is 0.25 below 0.5 ml and 0.4 above 1.5 ml."""
LEAST_LOSS = 0.22
"""How much centrality a front loses at least on its way through the wall: in wide beds it arrives late."""
IRREGULARITY = 0.06
POROSITY = 0.30


def ischaemic(bed: Bed) -> np.ndarray:
    """Score (N,): high at the endocardium of the bed's centre, so scar tapers off sideways.

    After Reimer and Jennings' wavefront phenomenon: it begins at the endocardium whatever its size, and is as
    deep in proportion to its width in a small bed as in a wide one.
    """
    advance = ADVANCE * (1.0 + CROWDING * bed.mean_fill)
    loss = max(bed.wall.thickness_mm / (advance * bed.reach_mm), LEAST_LOSS)
    rough = IRREGULARITY * bed.irregularity + POROSITY * bed.texture.porosity * bed.grain
    return bed.centrality + bed.roughness * rough - loss * bed.depth
