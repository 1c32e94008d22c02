"""What writes results: each with an older and a newer version over it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))

STUDY = ("IN/heart.nii", "--labels", "IN/labelsSEED.nii")


@dataclass(frozen=True)
class Operation:
    """``run(folder, version)`` writes version 0 or 1 of a result into ``folder``.

    ``beside`` are files that may be missing for a moment, a recipe beside its volume; ``by_name`` compares
    names alone, where contents hold the time; what is written ``once`` is never written over.
    """

    name: str
    run: Callable[[Path, int], None]
    beside: tuple[str, ...] = ()
    by_name: bool = False
    once: bool = False


@cache
def _study():
    from claimslicer.studies.phantom import PhantomSettings, make_phantom

    settings = PhantomSettings(matrix=(64, 64), spacing=(2.2, 2.2), n_slices=5, slice_spacing=16.0)
    return make_phantom(replace(settings, offset_mm=(0.0, 0.0), through_slice_samples=1)).study


def _volume(suffix: str) -> Callable[[Path, int], None]:
    def run(folder: Path, version: int) -> None:
        from claimslicer.studies import write_volume

        study = _study()
        image = study.labels if "seg" in suffix else study.image + version
        write_volume(folder / f"a{suffix}", np.roll(image, version), study.geometry, recipe={"seed": version})

    return run


def _command(*arguments: str) -> Callable[[Path, int], None]:
    def run(folder: Path, version: int) -> None:
        from claimslicer.cli.main import app

        given = _inputs()
        words = [word.replace("IN", str(given)).replace("OUT", str(folder)) for word in arguments]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            app([word.replace("SEED", str(version)) for word in words], standalone_mode=False)

    return run


@cache
def _inputs() -> Path:
    """Return a folder with a study and two label maps of it."""
    import tempfile

    from claimslicer.studies import write_volume

    folder = Path(tempfile.mkdtemp(prefix="claim-faults-inputs-"))
    study = _study()
    write_volume(folder / "heart.nii", study.image, study.geometry)
    write_volume(folder / "labels0.nii", study.labels, study.geometry)
    labels = study.labels.copy()
    labels[labels == 3] = 2
    write_volume(folder / "labels1.nii", labels, study.geometry)
    return folder


def _checkpoint(folder: Path, version: int) -> None:
    import torch
    from claimslicer.training.engine.checkpoints import save_checkpoint
    from claimslicer.training.settings.config import SegmentationConfig

    torch.manual_seed(version)
    model = torch.nn.Linear(4, 4)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    config = SegmentationConfig(cache=Path("cache.npz"), out=Path("run"))
    save_checkpoint(
        folder / "checkpoint.safetensors",
        step=version,
        config=config,
        model=model,
        average=model,
        optimizer=optimizer,
    )


def _cache(folder: Path, version: int) -> None:
    from claimslicer.training.data.cache import CachedStudy, write_cache

    study = _study()
    cached = CachedStudy(
        "Case_P001", "training", study.image + version, study.labels, study.geometry.spacing_zyx
    )
    write_cache(folder / "cache.npz", [cached])


def _model(folder: Path, version: int) -> None:
    import torch
    from claimslicer.models.card import ModelCard
    from claimslicer.models.registry import save_model

    shipped = Path(__file__).resolve().parents[2] / "ClaimSlicer/claimslicer/models/emidec/segmentation.json"
    own = {"name", "sha256", "made_with", "format_version"}
    fields = {name: value for name, value in vars(ModelCard.read(shipped)).items() if name not in own}
    save_model(folder, "small", {"weight": torch.full((3, 3), float(version))}, fields)


def _queue(folder: Path, version: int) -> None:
    from claimslicer.review.find import FoundStudy
    from claimslicer.review.queue import ReviewQueue

    queue = ReviewQueue(folder.parent, folder, [FoundStudy("a.nii", "a")])
    queue.put(replace(queue["a.nii"], infarct_ml=float(version)))


def _inspect(folder: Path, version: int) -> None:
    _command("inspect", *STUDY, "--json", "OUT/found.json")(folder, version)


OPERATIONS = (
    Operation("volume .nii.gz", _volume(".nii.gz"), beside=("a.json",)),
    Operation("volume .nrrd", _volume(".nrrd"), beside=("a.json",)),
    Operation("labels .seg.nrrd", _volume(".seg.nrrd"), beside=("a.json",)),
    Operation(
        "anatomy",
        _command("anatomy", *STUDY, "--out", "OUT/aha.nii", "--json", "OUT/frame.json"),
        beside=("aha.json",),
    ),
    Operation(
        "smile",
        _command(
            *("smile", *STUDY, "--segments", "7", "--volume-ml", "1", "--seed", "SEED"),
            *("--out", "OUT/mask.nii", "--intensity", "OUT/intensity.nii"),
        ),
        beside=("mask.json", "intensity.json"),
    ),
    Operation("quantify", _command("quantify", *STUDY, "--out", "OUT")),
    Operation("inspect --json", _inspect),
    Operation(
        "dicom",
        _command("dicom", "IN/heart.nii", "IN/labelsSEED.nii", "--out", "OUT/vSEED"),
        by_name=True,
        once=True,
    ),
    Operation("save_model", _model, beside=("segmentation.json",)),
    Operation("checkpoint", _checkpoint),
    Operation("training cache", _cache),
    Operation("review queue", _queue),
)
