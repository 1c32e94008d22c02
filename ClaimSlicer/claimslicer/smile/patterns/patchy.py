"""Patchy scar: several grains anywhere in the bed and at any depth, as in sarcoidosis or hypertrophy."""

import numpy as np

from claimslicer.smile.bed import Bed

CENTRALITY = 0.5


def patchy(bed: Bed) -> np.ndarray:
    """Score (N,): the texture's grain itself, kept a little away from the border of the chosen segments."""
    return bed.grain + CENTRALITY * bed.centrality
