"""The worker seen from Slicer: a real process that answers, is cancelled, crashes, hangs and is killed."""

from __future__ import annotations

import shutil
import signal
import sys
import time

import numpy as np
import psutil
import pytest
from claimslicer.errors import Cancelled, ClaimError, OutputError, StudyError
from trial import LAUNCHER, TRIAL, Asked, put_on_path


def family(worker) -> list[psutil.Process]:
    """Return the launcher's descendants."""
    return psutil.Process(int(worker.process.processId())).children(recursive=True)


def gone(process: psutil.Process) -> bool:
    """Say whether a process has ended; in a container nobody may have asked for its exit code."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_result_comes_back_and_its_files_go(worker, wait_for):
    image = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    asked = Asked(worker, "echo", image=image, spec={"ml": 7.5})
    folder = asked.job.folder
    assert folder.is_dir()
    result = asked.result(wait_for)
    np.testing.assert_array_equal(result["image"], image)
    assert result["spec"] == {"ml": 7.5}
    assert not folder.exists()


def test_requests_come_one_after_the_other_in_one_process(worker, wait_for):
    first, second = Asked(worker, "count", steps=5), Asked(worker, "count", steps=2)
    assert second.result(wait_for) == {"steps": 2}
    assert first.result(wait_for) == {"steps": 5}
    assert [message for _, message in first.progress] == [f"step {k}" for k in range(5)]
    assert [fraction for fraction, _ in second.progress] == [0.0, 0.5]
    number = worker.process.processId()
    Asked(worker, "echo").result(wait_for)
    assert worker.process.processId() == number


def test_cancel_ends_the_request_at_once_and_leaves_the_process_warm(worker, wait_for):
    asked, waiting = Asked(worker, "count", steps=60_000), Asked(worker, "count", steps=60_000)
    wait_for(lambda: len(asked.progress) > 2)
    number = worker.process.processId()
    waiting.job.cancel()
    asked.job.cancel()
    seen = len(asked.progress)
    for stopped in (asked, waiting):
        assert not stopped.job.running
        [(result, error)] = stopped.ends
        assert result is None
        assert isinstance(error, Cancelled)
        stopped.job.cancel()
        assert len(stopped.ends) == 1
    Asked(worker, "echo").result(wait_for)
    assert worker.process.processId() == number
    assert len(asked.progress) == seen
    assert waiting.progress == []


def test_a_cancelled_request_that_does_not_listen_is_killed_with_its_children(worker, wait_for):
    worker.grace_ms = 300
    Asked(worker, "echo").result(wait_for)
    asked = Asked(worker, "sleep", child=True)
    wait_for(lambda: len(family(worker)) == 2)
    processes = family(worker)
    asked.job.cancel()
    following = Asked(worker, "echo", fine=True)
    assert following.result(wait_for)["fine"] is True
    wait_for(lambda: all(gone(process) for process in processes), 10)


def test_without_psutil_the_worker_behind_the_launcher_ends_as_well(worker, wait_for, monkeypatch):
    worker.grace_ms = 300
    Asked(worker, "echo").result(wait_for)
    [process] = family(worker)
    asked = Asked(worker, "sleep")
    wait_for(lambda: asked.progress)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "psutil", None)
        asked.job.cancel()
        wait_for(lambda: worker._job is None)
    wait_for(lambda: gone(process), 10)
    assert Asked(worker, "echo", fine=True).result(wait_for)["fine"] is True


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        ("refuse", StudyError, ["This is no heart."]),
        ("memory", None, ["memory was not enough"]),
        ("fail", None, ["ZeroDivisionError: division by zero", "worker_trial.py", "Traceback"]),
    ],
)
def test_errors_arrive_as_what_they_are(worker, wait_for, task, kind, words):
    from ClaimSlicerLib.worker import WorkerError

    result, error = Asked(worker, task).end(wait_for)
    assert result is None
    assert type(error) is (kind or WorkerError)
    for word in words:
        assert word in str(error)
    Asked(worker, "echo").result(wait_for)


@pytest.mark.parametrize("launcher", ["", "exec "])
@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("crash", ["Segmentation fault", "in crash"]),
        ("killed", ["killed from outside", "memory", "it used 0.", "about to be killed"]),
        ("leave", ["exit code 3"]),
    ],
)
def test_a_dead_process_fails_one_request_and_says_why(
    worker, wait_for, monkeypatch, tmp_path, launcher, task, words
):
    from ClaimSlicerLib.worker import WorkerError

    script = LAUNCHER.format(exec=launcher, python=sys.executable, trial=TRIAL)
    put_on_path(monkeypatch, tmp_path / "other", script)
    alive = Asked(worker, "count", steps=20)
    dead, waiting = Asked(worker, task), Asked(worker, "echo", fine=True)
    alive.result(wait_for)
    result, error = dead.end(wait_for)
    assert result is None
    assert type(error) is WorkerError
    for word in words:
        assert word in str(error)
    assert waiting.result(wait_for)["fine"] is True


def test_killed_from_outside_while_idle_the_next_request_starts_a_new_one(worker, wait_for):
    from PySide6.QtCore import QProcess

    Asked(worker, "echo").result(wait_for)
    for process in family(worker):
        process.kill()
    wait_for(lambda: worker.process.state() == QProcess.ProcessState.NotRunning)
    assert Asked(worker, "echo", fine=True).result(wait_for)["fine"] is True


@pytest.mark.parametrize("idle", [False, True])
def test_a_process_that_hangs_is_ended(worker, wait_for, idle):
    from ClaimSlicerLib.worker import WorkerError

    Asked(worker, "echo").result(wait_for)
    worker.hang_seconds = 3
    asked = None if idle else Asked(worker, "sleep")
    [process] = family(worker)
    process.send_signal(signal.SIGSTOP)
    if asked is not None:
        _, error = asked.end(wait_for)
        assert type(error) is WorkerError
        assert "no sign of life for 3 s" in str(error)
    wait_for(lambda: gone(process), 20)
    worker.hang_seconds = 30  # starting takes more than three seconds on a busy computer
    assert Asked(worker, "echo", fine=True).result(wait_for)["fine"] is True


def test_slicer_being_busy_is_no_hang(worker, wait_for):
    Asked(worker, "echo").result(wait_for)
    worker.hang_seconds = 3
    asked = Asked(worker, "count", steps=100)
    wait_for(lambda: asked.progress)
    time.sleep(5)
    assert asked.result(wait_for) == {"steps": 100}


def test_close_ends_everything_and_the_worker_can_be_used_again(worker, wait_for):
    asked, waiting = Asked(worker, "sleep", child=True), Asked(worker, "echo")
    wait_for(lambda: worker.process.processId() and len(family(worker)) == 2)
    processes, folder = family(worker), asked.job.folder.parent
    worker.close()
    assert all(isinstance(each.ends[0][1], Cancelled) for each in (asked, waiting))
    wait_for(lambda: all(gone(process) for process in processes), 10)
    assert not folder.exists()
    worker.close()
    assert Asked(worker, "echo", fine=True).result(wait_for)["fine"] is True


def test_without_slicers_python_a_sentence_says_so(worker, wait_for, monkeypatch, tmp_path):
    from ClaimSlicerLib.worker import WorkerError

    with monkeypatch.context() as without:
        without.setenv("PATH", str(tmp_path))
        _, error = Asked(worker, "echo").end(wait_for)
    assert type(error) is ClaimError
    assert "PythonSlicer isn't on the PATH" in str(error)
    with monkeypatch.context() as broken:
        put_on_path(broken, tmp_path / "broken", "#!/nowhere\n")
        _, error = Asked(worker, "echo").end(wait_for)
    assert type(error) is WorkerError
    assert "could not be started" in str(error)
    assert Asked(worker, "echo", fine=True).result(wait_for)["fine"] is True


def test_a_python_without_the_library_is_quoted(worker, wait_for, monkeypatch, tmp_path):
    put_on_path(monkeypatch, tmp_path / "bare", "#!/bin/sh\necho 'No module named numpy' >&2\nexit 1\n")
    _, error = Asked(worker, "echo").end(wait_for)
    assert "No module named numpy" in str(error)
    assert "exit code 1" in str(error)


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on file sizes stands for a full disk")
def test_a_full_disk_is_said_in_a_sentence(worker, wait_for):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        asked = Asked(worker, "echo", image=np.zeros(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    folder = asked.job.folder
    _, error = asked.end(wait_for)
    assert type(error) is OutputError
    assert "Can't write" in str(error)
    assert not folder.exists()
    assert Asked(worker, "echo", fine=True).result(wait_for)["fine"] is True


def test_answers_that_were_removed_meanwhile_are_missed_in_a_sentence(worker, wait_for):
    from ClaimSlicerLib.worker import WorkerError

    asked = Asked(worker, "count", steps=100)
    wait_for(lambda: asked.progress)
    shutil.rmtree(asked.job.folder)
    assert asked.result(wait_for) == {"steps": 100}
    asked = Asked(worker, "echo", image=np.zeros(3))
    shutil.rmtree(asked.job.folder)
    _, error = asked.end(wait_for)
    assert type(error) is WorkerError
    assert "FileNotFoundError" in str(error)


def test_latest_keeps_only_the_newest(worker, wait_for):
    from ClaimSlicerLib.worker import Latest

    answers = []
    latest = Latest(worker, "echo", lambda result, error: answers.append((result["value"], error)))
    for value in range(50):
        latest.request({"value": value})
    wait_for(lambda: len(answers) == 2)
    assert answers == [(0, None), (49, None)]
    latest.request({"value": 50})
    wait_for(lambda: len(answers) == 3)
    latest.request({"value": 51})
    latest.request({"value": 52})
    latest.stop()
    latest.request({"value": 53})
    wait_for(lambda: len(answers) == 4)
    assert answers[3] == (53, None)


def test_latest_hands_errors_on_and_goes_on(worker, wait_for):
    from ClaimSlicerLib.worker import Latest

    ends = []
    latest = Latest(worker, "refuse", lambda *end: ends.append(end))
    latest.request({})
    latest.request({})
    wait_for(lambda: len(ends) == 2)
    assert all(isinstance(error, StudyError) for _, error in ends)


def test_both_workers_are_one_each_and_close_with_slicer(scene, wait_for, phantom):
    from claimslicer.worker.messages import study_values
    from ClaimSlicerLib.mrml import volume_study
    from ClaimSlicerLib.worker import close_workers, geometry_worker, model_worker

    geometry = geometry_worker()
    assert geometry_worker() is geometry
    assert model_worker() is model_worker() is not geometry
    study = study_values(volume_study(*phantom))
    frame = Asked(geometry, "frame", study=study, insertions=None, rule="fixed").result(wait_for)
    assert frame["segments"].shape == study["image"].shape
    [process] = family(geometry) or [psutil.Process(int(geometry.process.processId()))]
    close_workers()
    wait_for(lambda: gone(process), 10)
