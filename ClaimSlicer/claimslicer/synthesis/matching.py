"""Giving painted values the asked texture exactly: ranks from the network, grey levels from the texture."""

from __future__ import annotations

import numpy as np
from scipy import stats

from claimslicer.labels import Label, ScarLabel
from claimslicer.synthesis.texture import LEVELS, Texture, edge_pairs

HALO_STRETCH = (0.0, 1.6)
"""How much the painted halo may be weakened or strengthened to end as sharply as the texture does."""


def match_texture(
    painted: np.ndarray,
    original: np.ndarray,
    scar: np.ndarray,
    halo: np.ndarray,
    texture: Texture,
) -> np.ndarray:
    """Return ``painted`` with the grey levels of ``texture``; all arrays ``(z, y, x)``, in remote SDs.

    The scar's values keep their order and take the texture's quantiles, over the whole study at once, so that
    its slices agree. MVO keeps its pattern and takes its contrast to the scar. The halo's difference to the
    ``original`` wall is stretched until the scar's edge is as steep as the texture's.
    """
    result = painted.copy()
    infarct, dark = scar == ScarLabel.SCAR, scar == ScarLabel.MVO
    mean = texture.mean
    if infarct.any():
        ranks = (stats.rankdata(painted[infarct], method="ordinal") - 0.5) / infarct.sum()
        result[infarct] = np.interp(ranks, LEVELS, texture.quantiles)
        mean = float(result[infarct].mean())
    if dark.any():
        result[dark] += mean + texture.mvo_contrast - result[dark].mean()
    if halo.any():
        inner, outer = edge_pairs(np.where(infarct, Label.INFARCT, np.where(halo, Label.MYOCARDIUM, 0)))
        result[halo] = original[halo] + _stretch(result, original, inner, outer, texture.edge) * (
            painted[halo] - original[halo]
        )
    return result


def _stretch(
    result: np.ndarray, original: np.ndarray, inner: np.ndarray, outer: np.ndarray, edge: float
) -> float:
    """Solve mean(inner − original − s · (outer − original)) = edge for s."""
    if not inner.size or not np.isfinite(edge):
        return 1.0
    outside = original.reshape(-1)[outer]
    step = float((result.reshape(-1)[inner] - outside).mean())
    rise = float((result.reshape(-1)[outer] - outside).mean())
    if rise <= 0:
        return 1.0
    return float(np.clip((step - edge) / rise, *HALO_STRETCH))
