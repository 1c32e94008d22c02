"""What is known about a phantom without measuring it.

The AHA segments are worked out here from their definition, apart from the anatomy package, because they are
the yardstick that package is tested against.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.labels import Label
from claimslicer.studies.phantom.heart import ANTERIOR_DEG


@dataclass(frozen=True)
class InsertionPoints:
    """The RV insertion points halfway up the LV, in LPS mm; the fields of ``anatomy.Insertions``."""

    anterior: tuple[float, float, float]
    inferior: tuple[float, float, float]
    source: str = "given"
    confidence: float = 1.0


@dataclass(frozen=True)
class PhantomTruth:
    """Exact facts; arrays are ``(z, y, x)`` on the study's grid.

    ``apex`` and ``base`` are the ends of the long axis (epicardial tip, base plane) in LPS mm and
    ``cavity_end`` the lowest point of the cavity on it. The coordinates are float32, NaN outside the wall:
    ``longitudinal`` 0 at the end of the cavity to 1 at the top of the closed ring (below 0 in the cap),
    ``circumferential`` bull's-eye degrees counted from the anterior insertion at 120°, ``transmural`` 0–1
    in the short-axis plane. ``segments`` (fixed 60° rule) and ``segments_septal`` are AHA 1–17, uint8, 0
    outside the wall. ``noise_free`` is the image before noise, float32. Volumes are in ml of whole voxels;
    ``scar_ml`` counts MVO in.
    """

    apex: tuple[float, float, float]
    cavity_end: tuple[float, float, float]
    base: tuple[float, float, float]
    longitudinal: np.ndarray
    circumferential: np.ndarray
    transmural: np.ndarray
    segments: np.ndarray
    segments_septal: np.ndarray
    noise_free: np.ndarray
    myocardium_ml: float
    scar_ml: float
    mvo_ml: float
    cavity_ml: float
    right_ventricle_ml: float


def aha_segments(longitudinal: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return AHA 1–17 (uint8) for ventricular coordinates of any one shape; 0 where they are NaN.

    ``longitudinal`` in thirds of 0 (end of the cavity) to 1 (base), below 0 is segment 17. Segments 1–6 and
    7–12 are 60° wide and centred at 90° + 60°·(k−1), 13–16 are 90° wide and centred at 90° + 90°·(k−13)
    (Cerqueira et al. 2002).
    """
    known = np.isfinite(longitudinal) & np.isfinite(degrees)
    height, angle = longitudinal[known], degrees[known]
    sixth = np.floor((angle - 60) % 360 / 60).astype(int) % 6
    quarter = np.floor((angle - 45) % 360 / 90).astype(int) % 4
    number = np.where(height >= 2 / 3, 1 + sixth, np.where(height >= 1 / 3, 7 + sixth, 13 + quarter))
    segments = np.zeros(longitudinal.shape, np.uint8)
    segments[known] = np.where(height < 0, 17, number)
    return segments


def septal_degrees(degrees: np.ndarray, septal_arc_deg: float) -> np.ndarray:
    """Stretch bull's-eye angles so that the true septal arc becomes 120° and the free wall 240°."""
    turn = (degrees - ANTERIOR_DEG) % 360
    septum = turn / septal_arc_deg * 120
    free = 120 + (turn - septal_arc_deg) / (360 - septal_arc_deg) * 240
    return (ANTERIOR_DEG + np.where(turn <= septal_arc_deg, septum, free)) % 360


def volumes_ml(labels: np.ndarray, voxel_ml: float) -> dict[str, float]:
    """Return the five volumes of :class:`PhantomTruth` by name."""
    counts = np.bincount(labels.ravel(), minlength=len(Label)) * voxel_ml
    return {
        "myocardium_ml": float(counts[Label.MYOCARDIUM] + counts[Label.INFARCT] + counts[Label.MVO]),
        "scar_ml": float(counts[Label.INFARCT] + counts[Label.MVO]),
        "mvo_ml": float(counts[Label.MVO]),
        "cavity_ml": float(counts[Label.CAVITY]),
        "right_ventricle_ml": float(counts[Label.RIGHT_VENTRICLE]),
    }
