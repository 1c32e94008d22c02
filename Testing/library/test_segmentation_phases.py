"""Acute and chronic: a collection says it, a segmenter is told it, and does without."""

import dataclasses
import json
from pathlib import Path

import joint_trial
import numpy as np
import pytest
import torch
from claimslicer.errors import ModelError, StudyError
from claimslicer.events import SILENT
from claimslicer.models.registry import resolve
from claimslicer.segmentation.losses import segmentation_loss
from claimslicer.segmentation.model import SegmenterModel, load_segmenter
from claimslicer.segmentation.network import (
    ARCHITECTURES,
    Segmenter,
    SegmenterSettings,
    UNetSettings,
    build_unet,
)
from claimslicer.segmentation.predict import predict
from claimslicer.segmentation.preprocessing import with_phases
from claimslicer.segmentation.views import VIEWS_POLAR, VIEWS_SQUARE
from claimslicer.studies import Study, write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.studies.phase import read_phases
from claimslicer.training.data.cache import Cohort, read_cache, write_cache
from claimslicer.training.settings.config import SegmentationConfig
from claimslicer.training.trainers.joint_run import train_joint
from claimslicer.training.trainers.segmentation import UNTOLD_SHARE, SegmentationTrainer
from training_cohort import write_cohort

TELLING = UNetSettings((4, 8, 16), 32, 1.5, 2, phase=True)


def cohort_of(*phases: str | None) -> Cohort:
    """Return a training study of each phase, and one to validate on."""
    told = [dataclasses.replace(joint_trial.cached(k, "training"), phase=p) for k, p in enumerate(phases)]
    return Cohort((*told, joint_trial.cached(9, "validation")))


def config_of(folder: Path, **given) -> SegmentationConfig:
    small = {"batch_size": 2, "checkpoint_every": 9, "validate_every": 9, "warmup_steps": 1, "device": "cpu"}
    return SegmentationConfig(cache=folder / "c.npz", out=folder / "run", **{**small, **given})


def table(folder: Path, text: str) -> Path:
    (folder / "phases.csv").write_text(text, encoding="utf-8-sig")
    return folder / "phases.csv"


def test_a_table_tells_the_phases_and_an_empty_one_is_nothing(tmp_path):
    text = "phase,age,case\nacute,60,a\n chronic ,70,b\n,50,c\n"
    assert read_phases(table(tmp_path, text), {"a", "b", "c", "d"}) == {"a": "acute", "b": "chronic"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case;phase\na;acute\n", "must have the columns case and phase"),
        ("", "must have the columns"),
        ("case,phase\nx,acute\n", "names the case 'x', which isn't in the folder"),
        ("case,phase\na,old\n", "phase of 'a' in .* is 'old': write acute, chronic or nothing"),
        ("case,phase\na,acute\na,chronic\n", "names the case 'a' twice"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, text, said):
    with pytest.raises(StudyError, match=said):
        read_phases(table(tmp_path, text), {"a"})


def test_a_table_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(StudyError, match="Can't read"):
        read_phases(tmp_path / "nowhere.csv", {"a"})
    (tmp_path / "other.csv").write_bytes(b"case,phase\n\xff\xfe\n")
    with pytest.raises(StudyError, match="Can't read"):
        read_phases(tmp_path / "other.csv", {"a"})


def test_a_cache_keeps_phases_and_is_as_it_was_without_any(tmp_path):
    cohort = cohort_of("acute", "chronic", None)
    write_cache(tmp_path / "c.npz", cohort.studies)
    assert [study.phase for study in read_cache(tmp_path / "c.npz").studies] == [
        "acute",
        "chronic",
        None,
        None,
    ]
    assert read_cache(tmp_path / "c.npz").phases() == {"acute": 1, "chronic": 1, "not said": 1}
    write_cache(tmp_path / "c.npz", cohort_of(None).studies)
    with np.load(tmp_path / "c.npz") as file:
        header = json.loads(file["header"].tobytes())
    assert header["studies"][0].keys() == {"name", "part", "spacing_zyx", "synthetic"}


def test_without_the_condition_nothing_differs(tmp_path):
    assert "phase_condition" not in config_of(tmp_path).to_dict()
    assert (
        SegmenterSettings.from_dict(dict(resolve(None, "segmentation").card.network)).labeller.phase is False
    )
    patches = torch.randn(2, 3, 8, 8)
    assert with_phases(patches, ["acute", None], dataclasses.replace(TELLING, phase=False)) is patches
    plain, telling = (Segmenter(SegmenterSettings().of("dynunet", phase=phase)) for phase in (False, True))
    assert plain.state_dict().keys() == telling.state_dict().keys()
    wider = [k for k, v in plain.state_dict().items() if telling.state_dict()[k].shape != v.shape]
    assert wider and all(name.startswith("labellers.0.") for name in wider)


@pytest.mark.parametrize("view", VIEWS_SQUARE + VIEWS_POLAR)
def test_every_view_of_a_slice_is_told_the_same(view):
    patches = torch.randn(3, 3, 8, 8)
    told = with_phases(patches, ["acute", "chronic", None], TELLING)
    assert torch.equal(view.of(told), with_phases(view.of(patches), ["acute", "chronic", None], TELLING))
    assert torch.equal(told[:, 3].sign(), patches[:, 1].sign() * torch.tensor([1, -1, 0])[:, None, None])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_network_learns_what_differs_by_phase_alone(architecture):
    """A bright square has a brighter core, which alone counts where chronic."""
    if architecture != "dynunet":
        pytest.importorskip("nnunetv2", reason="nnU-Net isn't installed (extra 'nnunet')")
    torch.manual_seed(0)
    network = build_unet(dataclasses.replace(TELLING, architecture=architecture))
    optimiser, criterion = torch.optim.Adam(network.parameters(), 5e-3), segmentation_loss()
    scar, core = torch.zeros(32, 32), torch.zeros(32, 32)
    scar[8:24, 8:24], core[12:20, 12:20] = 1, 1
    target = {"acute": scar, "chronic": core}

    def images(count: int) -> torch.Tensor:
        return 0.2 * torch.randn(count, 3, 32, 32) + 2 * scar + core

    for _ in range(50):
        phases = ["acute", "chronic"] * 4
        labels = torch.stack([target[phase] for phase in phases])[:, None].long()
        optimiser.zero_grad()
        criterion(network(with_phases(images(8), phases, TELLING)), labels).backward()
        optimiser.step()
    with torch.no_grad():
        found = network(with_phases(images(2), ["acute", "chronic"], TELLING)).argmax(1)
    for own, phase in zip(found, ("acute", "chronic"), strict=True):
        assert (own == target[phase]).float().mean() > 0.95, phase


def test_in_training_a_share_of_slices_isnt_told_and_the_rest_as_the_cache_says(tmp_path):
    trainer = SegmentationTrainer(config_of(tmp_path, phase_condition=True), cohort_of("acute", "chronic"))
    rng = np.random.default_rng(0)
    told = [trainer._draw("labeller", rng)[2] for _ in range(300)]
    assert abs(told.count(None) / 300 - UNTOLD_SHARE) < 0.1
    assert told.count("acute") > 60 < told.count("chronic")
    assert {trainer._draw("locator", rng)[2] for _ in range(5)} == {None}
    plain = SegmentationTrainer(config_of(tmp_path), cohort_of("acute", "chronic"))
    assert {plain._draw("labeller", rng)[2] for _ in range(5)} == {None}


@pytest.fixture(scope="module")
def heart() -> Study:
    return make_phantom(PhantomSettings(seed=2, n_slices=4, scar=PhantomScar())).study


@pytest.mark.parametrize("phase", ["acute", "chronic"])
def test_the_shipped_segmenter_begins_as_it_is_whatever_it_is_told(tmp_path, heart, phase):
    config = config_of(tmp_path, phase_condition=True, initial_weights="emidec", seed=1)
    trainer = SegmentationTrainer(config, cohort_of("acute", "chronic"))
    shipped = load_segmenter("emidec", "cpu")
    alone = Segmenter(dataclasses.replace(shipped.settings, members=1))
    alone.locator, alone.labellers[0] = shipped.networks.locator, shipped.networks.labellers[1]
    one, device = dataclasses.replace(shipped.settings, members=1), torch.device("cpu")
    before = predict(heart, SegmenterModel(alone.eval(), one, device, {"name": "emidec"}))
    begun = SegmenterModel(trainer.model.eval(), trainer.settings, device, {"name": "begun"})
    after = predict(heart, begun, SILENT, phase)
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ((None, None), "acute or chronic: make it by"),
        (("acute", None), "of none that it is chronic: make it"),
    ],
)
def test_the_condition_needs_studies_of_both_phases(tmp_path, phases, said):
    with pytest.raises(StudyError, match=said):
        SegmentationTrainer(config_of(tmp_path, phase_condition=True), cohort_of(*phases))


def test_from_the_table_to_labels_that_say_what_was_told(cli, tmp_path, heart, monkeypatch):
    cases = write_cohort(tmp_path / "cases")
    phases = table(tmp_path, "case,phase\nCase_P001,chronic\nCase_N002,acute\nCase_P005,acute\n")
    made = cli("train", "cache", cases, "--phases", phases, "--out", tmp_path / "c.npz")
    assert made.code == 0, made.err
    told = {study.name: study.phase for study in read_cache(tmp_path / "c.npz").studies}
    assert told == {"Case_P001": "chronic", "Case_N002": "acute", "Case_P004": None}
    text = "cache: c.npz\nout: run\nname: mine\nsteps: 2\nbatch_size: 2\nlearning_rate: 1.0e-5\n"
    (tmp_path / "a.yaml").write_text(
        text + "initial_weights: emidec\nphase_condition: true\n", encoding="utf-8"
    )
    trained = cli("train", "segmentation", tmp_path / "a.yaml")
    assert trained.code == 0, trained.err
    card = resolve(tmp_path / "run", "segmentation").card
    assert card.network["labeller"]["phase"] is True
    assert card.data["training studies by phase"] == {"chronic": 1, "acute": 1}

    image = write_volume(tmp_path / "heart.nii.gz", heart.image, heart.geometry)
    out = tmp_path / "labels.nii.gz"
    asked = ("segment", image, "--phase", "chronic", "--out", out, "--device", "cpu")
    done = cli(*asked, "--model", tmp_path / "run")
    assert done.code == 0, done.err
    recipe = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    assert recipe["settings"]["phase"] == "chronic"
    assert (
        cli("reproduce", tmp_path / "labels.json", "--model", tmp_path / "run", "--device", "cpu").code == 0
    )
    refused = cli(*asked)
    assert refused.code == 2 and "'emidec' knows no phases" in refused.err
    with pytest.raises(ModelError, match="set 'phase_condition: true'"):
        SegmentationTrainer(config_of(tmp_path, initial_weights=str(tmp_path / "run")), cohort_of("acute"))


def test_a_wrong_table_ends_the_command_before_anything_is_written(cli, tmp_path):
    cases = write_cohort(tmp_path / "cases")
    phases = table(tmp_path, "case,phase\nCase_P001,old\n")
    refused = cli("train", "cache", cases, "--phases", phases, "--out", tmp_path / "c.npz")
    assert refused.code == 2 and "write acute, chronic or nothing" in refused.err
    assert not (tmp_path / "c.npz").exists()


@pytest.mark.usefixtures("tiny_segmenter")
def test_joint_training_tells_both_networks(tmp_path):
    studies = joint_trial.tiny_cohort().studies
    told = [dataclasses.replace(s, phase=p) for s, p in zip(studies, ("acute", "chronic", None), strict=True)]
    write_cache(tmp_path / "cohort.npz", told)
    segmentation = {**joint_trial.TINY["segmentation"], "phase_condition": True}
    config = joint_trial.tiny_config(tmp_path, segmentation=segmentation)
    assert config.segmenter_stage().phase_condition
    card = resolve(train_joint(config, resume=False)[0], "segmentation").card
    assert card.network["labeller"]["phase"] is True
    assert card.data["training studies by phase"] == {"acute": 1, "chronic": 1}
