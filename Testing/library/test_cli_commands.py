"""What each command gives: files, events, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from claimslicer import __version__
from claimslicer.labels import Label, myocardium_mask
from claimslicer.models.registry import list_models, save_model
from claimslicer.studies import Study, read_study, write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.synthesis import synthesize
from claimslicer.synthesis.levels import slice_levels
from claimslicer.synthesis.samplers import SAMPLERS, network_evaluations
from claimslicer.synthesis.settings import BAND_MM
from claimslicer.synthesis.texture import measure_texture, texture_of_study
from cli_runner import files_under
from scipy.ndimage import distance_transform_edt


@pytest.fixture(scope="module")
def phantom() -> Study:
    """Return a heart with a scar."""
    return make_phantom(PhantomSettings(scar=PhantomScar(volume_ml=9.0))).study


@pytest.fixture(scope="module")
def case(tmp_path_factory, phantom) -> Path:
    """Return the phantom as a file, with labels beside it."""
    path = tmp_path_factory.mktemp("case") / "heart.nii.gz"
    write_volume(path, phantom.image, phantom.geometry)
    write_volume(path.with_name("heart_labels.nii.gz"), phantom.labels, phantom.geometry)
    return path


@pytest.fixture
def shipped_weights() -> None:
    """Skip where the package was copied without its weights."""
    if {model.weights.stem for model in list_models() if model.shipped} != {"synthesis", "segmentation"}:
        pytest.skip("no weights are in this copy of the package")


def test_anatomy_covers_the_wall(cli, case, tmp_path, phantom):
    """Every wall voxel has a segment, and the frame's ml are those of the map."""
    assert cli("anatomy", case, "--out", tmp_path / "aha.nii.gz", "--json", tmp_path / "frame.json").code == 0
    segments = read_array(tmp_path / "aha.nii.gz")
    assert np.array_equal(segments > 0, myocardium_mask(phantom.labels))
    frame = json.loads((tmp_path / "frame.json").read_text(encoding="utf-8"))
    assert frame["settings"]["insertions_source"] == "rv-label"
    total = sum(frame["segments_ml"].values())
    assert total == pytest.approx((segments > 0).sum() * phantom.geometry.voxel_volume_ml, abs=0.01)


def test_given_insertions_turn_the_model(cli, case, tmp_path):
    """The points that one call found give the same map when handed to another; exchanged ones don't."""
    assert cli("anatomy", case, "--out", tmp_path / "a.nii.gz", "--json", tmp_path / "a_frame.json").code == 0
    frame = json.loads((tmp_path / "a_frame.json").read_text(encoding="utf-8"))
    points = frame["settings"]["insertions_lps_mm"]
    anterior, inferior = (",".join(map(str, points[name])) for name in ("anterior", "inferior"))
    outcome = cli("anatomy", case, "--insertions", anterior, inferior, "--out", tmp_path / "b.nii.gz")
    assert outcome.code == 0
    assert "were given" in outcome.out
    assert np.array_equal(read_array(tmp_path / "a.nii.gz"), read_array(tmp_path / "b.nii.gz"))
    assert cli("anatomy", case, "--insertions", inferior, anterior, "--out", tmp_path / "c.nii.gz").code == 2


def test_the_end_of_the_stack_can_be_said(cli, case, tmp_path):
    """Told the truth, the model is the same; told otherwise, it isn't."""
    for name, option in (("own", []), ("first", ["--apex-first"]), ("last", ["--apex-last"])):
        assert cli("anatomy", case, *option, "--out", tmp_path / f"{name}.nii.gz").code in (0, 2)
    own = read_array(tmp_path / "own.nii.gz")
    assert np.array_equal(own, read_array(tmp_path / "first.nii.gz"))
    assert not np.array_equal(own, read_array(tmp_path / "last.nii.gz"))


def test_smile_gives_the_asked_volume(cli, case, tmp_path, phantom):
    """The mask is new scar of the asked ml in the wall; the study's own scar is not in it."""
    asked = ["--segments", "10,11,15", "--volume-ml", "4", "--mvo", "0.25", "--seed", "3"]
    outcome = cli("smile", case, *asked, "--out", tmp_path / "mask.nii.gz")
    assert outcome.code == 0
    mask = read_array(tmp_path / "mask.nii.gz")
    voxel_ml = phantom.geometry.voxel_volume_ml
    assert (mask > 0).sum() * voxel_ml == pytest.approx(4.0, abs=voxel_ml)
    assert (mask == 2).sum() * voxel_ml == pytest.approx(1.0, abs=voxel_ml)
    assert (phantom.labels[mask > 0] == Label.MYOCARDIUM).all()


def test_smile_from_yaml_with_an_option_on_top(cli, case, tmp_path):
    """The option's volume takes the place of the file's percentage."""
    spec = tmp_path / "spec.yaml"
    spec.write_text("segments: [10, 11]\npercent: 5\npattern: mid-wall\nseed: 8\n", encoding="utf-8")
    out = tmp_path / "mask.nii.gz"
    assert cli("smile", case, "--spec", spec, "--volume-ml", "1.5", "--out", out).code == 0
    recipe = json.loads((tmp_path / "mask.json").read_text(encoding="utf-8"))
    settings = recipe["settings"]
    assert (settings["volume_ml"], settings["pattern"], settings["seed"]) == (1.5, "mid-wall", 8)
    assert "percent" not in settings


def test_random_smile_follows_its_seed(cli, case, tmp_path):
    """Same seed, same mask; another seed, another mask."""
    masks = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert cli("smile", case, "--random", "--seed", seed, "--out", tmp_path / f"{name}.nii.gz").code == 0
        masks.append(read_array(tmp_path / f"{name}.nii.gz"))
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_quantify_writes_a_report(cli, case, tmp_path, phantom):
    """Page, tables and pictures; the numbers are those of the labels; against itself the Dice is 1."""
    labels = case.with_name("heart_labels.nii.gz")
    arguments = ["--labels", labels, "--reference", labels, "--out", tmp_path / "report"]
    assert cli("quantify", case, *arguments).code == 0
    written = files_under(tmp_path / "report")
    assert {"report.html", "report.json", "labels.png", "agreement.csv", "infarct-totals.csv"} <= set(written)
    record = json.loads(written["report.json"])
    assert record["quantification"]["infarct_ml"] == pytest.approx(9.0, abs=0.02)
    assert all(row["dice"] == 1 for row in record["agreement"]["regions"])


def test_events_are_json_lines_and_nothing_else(cli, case, tmp_path):
    """With ``--events -`` standard output is for programs, standard error for people."""
    outcome = cli("anatomy", case, "--out", tmp_path / "aha.nii.gz", "--events", "-")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert [event["event"] for event in events][:: len(events) - 1] == ["started", "finished"]
    assert "Wrote" in outcome.err


def test_events_tell_of_failure(cli, tmp_path):
    """A program that reads the file learns the sentence and the exit code."""
    outcome = cli(
        "segment", tmp_path / "nowhere", "--out", tmp_path / "x.nii.gz", "--events", tmp_path / "log"
    )
    assert outcome.code == 2
    last = json.loads((tmp_path / "log").read_text(encoding="utf-8").splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("failed", 2)
    assert last["message"] in outcome.err


def test_events_to_a_place_that_cannot_be_written(cli, case, tmp_path):
    """It is refused before the work."""
    outcome = cli("anatomy", case, "--out", tmp_path / "a.nii.gz", "--events", tmp_path / "no" / "log")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert files_under(tmp_path) == {}


@pytest.mark.usefixtures("shipped_weights")
def test_the_whole_path(cli, case, tmp_path, phantom):
    """Mask, image, segmentation: only mask and band change, marks are there, labels come out."""
    mask, image = tmp_path / "mask.nii.gz", tmp_path / "image.nii.gz"
    assert cli("smile", case, "--segments", "10,11", "--volume-ml", "5", "--out", mask).code == 0
    painted = ["--scar", mask, "--out", image, "--difference", tmp_path / "difference.nii.gz"]
    outcome = cli("synthesize", case, *painted, "--steps", "2", "--device", "cpu")
    assert outcome.code == 0, outcome
    image = tmp_path / "image_synthetic.nii.gz"
    assert str(image) in outcome.out
    result = read_study(image)
    assert result.synthetic
    assert result.image.dtype == phantom.image.dtype
    changed = result.image != phantom.image
    assert changed.any()
    band = read_array(tmp_path / "image_band_synthetic.nii.gz")
    np.testing.assert_array_equal(band == 1, read_array(mask) > 0)
    assert not (changed & (band == 0)).any()
    outcome = cli("segment", image, "--out", tmp_path / "found.nii.gz", "--device", "cpu")
    assert outcome.code == 0, outcome
    assert set(np.unique(read_array(tmp_path / "found_synthetic.nii.gz"))) <= {0, 1, 2, 3, 4}


@pytest.mark.usefixtures("shipped_weights")
def test_demo(cli, tmp_path):
    """Every result and the report are there, and what was asked is found about so large, nowhere else."""
    outcome = cli("demo", "--out", tmp_path / "demo", "--device", "cpu")
    assert outcome.code == 0, outcome
    written = files_under(tmp_path / "demo")
    assert {"report.html", "image_synthetic.nii.gz", "segmentation_synthetic.nii.gz"} <= set(written)
    assert str(tmp_path / "demo" / "report.html") in outcome.out
    labels, asked, found = (
        read_array(tmp_path / "demo" / f"{name}_synthetic.nii.gz")
        for name in ("labels", "scar", "segmentation")
    )
    assert (labels == Label.CAVITY).any((1, 2)).all()
    infarct = np.isin(found, (Label.INFARCT, Label.MVO))
    assert np.count_nonzero(infarct) == pytest.approx(np.count_nonzero(asked), rel=0.25)
    assert not infarct[~asked.any((1, 2))].any()


def test_models_without_any(cli, tmp_path, monkeypatch):
    """An empty registry is said to be empty, and the demo says what is missing before any work."""
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("claimslicer.models.registry.SHIPPED", tmp_path / "shipped")
    assert "no models" in cli("models", "list").out
    outcome = cli("demo", "--out", tmp_path / "demo")
    assert outcome.code == 2
    assert "synthesis model" in outcome.err
    outcome = cli("doctor")
    assert outcome.code == 2
    assert "weights are missing" in outcome.err


def test_models_travel(cli, tmp_path, monkeypatch):
    """What one user saved is exported, imported by another, listed, shown and verified."""
    fields = {key: {} for key in ("network", "preprocessing", "data", "split", "training", "figures")}
    state = {"weight": torch.ones(3)}
    card = {**fields, "kind": "synthesis", "version": "1", "terms": "CC0"}
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "one"))
    save_model(tmp_path / "one" / "mine", "mine", state, card)
    assert cli("models", "export", "mine", tmp_path / "mine.zip").code == 0
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "two"))
    assert "CC0" in cli("models", "import", tmp_path / "mine.zip").out
    assert "mine" in cli("models", "list").out
    assert "CC0" in cli("models", "show", "mine").out
    assert '"terms": "CC0"' in cli("models", "show", "mine", "--full").out
    assert "intact" in cli("models", "verify", "mine").out
    weights = tmp_path / "two" / "mine" / "synthesis.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    outcome = cli("models", "verify")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)


def test_models_show_of_an_unknown_one(cli):
    """One sentence."""
    outcome = cli("models", "show", "nobody")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("arguments", [["nonsense"], ["smile"], ["segment", "--nonsense"]])
def test_wrong_usage_is_bad_input(cli, arguments):
    """Unknown commands and options, missing arguments."""
    outcome = cli(*arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("module", ["claimslicer", "claimslicer.cli.main"])
def test_it_runs_as_a_module(module):
    """``python -m`` is the command."""
    ended = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["claim-slicer", __version__]


def test_help_loads_nothing_heavy():
    """Start-up is quick because torch and its like wait until they are needed."""
    heavy = {"torch", "SimpleITK", "matplotlib", "skimage", "monai", "scipy", "nibabel", "numpy"}
    program = f"import sys, claimslicer.cli.main; print(*({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def read_array(path: Path) -> np.ndarray:
    """Return a volume's values, (z, y, x)."""
    return read_study(path).image


def test_the_border_zone_goes_from_smile_to_synthesize(cli, case, tmp_path, shipped_weights):
    """With it, the rim is less bright against the core than without."""
    mask, border = tmp_path / "mask.nii.gz", tmp_path / "border.nii.gz"
    asked = ("--segments", "4,5", "--volume-ml", 4, "--seed", 1)
    assert cli("smile", case, *asked, "--out", mask, "--intensity", border).code == 0
    assert 0 < np.mean((read_array(border) > 0) & (read_array(border) < 1)) < np.mean(read_array(mask) > 0)
    share = read_array(border)
    rim, core = (share > 0) & (share < 0.6), share == 1
    fades = {}
    for name, more in (("hard", ()), ("soft", ("--intensity", border))):
        out, difference = tmp_path / f"{name}.nii.gz", tmp_path / f"{name}_d.nii.gz"
        outcome = cli("synthesize", case, "--scar", mask, *more, "--out", out, "--difference", difference)
        assert outcome.code == 0, outcome.err
        change = read_array(tmp_path / f"{name}_d_synthetic.nii.gz")
        fades[name] = change[core].mean() - change[rim].mean()
    assert fades["soft"] > fades["hard"] + 5


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Path:
    """Return a small heart without scar as a file, with labels and a scar mask beside it."""
    settings = PhantomSettings(seed=9, matrix=(96, 96), n_slices=5, offset_mm=(0.0, 0.0), scar=None)
    study = make_phantom(settings).study
    path = tmp_path_factory.mktemp("healthy") / "well.nii.gz"
    write_volume(path, study.image, study.geometry)
    write_volume(path.with_name("well_labels.nii.gz"), study.labels, study.geometry)
    mask = (study.labels == Label.MYOCARDIUM).astype(np.uint8)
    mask[0], mask[3:], mask[:, :, : mask.shape[2] // 2] = 0, 0, 0
    write_volume(path.with_name("mask.nii.gz"), mask, study.geometry)
    return path


@pytest.fixture
def paint(cli, healthy, tmp_path, shipped_weights):
    """Return a function that paints with some options and returns the image and its recipe."""

    def painted(*options: object) -> tuple[np.ndarray, dict]:
        asked = ("--scar", healthy.with_name("mask.nii.gz"), "--out", tmp_path / "new.nii.gz")
        outcome = cli("synthesize", healthy, *asked, "--device", "cpu", *options)
        assert outcome.code == 0, outcome
        recipe = json.loads((tmp_path / "new_synthetic.json").read_text(encoding="utf-8"))
        return read_array(tmp_path / "new_synthetic.nii.gz"), recipe

    return painted


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_evaluates_the_network_as_often_as_it_should(paint, sampler, tmp_path):
    """The steps asked, and with RePaint's jumps more; the recipe tells them."""
    jumps = ("2/3", (2, 3)) if sampler == "repaint" else ("1", 1)
    events = tmp_path / "events"
    options = ("--sampler", sampler, "--jumps", jumps[0], "--steps", 4, "--events", events)
    _image, recipe = paint(*options)
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    steps = {line["message"] for line in lines if line["event"] == "progress" and " of " in line["message"]}
    assert len(steps) == network_evaluations(sampler, 4, jumps[1])
    settings = recipe["settings"]
    assert settings["jumps"] == (list(jumps[1]) if sampler == "repaint" else 1)
    assert (settings["sampler"], settings["band_mm"], settings["guidance"]) == (sampler, BAND_MM, 1.0)


def test_one_number_stands_for_both_of_the_jumps(paint):
    """``5`` is the published 5/5."""
    image, recipe = paint("--sampler", "repaint", "--steps", 4, "--jumps", 2)
    again, _recipe = paint("--sampler", "repaint", "--steps", 4, "--jumps", "2/2")
    assert recipe["settings"]["jumps"] == 2
    np.testing.assert_array_equal(image, again)


def test_a_band_is_painted_with_the_mask_and_nothing_further_away(paint, healthy):
    """Whatever lies within the asked mm, in plane; with a band of 0 the mask alone."""
    study, scar = read_study(healthy), read_array(healthy.with_name("mask.nii.gz")) > 0
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    near = np.stack([distance_transform_edt(~part, spacing) <= 3 if part.any() else part for part in scar])
    wall = near & (study.labels == Label.MYOCARDIUM) & ~scar
    image, recipe = paint("--band", 3)
    changed = (image != study.image) & ~scar
    assert (recipe["settings"]["band_mm"], recipe["settings"]["guidance"]) == (3.0, 1.0)
    assert changed[wall].mean() > 0.5
    assert not changed[~near].any()
    image, _recipe = paint("--band", 0)
    assert not (image != study.image)[~scar].any()


def test_the_texture_of_another_study_is_taken_told_and_made_again(paint, healthy, case):
    """The painted scar is about as bright as that one; the recipe holds it, whose it is, and replays."""
    image, recipe = paint("--texture", case, "--guidance", 1.5)
    settings = recipe["settings"]
    like, study = read_study(case), read_study(healthy)
    wanted = texture_of_study(like)
    told = settings["texture"]
    np.testing.assert_array_equal(told["quantiles"], wanted.quantiles)
    assert told["source"]["name"] == like.name
    assert len(told["source"]["image_sha256"]) == 64
    mask = read_array(healthy.with_name("mask.nii.gz"))
    units = slice_levels(study.image, study.labels, away_from=mask > 0).forward(image)
    found = measure_texture(units, np.where(mask > 0, Label.INFARCT, study.labels))
    assert found.median == pytest.approx(wanted.median, abs=0.35)
    again = synthesize(study, study.labels, mask, texture=told, guidance=settings["guidance"], device="cpu")
    np.testing.assert_array_equal(again.image, image)
    assert again.recipe["settings"]["texture"] == told


def test_a_grey_level_and_any_patient_are_textures_too(paint, healthy):
    """The scar's median is about the asked one, in remote SDs."""
    mask, medians = read_array(healthy.with_name("mask.nii.gz")), []
    for asked in (2, 4, 8):
        image, recipe = paint("--texture", asked)
        settings = recipe["settings"]
        assert settings["texture"] == str(asked)
        medians.append(np.median((image[mask == 1] - settings["remote_mean"]) / settings["remote_sd"]))
    np.testing.assert_allclose(medians, (2, 4, 8), rtol=0.25)
    other, recipe = paint("--texture", "any")
    assert recipe["settings"]["texture"] == "any"
    assert (other != image).any()


def test_labels_of_a_synthetic_image_mark_the_report(cli, case, tmp_path, phantom):
    """An authored scar never reads as the patient's, also when only the labels come from it."""
    labels = write_volume(tmp_path / "found.nii.gz", phantom.labels, phantom.geometry, synthetic=True)
    assert cli("quantify", case, "--labels", labels, "--out", tmp_path / "report").code == 0
    assert "SYNTHETIC" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
