"""Whether a scar's place survives in the image: the asked mask against what a segmenter finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.anatomy import LVFrame
from claimslicer.labels import infarct_mask
from claimslicer.quantification import wall_chords

LEAST_SHARE = 0.1
"""A segment is involved when this share of its wall is infarct."""


@dataclass(frozen=True)
class Placement:
    """Where an infarct (MVO included) lies in one ventricle.

    ``segments`` are the AHA segments of whose wall at least a tenth is infarct; ``transmurality`` (0–1) is
    the mean of infarct ÷ wall thickness over the chords that meet infarct, ``angle_deg`` the circular mean
    of the infarct's bull's-eye angle; both are NaN without infarct.
    """

    segments: tuple[int, ...]
    transmurality: float
    angle_deg: float


def place_of(infarct: np.ndarray, frame: LVFrame) -> Placement:
    """Return where ``infarct`` (bool, ``(z, y, x)``) lies in the wall of ``frame``, and only there."""
    infarct = infarct & frame.myocardium
    wall = frame.segment_ml()
    shares = {k: ml / wall[k] for k, ml in frame.segment_ml(infarct).items()}
    chords = wall_chords(infarct, frame).transmurality
    angles = np.deg2rad(frame.circumferential[infarct].astype(float))
    angle = np.rad2deg(np.arctan2(np.sin(angles).sum(), np.cos(angles).sum())) % 360.0
    return Placement(
        tuple(k for k, share in shares.items() if share >= LEAST_SHARE),
        float(chords[chords > 0].mean()) if (chords > 0).any() else float("nan"),
        float(angle) if angles.size else float("nan"),
    )


@dataclass(frozen=True)
class Survival:
    """Asked against found: segments involved (counts and the Dice of the two sets), transmurality, angle.

    ``angle_error_deg`` is absolute, 0–180.
    """

    segments_asked: float
    segments_found: float
    segment_dice: float
    transmurality_asked: float
    transmurality_found: float
    angle_error_deg: float


def survival(asked: np.ndarray, found: np.ndarray, frame: LVFrame) -> Survival:
    """Compare the infarct of two label maps ``(z, y, x)`` in the frame of the asked one's wall."""
    first, second = (place_of(infarct_mask(labels), frame) for labels in (asked, found))
    both = len(set(first.segments) & set(second.segments))
    total = len(first.segments) + len(second.segments)
    return Survival(
        len(first.segments),
        len(second.segments),
        2.0 * both / total if total else float("nan"),
        first.transmurality,
        second.transmurality,
        abs((first.angle_deg - second.angle_deg + 180.0) % 360.0 - 180.0),
    )
