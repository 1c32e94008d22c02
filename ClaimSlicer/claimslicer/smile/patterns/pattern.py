"""What a pattern is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from claimslicer.smile.bed import Bed


@dataclass(frozen=True)
class Pattern:
    """A way for scar to spread.

    ``score`` takes the bed to a score (N,): the points of the highest score become scar, as many as are asked
    for. Parts smaller than ``smallest_island_ml`` are given up in favour of the rest.
    """

    score: Callable[[Bed], np.ndarray]
    smallest_island_ml: float = 0.25
