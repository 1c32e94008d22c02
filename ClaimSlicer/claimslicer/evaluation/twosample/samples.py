"""A scar, slice by slice, as the classifiers see it: features, and the picture round it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.evaluation.twosample.features import slice_features
from claimslicer.evaluation.twosample.scale import slice_scale
from claimslicer.labels import Label, infarct_mask, myocardium_mask

FEWEST_SCAR_VOXELS = 12
"""A slice with less scar has no grain to speak of."""


@dataclass(frozen=True)
class LabelledScar:
    """A scar in an image: ``kind`` is ``real`` or what made it, ``patient`` whose heart it lies in.

    ``image`` and ``labels`` (internal table, this scar in them) are ``(z, y, x)``, ``spacing_zyx`` in mm;
    ``draw`` tells the scars of one kind and heart apart.
    """

    kind: str
    patient: str
    image: np.ndarray
    labels: np.ndarray
    spacing_zyx: tuple[float, float, float]
    draw: int = 0


@dataclass(frozen=True)
class SliceSample:
    """One slice of a scar: ``features`` by name, ``picture`` in the slice's units, ``masks`` (3, y, x) bool.

    The masks are infarct, wall and cavity; picture and masks are cut round the wall, on the study's pixels,
    whose height and width is ``pixel_mm``.
    """

    kind: str
    patient: str
    draw: int
    z: int
    features: dict[str, float]
    picture: np.ndarray
    masks: np.ndarray
    pixel_mm: tuple[float, float]

    @property
    def name(self) -> str:
        """What pictures of it are called."""
        return f"{self.patient} {self.kind} {self.draw}, slice {self.z + 1}"


def slice_samples(scars: Sequence[LabelledScar]) -> list[SliceSample]:
    """Return a sample for every slice with :data:`FEWEST_SCAR_VOXELS` of scar (label 3).

    Raises StudyError where image and labels differ in shape, or an image has no usable myocardium.
    """
    return [sample for scar in scars for sample in _samples_of(scar)]


def _samples_of(scar: LabelledScar) -> list[SliceSample]:
    if scar.image.shape != scar.labels.shape:
        raise StudyError(f"{scar.patient}: the image has {scar.image.shape} voxels, its labels others.")
    pixel_mm = scar.spacing_zyx[1:]
    used = [z for z, plane in enumerate(scar.labels) if (plane == Label.INFARCT).sum() >= FEWEST_SCAR_VOXELS]
    if not used:
        return []
    scale = slice_scale(scar.image, scar.labels, scar.spacing_zyx)
    units = scale.forward(scar.image)
    means = {z: float(units[z][scar.labels[z] == Label.INFARCT].mean()) for z in used}
    window = _window(scar.labels, scar.spacing_zyx)
    samples = []
    for z in used:
        cut = (z, *window)
        near = [means[n] for n in (z - 1, z + 1) if n in means]
        features = slice_features(units[cut], scar.labels[cut], scale.remote[cut], scale.blood[cut], pixel_mm)
        features["step to the next slices"] = float(abs(means[z] - np.mean(near))) if near else float("nan")
        features["SD of slices' means"] = _sd(list(means.values()))
        labels = scar.labels[cut]
        masks = np.stack([infarct_mask(labels), myocardium_mask(labels), labels == Label.CAVITY])
        samples.append(
            SliceSample(scar.kind, scar.patient, scar.draw, z, features, units[cut], masks, pixel_mm)
        )
    return samples


def _sd(values: list[float]) -> float:
    return float(np.std(values)) if len(values) > 1 else float("nan")


def _window(labels: np.ndarray, spacing_zyx: tuple[float, float, float]) -> tuple[slice, slice]:
    """Return the part of a slice that holds the heart and some 12 mm round it."""
    rows, columns = (np.flatnonzero(myocardium_mask(labels).any((0, axis))) for axis in (2, 1))
    return tuple(  # type: ignore[return-value]
        slice(max(int(index[0] - 12 / mm), 0), int(index[-1] + 12 / mm) + 1)
        for index, mm in zip((rows, columns), spacing_zyx[1:], strict=True)
    )
