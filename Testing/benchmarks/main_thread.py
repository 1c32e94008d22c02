"""How long Slicer's main thread is kept busy, and how long a request to the worker takes.

python Testing/benchmarks/main_thread.py [--repeats 3]

A 5 ms timer runs in the stand-in for Slicer while, through the real client and worker, a study of
256 × 256 × 20 voxels gets its frame, a slider is dragged, the study is segmented, painted and measured, and a
queue's record is written. The gap is
the longest time between two ticks of the timer; its processor time is free of what else the computer does.
The slowest frame and the slowest segmentation include the start of their process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, Qt, QTimer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))
import conftest  # noqa: F401  # puts the stand-in where it can be imported
from host import application

SHAPE = (20, 256, 256)
TICK_MS = 5
DRAG_STEPS, DRAG_MS = 40, 25
"""A slider that is dragged for a second sends so many values, so far apart."""


def now() -> np.ndarray:
    """Return the time and this thread's processor time, in ms."""
    return 1e3 * np.array([time.perf_counter(), time.thread_time()])


class Watch:
    """Ticks, and remembers the longest time without one."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def run(self, begin: Callable[[Callable[[], None]], None]) -> np.ndarray:
        """Run ``begin(finish)`` in the event loop until it calls ``finish``.

        Return the longest gap and the most processor time of this thread in a gap, in ms.
        """
        loop = QEventLoop()
        self._last, self._gap = now(), np.zeros(2)
        self._timer.start(TICK_MS)
        QTimer.singleShot(0, lambda: begin(loop.quit))
        loop.exec()
        self._tick()
        self._timer.stop()
        return self._gap

    def _tick(self) -> None:
        last, self._last = self._last, now()
        self._gap = np.maximum(self._gap, self._last - last)


def add_study() -> tuple:
    """Add the nodes of a phantom on a large grid."""
    from claimslicer.studies.phantom import PhantomSettings, make_phantom
    from ClaimSlicerLib.mrml import add_segmentation, add_volume
    from ClaimSlicerLib.segments import LABEL_STYLES

    slices, *matrix = SHAPE
    settings = PhantomSettings(matrix=tuple(matrix), n_slices=slices, slice_spacing=5.0, slice_thickness=5.0)
    study = make_phantom(settings).study
    volume = add_volume(study.image, study.geometry, "study", synthetic=True)
    return volume, add_segmentation(study.labels, volume, "labels", LABEL_STYLES)


class Phases:
    """What a user does, one method each; each returns the times from request to shown result in ms."""

    def __init__(self, watch: Watch) -> None:
        from ClaimSlicerLib.worker import geometry_worker, model_worker

        self.watch = watch
        self.geometry, self.models = geometry_worker(), model_worker()
        self.volume, self.labels = add_study()
        self.scar_node = None
        self.key, self.scar = "", None

    def idle(self) -> tuple[np.ndarray, list[float]]:
        """Nothing at all: what the machine's other work adds."""
        return self.watch.run(lambda finish: QTimer.singleShot(1000, finish)), []

    def _ask(self, worker, task: str, arguments: Callable[[], dict], show: Callable[[dict], None]) -> tuple:
        times = []

        def begin(finish: Callable[[], None]) -> None:
            start = time.perf_counter()

            def done(result: dict | None, error: Exception | None) -> None:
                if error is not None:
                    raise SystemExit(str(error))
                show(result)
                times.append(1e3 * (time.perf_counter() - start))
                finish()

            worker.request(task, arguments(), done)

        return self.watch.run(begin), times

    def _study(self, labels: bool = True) -> dict:
        from claimslicer.worker.messages import study_values
        from ClaimSlicerLib.mrml import volume_study

        return study_values(volume_study(self.volume, self.labels if labels else None))

    def frame(self) -> tuple[np.ndarray, list[float]]:
        """The AHA model, from nodes to a segmentation node."""
        from ClaimSlicerLib.mrml import add_segmentation
        from ClaimSlicerLib.segments import AHA_STYLES

        def show(result: dict) -> None:
            self.key = result["key"]
            add_segmentation(result["segments"], self.volume, "AHA", AHA_STYLES)

        return self._ask(
            self.geometry,
            "frame",
            lambda: {"study": self._study(), "insertions": None, "rule": "fixed"},
            show,
        )

    def drag(self) -> tuple[np.ndarray, list[float]]:
        """The volume slider, dragged; each answer is shown in the scar's segmentation node."""
        from ClaimSlicerLib.mrml import add_segmentation, update_segmentation
        from ClaimSlicerLib.segments import SCAR_STYLES
        from ClaimSlicerLib.worker import Latest

        if self.scar_node is None:
            self.scar_node = add_segmentation(np.zeros(SHAPE), self.volume, "scar", SCAR_STYLES)
        asked, times = [], []

        def begin(finish: Callable[[], None]) -> None:
            def step() -> None:
                asked.append(time.perf_counter())
                ml = 2.0 + 8.0 * len(asked) / DRAG_STEPS
                latest.request({"key": self.key, "spec": {"segments": [5, 6, 11, 12], "volume_ml": ml}})
                if len(asked) == DRAG_STEPS:
                    slider.stop()

            def done(result: dict | None, error: Exception | None) -> None:
                if error is not None:
                    raise SystemExit(str(error))
                update_segmentation(self.scar_node, result["labels"], self.volume, SCAR_STYLES)
                # The answer belongs to the oldest value that has not been answered or replaced.
                times.append(1e3 * (time.perf_counter() - sent.pop(0)))
                self.scar = result
                if len(asked) == DRAG_STEPS and not sent:
                    finish()

            latest = Latest(self.geometry, "scar", done)
            sent = _note_sent(latest, asked)
            slider = QTimer()
            slider.timeout.connect(step)
            slider.start(DRAG_MS)
            self._slider = slider

        return self.watch.run(begin), times

    def segment(self) -> tuple[np.ndarray, list[float]]:
        """The network's labels, shown as a segmentation."""
        from ClaimSlicerLib.mrml import add_segmentation
        from ClaimSlicerLib.segments import LABEL_STYLES

        def show(result: dict) -> None:
            add_segmentation(result["labels"], self.volume, "found", LABEL_STYLES)

        return self._ask(
            self.models, "segment", lambda: {"study": self._study(labels=False), "device": "cpu"}, show
        )

    def synthesize(self) -> tuple[np.ndarray, list[float]]:
        """The scar painted in, shown as a volume."""
        from ClaimSlicerLib.mrml import add_volume, show_like, volume_geometry

        def arguments() -> dict:
            scar = {"scar": self.scar["labels"], "intensity": self.scar["intensity"]}
            return {"study": self._study(), **scar, "seeds": [1], "device": "cpu"}

        def show(result: dict) -> None:
            geometry = volume_geometry(self.volume)
            show_like(add_volume(result["images"][0], geometry, "painted", synthetic=True), self.volume)

        return self._ask(self.models, "synthesize", arguments, show)

    def numbers(self) -> tuple[np.ndarray, list[float]]:
        """The numbers of the labels, from nodes to the answer; the pause for the hand is included."""
        from SegmentationModuleLib.numbers import Numbers, Question

        times = []

        def begin(finish: Callable[[], None]) -> None:
            start = time.perf_counter()

            def changed() -> None:
                if self._numbers.result is not None and not self._numbers.stale:
                    times.append(1e3 * (time.perf_counter() - start))
                    finish()

            self._numbers = Numbers(changed)
            self._numbers.follow(Question(self.volume, self.labels, None, None, "fixed", None, None))

        gap = self.watch.run(begin)
        self._numbers.stop()
        return gap, times

    def queue(self) -> tuple[np.ndarray, list[float]]:
        """A segmented study put on record and shown in a queue of 200."""
        from claimslicer.review import FoundStudy, ReviewQueue

        box = application.panel("SegmentationModule").queue
        times = []
        with tempfile.TemporaryDirectory() as folder:
            found = [FoundStudy(f"case{number:03}.nii.gz", f"case{number:03}") for number in range(200)]
            box.queue = queue = ReviewQueue(Path(folder), Path(folder) / "out", found)
            for record in queue.records:
                queue.put(replace(record, labels=f"{record.name}_labels.nii.gz", infarct_ml=1.0))
            box.show()

            def begin(finish: Callable[[], None]) -> None:
                start = time.perf_counter()
                queue.put(replace(queue.records[7], infarct_ml=2.0))
                box.show()
                times.append(1e3 * (time.perf_counter() - start))
                finish()

            gap = self.watch.run(begin)
        box.stop()
        return gap, times


def _note_sent(latest, asked: list[float]) -> list[float]:
    """Return a list that grows by the time at which each request that is really sent was asked for."""
    sent, go = [], latest._go

    def noted() -> None:
        sent.append(asked[-1])
        go()

    latest._go = noted
    return sent


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    application.start()
    for module in ("ClaimSlicer", "SegmentationModule"):
        application.load(module)
    from ClaimSlicerLib.worker import close_workers

    phases = Phases(Watch())
    print("| phase | gap, best ms | gap, median | gap, CPU | answer, best ms | median | slowest | n |")
    print("|" + 8 * "---|")
    for name in ("idle", "frame", "drag", "segment", "synthesize", "numbers", "queue"):
        gaps, times = zip(*(getattr(phases, name)() for _ in range(repeats)), strict=True)
        (best, _), (median, cpu) = np.min(gaps, axis=0), np.median(gaps, axis=0)
        shown = [f"{ms:.0f}" for ms in (best, median, cpu)]
        answers = np.concatenate(times)
        if len(answers):
            shown += [f"{ms:.0f}" for ms in (answers.min(), np.median(answers), answers.max())]
        else:
            shown += 3 * ["–"]
        print(f"| {name} | {' | '.join(shown)} | {len(answers)} |", flush=True)
    close_workers()


if __name__ == "__main__":
    main()
