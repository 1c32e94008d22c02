"""The two-sample test over an evaluation's records, as its page and its reader test take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from claimslicer.evaluation.config import EvaluationConfig
from claimslicer.evaluation.record import ScarRecord
from claimslicer.evaluation.twosample import LabelledScar, SliceSample, slice_samples
from claimslicer.evaluation.twosample.told import TESTED, Told, tell_apart
from claimslicer.events import SILENT, Events
from claimslicer.labels import labels_with_scar
from claimslicer.outputs import without_nan
from claimslicer.studies import read_study


@dataclass(frozen=True)
class Telling:
    """What was told from real scars how well, by slices ``samples``; ``note`` says what wasn't, and why."""

    told: Sequence[Told]
    samples: Sequence[SliceSample]
    note: str

    def to_dict(self) -> list[dict[str, Any]]:
        """Return JSON types, one entry for each kind and classifier; None stands for what isn't defined."""
        return [without_nan(_entry(one)) for one in self.told]


def tell(config: EvaluationConfig, records: Sequence[ScarRecord], events: Events = SILENT) -> Telling:
    """Let ``config.classifiers`` tell the kinds among ``records`` from the real scars."""
    samples = samples_of(config, records)
    told, note = tell_apart(samples, config.classifiers, resamples=config.resamples, events=events)
    return Telling(told, samples, note)


def samples_of(config: EvaluationConfig, records: Sequence[ScarRecord]) -> list[SliceSample]:
    """Return the slices of every scar but the copies, of which nothing was painted; hearts are read once."""
    samples = []
    for folder in config.case_folders():
        own = [r for r in records if r.case == folder.name and r.kind in ("real", *TESTED)]
        if not own:
            continue
        study = read_study(folder)
        assert study.labels is not None  # else there were no records
        samples += slice_samples(
            [
                LabelledScar(
                    record.kind,
                    record.case,
                    record.image_of(study.image),
                    labels_with_scar(study.labels, record.scar),
                    study.geometry.spacing_zyx,
                    record.draw,
                )
                for record in own
            ]
        )
    return samples


def _entry(told: Told) -> dict[str, Any]:
    auc = told.result.auc
    return {
        "kind": told.kind,
        "classifier": told.result.classifier,
        "auc": {"value": auc.value, "low": auc.low, "high": auc.high},
        "copied": told.copied,
        "relabelled": told.relabelled.tolist(),
        "real_halves": told.halves.tolist(),
        "features": {
            name: {"auc": own, "share": share} for name, (own, share) in told.result.features.items()
        },
    }
