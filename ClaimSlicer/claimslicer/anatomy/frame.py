"""The left-ventricular frame: ventricular coordinates of every myocardial voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from claimslicer.anatomy.landmarks import AngleRule, Insertions
from claimslicer.brief import brief
from claimslicer.errors import AnatomyError
from claimslicer.studies.geometry import Geometry


@dataclass(frozen=True)
class LVFrame:
    """Ventricular coordinates on the study's grid; all arrays are ``(z, y, x)``.

    ``myocardium`` and ``cavity`` are bool. The coordinates are float32 and NaN outside the myocardium:
    ``longitudinal`` 0 at the apex to 1 at the base, ``circumferential`` in degrees [0, 360) as the bull's-eye
    is drawn (0 on the viewer's right, counter-clockwise, so the anterior insertion lies at 120°), and
    ``transmural`` 0 at the endocardium to 1 at the epicardium. ``segments`` is uint8: AHA 1–17, 0 outside.
    ``septal_arc_deg`` is the angle between the insertions over the septum, as found in this heart;
    ``apex_first`` tells the order of the slices along ``slice_axis``, and ``length_mm`` is what
    ``longitudinal`` 0 to 1 measures.
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
    slice_axis: int = 0
    septal_arc_deg: float = 120.0
    length_mm: float = float("nan")

    __repr__ = brief

    def segment_ml(self, members: np.ndarray | None = None) -> dict[int, float]:
        """Return the ml of each segment that the frame shows, or of ``members`` (bool, (z, y, x)) in it."""
        shown = np.bincount(self.segments[self.myocardium], minlength=18)
        count = shown if members is None else np.bincount(self.segments[members], minlength=18)
        return {k: float(count[k] * self.geometry.voxel_volume_ml) for k in range(1, 18) if shown[k]}


def build_frame(
    labels: np.ndarray,
    geometry: Geometry,
    *,
    image: np.ndarray | None = None,
    insertions: Insertions | None = None,
    rule: AngleRule = "fixed",
    apex_first: bool | None = None,
    mirrored: bool = False,
    like: LVFrame | None = None,
) -> LVFrame:
    """Give every myocardial voxel its ventricular coordinates and AHA segment.

    ``labels`` and ``image`` are ``(z, y, x)`` on ``geometry``; labels are :class:`~claimslicer.labels.Label`
    values. The insertions are, in this order, those given, those of an RV label, or those found in ``image``.
    With rule "fixed", angles are counted from the anterior insertion; with "septal" they are stretched so
    that the septum spans 120° to 240°. ``apex_first`` overrules the slice order read off the labels, and
    ``mirrored`` says that the header's orientation shows the heart as in a mirror.

    ``like`` is a frame of the same labels, such as before the insertions were moved: what they don't change
    is taken from there, in half the time.

    Coordinates in the manner of Bayer et al., Medical Image Analysis 2018, 45:83; levels and angles by
    Cerqueira et al., Circulation 2002, 105:539. Raises :class:`AnatomyError` with what to do about it.
    """
    from claimslicer.anatomy.coordinates import assign_segments, fit_long_axis, transmural_depth
    from claimslicer.anatomy.insertions import bullseye_angle, septal_arc
    from claimslicer.anatomy.stack import make_stack

    if rule not in get_args(AngleRule):
        raise AnatomyError(f"There is no angle rule {rule!r}; choose 'fixed' or 'septal'.")
    stack = make_stack(labels, geometry, apex_first)
    axis = fit_long_axis(stack)
    if insertions is None:
        insertions = _find_insertions(labels, geometry, image, apex_first, mirrored)
    start, arc = septal_arc(stack, axis, insertions, mirrored)

    wall = stack.myocardium
    points = stack.geometry.index_to_physical(np.argwhere(wall))
    height = axis.height(points)
    degrees = bullseye_angle(axis.angle(points), start, arc, rule, mirrored)

    def on_study_grid(values: np.ndarray) -> np.ndarray:
        volume = np.full(wall.shape, np.nan, np.float32)
        volume[wall] = values
        return stack.restore(volume, np.nan)

    segments = np.zeros(wall.shape, np.uint8)
    segments[wall] = assign_segments(axis, height, degrees)
    length = axis.base - axis.apex
    if like is not None and like.apex_first == stack.apex_first:
        transmural = like.transmural
    else:
        transmural = stack.restore(transmural_depth(stack), np.nan)
    return LVFrame(
        geometry=geometry,
        myocardium=stack.restore(wall, False),
        cavity=stack.restore(stack.cavity, False),
        longitudinal=on_study_grid((height - axis.apex) / length),
        circumferential=on_study_grid(degrees),
        transmural=transmural,
        segments=stack.restore(segments, 0),
        insertions=insertions,
        rule=rule,
        apex_first=stack.apex_first,
        slice_axis=stack.slice_axis,
        septal_arc_deg=arc,
        length_mm=length,
    )


def _find_insertions(
    labels: np.ndarray, geometry: Geometry, image: np.ndarray | None, apex_first: bool | None, mirrored: bool
) -> Insertions:
    """Take the insertions from the RV label where there is one, else from the image."""
    from claimslicer.anatomy.insertions import insertions_from_rv, swapped
    from claimslicer.labels import Label

    if (labels == Label.RIGHT_VENTRICLE).any():
        return insertions_from_rv(labels, geometry, apex_first=apex_first, mirrored=mirrored)
    if image is None:
        raise AnatomyError(
            "Nothing tells how this ventricle is turned; give the two RV insertion points, an RV label or "
            "the image."
        )
    from claimslicer.anatomy.detection import detect_insertions

    found = detect_insertions(image, labels, geometry, apex_first=apex_first)
    return swapped(found) if mirrored else found
