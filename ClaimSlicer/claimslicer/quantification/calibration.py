"""Whether probabilities mean what they say: reliability, expected calibration error, temperature scaling.

A class is calibrated where, of the voxels that get it with probability p, a share p is of that class. Images
hold mostly background that is sure and right, which would make any figure look good; so figures are taken
over a ``domain``, by default the left ventricle of the prediction and the reference together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label, infarct_mask

BINS = 15
CLASSES = ("background", "cavity", "myocardium", "mi", "mvo")
"""In the order of the labels 0–4."""
CURVES = (*CLASSES, "infarct", "confidence")
"""``infarct`` is MI or MVO; ``confidence`` the highest probability, right where its class is the true one."""
COOLEST, HOTTEST = 0.2, 5.0
"""Temperatures that are tried."""


@dataclass(frozen=True)
class Reliability:
    """Sums over the voxels of each of equally wide bins of probability; curves of patients may be added.

    ``count`` (bins,) voxels, ``probability`` (bins,) the sum of theirs, ``occurred`` (bins,) how many were of
    the class.
    """

    count: np.ndarray
    probability: np.ndarray
    occurred: np.ndarray

    @classmethod
    def of(cls, probability: np.ndarray, occurred: np.ndarray, bins: int = BINS) -> Reliability:
        """Bin probabilities (voxels,) in [0, 1] with ``occurred`` (voxels,) bool."""
        index = np.minimum((probability * bins).astype(int), bins - 1)
        return cls(
            np.bincount(index, minlength=bins),
            np.bincount(index, probability, minlength=bins),
            np.bincount(index, occurred, minlength=bins),
        )

    def __add__(self, other: Reliability) -> Reliability:
        """Return the curve of the voxels of both."""
        return Reliability(
            self.count + other.count,
            self.probability + other.probability,
            self.occurred + other.occurred,
        )

    @property
    def error(self) -> float:
        """Expected calibration error: mean |frequency − probability| over bins, weighed by their voxels.

        Naeini et al., AAAI 2015; class by class as Nixon et al., CVPR workshops 2019. NaN without voxels.
        """
        total = self.count.sum()
        return float(np.abs(self.occurred - self.probability).sum() / total) if total else float("nan")

    def points(self) -> np.ndarray:
        """Return (n, 3): mean probability, observed frequency and voxels of the bins that have any."""
        filled = self.count > 0
        count = self.count[filled]
        return np.stack([self.probability[filled] / count, self.occurred[filled] / count, count], 1)


@dataclass(frozen=True)
class Calibration:
    """The reliability of each of :data:`CURVES`."""

    curves: tuple[Reliability, ...]

    def __getitem__(self, name: str) -> Reliability:
        """Return the curve of that name."""
        return self.curves[CURVES.index(name)]

    def __add__(self, other: Calibration) -> Calibration:
        """Return the calibration over the voxels of both."""
        return Calibration(tuple(a + b for a, b in zip(self.curves, other.curves, strict=True)))

    @property
    def classwise_error(self) -> float:
        """Mean expected calibration error of the five classes."""
        return float(np.mean([self[name].error for name in CLASSES]))

    def to_dict(self) -> dict[str, Any]:
        """Return the errors and curves as JSON types."""
        curves = {
            name: {"ece": None if np.isnan(curve.error) else curve.error, "points": curve.points().tolist()}
            for name, curve in zip(CURVES, self.curves, strict=True)
        }
        return {"classwise_ece": None if np.isnan(self.classwise_error) else self.classwise_error} | curves


def calibrate(
    probabilities: np.ndarray, reference: np.ndarray, *, domain: np.ndarray | None = None, bins: int = BINS
) -> Calibration:
    """Compare class probabilities (5, z, y, x) with the reference label map (z, y, x).

    ``domain`` (z, y, x) bool says which voxels count. Raises StudyError where shapes differ.
    """
    columns, truth = voxels(probabilities, reference, domain)
    infarct = columns[Label.INFARCT] + columns[Label.MVO]
    pairs = [(columns[label], truth == label) for label in range(len(CLASSES))]
    pairs.append((np.minimum(infarct, 1.0), infarct_mask(truth)))
    pairs.append((columns.max(0), columns.argmax(0) == truth))
    return Calibration(tuple(Reliability.of(probability, occurred, bins) for probability, occurred in pairs))


def left_ventricles(probabilities: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return (z, y, x) bool: the left ventricle of the prediction or of the reference."""
    return (probabilities.argmax(0) != Label.BACKGROUND) | _is_left_ventricle(reference)


def voxels(
    probabilities: np.ndarray, reference: np.ndarray, domain: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the domain's probabilities (5, n) as float64 and labels (n,); see :func:`calibrate`."""
    if probabilities.shape != (len(CLASSES), *reference.shape):
        raise StudyError(
            f"The probabilities {probabilities.shape} and the reference {reference.shape} don't belong "
            "together; give those of one study."
        )
    domain = left_ventricles(probabilities, reference) if domain is None else domain
    truth = np.where(_is_left_ventricle(reference), reference, Label.BACKGROUND)
    return probabilities[:, domain].astype(float), truth[domain]


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (classes, …) as a softmax of logits divided by ``temperature`` gives them.

    Above 1 they become less sure; the most likely class stays the most likely. They may be means over an
    ensemble: their logarithm stands for the logits.
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) / temperature
    scaled = np.exp(logits - logits.max(0))
    return (scaled / scaled.sum(0)).astype(probabilities.dtype)


def fit_temperature(studies: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the temperature with the highest likelihood (Guo et al., ICML 2017).

    ``studies`` are pairs of :func:`voxels`, of patients that the model wasn't trained on; each voxel counts
    once. Raises SpecificationError without any voxel.
    """
    from scipy.optimize import minimize_scalar

    pairs = [pair for pair in studies if pair[1].size]
    if not pairs:
        raise SpecificationError("A temperature needs at least one study with a left ventricle.")
    log_probability = np.log(np.maximum(np.concatenate([p for p, _ in pairs], 1), np.finfo(np.float32).tiny))
    truth = np.concatenate([labels for _, labels in pairs])
    right = np.take_along_axis(log_probability, truth[None].astype(int), 0)[0]

    def surprise(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(np.logaddexp.reduce(log_probability * scale) - right * scale))

    found = minimize_scalar(surprise, bounds=(np.log(COOLEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def total(calibrations: Sequence[Calibration]) -> Calibration:
    """Return the calibration over all patients' voxels. Raises SpecificationError without any."""
    if not calibrations:
        raise SpecificationError("A calibration needs at least one study.")
    result = calibrations[0]
    for calibration in calibrations[1:]:
        result = result + calibration
    return result


def _is_left_ventricle(labels: np.ndarray) -> np.ndarray:
    return (labels >= Label.CAVITY) & (labels <= Label.MVO)
