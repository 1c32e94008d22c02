"""What a cohort was begun with: kept in its folder, so that nothing else is ever added to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claimslicer.cohorts.config import CohortConfig, fingerprint
from claimslicer.cohorts.make import infarct_dice, read_heart
from claimslicer.cohorts.plan import validation_folders
from claimslicer.errors import OutputError
from claimslicer.events import Events
from claimslicer.json_files import read_json
from claimslicer.outputs import write_text

if TYPE_CHECKING:
    from claimslicer.quantification.quality import QualityFilter

SETTINGS_FILE = "cohort.json"


@dataclass(frozen=True)
class Order:
    """What a worker has to know to make any study of a cohort.

    ``weights`` are hashes by kind; and the ``judges`` among a segmenter's labellers, where not all are.
    """

    config: CohortConfig
    quality: QualityFilter | None
    weights: dict[str, str]

    @property
    def key(self) -> str:
        """A name that no other cohort on the same cluster has."""
        return fingerprint({**self.config.to_dict(), **self.weights, "out": str(self.config.out)})[:16]


def begin(config: CohortConfig, out: Path, events: Events) -> Order:
    """Write what the cohort is into ``out``, or check that it is the one begun there.

    A quality filter is calibrated once, when the cohort begins. Raises OutputError where the folder holds
    another cohort or other things, ModelError without weights.
    """
    weights = _weights(config)
    sources = [source.use() | {"name": source.folder.name} for source in config.sources]
    settings = {**config.to_dict(), "sources": sources, "weights": weights}
    file = out / SETTINGS_FILE
    begun = _read_settings(file)
    if begun is None:
        if any(not path.name.startswith(".") for path in out.iterdir()):
            raise OutputError(f"{out} holds other files: give an empty or a new folder.")
        quality = _quality(config, events)
        record = {"settings": settings, "quality_threshold": quality.threshold if quality else None}
        write_text(file, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return Order(config, quality, weights)
    if fingerprint(begun["settings"]) != fingerprint(settings):
        names = sorted(k for k in settings | begun["settings"] if settings.get(k) != begun["settings"].get(k))
        raise OutputError(
            f"{out} holds a cohort that was begun with another {' and '.join(names)}: set that back, or give "
            "another folder."
        )
    return Order(config, _filter_of(begun["quality_threshold"]), weights)


def _read_settings(file: Path) -> dict[str, Any] | None:
    try:
        record = read_json(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{file} can't be read: give another folder.") from error
    if not isinstance(record, dict) or not {"settings", "quality_threshold"} <= set(record):
        raise OutputError(f"{file} is not what a cohort was begun with: give another folder.")
    return record


def _weights(config: CohortConfig) -> dict[str, str]:
    """Return which weights make and judge the studies, see :class:`Order`. Raises ModelError."""
    from claimslicer.models.registry import resolve

    weights = {"synthesis": resolve(config.model, "synthesis").card.sha256}
    if config.quality is not None:
        card = resolve(config.quality.segmenter, "segmentation").card
        weights["segmentation"] = card.sha256
        if any(card.real_only) and not all(card.real_only):
            weights["judges"] = " ".join(str(n) for n, real in enumerate(card.real_only) if real)
    return weights


def _quality(config: CohortConfig, events: Events) -> QualityFilter | None:
    """Return the quality filter, calibrated on the sources' validation patients for a pass rate."""
    asked = config.quality
    if asked is None:
        return None
    if asked.threshold is not None:
        return _filter_of(float(asked.threshold))
    from claimslicer.quantification.quality import QualityFilter

    folders = list(validation_folders(config.sources))
    dice = []
    for index, folder in enumerate(folders):
        events.progress("calibrating", index / len(folders), folder.name)
        heart = read_heart(folder)
        if heart.existing.any():
            dice.append(infarct_dice(heart.study, heart.labels, asked.segmenter, config.device))
    return QualityFilter.calibrate(dice, float(asked.pass_rate or 0))


def _filter_of(threshold: float | None) -> QualityFilter | None:
    from claimslicer.quantification.quality import QualityFilter

    return None if threshold is None else QualityFilter(threshold)
