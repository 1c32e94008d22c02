"""What gives a painted scar away, in numbers: levels, grain, rim and seam of one slice of a scar.

Grey levels are in the slice's own units (0 remote wall, 1 blood). The grain is that of the Laplacian; its
size in a region is given against the same slice's remote wall and blood, so that noise and coil drop out.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats
from skimage import measure

from claimslicer.labels import Label, infarct_mask, myocardium_mask

CROSS = ndimage.generate_binary_structure(2, 1)
LAPLACE_WHITE = np.sqrt(20.0)
"""SD of the five-point Laplacian of white noise of SD 1."""


def slice_features(
    units: np.ndarray,
    labels: np.ndarray,
    remote: np.ndarray,
    blood: np.ndarray,
    pixel_mm: tuple[float, float],
) -> dict[str, float]:
    """Return the features of the infarct in one slice; NaN where it doesn't show one.

    All arrays are ``(y, x)``; ``remote`` and ``blood`` (bool) are where the units were taken, ``pixel_mm`` is
    a pixel's height and width.
    """
    regions = _regions(labels, remote, blood)
    laplacian = ndimage.laplace(units.astype(np.float64))
    noise = _noise(laplacian, remote | blood)
    return (
        _levels(units, regions)
        | _rims(units, laplacian, regions, noise)
        | _grain(units, laplacian, regions, noise, pixel_mm)
        | _seam(units, labels, noise)
    )


def _regions(labels: np.ndarray, remote: np.ndarray, blood: np.ndarray) -> dict[str, np.ndarray]:
    """Return the layers, a pixel wide, on either side of the infarct's border, and what lies further."""
    infarct, pool = infarct_mask(labels), labels == Label.CAVITY
    healthy, outside = labels == Label.MYOCARDIUM, ~(myocardium_mask(labels) | pool)
    first, second = (ndimage.binary_dilation(infarct, CROSS, iterations=n) for n in (1, 2))
    core = ndimage.binary_erosion(infarct, CROSS)
    rim = infarct & ~core

    def beside(tissue: np.ndarray) -> np.ndarray:
        return infarct & ndimage.binary_dilation(tissue, CROSS)

    layers = {"scar": labels == Label.INFARCT, "mvo": labels == Label.MVO, "core": core, "rim": rim}
    for name, tissue in (("wall", healthy), ("blood", pool), ("outside", outside)):
        layers[f"in, {name}"] = beside(tissue)
        layers[f"out 1, {name}"] = first & ~infarct & tissue
        layers[f"out 2, {name}"] = second & ~first & tissue
    # The cavity's edge away from the infarct: what blood meeting wall looks like in this very slice.
    edge = ndimage.binary_dilation(healthy | outside, CROSS) & pool
    layers["blood edge"] = edge & ~ndimage.binary_dilation(infarct, CROSS, iterations=4)
    return layers | {"remote": remote, "pool": blood, "out 1": first & ~infarct}


def _levels(units: np.ndarray, regions: dict[str, np.ndarray]) -> dict[str, float]:
    inside = units[regions["scar"]].astype(np.float64)
    low, middle, high, top = np.quantile(inside, (0.1, 0.5, 0.9, 0.98))
    return {
        "mean": inside.mean(),
        "SD": inside.std(),
        "10th percentile": low,
        "90th percentile": high,
        "98th − 90th percentile": top - high,
        "skewness": float(stats.skew(inside)) if inside.std() > 1e-9 else 0.0,
        "kurtosis": float(stats.kurtosis(inside)) if inside.std() > 1e-9 else 0.0,
        "SD against remote": inside.std() / max(_sd(units, regions["remote"]), 1e-6),
        "MVO − scar": _mean(units, regions["mvo"]) - middle,
    }


def _rims(
    units: np.ndarray, laplacian: np.ndarray, regions: dict[str, np.ndarray], noise: float
) -> dict[str, float]:
    core = _mean(units, regions["core"])
    found = {"core − rim": core - _mean(units, regions["rim"])}
    gradient = np.hypot(*(ndimage.sobel(units, axis) / 8.0 for axis in (0, 1)))
    base = {"wall": 0.0, "blood": 1.0}
    for name in ("wall", "blood", "outside"):
        inner, first, second = (regions[f"{layer}, {name}"] for layer in ("in", "out 1", "out 2"))
        found[f"step to {name}"] = _mean(units, inner) - _mean(units, first)
        found[f"second step to {name}"] = _mean(units, first) - _mean(units, second)
        found[f"core − rim by {name}"] = core - _mean(units, inner)
        found[f"curvature inside, {name}"] = _mean(laplacian, inner)
        found[f"curvature outside, {name}"] = _mean(laplacian, first)
        found[f"scatter inside, {name}"] = _sd(units, inner) / noise
        found[f"scatter outside, {name}"] = _sd(units, first) / noise
        if name in base:
            found[f"first pixel of {name}"] = _mean(units, first) - base[name]
            found[f"second pixel of {name}"] = _mean(units, second) - base[name]
    found["gradient on the rim ÷ in the core"] = _ratio(
        _mean(gradient, regions["rim"] | regions["out 1"]), _mean(gradient, regions["core"])
    )
    return found


def _grain(
    units: np.ndarray,
    laplacian: np.ndarray,
    regions: dict[str, np.ndarray],
    noise: float,
    pixel_mm: tuple[float, float],
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in ("core", "rim", "out 1", "out 1, wall", "out 1, blood"):
        found[f"Laplacian, {name}"] = np.log(max(_size(laplacian, regions[name]), 1e-3) / noise)
    found["Laplacian, rim ÷ blood edge"] = found["Laplacian, rim"] - np.log(
        max(_size(laplacian, regions["blood edge"]), 1e-3) / noise
    )
    scar, remote = regions["scar"], regions["remote"]
    for name, lags in _LAGS.items():
        own = _correlation(units, scar, lags)
        found[f"correlation {name}"] = own
        found[f"correlation {name} − remote"] = own - _correlation(units, remote, lags)
    for mm in (2.0, 4.0):
        found[f"correlation {mm:g} mm"] = _correlation_at(units, scar, mm, pixel_mm)
    smooth = ndimage.gaussian_filter(units, 1.0)
    for name in ("scar", "remote"):
        found[f"fine ÷ coarse, {name}"] = _ratio(
            _size(units - smooth, regions[name]), _sd(smooth, regions[name])
        )
    found["fine ÷ coarse"] = found["fine ÷ coarse, scar"] - found.pop("fine ÷ coarse, remote")
    return found


_LAGS = {"1 px": ((0, 1), (1, 0)), "2 px": ((0, 2), (2, 0)), "1 px, diagonal": ((1, 1), (1, -1))}


def _correlation(units: np.ndarray, region: np.ndarray, lags: tuple[tuple[int, int], ...]) -> float:
    """Return the correlation of pixels of ``region`` ``lags`` apart, both in it; NaN for under 6 pairs."""
    if not region.any():
        return float("nan")
    centred = np.where(region, units - units[region].mean(), 0.0)
    variance = float((centred[region] ** 2).mean())
    if variance < 1e-12:
        return 1.0
    products, pairs = 0.0, 0
    for lag in lags:
        both = region & _moved(region, lag)
        products += float((centred * _moved(centred, lag))[both].sum())
        pairs += int(both.sum())
    return products / pairs / variance if pairs >= 6 else float("nan")


def _correlation_at(units: np.ndarray, region: np.ndarray, mm: float, pixel_mm: tuple[float, float]) -> float:
    """Return the correlation at a distance in mm along rows and columns, between whole pixels linearly."""
    values = []
    for axis, size in enumerate(pixel_mm):
        lags = [(n, 0) if axis == 0 else (0, n) for n in (int(mm / size), int(mm / size) + 1)]
        low, high = (_correlation(units, region, (lag,)) for lag in lags)
        share = mm / size - int(mm / size)
        values.append((1 - share) * low + share * high)
    return float(np.mean(values))


def _moved(array: np.ndarray, lag: tuple[int, int]) -> np.ndarray:
    """Return ``array`` moved by ``lag``, zeros coming in."""
    result = np.zeros_like(array)
    to = [slice(max(n, 0), size + min(n, 0)) for n, size in zip(lag, array.shape, strict=True)]
    from_ = [slice(max(-n, 0), size + min(-n, 0)) for n, size in zip(lag, array.shape, strict=True)]
    result[tuple(to)] = array[tuple(from_)]
    return result


def _seam(units: np.ndarray, labels: np.ndarray, noise: float) -> dict[str, float]:
    """Return what a walk along the infarct's border shows: a dotted seam goes up and down at every step."""
    infarct = np.pad(infarct_mask(labels), 1)
    values = np.pad(units.astype(np.float64), 1, mode="edge")
    names = ("seam", "inside the seam", "outside the seam")
    walks: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for contour in measure.find_contours(infarct.astype(float), 0.5):
        if len(contour) < 12:
            continue
        one, two = (rounded(contour).astype(int) for rounded in (np.floor, np.ceil))
        first = infarct[tuple(one.T)]
        inside = np.where(first[:, None], one, two)
        outside = np.where(first[:, None], two, one)
        inner, outer = values[tuple(inside.T)], values[tuple(outside.T)]
        for name, walk in zip(names, (inner - outer, inner, outer), strict=True):
            walks[name].append(walk)
    found = {}
    for name, own in walks.items():
        rest = [walk - ndimage.uniform_filter1d(walk, 5, mode="wrap") for walk in own]
        turns = [np.sign(r[1:]) != np.sign(r[:-1]) for r in rest]
        bends = [np.abs(np.diff(walk, 2)) for walk in own]
        found[f"alternation, {name}"] = float(np.concatenate(turns).mean()) if own else float("nan")
        found[f"roughness, {name}"] = float(np.concatenate(bends).mean()) / noise if own else float("nan")
    return found


def _noise(laplacian: np.ndarray, region: np.ndarray) -> float:
    """Return the SD of white noise whose Laplacian is as large as that in ``region``, robustly."""
    values = laplacian[region]
    if not values.size:
        return float("nan")
    return max(float(1.4826 * np.median(np.abs(values - np.median(values))) / LAPLACE_WHITE), 1e-4)


def _size(values: np.ndarray, region: np.ndarray) -> float:
    return float(np.sqrt((values[region] ** 2).mean())) if region.sum() >= 3 else float("nan")


def _mean(values: np.ndarray, region: np.ndarray) -> float:
    return float(values[region].mean()) if region.sum() >= 3 else float("nan")


def _sd(values: np.ndarray, region: np.ndarray) -> float:
    return float(values[region].std()) if region.sum() >= 3 else float("nan")


def _ratio(one: float, other: float) -> float:
    return one / max(other, 1e-6)
