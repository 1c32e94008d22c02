"""The worker over real pipes: answers, progress, cancel, and each way to fail or to end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from claimslicer.worker.messages import pack, unpack

TRIAL = Path(__file__).parent / "worker_trial.py"


class Pipes:
    """A worker process and the lines between us."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "worker.log"
        self._folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(TRIAL), "--log", str(self.log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def send(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, number: int, task: str, **arguments) -> Path:
        folder = self._folder / str(number)
        folder.mkdir()
        packed = pack(arguments, folder, "argument")
        message = {"request": number, "task": task, "folder": str(folder), "arguments": packed}
        self.send(json.dumps(message).encode())
        return folder

    def next(self, *, alive: bool = False) -> dict:
        """Return the next line; signs of life only when asked for."""
        while True:
            line = self.process.stdout.readline()
            assert line, self.log.read_text(encoding="utf-8")
            message = json.loads(line)
            if (message["event"] == "alive") == alive:
                return message

    def answer(self, number: int) -> dict:
        """Return what ends request ``number``."""
        while True:
            message = self.next()
            if message["event"] != "progress":
                assert message["request"] == number
                return message


@pytest.fixture
def pipes(tmp_path):
    pipes = Pipes(tmp_path)
    yield pipes
    pipes.process.kill()
    for stream in (pipes.process.stdin, pipes.process.stdout, pipes.process.stderr):
        stream.close()
    pipes.process.wait()


def test_answers_one_request_after_the_other_and_stays(pipes):
    image = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    folder = pipes.ask(1, "echo", image=image, rest=[image[0] > 1, None, {"name": "Zoë", "ml": 1.5}])
    pipes.ask(2, "count", steps=3)
    first = pipes.next()
    assert (first["event"], first["request"]) == ("done", 1)
    result = unpack(first["result"], folder)
    assert result["types"] == {"image": "ndarray", "rest": "list"}
    assert result["image"].dtype == image.dtype
    np.testing.assert_array_equal(result["image"], image)
    np.testing.assert_array_equal(result["rest"][0], image[0] > 1)
    assert result["rest"][1:] == [None, {"name": "Zoë", "ml": 1.5}]
    progress = [pipes.next() for _ in range(3)]
    assert [message["message"] for message in progress] == ["step 0", "step 1", "step 2"]
    assert [message["fraction"] for message in progress] == [0.0, 0.3333, 0.6667]
    assert pipes.answer(2)["result"] == {"steps": 3}


def test_gives_a_sign_of_life_each_second_while_it_computes(pipes):
    pipes.ask(1, "sleep")
    times = []
    for _ in range(3):
        assert pipes.next(alive=True)["memory_mb"] > 1
        times.append(time.monotonic())
    assert times[2] - times[0] < 4.0


def test_cancel_stops_a_running_and_a_waiting_request(pipes):
    pipes.ask(1, "count", steps=60_000)
    pipes.ask(2, "count", steps=60_000)
    pipes.ask(3, "count", steps=1)
    assert pipes.next()["request"] == 1
    pipes.send(b'{"cancel": 2}')
    pipes.send(b'{"cancel": 1}')
    assert pipes.answer(1)["kind"] == "Cancelled"
    assert pipes.next() == {"event": "failed", "request": 2, "kind": "Cancelled", "message": "Stopped."}
    assert pipes.answer(3)["event"] == "done"


@pytest.mark.parametrize("task", ["sleep", "count"])
def test_ends_at_once_and_tidies_up_when_nobody_listens_any_more(pipes, task):
    folder = pipes.ask(1, task, steps=60_000, image=np.zeros(9))
    pipes.next(alive=True)
    time.sleep(0.2)
    pipes.process.stdin.close()
    assert pipes.process.wait(5) in (0, 1)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        ("refuse", "StudyError", "This is no heart."),
        ("memory", "memory", "memory was not enough"),
        ("fail", "internal", "ZeroDivisionError: division by zero"),
        ("objects", "internal", "ValueError"),
        ("unheard of", "internal", "KeyError: 'unheard of'"),
    ],
)
def test_a_failure_has_its_kind_and_the_next_request_works(pipes, task, kind, words):
    pipes.ask(1, task)
    answer = pipes.answer(1)
    assert answer["kind"] == kind
    assert words in answer["message"]
    assert ("Traceback" in pipes.log.read_text(encoding="utf-8")) == (kind != "StudyError")
    pipes.ask(2, "echo", fine=True)
    assert pipes.answer(2)["result"]["fine"] is True


@pytest.mark.parametrize("line", [b"{", b"[]", b"7", b'{"request": 5}', b"\xff\xfe", b'{"cancel": []}'])
def test_a_line_that_is_no_request_is_refused_and_does_no_harm(pipes, line):
    pipes.send(line)
    assert pipes.next()["kind"] == "internal"
    pipes.ask(2, "echo", fine=True)
    assert pipes.answer(2)["event"] == "done"


def test_what_libraries_print_goes_to_the_log(pipes):
    pipes.ask(1, "noise")
    assert pipes.answer(1)["result"] == {"read": ""}
    log = pipes.log.read_text(encoding="utf-8")
    for line in ("a line from Python", "a line for stderr", "a line from below Python"):
        assert line in log


def test_a_crash_leaves_a_trace_in_the_log(pipes):
    pipes.ask(1, "crash")
    assert pipes.process.wait(10) != 0
    log = pipes.log.read_text(encoding="utf-8")
    assert "Fatal Python error: Segmentation fault" in log
    assert "in crash" in log


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on file sizes stands for a full disk")
def test_an_answer_that_can_not_be_written_is_refused_in_a_sentence(pipes):
    pipes.ask(1, "full_disk")
    answer = pipes.answer(1)
    assert answer["kind"] == "OutputError"
    assert "Can't write" in answer["message"]
    pipes.ask(2, "echo", fine=True)
    assert pipes.answer(2)["event"] == "done"
