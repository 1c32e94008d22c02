"""The panels' tests: real module files, real ``.ui`` files, Slicer's own scene; see Testing/host."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import pytest

TESTING = Path(__file__).resolve().parents[1]


def load(name: str, path: Path):
    """Import a file or package of Testing by its path.

    Testing stays off sys.path, as slicer-core takes every ``slicer`` folder that it finds there for its own.
    """
    packages = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=packages)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


load("cmake_lists", TESTING / "cmake_lists.py")
load("training_cohort", TESTING / "library" / "training_cohort.py")
load("panel_states", TESTING / "slicer" / "panel_states.py")
load("host", TESTING / "host" / "__init__.py")

NEEDED = {"slicer": "slicer-core", "PySide6": "PySide6-Essentials"}
MISSING = [package for name, package in NEEDED.items() if importlib.util.find_spec(name) is None]
HOST_TESTS = (
    "test_claim.py",
    "test_claim_insertions.py",
    "test_claim_study.py",
    "test_claim_boxes.py",
    "test_bullseye.py",
    "test_smile.py",
    "test_smile_scene.py",
    "test_loading.py",
    "test_panels.py",
    "test_mrml.py",
    "test_worker.py",
    "test_job.py",
    "test_training.py",
    "test_marks.py",
    "test_views.py",
    "test_heart_views.py",
    "test_oblique.py",
    "test_synthesis.py",
    "test_synthesis_compare.py",
    "test_segmentation.py",
    "test_journey.py",
)
collect_ignore = [*HOST_TESTS, "test_pythonqt.py", "test_strings.py", "test_imports.py"] if MISSING else []
if not MISSING:
    load("pythonqt_lint", TESTING / "pythonqt_lint.py")
    from host import application

    for file in (*HOST_TESTS, "claim_trial.py", "smile_trial.py", "synthesis_trial.py"):
        application.speak_pythonqt(file.removesuffix(".py"))


def pytest_report_header() -> str:
    """Say why panels aren't tested where they can't be."""
    if MISSING:
        return f"panels: not tested, as {' and '.join(MISSING)} are missing; pip install -e '.[slicer]'"
    return "panels: tested in the stand-in for Slicer"


@pytest.fixture
def scene():
    """Slicer's scene, empty."""
    from host import application

    application.start()
    import slicer

    slicer.mrmlScene.Clear()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear()


@pytest.fixture
def phantom(scene):
    """The phantom's volume node and its labels as a segmentation node."""
    from host import application

    application.load("ClaimSlicer")
    from ClaimSlicerLib.example import add_phantom

    return add_phantom()


@pytest.fixture
def open_panel(scene):
    """A function that selects a module and returns its panel; the panels are closed after the test."""
    from host import application

    yield application.panel
    application.close_panels()


@pytest.fixture(autouse=True)
def dialogs():
    """What message boxes said, and the answers that a test prepares; see Testing/host/dialogs.py."""
    if MISSING:
        yield None
        return
    from host.dialogs import DIALOGS

    DIALOGS.clear()
    yield DIALOGS
    DIALOGS.clear()


@pytest.fixture
def wait_for(scene):
    """A function that lets Qt work until a condition holds."""
    import slicer

    def wait_for_(condition, seconds: float = 180.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            slicer.app.processEvents()
            time.sleep(0.002)

    return wait_for_


@pytest.fixture
def worker(scene, monkeypatch, tmp_path):
    """A worker with tasks that misbehave; see worker_trial.py in Testing/library."""
    from ClaimSlicerLib.worker import Worker
    from trial import LAUNCHER, TRIAL, put_on_path

    put_on_path(monkeypatch, tmp_path / "bin", LAUNCHER.format(exec="", python=sys.executable, trial=TRIAL))
    worker = Worker(name="trial")
    yield worker
    worker.close()


@pytest.fixture(scope="session", autouse=True)
def no_process_stays():
    """End the worker processes that panels have started, as Slicer does when it quits."""
    yield
    if "ClaimSlicerLib.worker" in sys.modules:
        sys.modules["ClaimSlicerLib.worker"].close_workers()


@pytest.fixture
def messages(caplog):
    """A function that returns the error messages shown; ``slicer.util`` logs them without a main window."""
    return lambda: [record.message for record in caplog.records if record.levelname == "ERROR"]
