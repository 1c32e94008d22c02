"""Ischaemic scar: a wavefront that starts at the endocardium in the middle of the bed."""

import numpy as np

from claimslicer.smile.bed import Bed

WAVEFRONT = 0.4
"""How much centrality the front loses on its way through the wall, in a bed of which all is asked for."""
IRREGULARITY = 0.06
POROSITY = 0.30


def ischaemic(bed: Bed) -> np.ndarray:
    """Score (N,): high at the endocardium of the bed's centre, so scar tapers off sideways.

    After Reimer and Jennings' wavefront phenomenon. The front is steeper in small scars, as these too reach
    about as deep in proportion to their width.
    """
    steepness = WAVEFRONT * np.sqrt(bed.mean_fill)
    rough = IRREGULARITY * bed.irregularity + POROSITY * bed.texture.porosity * bed.grain
    return bed.centrality + rough - steepness * bed.depth
