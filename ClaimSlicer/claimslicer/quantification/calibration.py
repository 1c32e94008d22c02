"""Whether probabilities mean what they say: reliability, expected calibration error, and scaling to mend it.

A class is calibrated where, of the voxels that get it with probability p, a share p is of that class. Images
hold mostly background that is sure and right, which would make any figure look good; so figures are taken
over a ``domain`` round the heart. It follows from the prediction alone: chosen by the reference, voxels of
one probability would no longer have the frequency that they are compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from claimslicer.errors import ModelError, SpecificationError, StudyError
from claimslicer.labels import Label, infarct_mask
from claimslicer.studies import Geometry

BINS = 15
CLASSES = ("background", "cavity", "myocardium", "mi", "mvo")
"""In the order of the labels 0–4."""
CURVES = (*CLASSES, "infarct", "confidence")
"""``infarct`` is MI or MVO; ``confidence`` the highest probability, right where its class is the true one."""
MARGIN_MM = 10.0
"""Of :func:`heart_region`: to the next slice, and beyond the border of every usual mistake."""


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
    probabilities: np.ndarray, reference: np.ndarray, domain: np.ndarray, bins: int = BINS
) -> Calibration:
    """Compare class probabilities (5, z, y, x) with the reference label map (z, y, x).

    ``domain`` (z, y, x) bool says which voxels count: see :func:`heart_region`. Raises StudyError where the
    shapes differ.
    """
    return tally(*voxels(probabilities, reference, domain), bins)


def tally(columns: np.ndarray, truth: np.ndarray, bins: int = BINS) -> Calibration:
    """Compare class probabilities (5, n) of voxels with their labels (n,); see :func:`voxels`."""
    infarct = columns[Label.INFARCT] + columns[Label.MVO]
    pairs = [(columns[label], truth == label) for label in range(len(CLASSES))]
    pairs.append((np.minimum(infarct, 1.0), infarct_mask(truth)))
    pairs.append((columns.max(0), columns.argmax(0) == truth))
    return Calibration(tuple(Reliability.of(probability, occurred, bins) for probability, occurred in pairs))


def heart_region(probabilities: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return (z, y, x) bool: what lies within :data:`MARGIN_MM` of the left ventricle that was found."""
    from scipy.ndimage import distance_transform_edt

    found = probabilities.argmax(0) != Label.BACKGROUND
    if not found.any():
        return found
    return distance_transform_edt(~found, sampling=geometry.spacing_zyx) <= MARGIN_MM


def voxels(
    probabilities: np.ndarray, reference: np.ndarray, domain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the domain's probabilities (5, n) as float64 and labels (n,); see :func:`calibrate`."""
    if probabilities.shape != (len(CLASSES), *reference.shape):
        raise StudyError(
            f"The probabilities {probabilities.shape} and the reference {reference.shape} don't belong "
            "together; give those of one study."
        )
    truth = np.where(reference <= Label.MVO, reference, Label.BACKGROUND)
    return probabilities[:, domain].astype(float), truth[domain]


@dataclass(frozen=True)
class Scaling:
    """A temperature and a bias for each class, to be had by the logits: softmax(logits / T + bias).

    A temperature above 1 makes all less sure. Biases take back what weighted losses and a choice of slices
    teach about how frequent classes are (bias-corrected temperature scaling: Alexandari et al., ICML 2020).
    """

    temperature: float = 1.0
    biases: tuple[float, ...] = (0.0,) * len(CLASSES)

    @classmethod
    def of_card(cls, calibration: Mapping[str, Any]) -> Scaling | None:
        """Read a model card's table ``calibration``; None where it is empty. Raises ModelError."""
        if not calibration:
            return None
        try:
            scaling = cls(float(calibration["temperature"]), tuple(map(float, calibration["biases"])))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(_WRONG_CARD) from error
        if not (
            len(scaling.biases) == len(CLASSES)
            and np.isfinite((scaling.temperature, *scaling.biases)).all()
            and scaling.temperature > 0
        ):
            raise ModelError(_WRONG_CARD)
        return scaling

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return scaled probabilities (classes, …), of the same type.

        They may be means over an ensemble: their logarithm stands for the logits.
        """
        biases = np.reshape(self.biases, (-1,) + (1,) * (probabilities.ndim - 1))
        logits = _logits(probabilities) / self.temperature + biases
        scaled = np.exp(logits - logits.max(0))
        return (scaled / scaled.sum(0)).astype(probabilities.dtype)


_WRONG_CARD = (
    "The calibration on the model's card isn't a temperature and five biases: fit it again with "
    "'claim-slicer models calibrate'."
)


def fit_scaling(studies: Iterable[tuple[np.ndarray, np.ndarray]], *, biases: bool = True) -> Scaling:
    """Return the most likely scaling; without ``biases`` a temperature alone (Guo et al., ICML 2017).

    ``studies`` are pairs of :func:`voxels`, of patients that the model wasn't trained on; each voxel counts
    once. Raises SpecificationError without any voxel.
    """
    from scipy.optimize import minimize

    pairs = [pair for pair in studies if pair[1].size]
    if not pairs:
        raise SpecificationError("A scaling needs at least one study in which a left ventricle was found.")
    logits = _logits(np.concatenate([probabilities for probabilities, _ in pairs], 1))
    truth = np.eye(len(CLASSES))[np.concatenate([labels for _, labels in pairs]).astype(int)].T
    shown = truth.any(1)  # a class that nobody has would be biased away for ever
    free = np.arange(len(CLASSES)) > 0 if biases else np.zeros(len(CLASSES), bool)

    def surprise(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean negative log-likelihood and its gradient."""
        scaled = logits * np.exp(-parameters[0]) + parameters[1:, None]
        norm = np.logaddexp.reduce(scaled)
        excess = np.exp(scaled - norm) - truth
        value = np.mean(norm - (scaled * truth).sum(0))
        by_temperature = -np.mean((excess * logits).sum(0)) * np.exp(-parameters[0])
        return value, np.append(by_temperature, excess.mean(1) * (free & shown))

    found = minimize(surprise, np.zeros(1 + len(CLASSES)), jac=True, method="L-BFGS-B").x
    return Scaling(float(np.exp(found[0])), tuple(map(float, found[1:])))


def _logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(float), np.finfo(np.float32).tiny))


def total(calibrations: Sequence[Calibration]) -> Calibration:
    """Return the calibration over all patients' voxels. Raises SpecificationError without any."""
    if not calibrations:
        raise SpecificationError("A calibration needs at least one study.")
    result = calibrations[0]
    for calibration in calibrations[1:]:
        result = result + calibration
    return result
