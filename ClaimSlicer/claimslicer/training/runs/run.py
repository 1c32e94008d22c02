"""Training runs: each is a folder, which a process works in and anyone may look into.

| file | holds |
|---|---|
| ``run.json`` | what is trained on what, and the process last started |
| ``config.yaml`` | all settings |
| ``events.jsonl`` | what happened, one JSON object a line, appended |
| ``log.txt`` | what the process printed, appended |
| ``cache.npz`` | the cohort, until the run is finished |
| ``checkpoint.safetensors`` | all that resume needs |
| ``samples/step_000600.png`` | pictures from validation |
| ``<kind>.safetensors``, ``<kind>.json`` | the finished model |
| ``segmenter``, ``generator``, ``joint`` | of joint training: each stage's checkpoint, pictures, model |
| ``report/report.html`` | of joint training: what came out |
| ``stop`` | the request to pause, taken away by the process that obeys |
| ``lock`` | locked while a process works here |

The process goes on when whoever started it ends. Light to import: no torch, no YAML.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import claimslicer
from claimslicer.errors import ClaimError, ModelError, OutputError, StudyError
from claimslicer.json_files import parse_json, read_json
from claimslicer.models.card import check_name
from claimslicer.models.registry import SHIPPED, Model, user_folder
from claimslicer.models.transfer import import_model
from claimslicer.outputs import check_outside, make_folder, output_error, write_text
from claimslicer.training.data.cache import case_folders
from claimslicer.training.runs import lock
from claimslicer.training.runs.kinds import TRAINABLE, preset_text, trainable

State = Literal["waiting", "running", "stopping", "paused", "finished", "failed"]
FORMAT_VERSION = 1
START_SECONDS = 60.0
"""So long a process may take from its start to its first event."""
ENDINGS = ("paused", "cancelled", "failed", "finished")
"""The events that a process may end with; without one it was killed."""
TAIL_BYTES = 65536
LAST_EVENT_BYTES = 8192
"""No event is longer; the states of many runs are asked for once a second."""

_children: dict[int, subprocess.Popen] = {}
"""The processes started from here, so that an early death is noticed."""


@dataclass(frozen=True)
class Run:
    """One run's folder. Everything is read from the files, so that any process may ask."""

    folder: Path

    @property
    def name(self) -> str:
        """The run's name, and its model's."""
        return self.folder.name

    @property
    def config_file(self) -> Path:
        """The settings' file."""
        return self.folder / "config.yaml"

    @property
    def events_file(self) -> Path:
        """The events' file."""
        return self.folder / "events.jsonl"

    @property
    def log_file(self) -> Path:
        """What the process printed."""
        return self.folder / "log.txt"

    @property
    def stop_file(self) -> Path:
        """The request to pause."""
        return self.folder / "stop"

    @property
    def lock_file(self) -> Path:
        """What the working process locks."""
        return self.folder / "lock"

    @property
    def cache_file(self) -> Path:
        """The cohort, while the run isn't finished."""
        return self.folder / "cache.npz"

    @property
    def report(self) -> Path:
        """The page that a run of several stages ends with."""
        return self.folder / "report" / "report.html"

    @property
    def weights(self) -> list[Path]:
        """The finished models' weights, one or, of joint training, two."""
        return [self.folder / f"{kind}.safetensors" for kind in trainable(self.info["kind"]).models]

    def is_finished(self) -> bool:
        """Say whether the models are there; the cohort's copy goes last."""
        return all(path.exists() for path in self.weights) and not self.cache_file.exists()

    @cached_property
    def info(self) -> dict[str, Any]:
        """What ``run.json`` says, without the process. Raises StudyError where it is no run."""
        return {key: value for key, value in self._record().items() if key != "process"}

    def _record(self) -> dict[str, Any]:
        try:
            record = read_json(self.folder / "run.json")
            complete = {"kind", "preset", "data", "made"} <= record.keys()
            if record["format"] == FORMAT_VERSION and complete and record["kind"] in TRAINABLE:
                return record
        except (OSError, ValueError, KeyError, TypeError):
            pass
        if not self.folder.is_dir():
            raise StudyError(
                f"There is no run {self.folder}: check its name, or make it with 'train prepare'."
            )
        raise StudyError(f"{self.folder} is no training run of this version: choose a run's own folder.")

    def state(self) -> State:
        """Tell how the run stands, from its files and the lock that only a living process can hold."""
        if lock.is_held(self.lock_file):
            return "stopping" if self.stop_file.exists() else "running"
        if self.is_finished():
            return "finished"
        process = self._record().get("process")
        last = self._last_event(process)
        if last is None:
            if process is None:
                return "waiting"
            return "running" if self._may_be_starting(process) else "failed"
        return "paused" if last["event"] in ("paused", "cancelled") else "failed"

    def _may_be_starting(self, process: dict[str, Any]) -> bool:
        child = _children.get(process["pid"])
        if child is not None:
            return child.poll() is None
        return 0 <= time.time() - process["started"] < START_SECONDS

    def cause(self) -> str:
        """Say why the run failed, in a sentence."""
        last = self._last_event(self._record().get("process"))
        if last and last["event"] == "failed":
            return str(last["message"])
        if shutil.disk_usage(self.folder).free < 2**20:
            return "The disk is full: free some space and resume."
        return (
            "The process ended without a word: it was killed, ran out of memory or the computer was "
            "switched off. Resume goes on from the last checkpoint."
        )

    def read_events(self, since: int = 0, limit: int = TAIL_BYTES) -> tuple[list[dict[str, Any]], int]:
        """Return the events from byte ``since`` on, and where to read on.

        Only whole lines count, up to ``limit`` bytes at a time; there may be more while something comes back.
        """
        try:
            with self.events_file.open("rb") as stream:
                stream.seek(since)
                data = stream.read(limit)
        except FileNotFoundError:
            return [], since
        whole = data[: data.rfind(b"\n") + 1]
        return [event for line in whole.splitlines() if (event := _parse(line))], since + len(whole)

    def _last_event(self, process: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the last event since ``process`` was started; since ever where it was from a terminal."""
        since = process["events_from"] if process else 0
        size = self.events_file.stat().st_size if self.events_file.exists() else 0
        events, _ = self.read_events(max(since, size - LAST_EVENT_BYTES))
        return events[-1] if events else None

    def last_log_lines(self, count: int = 20) -> list[str]:
        """Return the last lines that the process printed."""
        try:
            with self.log_file.open("rb") as stream:
                stream.seek(max(0, self.log_file.stat().st_size - TAIL_BYTES))
                return stream.read().decode("utf-8", "replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def take_models_in(self) -> list[Model]:
        """Copy what the run has made into the user's own models, once, and return it there.

        Raises ModelError when another one has its name meanwhile.
        """
        own = [Model(user_folder() / self.name / path.name) for path in self.weights]
        if all(
            there.card_file.is_file() and there.card.sha256 == Model(path).card.sha256
            for there, path in zip(own, self.weights, strict=True)
        ):
            return own
        return import_model(*self.weights)

    def start(self, python: str | Path = sys.executable) -> None:
        """Start, or resume, in a process of its own that outlives this one.

        Raises ClaimError when it is going on or finished already, OutputError when nothing can be written.
        """
        state = self.state()
        if state in ("running", "stopping"):
            raise ClaimError(f"The run '{self.name}' is going on already: wait for it, or pause it.")
        if state == "finished":
            raise ClaimError(f"The run '{self.name}' is finished: use its model, or begin a new run.")
        # ``python -m`` looks in the working directory first, and the library lies there.
        arguments = ["-X", "faulthandler", "-u", "-m", "claimslicer.cli.main", "--debug", "train", "run"]
        command = [str(python), *arguments, str(self.folder)]
        before = self.events_file.stat().st_size if self.events_file.exists() else 0
        record = {key: value for key, value in self._record().items() if key != "process"}
        try:
            self.stop_file.unlink(missing_ok=True)
            with self.log_file.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=Path(claimslicer.__file__).parent.parent,
                    **_detached(),
                )
        except OSError as error:
            raise output_error(self.folder, error) from error
        _children[process.pid] = process
        record["process"] = {
            "pid": process.pid,
            "command": command,
            "started": time.time(),
            "events_from": before,
        }
        write_text(self.folder / "run.json", json.dumps(record, indent=2) + "\n")

    def request_stop(self) -> None:
        """Ask the process to save a checkpoint and end; it does after the step it is in."""
        try:
            self.stop_file.touch()
        except OSError as error:
            raise output_error(self.stop_file, error) from error


def _detached() -> dict[str, Any]:
    """Return what makes a process go on when the one that started it ends, without a window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return a line's event; None for what a killed process or a full disk left of one."""
    try:
        event = parse_json(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def prepare_run(
    runs_folder: Path, kind: str, preset: str, data: Path, *, name: str, device: str = "auto"
) -> Run:
    """Make the folder ``runs_folder/name`` of a run that is ready to start, whole or not at all.

    ``data`` is a folder of labelled case folders, or a cache that ``claim-slicer train cache`` wrote.
    Raises ClaimErrors for what can't be trained, a name that is taken, or a place that can't be written.
    """
    check_name(name)
    settings = preset_text(kind, preset)
    data = Path(data).expanduser().resolve()
    cached = data.suffix == ".npz" and data.is_file()
    if not cached:
        case_folders(data)
    if (user_folder() / name).exists() or (SHIPPED / name).exists():
        raise ModelError(f"There is a model '{name}' already: choose another name.")
    check_outside(Path(runs_folder).expanduser() / name, data)
    target = make_folder(Path(runs_folder).expanduser()).resolve() / name
    if target.exists():
        raise OutputError(f"There is a run '{name}' already in {target.parent}: choose another name.")
    place = {
        "cache": str(data) if cached else Run(target).cache_file.name,
        "out": ".",
        "name": name,
        "data": data.name,
        "device": device,
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in place.items()]
    made = datetime.now(UTC).isoformat(timespec="seconds")
    record = {
        "format": FORMAT_VERSION,
        "kind": kind,
        "preset": preset,
        "data": str(data),
        "device": device,
        "made": made,
    }
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as temporary:
            new = Path(temporary) / name
            new.mkdir()
            write_text(new / "config.yaml", settings + "".join(lines))
            write_text(new / "run.json", json.dumps(record, indent=2) + "\n")
            (new / "samples").mkdir()
            new.replace(target)
    except OSError as error:
        raise output_error(target, error) from error
    return Run(target)


def find_runs(runs_folder: Path) -> list[Run]:
    """Return the runs that a folder holds, the newest first; other folders are passed over."""
    found = []
    for record in Path(runs_folder).glob("*/run.json"):
        run = Run(record.parent)
        try:
            found.append((run.info["made"], run.name, run))
        except StudyError:
            continue
    return [run for *_, run in sorted(found, key=lambda entry: entry[:2], reverse=True)]
