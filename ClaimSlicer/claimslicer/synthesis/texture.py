"""Texture: how a scar's grey levels are distributed, one for a whole study so that its slices agree.

The CLAIM paper conditions on a histogram of the scar. Here a texture is the scar's quantiles in remote SDs,
how much darker its MVO is, and how sharply it ends. The textures of the training patients travel with the
weights as a bank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2

from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.studies import Study
from claimslicer.studies.provenance import source_record
from claimslicer.synthesis.normalisation import remote_scale

HISTOGRAM_BINS = 16
HISTOGRAM_EDGES = np.linspace(-1.0, 15.0, HISTOGRAM_BINS + 1)
"""In remote SDs; what lies beyond counts in the outermost bins."""

LEVELS = (np.arange(33) + 0.5) / 33
"""The quantile levels that a texture holds."""

PRESETS = ("faint", "medium", "bright")
"""Names for clusters of the bank, in the order of their median grey level."""

ANY = "any"
"""The name for any patient's texture."""

MINIMUM_VOXELS = 20
"""Fewer scar voxels than this say too little of a texture."""

TYPICAL_CONTRAST = ((0.0, 0.8, 1.0), (0.5, 0.6, 0.85))
"""Of the texture drawn without a wish: at these ranks of the study's blood among the bank's (dark to bright),
the quantiles of contrast. Real scars beside the brightest blood are brighter."""

TYPICAL_SPREAD, TYPICAL_EDGE = 0.06, 0.3
"""Of the texture drawn without a wish: the SD of its contrast's logarithm, the quantile of its edge."""


@dataclass(frozen=True)
class Texture:
    """``quantiles`` of scar without MVO at :data:`LEVELS`, ``mvo_contrast`` (mean of MVO − mean of scar) and
    ``edge`` (see :func:`edge_step`), all in remote SDs; ``source`` says which study it was measured in.
    """

    quantiles: np.ndarray
    mvo_contrast: float
    edge: float
    source: Mapping[str, Any] | None = None

    @classmethod
    def from_recipe(cls, values: Mapping[str, Any]) -> Texture:
        """Read what a recipe or the worker's message holds of a texture. Raises SpecificationError."""
        try:
            quantiles = np.asarray(values["quantiles"], dtype=np.float64)
            texture = cls(
                quantiles, float(values["mvo_contrast"]), float(values["edge"]), values.get("source")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SpecificationError("A texture lacks its numbers; measure it in its study again.") from error
        numbers = [*quantiles.ravel(), texture.mvo_contrast, texture.edge]
        if quantiles.shape != LEVELS.shape or not np.isfinite(numbers).all():
            raise SpecificationError(
                f"A texture has {len(LEVELS)} quantiles, a contrast and an edge; measure it again."
            )
        return texture

    @property
    def median(self) -> float:
        """The median grey level in remote SDs."""
        return float(np.interp(0.5, LEVELS, self.quantiles))

    @property
    def mean(self) -> float:
        """The mean grey level in remote SDs: the scar's CNR."""
        return float(self.quantiles.mean())

    def histogram(self) -> np.ndarray:
        """Return the histogram (sum 1), shape ``(16,)``."""
        fine = np.interp((np.arange(400) + 0.5) / 400, LEVELS, self.quantiles)
        counts, _ = np.histogram(np.clip(fine, HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1]), HISTOGRAM_EDGES)
        return counts / counts.sum()

    def scaled(self, gain: float) -> Texture:
        """Return the texture of the same scar where it stands out ``gain`` times as much."""
        return Texture(self.quantiles * gain, self.mvo_contrast * gain, self.edge * gain)


TextureWish = str | float | Texture | Mapping[str, Any] | None
"""What :meth:`TextureBank.choose` takes."""


def measure_texture(units: np.ndarray, labels: np.ndarray, mvo_contrast: float | None = None) -> Texture:
    """Measure the scar of ``labels`` in an image in remote SDs, both ``(z, y, x)``.

    ``mvo_contrast`` stands in where the scar holds no MVO (default: the typical −1.6).

    Raises:
        StudyError: there is too little scar.
    """
    values = units[labels == Label.INFARCT]
    if values.size < MINIMUM_VOXELS:
        raise StudyError(
            f"A texture can't be taken from {values.size} voxels of scar; {MINIMUM_VOXELS} are needed."
        )
    dark = units[labels == Label.MVO]
    if dark.size >= MINIMUM_VOXELS:
        mvo_contrast = float(dark.mean() - values.mean())
    elif mvo_contrast is None:
        mvo_contrast = TYPICAL_MVO_CONTRAST
    return Texture(np.quantile(values, LEVELS), mvo_contrast, edge_step(units, labels))


def texture_of_study(study: Study) -> Texture:
    """Measure the scar of a labelled study; the texture's ``source`` names it.

    Raises:
        StudyError: it has no labels, too little scar or no healthy wall beside it, or no usable remote wall.
    """
    if study.labels is None:
        raise StudyError(
            f"{study.name} comes without labels, which say where its scar is: put its label map beside it."
        )
    units = remote_scale(study.image, study.labels).forward(study.image)
    texture = measure_texture(units, study.labels)
    if not np.isfinite(texture.edge):
        raise StudyError(f"The scar of {study.name} borders on no healthy wall: take another study's.")
    return replace(texture, source=source_record(study))


TYPICAL_MVO_CONTRAST = -1.6
"""Remote SDs, median of EMIDEC's training patients with MVO."""


def edge_step(units: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean in-plane difference between scar voxels and their healthy neighbours (NaN: none)."""
    inner, outer = edge_pairs(labels)
    flat = units.reshape(-1)
    return float((flat[inner] - flat[outer]).mean()) if inner.size else float("nan")


def edge_pairs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return flat indices of neighbouring scar and healthy voxels, in plane: ``(n,)`` each."""
    scar, healthy = labels == Label.INFARCT, labels == Label.MYOCARDIUM
    index = np.arange(labels.size).reshape(labels.shape)
    inner, outer = [], []
    for axis in (1, 2):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        for one, other in ((low, high), (high, low)):
            pairs = scar[one] & healthy[other]
            inner.append(index[one][pairs])
            outer.append(index[other][pairs])
    return np.concatenate(inner), np.concatenate(outer)


@dataclass(frozen=True)
class TextureBank:
    """Scar textures of training patients.

    ``quantiles`` is ``(n, 33)``, ``mvo_contrasts`` and ``edges`` are ``(n,)``, in remote SDs; ``clusters``
    ``(n,)`` says to which of :data:`PRESETS` each belongs; ``blood`` ``(n,)`` is the blood pool's median.
    """

    quantiles: np.ndarray
    mvo_contrasts: np.ndarray
    edges: np.ndarray
    clusters: np.ndarray
    blood: np.ndarray

    @classmethod
    def learnt(cls, textures: list[Texture], blood: list[float]) -> TextureBank:
        """Gather patients' textures and blood; k-means over median and spread sorts them into the presets."""
        quantiles = np.stack([texture.quantiles for texture in textures])
        median = quantiles[:, len(LEVELS) // 2]
        spread = np.subtract(*(quantiles[:, int(level * len(LEVELS))] for level in (0.9, 0.1)))
        features = np.log(np.maximum(np.stack([median, spread], 1), 0.1))
        count = min(len(PRESETS), len(textures))
        start = features[np.argsort(median)[np.linspace(0, len(median) - 1, count).astype(int)]]
        _, found = kmeans2(features, start, minit="matrix", missing="warn")
        middle = [np.median(median[found == k]) if (found == k).any() else np.inf for k in range(count)]
        rank = np.argsort(np.argsort(middle))
        return cls(
            quantiles,
            np.array([texture.mvo_contrast for texture in textures]),
            np.array([texture.edge for texture in textures]),
            rank[found],
            np.array(blood),
        )

    def __len__(self) -> int:
        return len(self.quantiles)

    def texture(self, index: int) -> Texture:
        """Return one patient's texture."""
        return Texture(self.quantiles[index], float(self.mvo_contrasts[index]), float(self.edges[index]))

    def choose(self, texture: TextureWish, blood: float, rng: np.random.Generator) -> Texture:
        """Return a texture for a study whose blood pool has the median ``blood``, in remote SDs.

        ``texture`` is None (a patient's shape at a typical contrast), ``any`` (from all), a preset
        (from its cluster), the median grey level wanted in remote SDs, or a texture itself, also as a recipe
        holds it.

        Raises:
            SpecificationError: an unknown name, or a grey level that is none of a scar.
        """
        if isinstance(texture, Texture):
            return texture
        if isinstance(texture, Mapping):
            return Texture.from_recipe(texture)
        if texture is None:
            return self._typical(blood, rng)
        if texture == ANY:
            return self.texture(int(rng.integers(len(self))))
        if texture in PRESETS:
            members = np.flatnonzero(self.clusters == PRESETS.index(str(texture)))
            if not len(members):
                raise SpecificationError(
                    f"These weights know no {texture} texture; give a grey level instead."
                )
            return self.texture(int(rng.choice(members)))
        try:
            target = float(texture)
        except ValueError as error:
            raise SpecificationError(
                f"There is no texture '{texture}': use {', '.join(PRESETS)}, {ANY}, a study with scar, or "
                "the median grey level in remote SDs, such as 5."
            ) from error
        if not 0.2 <= target <= 50:
            raise SpecificationError("A scar's median grey level lies between 0.2 and 50 remote SDs.")
        medians = self.quantiles[:, len(LEVELS) // 2]
        nearest = self.texture(int(np.argmin(np.abs(medians - target))))
        return nearest.scaled(target / max(nearest.median, 0.2))

    def _typical(self, blood: float, rng: np.random.Generator) -> Texture:
        """One patient's shape at the contrast that is typical beside such blood, give or take.

        The typical edge is below the median: a seam is a worse mistake than a soft border.
        """
        shape = self.texture(int(rng.integers(len(self))))
        gain = float(np.exp(rng.normal(0.0, TYPICAL_SPREAD)))
        level = np.interp((self.blood < blood).mean(), *TYPICAL_CONTRAST)
        contrast = float(np.quantile(self.quantiles.mean(1), level))
        quantiles = shape.quantiles * (contrast / max(shape.mean, 0.2))
        dark = float(np.median(self.mvo_contrasts))
        return Texture(quantiles, dark, float(np.quantile(self.edges, TYPICAL_EDGE))).scaled(gain)
