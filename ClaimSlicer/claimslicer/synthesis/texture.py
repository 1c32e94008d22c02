"""Texture: how a scar's grey levels are distributed, one for a whole study so that its slices agree.

The CLAIM paper conditions on a histogram of the scar. Here a texture is the scar's quantiles between wall
and blood, and how much darker its MVO is. The textures of the training patients travel with the weights as a
bank.
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
from claimslicer.synthesis.levels import slice_levels

HISTOGRAM_BINS = 16
HISTOGRAM_EDGES = np.linspace(-0.5, 3.5, HISTOGRAM_BINS + 1)
"""In ``u``: 0 remote wall, 1 blood; what lies beyond counts in the outermost bins."""

CONTRAST_SCALE = 0.5
"""In which unit the network is told of MVO's contrast, in ``u``."""

LEVELS = (np.arange(33) + 0.5) / 33
"""The quantile levels that a texture holds."""

PRESETS = ("faint", "medium", "bright")
"""Names for clusters of the bank, in the order of their median grey level."""

ANY = "any"
"""The name for any patient's texture."""

TYPICAL = "typical"
"""The name for a middling texture."""

MINIMUM_VOXELS = 20
"""Fewer scar voxels than this say too little of a texture."""

TYPICAL_MVO_CONTRAST = -0.5
"""In ``u``, the median of EMIDEC's training patients with MVO."""

UNIT = "blood - wall"
"""What recipes say a texture's numbers are in."""


@dataclass(frozen=True)
class Texture:
    """``quantiles`` of scar without MVO at :data:`LEVELS` and ``mvo_contrast`` (mean of MVO − mean of scar),
    in ``u`` (:class:`claimslicer.synthesis.levels.SliceLevels`); ``source`` says in which study.
    """

    quantiles: np.ndarray
    mvo_contrast: float
    source: Mapping[str, Any] | None = None

    @classmethod
    def from_recipe(cls, values: Mapping[str, Any]) -> Texture:
        """Read what a recipe or the worker's message holds of a texture. Raises SpecificationError."""
        try:
            if values["unit"] != UNIT:
                raise ValueError(values["unit"])
            quantiles = np.asarray(values["quantiles"], dtype=np.float64)
            texture = cls(quantiles, float(values["mvo_contrast"]), values.get("source"))
        except (KeyError, TypeError, ValueError) as error:
            raise SpecificationError(
                "A texture lacks its numbers, or is of another version: measure it in its study again."
            ) from error
        if (
            quantiles.shape != LEVELS.shape
            or not np.isfinite([*quantiles.ravel(), texture.mvo_contrast]).all()
        ):
            raise SpecificationError(
                f"A texture has {len(LEVELS)} quantiles and MVO's contrast; measure it again."
            )
        return texture

    def to_dict(self) -> dict[str, Any]:
        """Return what recipes and messages hold of it, JSON types."""
        values = {"quantiles": self.quantiles.tolist(), "mvo_contrast": self.mvo_contrast, "unit": UNIT}
        return values | ({"source": dict(self.source)} if self.source else {})

    @property
    def median(self) -> float:
        """The median grey level: 0 is remote wall, 1 is blood."""
        return float(np.interp(0.5, LEVELS, self.quantiles))

    def histogram(self) -> np.ndarray:
        """Return the histogram (sum 1), shape ``(16,)``."""
        fine = np.interp((np.arange(400) + 0.5) / 400, LEVELS, self.quantiles)
        counts, _ = np.histogram(np.clip(fine, HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1]), HISTOGRAM_EDGES)
        return counts / counts.sum()

    def scaled(self, gain: float) -> Texture:
        """Return the texture of the same scar where it stands out ``gain`` times as much."""
        return Texture(self.quantiles * gain, self.mvo_contrast * gain)


TextureWish = str | float | Texture | Mapping[str, Any] | None
"""What :meth:`TextureBank.choose` takes."""


def level_asked(wish: TextureWish) -> float | None:
    """Return the median grey level, in remote SDs, that ``wish`` asks for; None for any other wish."""
    if isinstance(wish, Texture | Mapping) or wish is None:
        return None
    try:
        return float(wish)
    except ValueError:
        return None


def measure_texture(units: np.ndarray, labels: np.ndarray, mvo_contrast: float | None = None) -> Texture:
    """Measure the scar of ``labels`` in an image in ``u``, both ``(z, y, x)``.

    ``mvo_contrast`` stands in where the scar holds no MVO (default: the typical one).

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
    return Texture(np.quantile(values, LEVELS), mvo_contrast)


def texture_of_study(study: Study) -> Texture:
    """Measure the scar of a labelled study; the texture's ``source`` names it.

    Raises:
        StudyError: it has no labels, too little scar, no blood pool or no usable remote wall.
    """
    if study.labels is None:
        raise StudyError(
            f"{study.name} comes without labels, which say where its scar is: put its label map beside it."
        )
    units = slice_levels(study.image, study.labels).forward(study.image)
    return replace(measure_texture(units, study.labels), source=source_record(study))


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


SIMILAR = 0.3
"""SD of the weights with which a patient of the bank is taken, by the logarithm of both remote SDs' ratio."""


@dataclass(frozen=True)
class TextureBank:
    """Scar textures of training patients.

    ``quantiles`` is ``(n, 33)`` and ``mvo_contrasts`` ``(n,)``, in ``u``; ``clusters`` ``(n,)`` says to which
    of :data:`PRESETS` each belongs; ``remote_sds`` ``(n,)`` is the remote wall's SD in ``u``: where blood
    stands out less from the wall, scar stands out more from the blood.
    """

    quantiles: np.ndarray
    mvo_contrasts: np.ndarray
    clusters: np.ndarray
    remote_sds: np.ndarray

    @classmethod
    def learnt(cls, textures: list[Texture], remote_sds: list[float]) -> TextureBank:
        """Gather patients' textures; k-means over median and spread sorts them into the presets."""
        quantiles = np.stack([texture.quantiles for texture in textures])
        median = quantiles[:, len(LEVELS) // 2]
        spread = np.subtract(*(quantiles[:, int(level * len(LEVELS))] for level in (0.9, 0.1)))
        features = np.log(np.maximum(np.stack([median, spread], 1), 0.02))
        count = min(len(PRESETS), len(textures))
        start = features[np.argsort(median)[np.linspace(0, len(median) - 1, count).astype(int)]]
        _, found = kmeans2(features, start, minit="matrix", missing="warn")
        middle = [np.median(median[found == k]) if (found == k).any() else np.inf for k in range(count)]
        rank = np.argsort(np.argsort(middle))
        contrasts = np.array([texture.mvo_contrast for texture in textures])
        return cls(quantiles, contrasts, rank[found], np.array(remote_sds))

    def __len__(self) -> int:
        return len(self.quantiles)

    def texture(self, index: int) -> Texture:
        """Return one patient's texture."""
        return Texture(self.quantiles[index], float(self.mvo_contrasts[index]))

    def choose(
        self, texture: TextureWish, remote_sd: float, rng: np.random.Generator, own: Texture | None = None
    ) -> Texture:
        """Return a texture for a study whose remote wall has the SD ``remote_sd`` in ``u``.

        ``texture`` is None (the study's ``own`` scar's where it has one, else that of a patient whose blood
        stands out alike), ``typical`` (the middle of such patients), ``any`` (from all), a preset (from its
        cluster), the median grey level wanted in remote SDs, or a texture itself, also as a recipe holds it.

        Raises:
            SpecificationError: an unknown name, or a grey level that is none of a scar.
        """
        if isinstance(texture, Texture | Mapping):
            return texture if isinstance(texture, Texture) else Texture.from_recipe(texture)
        if texture is None:
            return own or self.texture(int(rng.choice(len(self), p=self._alike(remote_sd))))
        if texture == TYPICAL:
            return self._typical(remote_sd)
        if texture == ANY:
            return self.texture(int(rng.integers(len(self))))
        if texture in PRESETS:
            members = np.flatnonzero(self.clusters == PRESETS.index(str(texture)))
            if not len(members):
                raise SpecificationError(
                    f"These weights know no {texture} texture; give a grey level instead."
                )
            return self.texture(int(rng.choice(members)))
        return self._of_level(texture, remote_sd)

    def _of_level(self, texture: str | float, remote_sd: float) -> Texture:
        try:
            target = float(texture)
        except ValueError as error:
            raise SpecificationError(
                f"There is no texture '{texture}': use {', '.join(PRESETS)}, {TYPICAL}, {ANY}, a study with "
                "scar, or the median grey level in remote SDs, such as 5."
            ) from error
        if not 0.2 <= target <= 50:
            raise SpecificationError("A scar's median grey level lies between 0.2 and 50 remote SDs.")
        medians = self.quantiles[:, len(LEVELS) // 2]
        nearest = self.texture(int(np.argmin(np.abs(medians - target * remote_sd))))
        return nearest.scaled(target * remote_sd / max(nearest.median, 0.05))

    def _alike(self, remote_sd: float) -> np.ndarray:
        """Return how probable each patient is for such a study, ``(n,)``."""
        apart = np.log(self.remote_sds / max(remote_sd, 1e-6))
        # A study beyond all patients takes the nearest ones.
        weights = np.exp(-0.5 * (apart**2 - (apart**2).min()) / SIMILAR**2)
        return np.asarray(weights / weights.sum())

    def _typical(self, remote_sd: float) -> Texture:
        weights = self._alike(remote_sd)
        return Texture(weights @ self.quantiles, float(weights @ self.mvo_contrasts))
