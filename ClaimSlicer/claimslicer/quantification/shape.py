"""The form of a scar: its parts, its outline within the wall, its direction, and its grey levels' entropy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.anatomy.frame import LVFrame

MINIMUM_PART_ML = 0.1
ENTROPY_BINS = 64
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))


@dataclass(frozen=True)
class ScarShape:
    """Numbers of :data:`claimslicer.quantification.names.QUANTITIES` by the same names; None: not defined."""

    scar_components: int
    interface_cm2: float
    patchiness: float | None
    radiality: float | None
    infarct_entropy_bit: float | None
    wall_entropy_bit: float


def scar_shape(infarct: np.ndarray, frame: LVFrame, image: np.ndarray) -> ScarShape:
    """Measure the form of ``infarct`` (bool, MVO included) in the wall of ``frame``; arrays are (z, y, x).

    Components are connected over faces, edges and corners, and hold 0.1 ml at least. Patchiness is Simpson's
    diversity of their volumes (Nature 1949, 163:688), 1 − Σ share². The interface is the contact of infarct
    and healthy wall within the slices × the slices' distance, by :func:`contact_mm`. For radiality see
    :func:`radiality`. Such features of form, interface and entropy of fibrosis tell patients at risk in
    Balaban et al., JACC Clinical Electrophysiology 2021, 7:238; the definitions here are our own. Entropy:
    :func:`entropy`.
    """
    from scipy.ndimage import generate_binary_structure, label

    parts, count = label(infarct, structure=generate_binary_structure(3, 3))
    ml = np.bincount(parts.ravel(), minlength=count + 1)[1:] * frame.geometry.voxel_volume_ml
    share = ml / ml.sum() if count else ml
    healthy = frame.myocardium & ~infarct
    wall = frame.myocardium
    low, high = float(image[wall].min()), float(image[wall].max())
    return ScarShape(
        scar_components=int((ml >= MINIMUM_PART_ML).sum()),
        interface_cm2=contact_mm(infarct, healthy, frame) * slice_distance_mm(frame) / 100.0,
        patchiness=float(1.0 - (share**2).sum()) if count else None,
        radiality=radiality(infarct, frame),
        infarct_entropy_bit=entropy(image[infarct], low, high) if count else None,
        wall_entropy_bit=entropy(image[wall], low, high),
    )


def slice_distance_mm(frame: LVFrame) -> float:
    """Return the distance of the slices' centres in mm."""
    return float(frame.geometry.spacing_zyx[frame.slice_axis])


def contact_mm(a: np.ndarray, b: np.ndarray, frame: LVFrame) -> float:
    """Return the length in mm, over all slices, of the border of ``a`` with ``b`` (bool, (z, y, x)).

    Cauchy–Crofton: the border is crossed by lines along rows, columns and both diagonals; each crossing
    counts by the lines' distance and by the angle that its direction stands for.
    """
    rows_mm, columns_mm = np.delete(frame.geometry.spacing_zyx, frame.slice_axis)
    a, b = (np.moveaxis(mask, frame.slice_axis, 0) for mask in (a, b))
    vectors = np.array([(dy * rows_mm, dx * columns_mm) for dy, dx in _STEPS])
    length = np.hypot(*vectors.T)
    angle = np.arctan2(vectors[:, 0], vectors[:, 1]) % np.pi
    total = 0.0
    for (dy, dx), far, width in zip(_STEPS, length, _angle_shares(angle), strict=True):
        crossings = _crossings(a, b, dy, dx) + _crossings(b, a, dy, dx)
        total += 0.5 * width * crossings * rows_mm * columns_mm / far
    return float(total)


def _crossings(a: np.ndarray, b: np.ndarray, dy: int, dx: int) -> int:
    """Count the voxels of ``a`` whose neighbour ``dy`` rows down and ``dx`` columns right is in ``b``."""
    height, width = a.shape[1:]
    here = (slice(None), slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
    there = (slice(None), slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
    return int((a[here] & b[there]).sum())


def _angle_shares(angle: np.ndarray) -> np.ndarray:
    """Return the part of half a turn that each direction is nearest to."""
    order = np.argsort(angle)
    ordered = angle[order]
    before, after = np.roll(ordered, 1), np.roll(ordered, -1)
    before[0] -= np.pi
    after[-1] += np.pi
    shares = np.empty(len(angle))
    shares[order] = (after - before) / 2.0
    return shares


def radiality(infarct: np.ndarray, frame: LVFrame) -> float | None:
    """Return how much the scar runs through the wall (1) and not round it (0); 0.5 without a direction.

    Its second moments about each part's mean, within the slices, are taken along the radius and round the
    circle of the part's own radius: variance along the radius ÷ the sum of both, each part by its volume.
    None without infarct.
    """
    from scipy.ndimage import generate_binary_structure, label

    rows_mm, columns_mm = np.delete(frame.geometry.spacing_zyx, frame.slice_axis)
    weight = along = 0.0
    layers = zip(
        *(np.moveaxis(m, frame.slice_axis, 0) for m in (infarct, frame.cavity | frame.myocardium)),
        strict=True,
    )
    for scar, ventricle in layers:
        if not scar.any():
            continue
        centre = np.argwhere(ventricle).mean(axis=0)
        parts, count = label(scar, structure=generate_binary_structure(2, 2))
        for k in range(1, count + 1):
            y, x = ((np.argwhere(parts == k) - centre) * (rows_mm, columns_mm)).T
            if len(y) < 3:
                continue
            radius = np.hypot(x, y)
            mean = np.angle(np.mean(np.exp(1j * np.arctan2(y, x))))
            arc = np.angle(np.exp(1j * (np.arctan2(y, x) - mean))) * radius.mean()
            radial, round_it = float(radius.var()), float(np.mean(arc**2))
            along += len(y) * radial / max(radial + round_it, 1e-12)
            weight += len(y)
    return along / weight if weight else None


def entropy(values: np.ndarray, low: float, high: float, bins: int = ENTROPY_BINS) -> float:
    """Return the Shannon entropy in bits of grey levels in equal bins from ``low`` to ``high``.

    Shannon, Bell System Technical Journal 1948, 27:379; of LGE's grey levels: Androulakis et al., European
    Heart Journal – Cardiovascular Imaging 2019, 20:1. With 64 bins it is 6 at most.
    """
    if high <= low or not values.size:
        return 0.0
    count = np.histogram(values, bins=bins, range=(low, high))[0]
    share = count[count > 0] / count.sum()
    return float(-(share * np.log2(share)).sum()) + 0.0
