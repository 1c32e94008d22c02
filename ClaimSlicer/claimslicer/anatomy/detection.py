"""The RV insertion points read off the image: the two ends of the bright crescent beside the septum.

Each slice is unrolled round the left ventricle: one axis is the angle, the other the depth beyond the
epicardium. There the right ventricle's blood pool is a triangle standing on the septum: its free wall leaves
the epicardium at both insertions and closes as one goes outward. Neighbours that are as bright (liver, fat)
lie behind a dark free wall and widen outward instead. Triangles of every place, width, height and lean are
compared with the image, and the best explanation wins; how far others come near it tells how sure that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from scipy import ndimage

from claimslicer.anatomy.landmarks import Insertions
from claimslicer.anatomy.stack import ShortAxisStack, make_stack
from claimslicer.errors import AnatomyError
from claimslicer.studies.geometry import Geometry


@dataclass(frozen=True)
class DetectionSettings:
    """Settings of :func:`detect_insertions`, chosen on 15 studies marked by eye (Testing/library/data).

    Grey levels are in units of the slice's blood–wall contrast: 0 is the dark part of the LV wall, 1 the
    bright part of the LV cavity. ``pool_levels`` are the levels tried for the RV, whose brightness differs
    with the distance to the coil; ``pool_sd`` is the spread about it. Angles are in degrees, lengths in mm.
    """

    step_deg: float = 2.0
    depth_mm: float = 39.0
    arcs_deg: tuple[float, ...] = tuple(np.arange(70.0, 146.0, 5.0).tolist())
    heights_mm: tuple[float, ...] = (14.0, 20.0, 26.0, 34.0)
    leans: tuple[float, ...] = (0.3, 0.5, 0.7)
    """Where the triangle's tip stands over its base: 0 at the anterior end, 1 at the inferior one."""
    margin_deg: float = 14.0
    margin_weight: float = 1.2
    """The strip beside each flank that must not look like blood, and its weight against the inside."""
    pool_levels: tuple[float, ...] = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
    pool_sd: float = 0.2
    best_evidence: float = 0.8
    worst_evidence: float = -3.0
    evidence_weight: float = 0.008
    """Neighbouring samples say much the same; this is how much one of them counts."""
    arc_mean_deg: float = 108.0
    arc_sd_deg: float = 13.0
    tolerance_deg: float = 25.0
    """The confidence is the probability that both insertions are found to within this."""
    slices_mm: float = 20.0
    """Slices count less the farther from mid-ventricle, down to nothing at this distance."""


@dataclass(frozen=True)
class _Belief:
    """How well each pair of insertions explains the image: log-probability ``(arc, angle)``, and its grid."""

    log_probability: np.ndarray
    arcs: np.ndarray
    angles: np.ndarray

    def mean(self) -> tuple[float, float]:
        """Return the anterior and inferior angle: the mean of the belief within 30° of its peak."""
        arc, angle = np.unravel_index(int(self.log_probability.argmax()), self.log_probability.shape)
        anterior = _apart(self.angles[None, :], self.angles[angle])
        inferior = _apart(self.angles[None, :] + self.arcs[:, None], self.angles[angle] + self.arcs[arc])
        weight = np.exp(self.log_probability) * (np.abs(anterior) <= 30.0) * (np.abs(inferior) <= 30.0)
        weight /= weight.sum()
        first = self.angles[angle] + float((weight * anterior).sum())
        return first, self.angles[angle] + self.arcs[arc] + float((weight * inferior).sum())

    def share_near(self, anterior: float, inferior: float, tolerance_deg: float) -> float:
        """Return the probability that both insertions lie within ``tolerance_deg`` of the given angles."""
        first = np.abs(_apart(self.angles[None, :], anterior)) <= tolerance_deg
        second = np.abs(_apart(self.angles[None, :] + self.arcs[:, None], inferior)) <= tolerance_deg
        return float(np.exp(self.log_probability)[first & second].sum())


def detect_insertions(
    image: np.ndarray,
    labels: np.ndarray,
    geometry: Geometry,
    *,
    apex_first: bool | None = None,
    settings: DetectionSettings | None = None,
) -> Insertions:
    """Find the RV insertions in an LGE ``image`` ``(z, y, x)``, given its LV ``labels`` on ``geometry``.

    The points lie on the epicardium of the mid-ventricular slice, in LPS mm. Seen from the apex, the septum
    runs counter-clockwise from the anterior to the inferior insertion, so which is which follows from the
    order of the slices; ``apex_first`` overrules the order that is read off the labels. The confidence is the
    probability that both points are within 25° of the truth; below about 0.7 someone should look.
    Raises :class:`AnatomyError` for an image of another shape, labels without a full ring, or an image whose
    blood is not brighter than the wall.
    """
    settings = settings or DetectionSettings()
    if image.shape != labels.shape:
        raise AnatomyError(
            f"The image measures {image.shape} voxels, the labels {labels.shape}; give this study's labels."
        )
    stack = make_stack(labels, geometry, apex_first)
    middle, weights = _slice_weights(stack, settings)
    unrolled = {k: _unroll(image, geometry, stack, k, settings) for k in weights}
    scores = [weights[k] * _triangle_scores(u, settings) for k, u in unrolled.items() if u is not None]
    if not scores:
        raise AnatomyError(
            "The blood is not brighter than the wall in this image, so the right ventricle can't be found; "
            "give the two insertion points."
        )
    belief = _believe(np.sum(scores, axis=0), settings)
    anterior, inferior = belief.mean()
    confidence = min(1.0, belief.share_near(anterior, inferior, settings.tolerance_deg))
    outline, _ = _epicardium(stack, middle, settings)
    points = [_at_angle(outline, angle, settings) for angle in (anterior, inferior)]
    return Insertions(points[0], points[1], "image", confidence)


def _slice_weights(stack: ShortAxisStack, settings: DetectionSettings) -> tuple[int, dict[int, float]]:
    """Return the mid-ventricular slice, and the weight of each slice near it (their sum is at most 2)."""
    rings = np.flatnonzero(stack.full_ring)
    if not len(rings):
        raise AnatomyError("No slice has a full ring of myocardium; give the two insertion points.")
    middle = int(rings[len(rings) // 2])
    distance = np.abs(rings - middle) * stack.geometry.spacing[2]
    weight = np.clip(1.0 - distance / settings.slices_mm, 0.0, None)
    weight *= min(1.0, 2.0 / weight.sum())
    return middle, {int(k): float(w) for k, w in zip(rings, weight, strict=True) if w > 0}


def _epicardium(stack: ShortAxisStack, k: int, settings: DetectionSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return the outer wall of slice ``k``, ``(angle, 3)`` in LPS mm, and the unit spokes to it."""
    normal = stack.apex_to_base
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= np.linalg.norm(first)
    # Counter-clockwise for someone at the apex who looks towards the base.
    second = np.cross(first, normal)
    angle = np.radians(_angles(settings))[:, None]
    spokes = np.cos(angle) * first + np.sin(angle) * second

    inside = ndimage.binary_fill_holes(stack.myocardium[k] | stack.cavity[k])
    centre = stack.geometry.index_to_physical(np.array([k, *ndimage.center_of_mass(inside)]))
    reach = 0.5 * np.linalg.norm(np.multiply(inside.shape, stack.geometry.spacing_zyx[1:]))
    radii = np.arange(0.0, 2.0 * reach, 0.5)
    index = stack.geometry.physical_to_index(centre + radii[None, :, None] * spokes[:, None])
    sampled = ndimage.map_coordinates(inside.astype(float), np.moveaxis(index[..., 1:], -1, 0), order=1) > 0.5
    radius = np.where(sampled, radii, 0.0).max(axis=1)
    return centre + radius[:, None] * spokes, spokes


def _unroll(
    image: np.ndarray, geometry: Geometry, stack: ShortAxisStack, k: int, settings: DetectionSettings
) -> np.ndarray | None:
    """Sample ``image`` outward from the epicardium, ``(angle, depth)`` in contrast units, NaN where it ends.

    None where blood is no brighter than the wall.
    """
    values = stack.crop(image)[k]
    blood, wall = values[stack.cavity[k]], values[stack.myocardium[k]]
    # Papillary muscles darken the cavity's median, scar and partial volume brighten the wall's.
    bright = float(np.percentile(blood[np.isfinite(blood)], 75)) if np.isfinite(blood).any() else 0.0
    dark = float(np.percentile(wall[np.isfinite(wall)], 25)) if np.isfinite(wall).any() else bright
    if bright <= dark:
        return None
    outline, spokes = _epicardium(stack, k, settings)
    points = outline[:, None] + _depths(settings)[None, :, None] * spokes[:, None]
    # Rounded, lest a slice at the end of the image be taken for outside it.
    index = np.moveaxis(geometry.physical_to_index(points).round(6), -1, 0)
    sampled = ndimage.map_coordinates(image.astype(float), index, order=1, cval=np.nan)
    return (sampled - dark) / (bright - dark)


def _angles(settings: DetectionSettings) -> np.ndarray:
    return np.arange(0.0, 360.0, settings.step_deg)


def _depths(settings: DetectionSettings) -> np.ndarray:
    return np.arange(1.0, settings.depth_mm + 0.5)


@lru_cache(maxsize=4)
def _triangles(settings: DetectionSettings) -> np.ndarray:
    """Return the transforms ``(frequency, depth, arc × shape)`` of all triangles, anterior end at angle 0."""
    angle = _angles(settings)
    angle = np.where(angle > 250.0, angle - 360.0, angle)[:, None]
    depth = _depths(settings)[None, :]
    kernels = []
    for arc, height, lean in product(settings.arcs_deg, settings.heights_mm, settings.leans):
        closed = np.minimum(depth / height, 1.0)
        low, high = arc * lean * closed, arc - arc * (1.0 - lean) * closed
        inside = (angle >= low) & (angle <= high)
        beside = (angle >= low - settings.margin_deg) & (angle < low - 1.0)
        beside |= (angle <= high + settings.margin_deg) & (angle > high + 1.0)
        kernels.append((inside - settings.margin_weight * beside) * (depth <= height))
    return np.ascontiguousarray(np.conj(np.fft.rfft(np.stack(kernels, axis=-1), axis=0)))


def _triangle_scores(levels: np.ndarray, settings: DetectionSettings) -> np.ndarray:
    """Return the evidence ``(arc, angle)`` for an RV whose anterior end is at each angle, at best."""
    pool = np.asarray(settings.pool_levels)[:, None]
    misfit = 0.5 * ((levels[:, None] - pool) / settings.pool_sd) ** 2
    evidence = np.clip(settings.best_evidence - misfit, settings.worst_evidence, None)
    # Every triangle at every angle is a correlation, so a product of spectra: (frequency, pool, shape).
    spectrum = np.fft.rfft(np.nan_to_num(evidence), axis=0) @ _triangles(settings)
    response = np.fft.irfft(spectrum, len(levels), axis=0).max(axis=1)
    by_arc = response.reshape(len(levels), len(settings.arcs_deg), -1).max(axis=2)
    return settings.evidence_weight * by_arc.T


def _believe(score: np.ndarray, settings: DetectionSettings) -> _Belief:
    """Turn evidence ``(arc, angle)`` and the usual septal arc into a belief."""
    arcs = np.asarray(settings.arcs_deg)
    log = score - 0.5 * ((arcs[:, None] - settings.arc_mean_deg) / settings.arc_sd_deg) ** 2
    log = log - log.max()
    return _Belief(log - np.log(np.exp(log).sum()), arcs, _angles(settings))


def _at_angle(outline: np.ndarray, angle: float, settings: DetectionSettings) -> tuple[float, float, float]:
    """Return the point of ``outline`` ``(angle, 3)`` at ``angle``, between its samples."""
    position = angle % 360.0 / settings.step_deg
    low = int(position) % len(outline)
    share = position - int(position)
    point = (1.0 - share) * outline[low] + share * outline[(low + 1) % len(outline)]
    return float(point[0]), float(point[1]), float(point[2])


def _apart(angle: np.ndarray, reference: float) -> np.ndarray:
    """Return the signed difference of two angles, −180 to 180."""
    return (angle - reference + 180.0) % 360.0 - 180.0
