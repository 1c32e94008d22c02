"""Runs: real processes that are killed, refused, paused and resumed, and end as if nothing had been."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from claimslicer.errors import Cancelled, ClaimError, ModelError, OutputError, SpecificationError, StudyError
from claimslicer.models.registry import list_models, resolve
from claimslicer.training.engine import loop
from claimslicer.training.progress.history import History, smoothed
from claimslicer.training.runs import lock
from claimslicer.training.runs.execute import execute, explain
from claimslicer.training.runs.kinds import PRESETS, TRAINABLE, preset_description, preset_text
from claimslicer.training.runs.run import Run, find_runs, prepare_run
from claimslicer.yaml_settings import load_yaml
from training_cohort import write_cohort

TINY = "batch_size: 2\nwarmup_steps: 2\ncheckpoint_every: 3\nvalidate_every: 20\nthreads: 1\n"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(autouse=True)
def own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "models"))


@pytest.fixture
def prepare(cohort, tmp_path):
    """A function that prepares a tiny run of so many steps."""

    def prepare_(name: str, steps: int, kind: str = "synthesis", more: str = "") -> Run:
        run = prepare_run(tmp_path / "runs", kind, "trial", cohort, name=name, device="cpu")
        settings = load_yaml(run.config_file.read_text(encoding="utf-8"))
        settings |= load_yaml(f"{TINY}steps: {steps}\n") | (load_yaml(more) or {})
        run.config_file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return run

    return prepare_


def wait(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def told(run: Run, kind: str) -> list[dict]:
    events, since = [], 0
    while (piece := run.read_events(since))[0]:
        events, since = events + piece[0], piece[1]
    return [event for event in events if event["event"] == kind]


def kill_after(run: Run, checkpoints: int) -> int:
    """Kill the run's process when so many checkpoints are written; return the step of the last one."""
    wait(lambda: len(told(run, "checkpoint")) >= checkpoints)
    os.kill(told(run, "started")[-1]["pid"], getattr(signal, "SIGKILL", signal.SIGTERM))
    wait(lambda: run.state() not in ("running", "stopping"))
    return told(run, "checkpoint")[-1]["step"]


def test_killed_twice_refused_paused_and_resumed_it_ends_with_the_same_weights(prepare):
    run, whole = prepare("killed", 40), prepare("whole", 40)
    assert run.state() == "waiting"
    assert run.read_events() == ([], 0)
    for round_ in (1, 2):
        start_and_go_away(run)
        assert run.state() == "running"
        saved = kill_after(run, 2 * round_)
        assert run.state() == "failed"
        assert "killed" in run.cause()
    run.start()
    wait(lambda: len(told(run, "training")) == 3)
    # No more is lost than since the last checkpoint; the killed process may not have come to tell of it.
    assert saved <= told(run, "training")[-1]["step"] <= saved + 3
    with pytest.raises(ClaimError, match="going on already"):
        run.start()
    second = subprocess.run(
        [sys.executable, "-m", "claimslicer.cli.main", "train", "run", str(run.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert "Another process works in" in second.stderr
    run.request_stop()
    assert run.state() == "stopping"
    wait(lambda: run.state() not in ("running", "stopping"))
    assert run.state() == "paused"
    assert told(run, "paused")[-1]["step"] == told(run, "checkpoint")[-1]["step"] < 40
    wait(lambda: any("Paused after" in line for line in run.last_log_lines()))
    assert not run.stop_file.exists()

    (weights,), (expected,) = execute(run), execute(whole)
    assert run.state() == whole.state() == "finished"
    state, wanted = (resolve(path, "synthesis").load_state() for path in (weights, expected))
    assert all(np.array_equal(state[key], value) for key, value in wanted.items())
    assert not (run.folder / "cache.npz").exists()
    with pytest.raises(ClaimError, match="is finished"):
        run.start()

    history = History()
    history.add(told_all(run))
    steps = [step for step, _ in history.loss]
    assert steps == sorted(set(steps))
    assert (history.step, history.steps) == (40, 40)
    assert [step for step, _ in history.validation["loss"]] == [20, 40]
    assert sorted(history.samples) == [20, 40]
    picture = run.folder / history.samples[20]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert history.seconds_left() == 0
    for _ in range(2):
        assert [(model.name, model.weights.stem) for model in run.take_models_in()] == [
            ("killed", "synthesis")
        ]
    assert [model.name for model in list_models() if not model.shipped] == ["killed"]


def start_and_go_away(run: Run) -> None:
    """Start the run from a process that ends at once, as Slicer may."""
    code = "import sys; from pathlib import Path; from claimslicer.training.runs.run import Run\n"
    code += "Run(Path(sys.argv[1])).start()"
    subprocess.run([sys.executable, "-c", code, str(run.folder)], check=True)


def told_all(run: Run) -> list[dict]:
    return [json.loads(line) for line in run.events_file.read_text(encoding="utf-8").splitlines()]


def test_the_segmenter_pauses_while_reading_and_draws_what_it_finds(prepare):
    run = prepare("segmenter", 4, "segmentation", "validate_every: 2\n")
    run.request_stop()
    with pytest.raises(Cancelled, match="while the studies were read"):
        execute(run)
    assert told(run, "paused")
    execute(run)
    assert run.state() == "finished"
    history = History()
    history.add(told_all(run))
    assert sorted(history.samples) == [2, 4]
    assert [step for step, _ in history.validation["dice_infarct"]] == [2, 4]
    card = resolve(run.weights[0], "segmentation").card
    assert card.split == {"training": ["Case_N002", "Case_P001"], "validation": ["Case_P004"]}


def test_without_matplotlib_it_trains_and_says_so(prepare, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    run = prepare("plain", 2, more="validate_every: 2\n")
    execute(run)
    history = History()
    history.add(told_all(run))
    assert history.samples == {}
    assert "matplotlib" in history.note


def test_a_full_disk_leaves_the_last_checkpoint(prepare, monkeypatch):
    run, save = prepare("full", 6), loop.save_checkpoint

    def full(path, *, step, **rest):
        if step == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, step=step, **rest)

    monkeypatch.setattr(loop, "save_checkpoint", full)
    run_as_started(run)
    with pytest.raises(OSError, match="space"):
        execute(run)
    assert run.state() == "failed"
    assert "disk is full" in run.cause()
    monkeypatch.undo()
    execute(run)
    assert told(run, "training")[-1]["step"] == 3
    assert run.state() == "finished"


def run_as_started(run: Run) -> None:
    """Write down a start, as ``Run.start`` does, for a run that this process carries out itself."""
    record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    record["process"] = {"pid": os.getpid(), "command": [], "started": 0.0, "events_from": 0}
    (run.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def test_what_a_killed_process_left_of_a_line_does_no_harm(prepare):
    run = prepare("torn", 2)
    run.events_file.write_bytes(b'{"event": "started", "pid": 1}\n{"event": "metr')
    assert [event["event"] for event in run.read_events()[0]] == ["started"]
    (run.folder / ".99-checkpoint.safetensors").write_bytes(b"half")
    execute(run)
    events, size = run.read_events(0, 2**20)
    assert [event["event"] for event in events[:2]] == ["started", "started"]
    assert size == run.events_file.stat().st_size
    assert not list(run.folder.glob(".*"))


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Python is a shell script")
def test_a_process_that_dies_at_once_is_noticed(prepare, tmp_path):
    run = prepare("stillborn", 2)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no torch here >&2; exit 1\n", encoding="utf-8")
    python.chmod(0o755)
    run.start(python)
    wait(lambda: run.state() == "failed", 10)
    assert run.last_log_lines() == ["no torch here"]
    with pytest.raises(OutputError):
        run.start(tmp_path / "nowhere")


def test_the_lock_goes_with_its_process(tmp_path):
    path = tmp_path / "lock"
    assert not lock.is_held(path)
    code = "import sys, time; from pathlib import Path; from claimslicer.training.runs import lock\n"
    code += "with lock.held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "held\n"
        assert lock.is_held(path)
        with pytest.raises(OutputError, match="Another process"), lock.held(path):
            pass
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert not lock.is_held(path)


def test_runs_are_found_again_the_newest_first(prepare, tmp_path):
    for name, made in (("old", "2020-01-01"), ("new", "2030-01-01")):
        file = prepare(name, 2).folder / "run.json"
        file.write_text(
            json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"made": made}), encoding="utf-8"
        )
    (tmp_path / "runs" / "other").mkdir()
    (tmp_path / "runs" / "damaged").mkdir()
    (tmp_path / "runs" / "damaged" / "run.json").write_text("{", encoding="utf-8")
    assert [run.name for run in find_runs(tmp_path / "runs")] == ["new", "old"]
    assert find_runs(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"kind": "cooking"}, SpecificationError, "no training of 'cooking'"),
        ({"preset": "endless"}, SpecificationError, "no preset 'endless'"),
        ({"name": "a/b"}, ModelError, "can't name a model"),
        ({"name": "emidec"}, ModelError, "a model 'emidec' already"),
        ({"data": "nowhere"}, StudyError, "can't be read as a folder"),
        ({"data": "."}, StudyError, "holds no case folders"),
    ],
)
def test_what_can_not_be_trained_is_refused_and_leaves_nothing(
    change, error, said, cohort, tmp_path, monkeypatch
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    values = {"kind": "synthesis", "preset": "trial", "data": cohort, "name": "mine"} | change
    with pytest.raises(error, match=said):
        prepare_run(tmp_path / "runs", values.pop("kind"), values.pop("preset"), values.pop("data"), **values)
    assert find_runs(tmp_path / "runs") == []


def test_a_name_is_taken_once(prepare):
    prepare("mine", 2)
    with pytest.raises(OutputError, match="a run 'mine' already"):
        prepare("mine", 2)


def test_every_preset_of_every_kind_is_a_complete_configuration(tmp_path):
    for kind, entry in TRAINABLE.items():
        steps = []
        for preset in PRESETS:
            file = tmp_path / "config.yaml"
            file.write_text(preset_text(kind, preset) + "cache: a.npz\nout: .\n", encoding="utf-8")
            config = entry.load().config.from_yaml(file)
            assert config.steps % config.validate_every == 0  # the last picture shows the finished model
            assert preset_description(kind, preset).endswith(".")
            steps.append(config.steps)
        assert steps == sorted(steps)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StudyError("Label it."), "Label it."),
        (OSError(errno.ENOSPC, "full"), "disk is full"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "memory is not enough"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_failures_are_explained(error, said):
    assert said in explain(error)


def test_a_resumed_runs_steps_count_once():
    history = History()
    history.add([{"event": "training", "step": 0, "steps": 100, "device": "cpu"}])
    for step in (10, 20, 30):
        history.add([{"event": "metrics", "step": step, "loss": float(step), "seconds_per_step": 2.0}])
        history.add([{"event": "validation", "step": step, "loss": 1.0, "time": 0.0}])
        history.add([{"event": "sample", "step": step, "file": f"{step}.png", "study": "x"}])
    history.add([{"event": "training", "step": 20, "steps": 100, "device": "cpu"}])
    assert history.loss == [(10, 10.0), (20, 20.0)]
    assert history.validation == {"loss": [(10, 1.0), (20, 1.0)]}
    assert list(history.samples) == [10, 20]
    assert history.seconds_left() == 160.0
    smooth = smoothed([(step, 5.0) for step in range(50)])
    assert all(value == pytest.approx(5.0) for _, value in smooth)


def test_an_event_of_another_version_is_noted():
    history = History()
    assert history.add([{"event": "metrics", "step": 3}, {"event": "unheard of"}])
    assert "metrics" in history.note
