"""The left-ventricular frame: ventricular coordinates of every myocardial voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from claimslicer.studies import Geometry

AngleRule = Literal["fixed", "septal"]
InsertionSource = Literal["rv-label", "image", "given"]


@dataclass(frozen=True)
class Insertions:
    """The two RV insertion points in LPS millimetres, where they come from, and how sure they are (0–1)."""

    anterior: tuple[float, float, float]
    inferior: tuple[float, float, float]
    source: InsertionSource = "given"
    confidence: float = 1.0


@dataclass(frozen=True)
class LVFrame:
    """Ventricular coordinates on the study's grid; all arrays are ``(z, y, x)``.

    ``myocardium`` and ``cavity`` are bool. The coordinates are float32 and NaN outside the myocardium:
    ``longitudinal`` 0 at the apex to 1 at the base, ``circumferential`` in degrees [0, 360) as the bull's-eye
    is drawn (0 on the viewer's right, counter-clockwise, so the anterior insertion lies at 120°), and
    ``transmural`` 0 at the endocardium to 1 at the epicardium. ``segments`` is uint8: AHA 1–17, 0 outside.
    """

    geometry: Geometry
    myocardium: np.ndarray
    cavity: np.ndarray
    longitudinal: np.ndarray
    circumferential: np.ndarray
    transmural: np.ndarray
    segments: np.ndarray
    insertions: Insertions
    rule: AngleRule
    apex_first: bool
