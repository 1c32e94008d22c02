"""Everything that reads a file, and sound files to begin from."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

# What import tries goes nowhere near the user's own models.
os.environ["CLAIM_MODELS"] = tempfile.mkdtemp(prefix="claim-fuzz-models-")
atexit.register(shutil.rmtree, os.environ["CLAIM_MODELS"], ignore_errors=True)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))


@dataclass(frozen=True)
class Target:
    """A reader: ``read`` takes the path of a spoilt file, or of a folder with one among sound files."""

    name: str
    read: Callable[[Path], Any]
    is_text: bool = False
    whole_folder: bool = False


def _study():
    from claimslicer.studies.phantom import PhantomSettings, make_phantom

    settings = PhantomSettings(matrix=(32, 32), spacing=(4.0, 4.0), n_slices=4, slice_spacing=18.0)
    return make_phantom(replace(settings, offset_mm=(0.0, 0.0), through_slice_samples=1)).study


_STUDY = _study()


def _read_study(path: Path) -> None:
    from claimslicer.studies import read_study

    read_study(path)


def _inspect(path: Path) -> None:
    from claimslicer.review.inspect import inspect

    inspect(path)


def _read_labels(path: Path) -> None:
    from claimslicer.studies import read_labels

    read_labels(path, _STUDY)


def _read_mask(path: Path) -> None:
    from claimslicer.studies import read_scar_mask

    read_scar_mask(path, _STUDY)


def _spec(path: Path) -> None:
    from claimslicer.smile import ScarSpec

    ScarSpec.from_yaml(path.read_bytes().decode("utf-8", errors="replace"))


def _yaml(module: str, name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        from importlib import import_module

        getattr(import_module(module), name).from_yaml(path)

    return read


def _card(path: Path) -> None:
    from claimslicer.models.card import ModelCard

    ModelCard.read(path)


def _weights(path: Path) -> None:
    from claimslicer.models.registry import resolve

    weights = next(path.glob("*.safetensors"))
    resolve(weights, "segmentation").load_state()


def _import(path: Path) -> None:
    from claimslicer.models.transfer import import_model, remove_model

    import_model(path)
    remove_model("small")


def _recipe(path: Path) -> None:
    from claimslicer.cohorts.reproduce import read_recipe

    read_recipe(path)


def _sidecar(path: Path) -> None:
    from claimslicer.studies.synthetic import is_marked_beside

    is_marked_beside(path.with_suffix(".nii"))


def _report(path: Path) -> None:
    from claimslicer.export.items import read_items

    read_items([path], None)


def _cache(path: Path) -> None:
    from claimslicer.training.data.cache import read_cache

    read_cache(path)


def _phases(path: Path) -> None:
    from claimslicer.studies.phase import read_phases

    read_phases(path, {"Case_P001", "Case_P002"})


def _queue(path: Path) -> None:
    from claimslicer.review.find import FoundStudy
    from claimslicer.review.queue import ReviewQueue

    ReviewQueue(path, path, [FoundStudy("a.nii", "a")])


def _events(path: Path) -> None:
    from claimslicer.training.runs.run import Run

    run = Run(path)
    run.state()
    run.events()


CONFIGS = {
    "segmentation.yaml": ("claimslicer.training.settings.config", "SegmentationConfig"),
    "synthesis.yaml": ("claimslicer.training.settings.config", "SynthesisConfig"),
    "joint.yaml": ("claimslicer.training.settings.joint_config", "JointConfig"),
    "evaluation.yaml": ("claimslicer.evaluation.config", "EvaluationConfig"),
    "cohort.yaml": ("claimslicer.cohorts.config", "CohortConfig"),
    "experiment.yaml": ("claimslicer.experiments.config", "ExperimentConfig"),
}

TARGETS = {
    target.name: target
    for target in (
        Target("nifti", _read_study),
        Target("nrrd-mha", _read_study),
        Target("labels", _read_labels),
        Target("seg-nrrd", _read_labels),
        Target("mask", _read_mask),
        Target("dicom", _inspect, whole_folder=True),
        Target("dicom-compressed", _read_study, whole_folder=True),
        Target("dicom-enhanced", _read_study),
        Target("dicom-seg", _read_labels),
        Target("zip", _read_study),
        Target("emidec", _read_study, whole_folder=True),
        Target("spec", _spec, is_text=True),
        *(Target(name, _yaml(*place), is_text=True) for name, place in CONFIGS.items()),
        Target("card", _card, is_text=True),
        Target("weights", _weights, whole_folder=True),
        Target("import", _import),
        Target("recipe", _recipe, is_text=True),
        Target("sidecar", _sidecar, is_text=True),
        Target("report", _report, is_text=True, whole_folder=True),
        Target("cache", _cache),
        Target("phases", _phases, is_text=True),
        Target("queue", _queue, is_text=True, whole_folder=True),
    )
}


def make_corpus(folder: Path) -> None:
    """Write the sound files of every target into its folder."""
    for name in TARGETS:
        (folder / name).mkdir()
    _volumes(folder)
    _dicom(folder)
    _texts(folder)
    _models(folder)


def _volumes(folder: Path) -> None:
    from claimslicer.studies import Encoding, write_volume
    from claimslicer.studies.segments import SCAR_SEGMENTS
    from claimslicer.training.data.cache import CachedStudy, write_cache

    grid, image, labels = _STUDY.geometry, _STUDY.image, _STUDY.labels
    encoding = Encoding(np.dtype(np.int16), 0.5, -10.0)
    write_volume(folder / "nifti" / "a.nii", image, grid)
    write_volume(folder / "nifti" / "b.nii.gz", image, grid, encoding=encoding)
    write_volume(folder / "nrrd-mha" / "a.nrrd", image.astype(np.float32), grid)
    write_volume(folder / "nrrd-mha" / "b.mha", image, grid)
    write_volume(folder / "labels" / "a.nii", labels, grid)
    write_volume(folder / "labels" / "b.nrrd", labels.astype(np.float32), grid)
    write_volume(folder / "labels" / "c.nii", labels[:3], replace(grid, shape=(3, 32, 32)))
    write_volume(folder / "seg-nrrd" / "a.seg.nrrd", labels, grid)
    scar = (labels == 3).astype(np.uint8)
    write_volume(folder / "mask" / "a.nii", scar, grid)
    write_volume(folder / "mask" / "b.seg.nrrd", scar, grid, segments=SCAR_SEGMENTS)
    case = folder / "emidec" / "Case_P001"
    write_volume(case / "Images" / "Case_P001.nii", image.astype(float), grid)
    write_volume(case / "Contours" / "Case_P001.nii", np.where(labels == 5, 0, labels), grid)
    (folder / "emidec" / "Case_P001.txt").write_bytes("Sex\xa0: F\r\nAge : 65\r\n".encode("cp1252"))
    for file in case.rglob("*.nii"):  # the case folder is what is given
        target = folder / "emidec" / file.parent.name / file.name
        target.parent.mkdir(exist_ok=True)
        shutil.move(file, target)
    shutil.rmtree(case)
    cached = CachedStudy("Case_P001", "training", image, labels, grid.spacing_zyx)
    write_cache(folder / "cache" / "cache.npz", [cached])


def _dicom(folder: Path) -> None:
    from claimslicer.export.export import export
    from claimslicer.studies import write_volume
    from dicom_trial import write_stack
    from pydicom import dcmread

    write_stack(folder / "dicom", _STUDY.image, _STUDY.geometry, scaling=(2.0, -5.0))
    for file in write_stack(folder / "dicom-compressed", _STUDY.image, _STUDY.geometry):
        header = dcmread(file)
        header.compress("1.2.840.10008.1.2.5" if header.InstanceNumber % 2 else "1.2.840.10008.1.2.4.80")
        header.save_as(file)
    place = folder / "made"
    image = write_volume(place / "image.nii", _STUDY.image, _STUDY.geometry, recipe={"command": "synthesize"})
    labels = write_volume(place / "labels.nii", _STUDY.labels, _STUDY.geometry)
    for file in export([image, labels], place / "out", form="enhanced").files:
        kind = "dicom-seg" if "_SEG_" in str(file) else "dicom-enhanced" if "_MR_" in str(file) else None
        if kind:
            shutil.copy(file, folder / kind / "a.dcm")
    shutil.make_archive(str(folder / "zip" / "a"), "zip", folder / "dicom")
    shutil.rmtree(place)


def _texts(folder: Path) -> None:
    from claimslicer.smile import ScarSpec

    spec = ScarSpec(segments=(7, 8), volume_ml=2.0)
    (folder / "spec" / "a.yaml").write_text(spec.to_yaml(), encoding="utf-8")
    repository = Path(__file__).resolve().parents[2]
    presets = repository / "ClaimSlicer" / "claimslicer" / "training" / "settings" / "presets"
    for kind in ("segmentation", "synthesis", "joint"):
        for preset in presets.glob(f"{kind}-*.yaml"):
            text = "cache: cache.npz\nout: run\n" + preset.read_text(encoding="utf-8")
            (folder / f"{kind}.yaml" / preset.name).write_text(text, encoding="utf-8")
    configs = {
        "evaluation.yaml": "data: .\nout: out\nkinds: [authored, repainted]\nseeds: 2\ndraws: 1\n",
        "cohort.yaml": "out: out\nseed: 1\nsources:\n  - folder: .\n    draws: 2\n    infarcted: add\n",
        "experiment.yaml": "data: .\nout: out\nseeds: 2\n",
    }
    for name, text in configs.items():
        (folder / name / "a.yaml").write_text(text, encoding="utf-8")
    recipe = {
        "command": "smile",
        "source": {"name": "a", "path": None, "image_sha256": "0", "synthetic": False},
        "settings": {},
        "seed": 0,
        "synthetic": True,
        "claim_slicer": "0.1.0",
    }
    for name in ("recipe", "sidecar"):
        (folder / name / "a.json").write_text(json.dumps(recipe, indent=1), encoding="utf-8")
    numbers = {"cavity_ml": 1.0, "myocardium_ml": 2.0, "segments": [{"segment": 1, "volume_ml": 2.0}]}
    report = {"title": "t", "synthetic": False, "quantification": numbers}
    (folder / "report" / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (folder / "phases" / "a.csv").write_text("case,phase\nCase_P001,acute\nCase_P002,\n", encoding="utf-8")
    review = {"state": "to review", "remark": "", "time": "", "content": ""}
    queue = {"claim_slicer": "0", "folder": ".", "studies": [{"key": "a.nii", "name": "a", "review": review}]}
    (folder / "queue" / "review.json").write_text(json.dumps(queue, indent=1), encoding="utf-8")


def _models(folder: Path) -> None:
    import torch
    from claimslicer.models.card import ModelCard
    from claimslicer.models.registry import save_model

    repository = Path(__file__).resolve().parents[2]
    shipped = next((repository / "ClaimSlicer" / "claimslicer" / "models").rglob("*segment*.json"))
    kept = vars(ModelCard.read(shipped))
    own = {"name", "sha256", "made_with", "format_version"}
    fields = {name: value for name, value in kept.items() if name not in own}
    weights = save_model(folder / "weights", "small", {"weight": torch.zeros(3, 3)}, fields)
    shutil.copy(weights.with_suffix(".json"), folder / "card" / "a.json")
    shutil.make_archive(str(folder / "import" / "small"), "zip", folder / "weights")
