"""What a training will need, measured: the studies are read, and a few steps taken on the device itself."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claimslicer.events import SILENT, Events
from claimslicer.training.data.cache import CachedStudy, Cohort, case_folders, read_cache, read_case_folders
from claimslicer.training.runs.kinds import preset_text, trainable
from claimslicer.yaml_settings import load_yaml

if TYPE_CHECKING:
    from claimslicer.training.engine.loop import Trainer

MEASURED_STEPS = (2, 3, 3)
"""Pieces that are timed. The very first step warms up; of the seven others one trains the segmenter's
locator, as in the long run."""
MEASURING_SECONDS = 12.0
"""No further piece is begun after this."""
SLOWER = 1.25
"""The upper end of the time over the slowest piece: other programs want their share too."""
READING_SHARE = 0.3
"""Of the check, as its progress tells."""
FEW_STUDIES = 20
PICTURE_BYTES = 200_000
GB, MB = 1e9, 1e6
_SPANS = (("s", 1, 0), ("min", 60, 0), ("h", 3600, 1))


@dataclass(frozen=True)
class Needs:
    """What was found and measured; bytes, seconds, numbers of studies by part of the split."""

    training: str
    studies: dict[str, int]
    with_infarct: dict[str, int]
    steps: int
    device: str
    seconds_per_step: tuple[float, float]
    """On average over all stages."""
    seconds: tuple[float, float]
    memory: int
    memory_free: int
    device_memory: int
    """On a GPU; 0 without one."""
    device_memory_free: int
    disk: int
    disk_free: int

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Needs:
        """Read what :meth:`to_dict` wrote."""
        spans = {name: tuple(values[name]) for name in ("seconds_per_step", "seconds")}
        return cls(**{**values, **spans})

    def obstacles(self) -> list[str]:
        """Return what would make the training fail, a sentence each."""
        found = []
        if self.disk > self.disk_free:
            found.append(f"Only {size_text(self.disk_free)} of disk are free: make room or choose another.")
        if self.device_memory > self.device_memory_free:
            free = size_text(self.device_memory_free)
            found.append(f"The GPU has only {free} free: close what uses it, or choose another device.")
        return found

    def cautions(self) -> list[str]:
        """Return what the user should know before starting, a sentence each."""
        found = []
        if self.memory > self.memory_free:
            free = size_text(self.memory_free)
            found.append(f"Only {free} of memory are free: close other programs, or it will be slow or fail.")
        if not self.with_infarct["validation"]:
            found.append("No patient with infarct is held back, so nothing will say how good the model is.")
        if self.training != "synthesis" and self.with_infarct["training"] == self.studies["training"]:
            found.append("All patients to train on have an infarct: expect one to be found in anybody.")
        if self.studies["training"] < FEW_STUDIES:
            found.append(f"{self.studies['training']} patients are few: expect a model that knows only them.")
        return found

    def table(self) -> list[tuple[str, str]]:
        """Return what people want to read, as names and values."""
        parts = [
            f"{self.studies['training']} to train on ({self.with_infarct['training']} with infarct)",
            f"{self.studies['validation']} held back ({self.with_infarct['validation']} with infarct)",
        ]
        if self.studies["test"]:
            parts.append(f"{self.studies['test']} published test cases left unread")
        low, high = self.seconds
        rows = [
            ("Patients", "; ".join(parts)),
            (
                "Time",
                f"{span_text(low, high)} for {self.steps} steps on {self.device}, at the pace just measured",
            ),
            ("Memory", f"{size_text(self.memory)} of {size_text(self.memory_free)} free"),
        ]
        if self.device_memory:
            free = size_text(self.device_memory_free)
            rows.append(("GPU memory", f"{size_text(self.device_memory)} of {free} free"))
        return [*rows, ("Disk", f"up to {size_text(self.disk)} of {size_text(self.disk_free)} free")]


def measure_needs(
    kind: str,
    preset: str,
    data: Path,
    runs_folder: Path,
    *,
    device: str = "auto",
    settings: str = "",
    events: Events = SILENT,
) -> Needs:
    """Read the studies, take a few steps in a temporary folder, and reckon up the whole run from them.

    ``settings`` are more lines of YAML that go over the preset's. Takes some seconds more than reading the
    data. Raises the ClaimErrors that the run itself would end with.
    """
    parts = trainable(kind).load()
    began = time.monotonic()
    with _Peak() as peak, tempfile.TemporaryDirectory(prefix="claim-needs-") as temporary:
        cohort, left_unread = _read(Path(data), _Part(events, 0.0, READING_SHARE))
        file = Path(temporary) / "config.yaml"
        place = {"cache": "none.npz", "out": ".", "device": device}
        asked = load_yaml(preset_text(kind, preset)) | (load_yaml(settings) or {}) | place
        file.write_text(json.dumps(asked), encoding="utf-8")  # JSON is YAML too
        config = parts.config.from_yaml(file)
        stages = list(parts.stages(config).values())
        share = (1 - READING_SHARE) / len(stages)
        told = [_Part(events, 1 - share * left, 1 - share * (left - 1)) for left in range(len(stages), 0, -1)]
        # A loop's variable would keep a stage's trainer while the next is made.
        tried = list(map(_try_out, parts.trainers(config, cohort), told))
    preparing = time.monotonic() - began - sum(stage.seconds for stage in tried)
    rounds = [-(-stage.steps // stage.validate_every) + 1 for stage in stages]
    looking = sum(count * stage.validation_seconds for count, stage in zip(rounds, tried, strict=True))
    steps = sum(stage.steps for stage in stages)
    low, high = (
        sum(stage.steps * pace(found.paces) for stage, found in zip(stages, tried, strict=True))
        for pace in (min, max)
    )
    images = sum(study.image.nbytes + study.labels.nbytes for study in cohort.studies)
    return Needs(
        training=kind,
        studies={part: len(cohort.part(part)) for part in ("training", "validation")} | {"test": left_unread},
        with_infarct={part: _with_infarct(cohort.part(part)) for part in ("training", "validation")},
        steps=steps,
        device=tried[-1].device,
        seconds_per_step=(low / steps, high / steps),
        seconds=(preparing + looking + low, SLOWER * (preparing + looking + high)),
        memory=peak.bytes,
        memory_free=_free_memory() + peak.bytes,
        device_memory=max(stage.device_memory for stage in tried),
        device_memory_free=min(stage.device_memory_free for stage in tried),
        # A new checkpoint is written beside the old one.
        disk=images + sum(2 * stage.checkpoint_bytes for stage in tried) + sum(rounds) * PICTURE_BYTES,
        disk_free=shutil.disk_usage(_existing(Path(runs_folder))).free,
    )


@dataclass(frozen=True)
class _Tried:
    """What a few steps showed."""

    device: str
    paces: list[float]
    """Seconds of a step, one for each piece measured."""
    validation_seconds: float
    checkpoint_bytes: int
    device_memory: int
    device_memory_free: int
    seconds: float
    """That it took to find out."""


def _try_out(trainer: Trainer, events: Events) -> _Tried:
    """Take a few steps by the real loop, and validate."""
    began = time.monotonic()
    events.progress("measuring", 0.0, "taking a few steps")
    paces = _paces(trainer, events)
    stepped = time.monotonic()
    trainer.validate(trainer.model)
    trainer.sample(trainer.model)
    ended = time.monotonic()
    events.progress("measuring", 1.0, "done")
    return _Tried(
        str(next(trainer.model.parameters()).device),
        paces,
        ended - stepped,
        (trainer.config.out / "checkpoint.safetensors").stat().st_size,
        *_device_memory(trainer.model),
        ended - began,
    )


def _read(data: Path, events: Events) -> tuple[Cohort, int]:
    """Return the studies, and how many test cases were left unread."""
    if data.suffix == ".npz" and data.is_file():
        return read_cache(data), 0
    folders = case_folders(data)
    return Cohort(tuple(read_case_folders(data, events))), list(folders.values()).count("test")


def _with_infarct(studies: list[CachedStudy]) -> int:
    return sum(study.has_infarct for study in studies)


class _Part:
    """Passes progress on as a part of one way from 0 to 1."""

    def __init__(self, events: Events, first: float, last: float) -> None:
        self._events, self._first, self._last = events, first, last

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Pass it on."""
        self._events.progress(
            "checking", self._first + fraction * (self._last - self._first), message or stage
        )

    def emit(self, kind: str, **values: Any) -> None:
        """Pass it on."""
        self._events.emit(kind, **values)


class _Paces:
    """Keeps the times of steps out of the training's events."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Drop it: the user sees how far the measuring is, not this."""

    def emit(self, kind: str, **values: Any) -> None:
        """Keep the time of all steps but the first."""
        if kind == "metrics" and values["step"] > 1:
            self.seconds.append(float(values["seconds_per_step"]))


def _paces(trainer: Trainer, events: Events) -> list[float]:
    """Return the seconds of a step, one for each piece measured, by the real loop."""
    from claimslicer.training.engine.loop import train

    paces, began = _Paces(), time.monotonic()
    for number, steps in enumerate(MEASURED_STEPS):
        train(trainer, resume=True, events=paces, stop_after_steps=steps)
        events.progress("measuring", 0.2 * (number + 1), f"{sum(MEASURED_STEPS[: number + 1])} steps taken")
        if time.monotonic() - began > MEASURING_SECONDS:
            break
    events.progress("measuring", 0.8, "validation")
    return paces.seconds


def _device_memory(model: Any) -> tuple[int, int]:
    """Return what was reserved on the model's GPU and what it can give, or zeros without one."""
    import torch

    device = next(model.parameters()).device
    if device.type != "cuda":
        return 0, 0
    reserved = torch.cuda.max_memory_reserved(device)
    return reserved, torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available)


def _existing(folder: Path) -> Path:
    """Return the nearest folder that is there: the runs' own is made with the first run."""
    folder = folder.expanduser().absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


class _Peak:
    """The most memory that this process has while the block lasts, looked at every 20 ms.

    The system's own peak counts what the parent had before this process began, on Linux.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        import psutil

        process = psutil.Process()
        while not self._ended.is_set():
            self.bytes = max(self.bytes, process.memory_info().rss)
            self._ended.wait(0.02)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def size_text(count: int) -> str:
    """Return ``count`` bytes for people: MB below 1 GB."""
    return f"{count / GB:.1f} GB" if count >= GB else f"{max(1, round(count / MB))} MB"


def span_text(low: float, high: float) -> str:
    """Return a span of seconds for people, in the unit that fits: '40–60 min', 'about 2 min'."""
    unit, seconds, digits = next(row for row in _SPANS if high < row[1] * 120 or row[0] == "h")
    first, last = f"{low / seconds:.{digits}f}", f"{high / seconds:.{digits}f}"
    return f"about {last} {unit}" if first == last else f"{first}–{last} {unit}"
