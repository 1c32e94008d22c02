"""nnU-Net's own commands with our export and trainer, and its models run here: one real, tiny training."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from claimslicer.errors import ModelError, StudyError
from claimslicer.labels import Label
from claimslicer.models.registry import resolve, verify
from claimslicer.segmentation import segment
from claimslicer.segmentation.model import load_segmenter
from claimslicer.segmentation.nnunet.labels import internal_labels
from claimslicer.segmentation.rules import clean_labels
from claimslicer.studies import read_study, write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.outcome.ensemble import combine_segmenters
from cli_runner import Outcome, files_under, run_apart

nnunetv2 = pytest.importorskip("nnunetv2", reason="nnU-Net isn't installed (extra 'nnunet')")

from claimslicer.segmentation.nnunet.model import find_nnunet, read_folder  # noqa: E402
from claimslicer.segmentation.nnunet.predict import _Axes  # noqa: E402
from claimslicer.segmentation.nnunet.transfer import import_nnunet  # noqa: E402

CASES = ("Case_P001", "Case_N002", "Case_P003", "Case_N007", "Case_P004")
OBLIQUE = (0.0, 0.6, 0.8, -1.0, 0.0, 0.0, 0.0, -0.8, 0.6)


def write_phantom(image: Path, labels: Path, seed: int, **more: object) -> None:
    """Write a heart of 48 × 48 × 3 voxels."""
    settings = PhantomSettings(
        seed=seed,
        matrix=(48, 48),
        spacing=(2.5, 2.5),
        n_slices=3,
        slice_spacing=20.0,
        offset_mm=(0.0, 0.0),
        through_slice_samples=2,
    )
    study = make_phantom(replace(settings, **more)).study
    write_volume(image, study.image, study.geometry)
    write_volume(labels, study.labels, study.geometry)


@dataclass(frozen=True)
class Bench:
    """Folders of a training with nnU-Net's commands, and what these printed."""

    root: Path
    log: dict[str, str]

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        return self.root / "results" / "Dataset501_CLAIM" / "nnUNetTrainerCLAIM_trial__nnUNetPlans__2d"

    @property
    def unseen(self) -> Path:
        """An oblique study that nnU-Net's command has labelled."""
        return self.root / "unseen" / "Heart_0000.nii.gz"


def environment(root: Path, **more: str) -> dict[str, str]:
    """Return what nnU-Net's commands need; a copy of the package takes the place of the installed one."""
    folders = {
        f"nnUNet_{name}": str(root / place)
        for name, place in (("raw", "raw"), ("preprocessed", "preprocessed"), ("results", "results"))
    }
    few = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "nnUNet_def_n_proc": "1"}
    return {**os.environ, **folders, **few, "PYTHONPATH": str(root / "packages"), **more}


def nnunet_command(root: Path, command: str, *arguments: object, workers: int = 0) -> str:
    """Run one of nnU-Net's own commands, and return what it printed."""
    ended = subprocess.run(
        [str(Path(sys.executable).parent / command), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=600,
        env=environment(root, nnUNet_n_proc_DA=str(workers)),
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]
    return ended.stdout


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    """Export, plan, preprocess, train two steps and predict, each with the command that a user would type."""
    root = tmp_path_factory.mktemp("nnunet")
    for seed, case in enumerate(CASES):
        folder = root / "cases" / case
        scar = PhantomScar() if "P" in case else None
        write_phantom(
            folder / "Images" / f"{case}.nii.gz", folder / "Contours" / f"{case}.nii.gz", seed, scar=scar
        )
    write_phantom(
        root / "unseen" / "Heart_0000.nii.gz", root / "truth.nii.gz", 9, direction=OBLIQUE, matrix=(56, 44)
    )
    shutil.copytree(Path(nnunetv2.__file__).parent, root / "packages" / "nnunetv2")
    ours = [("export", root / "cases", "--out", root / "raw"), ("trainers", "--install")]
    for arguments in ours:
        done = run_apart("nnunet", *arguments, env=environment(root))
        assert done.code == 0, done.err
    trained = (501, "2d", 0, "-tr", "nnUNetTrainerCLAIM_trial", "-device", "cpu")
    asked = ("-d", 501, "-c", "2d", "-f", 0, "-tr", "nnUNetTrainerCLAIM_trial", "-device", "cpu")
    places = ("-i", root / "unseen", "-o", root / "predicted", "-npp", 1, "-nps", 1)
    checks = ("-d", 501, "-c", "2d", "-np", 1, "-npfp", 1, "--verify_dataset_integrity")
    log = {"plan": nnunet_command(root, "nnUNetv2_plan_and_preprocess", *checks, workers=1)}
    log["train"] = nnunet_command(root, "nnUNetv2_train", *trained)
    log["predict"] = nnunet_command(root, "nnUNetv2_predict", *places, *asked)
    return Bench(root, log)


def test_nnunet_trains_with_our_trainer_on_our_folds(bench):
    assert "This split has 4 training and 1 validation cases" in bench.log["train"]
    checkpoint = read_folder(bench.model)
    assert checkpoint.trainer == "nnUNetTrainerCLAIM_trial"
    assert checkpoint.weights["folds"] == ["fold_0"]
    (state,) = checkpoint.states.values()
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    debug = json.loads((bench.model / "fold_0" / "debug.json").read_text(encoding="utf-8"))
    for part in ("SoftDice", "CrossEntropy", "SoftLabelDivergence", "DeepSupervision"):
        assert part in debug["loss"]


def test_a_model_folder_labels_as_nnunets_own_command_does(bench):
    study = read_study(bench.unseen)
    result = segment(study, model=bench.model, device="cpu")
    theirs = nibabel.load(bench.root / "predicted" / "Heart.nii.gz")
    np.testing.assert_array_equal(result.labels, np.asarray(theirs.dataobj).T)
    np.testing.assert_allclose(theirs.affine, nibabel.load(bench.unseen).affine, atol=1e-6)
    np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-4)
    assert result.probabilities.argmax(0).astype(np.uint8).tolist() == result.labels.tolist()
    assert 0 <= result.uncertainty.min() < result.uncertainty.max() <= 1
    assert result.recipe["weights"]["name"] == bench.model.name


def test_rules_clean_its_labels_where_asked(bench, tmp_path):
    study = read_study(bench.unseen)
    raw = segment(study, model=bench.model, device="cpu", clean=False)
    np.testing.assert_array_equal(raw.labels, segment(study, model=bench.model, device="cpu").labels)
    cleaned = clean_labels(raw.labels, raw.probabilities[Label.INFARCT :].sum(0), study.geometry)
    assert (cleaned != raw.labels).any()  # two steps teach no anatomy
    out = tmp_path / "labels.nii.gz"
    done = run_apart(
        "segment", bench.unseen, "--model", bench.model, "--device", "cpu", "--clean", "--out", out
    )
    assert done.code == 0, done.err
    np.testing.assert_array_equal(read_study(bench.unseen, out).labels, cleaned)


def test_the_command_writes_labels_and_uncertainty(bench, tmp_path):
    outputs = ("--out", tmp_path / "labels.nii.gz", "--uncertainty", tmp_path / "u.nii.gz")
    fold = bench.model / "fold_0"
    done = run_apart("segment", bench.unseen, "--model", fold, "--device", "cpu", *outputs)
    assert done.code == 0, done.err
    written = read_study(bench.unseen, tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(written.labels, segment(written, model=bench.model, device="cpu").labels)


@pytest.fixture
def own_models(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_an_imported_model_runs_without_its_checkpoint(bench, own_models, tmp_path):
    study = read_study(bench.unseen)
    before = segment(study, model=bench.model, device="cpu")
    shutil.copytree(bench.model, tmp_path / "model")
    model = import_nnunet(tmp_path / "model", "mine", terms="CC0-1.0")
    shutil.rmtree(tmp_path / "model")
    assert model.weights.parent == own_models / "mine"
    assert [found.name for found in verify("mine")] == ["mine"]
    after = segment(study, model="mine", device="cpu")
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    assert after.recipe["weights"] == {"name": "mine", "sha256": model.card.sha256, "folds": ["fold_0"]}
    assert model.card.terms == "CC0-1.0"
    assert model.card.split["fold_0"]["val"] == ["Case_P004"]
    assert set(model.card.figures["fold_0"]) == {f"dice of label {value}" for value in range(1, 5)}
    with pytest.raises(ModelError, match="can't be trained further"):
        load_segmenter("mine", "cpu")
    with pytest.raises(ModelError, match="put into an ensemble"):
        combine_segmenters(["mine", "emidec"], tmp_path, "both")


def test_importing_twice_or_to_a_wrong_name_is_refused(bench, own_models, tmp_path):
    done = run_apart("nnunet", "import", bench.model, "--name", "mine", "--out", tmp_path / "here")
    assert done.code == 0, done.err
    assert "Terms: not stated (--terms" in done.out
    assert "Trained by nnUNetTrainerCLAIM_trial, epochs: fold_0 1." in done.out
    card = resolve(tmp_path / "here", "segmentation").card
    assert (card.name, card.training["epochs"]) == ("mine", {"fold_0": 1})
    assert not own_models.exists()
    import_nnunet(bench.model, "mine")
    before = files_under(own_models)
    for name in ("mine", "../other", "emidec"):
        with pytest.raises(ModelError):
            import_nnunet(bench.model, name)
    assert files_under(own_models) == before


class Evil:
    """What a checkpoint might hold beside weights."""

    def __reduce__(self):
        return os.system, ("touch evil",)


def rewrite(file: Path, change: Callable[[dict], None]) -> None:
    """Change one of nnU-Net's JSON files."""
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def _within(content: dict, *keys: str) -> dict:
    for key in keys:
        content = content[key]
    return content


def spoil(model: Path, how: str) -> None:
    """Make a model that can't be run."""
    checkpoint, plans, dataset = (
        model / "fold_0" / "checkpoint_final.pth",
        model / "plans.json",
        model / "dataset.json",
    )
    planned = ("configurations", "2d", "architecture")
    if how == "Python objects":
        torch.save({"network_weights": {}, "logging": Evil()}, checkpoint)
    elif how == "damaged":
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    elif how == "finish training":
        checkpoint.unlink()
    elif how == "isn't nnU-Net's own":
        rewrite(plans, lambda p: _within(p, *planned).update(network_class_name="subprocess.Popen"))
    elif how == "builds one of its own":
        rewrite(plans, lambda p: _within(p, *planned, "arch_kwargs").update(features_per_stage=[8] * 4))
    elif how == "2 images of a heart":
        rewrite(dataset, lambda d: d["channel_names"].update({"1": "cine"}))
    elif how == "overlapping regions":
        rewrite(dataset, lambda d: d["labels"].update(infarct=[3, 4]))
    elif how == "the label 'liver'":
        rewrite(dataset, lambda d: d.update(labels={"background": 0, "myocardium": 1, "liver": 2}))
    elif how == "can't be read":
        dataset.write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    "how",
    [
        "Python objects",
        "damaged",
        "finish training",
        "isn't nnU-Net's own",
        "builds one of its own",
        "2 images of a heart",
        "overlapping regions",
        "the label 'liver'",
        "can't be read",
    ],
)
def test_models_that_cannot_be_run(bench, tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bench.model, tmp_path / "model")
    spoil(tmp_path / "model", how)
    with pytest.raises(ModelError, match=how):
        segment(read_study(bench.unseen), model=tmp_path / "model", device="cpu")
    assert not (tmp_path / "evil").exists()


def test_a_changed_checkpoint_is_read_again(bench, tmp_path):
    shutil.copytree(bench.model, tmp_path / "model")
    assert find_nnunet(tmp_path / "model") is find_nnunet(str(tmp_path / "model"))
    spoil(tmp_path / "model", "damaged")
    with pytest.raises(ModelError):
        find_nnunet(tmp_path / "model")


def test_a_model_that_finds_no_heart(bench, tmp_path):
    shutil.copytree(bench.model, tmp_path / "model")
    file = tmp_path / "model" / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(file, weights_only=False)
    last = max(name for name in checkpoint["network_weights"] if name.endswith("seg_layers.2.bias"))
    checkpoint["network_weights"][last][Label.MYOCARDIUM :] = -1e3
    torch.save(checkpoint, file)
    with pytest.raises(StudyError, match="No left ventricle"):
        segment(read_study(bench.unseen), model=tmp_path / "model", device="cpu")


def test_labels_of_other_makers_are_known_by_their_names():
    names = {"background": 0, "LV_cavity": 3, "Healthy Myocardium": 1, "Scar": 2, "No-Reflow": 4, "RV": 5}
    assert internal_labels({"labels": {**names, "ignore": 6}}) == {
        0: Label.BACKGROUND,
        1: Label.MYOCARDIUM,
        2: Label.INFARCT,
        3: Label.CAVITY,
        4: Label.MVO,
        5: Label.RIGHT_VENTRICLE,
    }
    with pytest.raises(ModelError, match="no myocardium"):
        internal_labels({"labels": {"background": 0, "scar": 1}})


@pytest.mark.parametrize("reader", ["SimpleITKIO", "NibabelIO", "NibabelIOWithReorient"])
def test_every_reader_of_nnunet_sees_the_same_volume_as_ours(tmp_path, reader):
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name

    write_phantom(
        tmp_path / "a.nii.gz",
        tmp_path / "l.nii.gz",
        3,
        direction=OBLIQUE,
        matrix=(44, 52),
        spacing=(2.5, 2.0),
    )
    study = read_study(tmp_path / "a.nii.gz")
    images, properties = recursive_find_reader_writer_by_name(reader)().read_images(
        [str(tmp_path / "a.nii.gz")]
    )
    axes = _Axes(study.geometry, reader)
    np.testing.assert_array_equal(axes.to_reader(study.image), images[0])
    np.testing.assert_allclose(axes.spacing, properties["spacing"], rtol=1e-6)
    np.testing.assert_array_equal(axes.from_reader(axes.to_reader(study.image)), study.image)


def test_our_trainers_are_put_into_nnunets_folder_and_taken_out(bench):
    def command(*options: str) -> Outcome:
        return run_apart("nnunet", "trainers", *options, env=environment(bench.root))

    file = bench.root / "packages/nnunetv2/training/nnUNetTrainer/nnUNetTrainerCLAIM.py"
    assert file.is_file()
    assert command("--remove").code == 0
    assert not file.exists()
    gone = command("--remove")
    assert (gone.code, gone.err.count("\n")) == (2, 1)
    file.write_text("# somebody else's", encoding="utf-8")
    assert command("--install").code == 2
    assert file.read_text(encoding="utf-8") == "# somebody else's"
