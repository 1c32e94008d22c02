"""Calibrating a segmenter: a temperature and biases for its card, fitted on patients that it held back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.errors import ModelError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.models.card import ModelCard
from claimslicer.models.registry import resolve
from claimslicer.outputs import check_output, write_text
from claimslicer.quantification.calibration import (
    Calibration,
    Scaling,
    fit_scaling,
    heart_region,
    tally,
    total,
    voxels,
)
from claimslicer.studies import Geometry, Study
from claimslicer.studies.phase import Phase

Voxels = tuple[np.ndarray, np.ndarray]
"""Probabilities (5, n) and labels (n,) round one patient's heart."""


@dataclass(frozen=True)
class Calibrated:
    """The scaling, the patients it was fitted on, and how reliable each is ``before`` and ``after`` it.

    ``after`` scales each patient by what was fitted on the others.
    """

    scaling: Scaling
    patients: tuple[str, ...]
    before: tuple[Calibration, ...]
    after: tuple[Calibration, ...]

    def errors(self) -> dict[str, dict[str, float]]:
        """Return the expected calibration errors over the voxels of all patients."""
        pairs = (("before", self.before), ("after, on patients left out", self.after))
        pooled = {name: total(found) for name, found in pairs}
        return {
            name: {"classwise": found.classwise_error, "infarct": found["infarct"].error}
            for name, found in pooled.items()
        }

    def to_card(self) -> dict[str, Any]:
        """Return the card's table ``calibration``, JSON types."""
        return {
            "temperature": self.scaling.temperature,
            "biases": list(self.scaling.biases),
            "patients": list(self.patients),
            "expected calibration error": self.errors(),
        }


def calibrate_segmenter(
    model: str | Path, data: Path, *, device: str = "auto", events: Events = SILENT
) -> tuple[Path, Calibrated]:
    """Fit a scaling to what ``model`` says of the patients that it held back; write it onto its card.

    ``data`` is a folder of labelled case folders or a training cache, which may hold others too: only those
    in the card's split under ``validation`` are looked at. Returns the card's file. Raises ModelError,
    StudyError with fewer than two such patients, and OutputError.
    """
    from claimslicer.segmentation.model import load_segmenter
    from claimslicer.segmentation.predict import predict

    found = resolve(model, "segmentation")
    check_output(found.card_file)
    segmenter = load_segmenter(model, device)
    names = _held_back(found.card)
    patients: dict[str, Voxels] = {}
    for number, (study, phase) in enumerate(_read(data, names)):
        events.progress("calibrating", min(number / len(names), 1.0), study.name)
        assert study.labels is not None
        said = predict(study, segmenter, SILENT, phase).probabilities
        patients[study.name] = voxels(said, study.labels, heart_region(said, study.geometry))
    if len(patients) < 2:
        raise StudyError(
            f"'{data}' holds {len(patients)} of the {len(names)} patients that '{found.name}' held back: "
            "give the data that it was trained from."
        )
    calibrated = fit_on_patients(patients)
    card = dataclasses.replace(found.card, calibration=calibrated.to_card())
    write_text(found.card_file, card.to_json())
    events.progress("calibrating", 1.0, "done")
    return found.card_file, calibrated


def fit_on_patients(patients: Mapping[str, Voxels], *, biases: bool = True) -> Calibrated:
    """Fit on all ``patients``, two or more; and for each on the others, to know what it is worth."""
    pairs = list(patients.values())
    after = []
    for number, (said, labels) in enumerate(pairs):
        others = fit_scaling(pairs[:number] + pairs[number + 1 :], biases=biases)
        after.append(tally(others.apply(said), labels))
    before = tuple(tally(*pair) for pair in pairs)
    return Calibrated(fit_scaling(pairs, biases=biases), tuple(patients), before, tuple(after))


def _held_back(card: ModelCard) -> Sequence[str]:
    names = card.split.get("validation")
    if not names or not isinstance(names, list):
        raise ModelError(f"The card of '{card.name}' names no patients held back, so nothing can be fitted.")
    return names


def _read(data: Path, names: Sequence[str]) -> Iterator[tuple[Study, Phase | None]]:
    """Yield those of the named studies that ``data`` holds, without synthetic ones, and their phases."""
    from claimslicer.studies import read_study
    from claimslicer.training.data.cache import read_cache

    if data.suffix == ".npz":
        for cached in read_cache(data).studies:
            if cached.name in names and not cached.synthetic:
                geometry = Geometry(cached.labels.shape, cached.spacing_zyx[::-1])
                yield Study(cached.name, cached.image, geometry, cached.labels), cached.phase
        return
    for name in names:
        if (data / name).exists():
            study = dataclasses.replace(read_study(data / name), name=name)
            if study.labels is None:
                raise StudyError(f"'{data / name}' has no labels to calibrate with: give the labelled data.")
            if not study.synthetic:
                yield study, None
