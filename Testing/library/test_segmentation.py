"""Segmentation with the shipped weights: on the phantom, and on untouched studies where they are there."""

import dataclasses
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from claimslicer.errors import ModelError, StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.models.registry import resolve
from claimslicer.outputs import write_text
from claimslicer.quantification import Scaling
from claimslicer.segmentation import predict, segment
from claimslicer.segmentation.model import load_segmenter
from claimslicer.segmentation.rules import clean_labels
from claimslicer.studies import Geometry, Study, read_study, write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import CachedStudy, write_cache
from claimslicer.training.outcome.calibrate import calibrate_segmenter
from claimslicer.training.outcome.ensemble import combine_segmenters
from cli_runner import run_here


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.fixture(scope="module")
def scarred() -> Study:
    return make_phantom(PhantomSettings(seed=2, n_slices=6, scar=PhantomScar(volume_ml=15.0))).study


@pytest.fixture(scope="module")
def said(scarred) -> predict.Prediction:
    """What the shipped networks say of that heart."""
    return predict.predict(scarred, load_segmenter(None, "cpu"))


@pytest.fixture
def asked_once(monkeypatch, said) -> None:
    """Let networks say again what they said; only the scaling is that of the model asked for."""
    again = lambda study, segmenter, *_: dataclasses.replace(said, scaling=segmenter.scaling)  # noqa: E731
    monkeypatch.setattr(predict, "predict", again)


def test_the_left_ventricle_of_the_phantom_is_found(scarred):
    result = segment(scarred)
    assert result.labels.dtype == np.uint8
    assert set(np.unique(result.labels)) <= set(range(5))
    assert dice(myocardium_mask(result.labels), myocardium_mask(scarred.labels)) > 0.6
    assert result.uncertainty.shape == scarred.image.shape
    assert 0 <= result.uncertainty.min() <= result.uncertainty.max() <= 1
    np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-4)


def test_the_order_of_slices_and_the_grey_scale_hardly_matter(scarred):
    straight = segment(scarred).labels
    turned = dataclasses.replace(scarred, image=scarred.image[::-1].astype(np.float64) * 7.5 + 100)
    assert dice(segment(turned).labels[::-1] > 0, straight > 0) > 0.97


def test_noise_without_a_heart_is_refused(monkeypatch):
    for seed in range(3):
        image = np.random.default_rng(seed).normal(100, 5, (5, 128, 128))
        noise = Study("noise", image, Geometry(image.shape, (1.5, 1.5, 10)))
        with pytest.raises(StudyError, match=r"left ventricle .* short-axis LGE study\?$"):
            segment(noise)
    mine = dataclasses.replace(load_segmenter(None, "cpu"), weights={"name": "mine", "sha256": ""})
    monkeypatch.setattr(predict, "load_segmenter", lambda *asked, **options: mine)
    with pytest.raises(StudyError, match=r"or is the model trained too little\?$"):
        segment(noise)


def with_calibration(folder: Path, calibration: dict) -> Path:
    """Return a copy of the shipped segmenter with that on its card."""
    shipped = resolve(None, "segmentation")
    folder.mkdir(exist_ok=True)
    shutil.copyfile(shipped.weights, folder / "segmentation.safetensors")
    card = dataclasses.replace(shipped.card, calibration=calibration)
    write_text(folder / "segmentation.json", card.to_json())
    return folder


@pytest.mark.usefixtures("asked_once")
def test_a_calibration_scales_probabilities_and_leaves_the_labels(scarred, said, tmp_path):
    plain = segment(scarred, model=with_calibration(tmp_path, {}))
    scaling = Scaling(1.5, (0.0, -0.2, -0.3, -1.0, -1.5))
    model = with_calibration(tmp_path, dataclasses.asdict(scaling))  # the same weights, which are kept
    found = segment(scarred, model=model)
    np.testing.assert_array_equal(found.labels, plain.labels)
    np.testing.assert_array_equal(found.probabilities, scaling.apply(said.probabilities))
    assert (found.probabilities.argmax(0) != plain.probabilities.argmax(0)).any()
    p = found.probabilities
    entropy = -(p * np.log(np.maximum(p, 1e-8))).sum(0) / np.log(5)
    np.testing.assert_allclose(found.uncertainty, np.minimum(entropy, 1), atol=1e-5)
    assert found.recipe["settings"]["scaling"] == {"temperature": 1.5, "biases": list(scaling.biases)}
    assert plain.recipe["settings"]["scaling"] is None


def test_what_is_too_vague_is_refused_however_sure_a_calibration_makes(scarred, said, tmp_path, monkeypatch):
    vague = Scaling(4.0).apply(said.probabilities)
    monkeypatch.setattr(
        predict,
        "predict",
        lambda study, segmenter, *_: dataclasses.replace(
            said, probabilities=vague, scaling=segmenter.scaling
        ),
    )
    model = with_calibration(tmp_path, {"temperature": 0.05, "biases": [0.0] * 5})
    with pytest.raises(StudyError, match="left ventricle"):
        segment(scarred, model=model)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 1.0},
        {"temperature": 0.0, "biases": [0.0] * 5},
        {"temperature": 1.0, "biases": [0.0] * 4},
        {"temperature": 1.0, "biases": "12345x"},
        {"temperature": float("nan"), "biases": [0.0] * 5},
    ],
)
def test_a_wrong_calibration_is_said(scarred, tmp_path, wrong):
    with pytest.raises(ModelError, match="models calibrate"):
        segment(scarred, model=with_calibration(tmp_path, wrong))


@pytest.mark.usefixtures("asked_once")
def test_more_than_any_ventricle_is_warned_of(scarred, said, tmp_path, monkeypatch, capsys):
    assert segment(scarred).warning == ""
    everywhere = dataclasses.replace(said, labels=np.full_like(said.labels, Label.CAVITY))
    everywhere.labels[:, ::8] = Label.MYOCARDIUM
    surely = np.where(said.probabilities == said.probabilities.max(0), 1, 0).astype(np.float32)
    everywhere = dataclasses.replace(everywhere, probabilities=surely)
    monkeypatch.setattr(predict, "predict", lambda *_: everywhere)
    warning = segment(scarred, clean=False).warning
    assert f"fills {everywhere.labels.size * scarred.geometry.voxel_volume_ml:.0f} ml" in warning
    image = write_volume(tmp_path / "heart.nii.gz", scarred.image, scarred.geometry)
    asked = ("segment", image, "--raw", "--device", "cpu", "--out", tmp_path / "labels.nii.gz")
    done = run_here(monkeypatch, capsys, *asked, "--events", tmp_path / "events.jsonl")
    assert done.code == 0 and "warning: What was found in 'heart' fills" in done.err
    events = map(json.loads, (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines())
    assert [e["message"] for e in events if e["event"] == "warning"] == [
        warning.replace(scarred.name, "heart")
    ]


@pytest.mark.usefixtures("asked_once")
def test_labels_without_rules_are_the_most_likely_ones(scarred, said):
    raw = segment(scarred, clean=False)
    assert (raw.recipe["settings"]["clean"], segment(scarred).recipe["settings"]["clean"]) == (False, True)
    np.testing.assert_array_equal(raw.labels, said.probabilities.argmax(0))
    cleaned = clean_labels(raw.labels, said.probabilities[3:].sum(0), scarred.geometry)
    np.testing.assert_array_equal(segment(scarred).labels, cleaned)


@pytest.fixture
def small_cohort(tmp_path, scarred) -> Path:
    """A cache: two patients that the shipped model held back, one with a synthetic child, and another."""
    labels = np.where(scarred.labels > Label.MVO, Label.BACKGROUND, scarred.labels).astype(np.uint8)
    heart = CachedStudy("Case_P004", "validation", scarred.image, labels, scarred.geometry.spacing_zyx)
    others = [("Case_P015", False), ("Case_P047", True), ("Case_P001", False)]
    more = [dataclasses.replace(heart, name=name, synthetic=synthetic) for name, synthetic in others]
    write_cache(tmp_path / "cohort.npz", [heart, *more])
    return tmp_path / "cohort.npz"


@pytest.mark.usefixtures("asked_once")
def test_the_command_calibrates_on_patients_held_back(small_cohort, tmp_path, monkeypatch, capsys):
    model = with_calibration(tmp_path / "m", {})
    command = ("models", "calibrate", model, "--data", small_cohort, "--device", "cpu")
    done = run_here(monkeypatch, capsys, *command)
    assert (done.code, "2 patients" in done.out) == (0, True), done.err
    card = resolve(model, "segmentation").card
    assert card.calibration["patients"] == ["Case_P004", "Case_P015"]
    before, after = card.calibration["expected calibration error"].values()
    assert 1 > before["infarct"] > after["infarct"] > 0  # the two hearts are the same one
    assert Scaling.of_card(card.calibration) not in (None, Scaling())
    resolve(model, "segmentation").verify()
    both = combine_segmenters([model, model], tmp_path / "both", "both")  # whose errors are others
    assert resolve(both, "segmentation").card.calibration == {}


def test_a_calibration_without_its_patients_is_refused(small_cohort, tmp_path):
    model = with_calibration(tmp_path / "m", {})
    before = (model / "segmentation.json").read_bytes()
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match="0 of the 17 patients"):
        calibrate_segmenter(model, tmp_path / "empty")
    assert (model / "segmentation.json").read_bytes() == before
    card = dataclasses.replace(resolve(model, "segmentation").card, split={})
    write_text(model / "segmentation.json", card.to_json())
    with pytest.raises(ModelError, match="names no patients"):
        calibrate_segmenter(model, small_cohort)


@pytest.mark.skipif(find_spec("transformers") is None, reason="transformers isn't installed (extra 'text')")
def test_transformers_are_not_imported_to_segment_and_can_be_afterwards():
    lines = ("from claimslicer.segmentation import segment", "import sys, importlib.util")
    asked = "print('transformers' in sys.modules, importlib.util.find_spec('transformers') is not None)"
    program = "; ".join((*lines, asked))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_an_untouched_study_that_was_not_trained_on(shared_data):
    study = read_study(shared_data / "emidec-original" / "Case_P100")
    labels = segment(study).labels
    assert dice(myocardium_mask(labels), myocardium_mask(study.labels)) > 0.75
    assert dice(infarct_mask(labels), infarct_mask(study.labels)) > 0.5


def test_a_normal_heart_has_no_infarct(shared_data):
    study = read_study(shared_data / "emidec-original" / "sampleNegative")
    labels = segment(study).labels
    assert infarct_mask(labels).sum() * study.geometry.voxel_volume_ml < 1.0
