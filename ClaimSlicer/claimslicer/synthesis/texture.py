"""Texture: the scar's grey-level histogram in remote SDs, as in the CLAIM paper, one for a whole study.

The histograms of the training patients travel with the weights as a bank, so that a study gets the texture of
a real scar from a heart with a like blood pool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.errors import SpecificationError

HISTOGRAM_BINS = 16
HISTOGRAM_EDGES = np.linspace(-1.0, 15.0, HISTOGRAM_BINS + 1)
"""In remote SDs; what lies beyond counts in the outermost bins."""

PRESETS = {"faint": 0.15, "medium": 0.5, "bright": 0.85}
"""Names for quantiles of the bank, ordered by median grey level."""

LIKE_SHARE = 0.5
"""Share of the bank, the patients with the most similar blood pool, that a texture is drawn from."""


def texture_histogram(values: np.ndarray) -> np.ndarray:
    """Return the histogram (sum 1) of scar grey levels in remote SDs, shape ``(16,)``."""
    clipped = np.clip(values, HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1])
    counts, _ = np.histogram(clipped, HISTOGRAM_EDGES)
    return counts / max(counts.sum(), 1)


@dataclass(frozen=True)
class TextureBank:
    """Scar textures of training patients.

    ``histograms`` is ``(n, 16)``; ``medians`` the scar's and ``blood`` the blood pool's median, ``(n,)`` in
    remote SDs.
    """

    histograms: np.ndarray
    medians: np.ndarray
    blood: np.ndarray

    def choose(self, texture: str | float | None, blood: float, rng: np.random.Generator) -> np.ndarray:
        """Return a histogram.

        ``texture`` is None (drawn from the patients whose blood pool is most like ``blood``), a preset name,
        or the median grey level wanted, in remote SDs.

        Raises:
            SpecificationError: an unknown name.
        """
        if texture is None:
            like = np.argsort(
                np.abs(np.log(np.maximum(self.blood, 0.3)) - np.log(max(blood, 0.3))), kind="stable"
            )
            return self.histograms[rng.choice(like[: max(1, round(LIKE_SHARE * len(like)))])]
        if isinstance(texture, str) and texture in PRESETS:
            target = float(np.quantile(self.medians, PRESETS[texture]))
        else:
            try:
                target = float(texture)
            except ValueError as error:
                raise SpecificationError(
                    f"There is no texture '{texture}': use {', '.join(PRESETS)}, or the median grey level "
                    "in remote SDs, such as 5."
                ) from error
        return self.histograms[int(np.argmin(np.abs(self.medians - target)))]
