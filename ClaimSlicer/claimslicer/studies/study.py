"""A study: one LGE short-axis volume and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from claimslicer.brief import brief
from claimslicer.studies.geometry import Geometry

FIRST_SLICE = "first slice"
"""Key of the metadata: ``apex`` or ``base``, where the collection's convention says which."""


NOTES = "note"
"""Key of the metadata: sentences about how the study was read that its user must see."""


@dataclass(frozen=True)
class Encoding:
    """How a file stores an image: ``image = slope * stored + intercept``, ``stored`` in type ``dtype``."""

    dtype: np.dtype
    slope: float
    intercept: float

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Return the image's values, float64, exact enough for :meth:`encode` to find ``stored`` again."""
        return stored.astype(np.float64) * self.slope + self.intercept

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Return the stored values of ``image``: whole numbers are rounded and kept within their type."""
        stored = (np.asarray(image, np.float64) - self.intercept) / self.slope
        if np.issubdtype(self.dtype, np.integer):
            limits = np.iinfo(self.dtype)
            stored = np.clip(np.rint(stored), limits.min, limits.max)
        return stored.astype(self.dtype)


@dataclass(frozen=True)
class Study:
    """An LGE short-axis volume with its grid and, where known, its labels.

    ``image`` is ``(z, y, x)`` in the values and type that the file holds. Where the file stores them scaled,
    ``encoding`` says how, and ``image`` is float64; it is None where the stored values are the values.
    ``labels`` has the same shape, uint8, in the internal table :class:`claimslicer.labels.Label`.
    ``source`` is the file that the image comes from, or the folder of a DICOM study. ``synthetic`` is true
    when the image, or any image that it was made from, was generated. ``metadata`` holds what the reader
    learnt besides.
    """

    name: str
    image: np.ndarray
    geometry: Geometry
    labels: np.ndarray | None = None
    source: Path | None = None
    synthetic: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    encoding: Encoding | None = None

    __repr__ = brief

    @property
    def apex_first(self) -> bool | None:
        """Whether the first slice is the apex, where the collection's convention says so, else None."""
        return self.metadata[FIRST_SLICE] == "apex" if FIRST_SLICE in self.metadata else None
