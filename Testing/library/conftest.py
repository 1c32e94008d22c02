"""Fixtures that every library test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes beside each other would wait for the same cores
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def cli(monkeypatch, capsys):
    """Return a function that runs the command line here."""
    from cli_runner import run_here

    return lambda *arguments: run_here(monkeypatch, capsys, *arguments)


@pytest.fixture
def torch_threads():
    """Give torch its threads back, which a worker's task sets."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny_segmenter():
    """Let every segmenter that is made to be trained be a tiny one."""
    from claimslicer.training.trainers import segmentation
    from joint_trial import SEGMENTER

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentation, "SegmenterSettings", lambda: SEGMENTER)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the development studies: ``$CLAIM_DATA``, or ``../shared/data`` beside the repository."""
    repository = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("CLAIM_DATA", repository.parent / "shared" / "data"))
    if not (folder / "emidec").is_dir():
        pytest.skip(f"the shared studies are not in {folder} (set CLAIM_DATA)")
    return folder
