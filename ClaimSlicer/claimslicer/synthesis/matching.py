"""Giving painted values the asked texture: the pattern from the network, grey levels from the texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats

from claimslicer.labels import Label, ScarLabel
from claimslicer.synthesis.texture import LEVELS, Texture, edge_pairs

RIM_MM = 3.0
"""How far into the scar its rim reaches, where real scars fade."""

FADES = (-2.0, 6.0)
"""How far a rim is put forward or held back when grey levels are given out, in remote SDs."""

STRONGEST_HALO = 3.0
"""The most that the halo is raised or lowered next to the scar, in remote SDs."""


@dataclass(frozen=True)
class Border:
    """Where a scar borders on healthy wall, both weights ``(z, y, x)`` float32.

    ``rim`` falls from 1 at the scar's edge to 0 some mm inside it; ``halo`` from 1 at the edge to 0 at the
    halo's end, and is 0 outside the halo. ``inner`` and ``outer`` are flat indices of neighbouring scar and
    healthy voxels.
    """

    rim: np.ndarray
    halo: np.ndarray
    inner: np.ndarray
    outer: np.ndarray

    @classmethod
    def of(
        cls, labels: np.ndarray, scar: np.ndarray, halo: np.ndarray, spacing_yx: tuple[float, float]
    ) -> Border:
        """Measure distances in mm, in plane, from the scar mask, the labels and the halo's mask."""
        inside = scar != ScarLabel.NONE
        healthy = (labels == Label.MYOCARDIUM) & ~inside
        pixel = min(spacing_yx)
        rim, fading = np.zeros(scar.shape, np.float32), np.zeros(scar.shape, np.float32)
        for z in np.flatnonzero(inside.any((1, 2))):
            if healthy[z].any():
                depth = ndimage.distance_transform_edt(~healthy[z], sampling=spacing_yx)
                rim[z] = np.clip(1 - (depth - pixel) / RIM_MM, 0, 1) * inside[z]
            away = ndimage.distance_transform_edt(~inside[z], sampling=spacing_yx)
            reach = away[halo[z]].max(initial=0.0) + pixel
            fading[z] = np.clip(1 - (away - pixel) / reach, 0, 1) * halo[z]
        infarct = np.where(scar == ScarLabel.SCAR, Label.INFARCT, np.where(healthy, Label.MYOCARDIUM, 0))
        return cls(rim, fading, *edge_pairs(infarct))

    def step(self, units: np.ndarray) -> float:
        """Return the mean difference across the edge, in the unit of ``units``."""
        flat = units.reshape(-1)
        return float((flat[self.inner] - flat[self.outer]).mean())


def match_texture(
    painted: np.ndarray,
    scar: np.ndarray,
    border: Border,
    texture: Texture,
    hidden: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Return ``painted`` with the grey levels of ``texture``; arrays ``(z, y, x)``, in remote SDs.

    The scar's values keep their order and take the texture's quantiles, over the whole study at once, so that
    its slices agree. MVO keeps its pattern and takes its contrast to the scar. Then the edge becomes as steep
    as the texture's: by the halo's height where one is painted, else by giving the lower grey levels to the
    rim first, or last, as far as that goes.
    ``hidden`` is a border zone: the image before, and how much of the result (0–1) will show of it. A halo
    goes on from what shows, and doesn't fall below the wall where that is faint.
    """
    infarct, dark = scar == ScarLabel.SCAR, scar == ScarLabel.MVO
    mean = texture.mean
    result = painted
    if infarct.any():
        fade = 0.0 if border.halo.any() else _fade(painted, infarct, border, texture)
        result = _ranked(painted, infarct, border, texture, fade)
        mean = float(result[infarct].mean())
    if dark.any():
        result = np.where(dark, result + (mean + texture.mvo_contrast - result[dark].mean()), result)
    if border.halo.any() and border.inner.size and np.isfinite(texture.edge):
        result = result + _lift(result, border, texture, hidden) * border.halo
    return result


def _lift(
    result: np.ndarray, border: Border, texture: Texture, hidden: tuple[np.ndarray, np.ndarray] | None
) -> float:
    """Return how much the halo must be raised for the texture's edge."""
    weight = max(float(border.halo.reshape(-1)[border.outer].mean()), 0.1)
    shown, lowest = result, -STRONGEST_HALO
    if hidden is not None:
        before, share = hidden
        shown = before + share * (result - before)
        rise = float((result - before).reshape(-1)[border.outer].mean())
        lowest = max(lowest, -max(rise, 0.0) / weight)
    return float(np.clip((border.step(shown) - texture.edge) / weight, lowest, STRONGEST_HALO))


def _ranked(
    painted: np.ndarray, infarct: np.ndarray, border: Border, texture: Texture, fade: float
) -> np.ndarray:
    order = stats.rankdata(painted[infarct] - fade * border.rim[infarct], method="ordinal")
    result = painted.copy()
    result[infarct] = np.interp((order - 0.5) / len(order), LEVELS, texture.quantiles)
    return result


def _fade(painted: np.ndarray, infarct: np.ndarray, border: Border, texture: Texture) -> float:
    """Find by bisection how much the rim must fade for the texture's edge."""
    if not border.inner.size or not np.isfinite(texture.edge):
        return 0.0
    low, high = FADES
    for _ in range(9):
        middle = (low + high) / 2
        steep = border.step(_ranked(painted, infarct, border, texture, middle)) > texture.edge
        low, high = (middle, high) if steep else (low, middle)
    return high
