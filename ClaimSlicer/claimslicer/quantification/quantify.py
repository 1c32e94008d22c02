"""Volumes, masses and transmurality of a labelled left ventricle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from claimslicer.anatomy.frame import LVFrame
from claimslicer.brief import brief
from claimslicer.errors import AnatomyError, StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.quantification.chords import wall_chords
from claimslicer.studies import Geometry

MYOCARDIAL_DENSITY_G_PER_ML = 1.05
"""Conventional density of myocardium, healthy or infarcted."""

TRANSMURALITY_CLASSES = ("0", "1–25", "26–50", "51–75", "76–100")
"""Classes of transmurality, in percent of wall thickness."""

Row = dict[str, float | int | str | None]


@dataclass(frozen=True)
class SegmentQuantity:
    """One AHA segment. ``infarct_ml`` includes MVO.

    ``area_fraction`` is infarct ÷ wall in the segment's short-axis areas (0–1), ``transmurality`` the mean of
    infarct thickness ÷ wall thickness over the segment's chords (0–1) and ``transmurality_max`` its largest
    value; all three are NaN where the segment holds no wall.
    """

    segment: int
    volume_ml: float
    infarct_ml: float
    mvo_ml: float
    area_fraction: float
    transmurality: float
    transmurality_max: float

    @property
    def transmurality_class(self) -> str | None:
        """One of :data:`TRANSMURALITY_CLASSES`, or None where the segment holds no wall."""
        return transmurality_class(self.transmurality)


@dataclass(frozen=True)
class Quantification:
    """The numbers of one labelled left ventricle; infarct includes MVO everywhere.

    ``segments`` holds AHA 1–17 in order, or nothing where no frame was given.
    """

    cavity_ml: float
    myocardium_ml: float
    infarct_ml: float
    mvo_ml: float
    segments: tuple[SegmentQuantity, ...] = ()

    __repr__ = brief

    @property
    def myocardium_g(self) -> float:
        """LV mass in g."""
        return self.myocardium_ml * MYOCARDIAL_DENSITY_G_PER_ML

    @property
    def infarct_g(self) -> float:
        """Infarct mass in g."""
        return self.infarct_ml * MYOCARDIAL_DENSITY_G_PER_ML

    @property
    def mvo_g(self) -> float:
        """MVO mass in g."""
        return self.mvo_ml * MYOCARDIAL_DENSITY_G_PER_ML

    @property
    def infarct_percent(self) -> float:
        """Infarct in % of LV mass."""
        return 100.0 * self.infarct_ml / self.myocardium_ml

    @property
    def mvo_percent(self) -> float:
        """MVO in % of LV mass."""
        return 100.0 * self.mvo_ml / self.myocardium_ml

    def totals(self) -> dict[str, float]:
        """Return every total by name; the unit ends the name."""
        return {
            "cavity_ml": self.cavity_ml,
            "myocardium_ml": self.myocardium_ml,
            "myocardium_g": self.myocardium_g,
            "infarct_ml": self.infarct_ml,
            "infarct_g": self.infarct_g,
            "infarct_percent": self.infarct_percent,
            "mvo_ml": self.mvo_ml,
            "mvo_g": self.mvo_g,
            "mvo_percent": self.mvo_percent,
        }

    def rows(self) -> list[Row]:
        """Return one flat row per segment, for a table or CSV; None stands for what can't be measured."""
        return [_row(segment) for segment in self.segments]

    def to_dict(self) -> dict[str, Any]:
        """Return totals and segments as JSON types."""
        return {**self.totals(), "segments": self.rows()}


def quantify(labels: np.ndarray, geometry: Geometry, frame: LVFrame | None = None) -> Quantification:
    """Measure ``labels`` (z, y, x), values of :class:`claimslicer.labels.Label`, in ml, g and percent.

    ``frame`` must be the frame of these very labels; without one there are totals only. Mass is volume ×
    1.05 g/ml. Raises StudyError where there is no myocardium or the shapes differ, AnatomyError where the
    frame belongs to another wall.
    """
    if labels.shape != geometry.shape:
        raise StudyError(
            f"The labels have shape {labels.shape}, their grid {geometry.shape}; give labels of this study."
        )
    wall = myocardium_mask(labels)
    if not wall.any():
        raise StudyError("The labels hold no myocardium (values 2 to 4), so there is nothing to measure.")
    ml = geometry.voxel_volume_ml
    infarct = infarct_mask(labels)
    mvo = labels == Label.MVO
    return Quantification(
        cavity_ml=int((labels == Label.CAVITY).sum()) * ml,
        myocardium_ml=int(wall.sum()) * ml,
        infarct_ml=int(infarct.sum()) * ml,
        mvo_ml=int(mvo.sum()) * ml,
        segments=() if frame is None else _segments(wall, infarct, mvo, frame),
    )


def transmurality_class(transmurality: float) -> str | None:
    """Return the class of a transmurality (0–1): a border value belongs to the lower class; None for NaN."""
    if np.isnan(transmurality):
        return None
    # Rounding keeps a 25 % that was computed as 0.25000000001 in the class of 25 %.
    return TRANSMURALITY_CLASSES[int(np.ceil(round(4.0 * transmurality, 9)))]


def _segments(
    wall: np.ndarray, infarct: np.ndarray, mvo: np.ndarray, frame: LVFrame
) -> tuple[SegmentQuantity, ...]:
    if frame.myocardium.shape != wall.shape or not np.array_equal(frame.myocardium, wall):
        raise AnatomyError("The LV frame was built from another wall than these labels; build it from them.")
    ml = frame.geometry.voxel_volume_ml
    volume, infarct_ml, mvo_ml = (
        np.bincount(frame.segments[mask], minlength=18) * ml for mask in (wall, infarct, mvo)
    )
    chords = wall_chords(infarct, frame)
    segments = []
    for k in range(1, 18):
        along = chords.transmurality[chords.segment == k]
        segments.append(
            SegmentQuantity(
                segment=k,
                volume_ml=float(volume[k]),
                infarct_ml=float(infarct_ml[k]),
                mvo_ml=float(mvo_ml[k]),
                area_fraction=float(infarct_ml[k] / volume[k]) if volume[k] else np.nan,
                transmurality=float(along.mean()) if len(along) else np.nan,
                transmurality_max=float(along.max()) if len(along) else np.nan,
            )
        )
    return tuple(segments)


def _row(segment: SegmentQuantity) -> Row:
    row: Row = {name: None if np.isnan(value) else value for name, value in asdict(segment).items()}
    row["transmurality_class"] = segment.transmurality_class
    return row
