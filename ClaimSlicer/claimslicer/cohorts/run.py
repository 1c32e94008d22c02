"""Making a cohort: what is missing is made by Dask workers, study by study, whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claimslicer.cohorts.begin import SETTINGS_FILE, Order, begin
from claimslicer.cohorts.cluster import WorkerLost, local_workers, remote_workers, run_tasks
from claimslicer.cohorts.config import CohortConfig, Quality
from claimslicer.cohorts.make import PassedOver, StudyMaker
from claimslicer.cohorts.plan import Job, find_parents, plan
from claimslicer.cohorts.write import UNFINISHED, write_case
from claimslicer.errors import ClaimError, ModelError, SpecificationError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.json_files import read_json
from claimslicer.outputs import folder_for, write_text
from claimslicer.training.data.cache import RECIPE_FILE
from claimslicer.training.runs.lock import held

if TYPE_CHECKING:
    from distributed import Client

LOCK_FILE = ".lock"
TABLE_FILE = "studies.csv"
KERNELS_KEPT = 128
"""How many compiled kernels oneDNN keeps in a worker. It makes one for each layer and shape; with its own
limit of 1024, memory grows over hundreds of hearts of different sizes."""
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
    parents, left_out = find_parents(config)
    jobs = plan(config, parents)
    with _own_folder(config) as out:
        order = begin(config, out, events)
        _remove_unfinished(out)
        missing = [job for job in jobs if not (out / job.name).is_dir()]
        tally = _Tally(len(jobs), tuple(job.name for job in jobs if (out / job.name).is_dir()))
        _tell_plan(len(parents), left_out, len(jobs), len(missing), events)
        if config.quality is not None:
            _tell_judge(config.quality, events)
        try:
            # Closed before the folder is cleared, so that no worker writes into it any more.
            with closing(_outcomes(order, scheduler, missing)) as outcomes:
                for name, outcome in outcomes:
                    tally.note(name, outcome, events)
        finally:
            _remove_unfinished(out)
        tally.check()
        distance = _write_table(config, out)
    return CohortResult(out, tuple(tally.made), tally.kept, tally.passed_over, distance)


def _tell_plan(hearts: int, left_out: int, studies: int, missing: int, events: Events) -> None:
    message = f"{studies} studies of {hearts} hearts, {missing} of them to be made"
    if left_out:
        message += f"; {left_out} hearts of other parts of the split are left out"
    counts = {"studies": studies, "hearts": hearts, "missing": missing, "left_out": left_out}
    events.emit("planned", **counts, message=message)


def _tell_judge(quality: Quality, events: Events) -> None:
    from claimslicer.segmentation.model import judged_by

    events.emit("judge", message=judged_by(quality.segmenter))


@dataclass
class _Tally:
    """What became of a cohort's studies so far, by name."""

    planned: int
    kept: tuple[str, ...]
    made: list[str] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def note(self, name: str, outcome: str | WorkerLost | None, events: Events) -> None:
        """Take in one study: None is made, a reason passed over."""
        if isinstance(outcome, WorkerLost):
            self.lost.append(name)
            events.emit("lost", study=name, message=f"{name}: the workers died.")
        elif outcome is None:
            self.made.append(name)
            events.emit("metrics", study=name)
        else:
            self.passed_over[name] = outcome
            events.emit("skipped", study=name, message=f"{name}: {outcome}")
        done = len(self.kept) + len(self.made) + len(self.passed_over) + len(self.lost)
        events.progress("cohort", done / self.planned, f"{done} of {self.planned}")

    def check(self) -> None:
        """Raise ClaimError where workers died again and again, StudyError where there is no study at all."""
        if self.lost:
            raise ClaimError(
                f"Workers died at {len(self.lost)} studies ({self.lost[0]} among them), maybe for want of "
                "memory: run it again with fewer workers."
            )
        if not self.made and not self.kept:
            reason = next(iter(self.passed_over.values()))
            raise StudyError(f"No study could be made; a first reason: {reason}")


def _outcomes(order: Order, scheduler: str | None, missing: list[Job]) -> Generator[tuple[str, Any]]:
    """Yield each missing study's name, with None where it was made, the reason why not, or WorkerLost."""
    if not missing:
        return
    names = {f"{order.key}-{job.name}": job.name for job in missing}
    tasks = ((f"{order.key}-{job.name}", (order, job)) for job in missing)
    with _workers(order.config, scheduler) as client:
        for task, outcome in run_tasks(client, make_study, tasks):
            yield names[task], outcome


def _workers(config: CohortConfig, scheduler: str | None) -> AbstractContextManager[Client]:
    return local_workers(config.workers) if scheduler is None else remote_workers(scheduler)


_MAKERS: dict[str, StudyMaker] = {}
"""The maker of the cohort that this process works on, with the hearts that it read last."""


def make_study(order: Order, job: Job) -> str | None:
    """Make and write one study, in a worker; return the reason where it is passed over.

    Raises ModelError where the weights aren't those that the cohort was begun with any more.
    """
    import torch

    config = order.config
    if order.key not in _MAKERS:
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS_KEPT))
        torch.set_num_threads(config.threads)
        _MAKERS.clear()
        _MAKERS[order.key] = StudyMaker(config, order.quality)
    if (config.out / job.name).is_dir():
        return None
    try:
        heart, child = _MAKERS[order.key].make(job)
    except PassedOver as reason:
        return str(reason)
    if child.recipe["weights"]["sha256"] != order.weights["synthesis"]:
        raise ModelError("The weights were replaced while the cohort was made: put them back.")
    write_case(config.out, job, heart, child, config.format)
    return None


@contextmanager
def _own_folder(config: CohortConfig) -> Iterator[Path]:
    """Hold the cohort's folder; where no cohort is begun in it, nothing is left there."""
    for source in config.sources:
        if config.out.is_relative_to(source.folder):
            raise SpecificationError(
                f"'out' lies in the source {source.folder}: give a folder outside of it."
            )
    with folder_for(config.out) as out, ExitStack() as at_last, held(out / LOCK_FILE):
        at_last.callback(_remove_unused_lock, out)
        yield out


def _remove_unused_lock(out: Path) -> None:
    if not (out / SETTINGS_FILE).exists():
        (out / LOCK_FILE).unlink(missing_ok=True)


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
        recipe = read_json(file)
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
