"""A study: one LGE short-axis volume and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from claimslicer.studies.geometry import Geometry


@dataclass(frozen=True)
class Study:
    """An LGE short-axis volume with its grid and, where known, its labels.

    ``image`` is ``(z, y, x)`` in the values and type that the file holds. ``labels`` has the same shape,
    uint8, in the internal table :class:`claimslicer.labels.Label`. ``synthetic`` is true when the image, or
    any image that it was made from, was generated. ``metadata`` holds what the reader learnt besides.
    """

    name: str
    image: np.ndarray
    geometry: Geometry
    labels: np.ndarray | None = None
    source: Path | None = None
    synthetic: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
