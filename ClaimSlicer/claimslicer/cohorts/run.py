"""Making a cohort: what is missing is made by Dask workers, study by study, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claimslicer.cohorts.cluster import WorkerLost, local_workers, remote_workers, run_tasks
from claimslicer.cohorts.config import CohortConfig, fingerprint
from claimslicer.cohorts.make import PassedOver, StudyMaker, infarct_dice, read_heart
from claimslicer.cohorts.plan import Job, find_parents, plan, validation_folders
from claimslicer.cohorts.write import UNFINISHED, write_case
from claimslicer.errors import ClaimError, OutputError, SpecificationError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.outputs import make_folder, write_text
from claimslicer.training.cache import RECIPE_FILE
from claimslicer.training.lock import held

if TYPE_CHECKING:
    from distributed import Client

    from claimslicer.evaluation.quality import QualityFilter

SETTINGS_FILE = "cohort.json"
TABLE_FILE = "studies.csv"
COLUMNS = ("name", "parent", "part", "number", "attempt", "segments", "asked_ml", "scar_ml", "seed")


@dataclass(frozen=True)
class CohortResult:
    """``made`` now and ``kept`` from before, by name; ``passed_over`` with the reason.

    ``target_distance`` is how far the scars of the whole cohort lie from the target distribution (0–1), None
    without a target.
    """

    folder: Path
    made: tuple[str, ...]
    kept: tuple[str, ...]
    passed_over: dict[str, str]
    target_distance: float | None


def make_cohort(
    config: CohortConfig, *, scheduler: str | None = None, events: Events = SILENT
) -> CohortResult:
    """Make every study of the cohort that isn't there yet, and a table of all.

    It runs on ``config.workers`` processes of this machine, or on the Dask scheduler at the address
    ``scheduler``, whose workers must see the same folders. Stopped at any moment, it leaves whole studies
    alone, and called again it makes the others, the same as they would have been. A heart that can't carry
    the scar, or a study that the quality filter doesn't keep, is passed over.

    Raises:
        SpecificationError, StudyError, ModelError: the settings, the sources or the weights can't be used.
        OutputError: another cohort lies in the folder, or it can't be written.
        ClaimError: workers died at the same study again and again.
    """
    out = _own_folder(config)
    with held(out / ".lock"):
        parents = find_parents(config)
        jobs = plan(config, parents)
        quality = _begin(config, out, events)
        _remove_unfinished(out)
        missing = [job for job in jobs if not (out / job.name).is_dir()]
        kept = tuple(job.name for job in jobs if (out / job.name).is_dir())
        events.emit("planned", studies=len(jobs), hearts=len(parents), missing=len(missing))
        made: list[str] = []
        passed_over: dict[str, str] = {}
        lost: list[str] = []
        try:
            for name, outcome in _outcomes(config, scheduler, quality, missing):
                _sort(name, outcome, made, passed_over, lost, events)
                done = len(kept) + len(made) + len(passed_over) + len(lost)
                events.progress("cohort", done / len(jobs), f"{done} of {len(jobs)}")
        finally:
            _remove_unfinished(out)
        if lost:
            raise ClaimError(
                f"Workers died at {len(lost)} studies ({lost[0]} among them), maybe for want of memory: run "
                "it again with fewer workers."
            )
        if not made and not kept:
            raise StudyError(f"No study could be made; the first one's reason: {passed_over[jobs[0].name]}")
        distance = _write_table(config, out)
    return CohortResult(out, tuple(made), kept, passed_over, distance)


def _sort(
    name: str, outcome: Any, made: list[str], passed_over: dict[str, str], lost: list[str], events: Events
) -> None:
    if isinstance(outcome, WorkerLost):
        lost.append(name)
        events.emit("lost", study=name, message=f"{name}: the workers died.")
    elif outcome is None:
        made.append(name)
        events.emit("metrics", study=name)
    else:
        passed_over[name] = outcome
        events.emit("skipped", study=name, message=f"{name}: {outcome}")


def _outcomes(
    config: CohortConfig, scheduler: str | None, quality: QualityFilter | None, missing: list[Job]
) -> Iterator[tuple[str, Any]]:
    """Yield each missing study's name, with None where it was made, the reason why not, or WorkerLost."""
    if not missing:
        return
    # The key tells two cohorts on one cluster apart.
    key = fingerprint({**config.to_dict(), "out": str(config.out)})
    names = {f"{key[:16]}-{job.name}": job.name for job in missing}
    tasks = ((f"{key[:16]}-{job.name}", (config, quality, key, job)) for job in missing)
    with _workers(config, scheduler) as client:
        for task, outcome in run_tasks(client, make_study, tasks):
            yield names[task], outcome


def _workers(config: CohortConfig, scheduler: str | None) -> AbstractContextManager[Client]:
    return local_workers(config.workers) if scheduler is None else remote_workers(scheduler)


_MAKERS: dict[str, StudyMaker] = {}
"""The maker of the cohort that this process works on, with the hearts that it read last."""


def make_study(config: CohortConfig, quality: QualityFilter | None, key: str, job: Job) -> str | None:
    """Make and write one study, in a worker; return the reason where it is passed over.

    ``key`` names the cohort, so that what was read for one study serves the next.
    """
    import torch

    if key not in _MAKERS:
        torch.set_num_threads(config.threads)
        _MAKERS.clear()
        _MAKERS[key] = StudyMaker(config, quality)
    if (config.out / job.name).is_dir():
        return None
    try:
        heart, child = _MAKERS[key].make(job)
    except PassedOver as reason:
        return str(reason)
    write_case(config.out, job, heart, child, config.format)
    return None


def _own_folder(config: CohortConfig) -> Path:
    for source in config.sources:
        if config.out.is_relative_to(source.folder):
            raise SpecificationError(
                f"'out' lies in the source {source.folder}: give a folder outside of it."
            )
    return make_folder(config.out)


def _begin(config: CohortConfig, out: Path, events: Events) -> QualityFilter | None:
    """Write what the cohort is, or check that it is the one begun here; return its quality filter.

    Raises OutputError where the folder holds another cohort or other things.
    """
    settings = {**config.to_dict(), "sources": [s.use() | {"name": s.folder.name} for s in config.sources]}
    settings["weights"] = _weights(config)
    file = out / SETTINGS_FILE
    begun = _read_settings(file)
    if begun is None:
        if any(not path.name.startswith(".") for path in out.iterdir()):
            raise OutputError(f"{out} holds other files: give an empty or a new folder.")
        quality = _quality(config, events)
        record = {"settings": settings, "quality_threshold": quality.threshold if quality else None}
        write_text(file, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return quality
    if fingerprint(begun["settings"]) != fingerprint(settings):
        names = sorted(k for k in settings | begun["settings"] if settings.get(k) != begun["settings"].get(k))
        raise OutputError(
            f"{out} holds a cohort that was begun with another {' and '.join(names)}: put it back, or give "
            "another folder."
        )
    threshold = begun["quality_threshold"]
    if threshold is None:
        return None
    from claimslicer.evaluation.quality import QualityFilter

    return QualityFilter(threshold)


def _read_settings(file: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{file} can't be read: give another folder.") from error
    if not isinstance(record, dict) or not {"settings", "quality_threshold"} <= set(record):
        raise OutputError(f"{file} is not what a cohort was begun with: give another folder.")
    return record


def _weights(config: CohortConfig) -> dict[str, str]:
    """Return the hashes of the weights that make and judge the studies. Raises ModelError."""
    from claimslicer.models.registry import resolve

    weights = {"synthesis": resolve(config.model, "synthesis").card.sha256}
    if config.quality is not None:
        weights["segmentation"] = resolve(config.quality.segmenter, "segmentation").card.sha256
    return weights


def _quality(config: CohortConfig, events: Events) -> QualityFilter | None:
    """Return the quality filter, calibrated on the sources' validation patients for a pass rate."""
    asked = config.quality
    if asked is None:
        return None
    from claimslicer.evaluation.quality import QualityFilter

    if asked.threshold is not None:
        return QualityFilter(float(asked.threshold))
    folders = list(validation_folders(config.sources))
    dice = []
    for index, folder in enumerate(folders):
        events.progress("calibrating", index / len(folders), folder.name)
        heart = read_heart(folder)
        if heart.existing.any():
            dice.append(infarct_dice(heart.study, heart.labels, asked.segmenter, config.device))
    return QualityFilter.calibrate(dice, float(asked.pass_rate or 0))


def _remove_unfinished(out: Path) -> None:
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)


def _write_table(config: CohortConfig, out: Path) -> float | None:
    """Write the table of all studies there; return how far they lie from the target, where there is one."""
    from claimslicer.smile import ScarSpec
    from claimslicer.smile.resample import distance_to_target

    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    specs, lv_ml = [], []
    for file in sorted(out.glob(f"*/{RECIPE_FILE}")):
        recipe = json.loads(file.read_text(encoding="utf-8"))
        smile = recipe["smile"]
        if smile is not None:
            specs.append(ScarSpec.from_dict(smile))
            lv_ml.append(recipe["child"]["lv_ml"])
        table.writerow(_row(recipe))
    write_text(out / TABLE_FILE, text.getvalue())
    if config.target is None or not specs:
        return None
    return distance_to_target(specs, config.target, lv_ml)


def _row(recipe: dict[str, Any]) -> dict[str, Any]:
    smile = recipe["smile"] or {}
    row = {name: recipe["child"].get(name) for name in COLUMNS}
    asked = {"segments": " ".join(map(str, smile.get("segments", ()))), "asked_ml": smile.get("volume_ml")}
    return {**row, **asked, "seed": recipe["seed"]}
