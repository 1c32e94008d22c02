"""Joint training: both networks learn from the segmentation loss; killed runs end as if nothing had been."""

import copy
import csv
import dataclasses
import io
import json
import multiprocessing
import shutil
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import joint_trial
import numpy as np
import pytest
import torch
from claimslicer.errors import ModelError, OutputError, StudyError
from claimslicer.events import SILENT, JsonEvents
from claimslicer.labels import infarct_mask
from claimslicer.models.registry import resolve, save_model
from claimslicer.quantification.quality import QualityFilter
from claimslicer.segmentation.losses import SoftDice
from claimslicer.segmentation.preprocessing import cut, heart_grid
from claimslicer.training.data.cache import Cohort, write_cache
from claimslicer.training.engine import checkpoints
from claimslicer.training.engine.loop import train
from claimslicer.training.outcome.ensemble import combine_segmenters
from claimslicer.training.progress.history import STAGES
from claimslicer.training.settings.joint_config import JointConfig
from claimslicer.training.trainers import joint_run, segmentation
from claimslicer.training.trainers.feedback import judging
from claimslicer.training.trainers.joint import JointTrainer
from claimslicer.training.trainers.joint_run import train_joint
from joint_trial import GENERATOR, SEGMENTER, TINY, tiny_cohort, tiny_config, write_yaml
from safetensors import SafetensorError
from safetensors.torch import load_file

pytestmark = pytest.mark.usefixtures("tiny_segmenter")


@pytest.fixture(scope="module")
def first_stages(tmp_path_factory, tiny_segmenter) -> dict[str, str]:
    """Models to begin joint training from."""
    folder = tmp_path_factory.mktemp("stages")
    weights = train_joint(tiny_config(folder, joint_steps=0), resume=False)
    return {"segmenter": str(weights[0]), "generator": str(weights[1])}


@pytest.fixture
def make_trainer(first_stages, tmp_path):
    """A function that makes a joint trainer whose networks have no weight of zero left."""

    def make(**settings) -> JointTrainer:
        config = tiny_config(tmp_path, joint_steps=4, **settings)
        trainer = JointTrainer(config, tiny_cohort(), **first_stages)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in trainer.model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        return trainer

    return make


def draws() -> tuple[np.random.Generator, torch.Generator]:
    return np.random.default_rng(1), torch.Generator().manual_seed(1)


def assert_learns(network: torch.nn.Module, loss: torch.Tensor) -> None:
    """Every group of ``network`` (its layers) gets a gradient from ``loss`` that is finite and not zero."""
    network.zero_grad()
    if loss.requires_grad:
        loss.backward()
    groups: dict[str, float] = {}
    for name, parameter in network.named_parameters():
        group = name.rsplit(".", 1)[0]
        assert parameter.grad is None or parameter.grad.isfinite().all()
        largest = 0.0 if parameter.grad is None else float(parameter.grad.abs().max())
        groups[group] = max(groups.get(group, 0.0), largest)
    still = [group for group, gradient in groups.items() if not gradient > 1e-9]
    assert not still, f"no gradient in {still}"


def released_loss(trainer: JointTrainer) -> torch.Tensor:
    """The joint step as it was released: scars sampled without gradients, labels by argmax, then Dice."""
    rng, _ = draws()
    painted = trainer.paint(trainer.model["generator"], rng)[0]
    item = segmentation.prepare_study(painted, SEGMENTER.labeller)
    grids = [heart_grid(centre, item.spacing_yx, SEGMENTER.labeller) for centre in item.slice_centres_yx]
    found = trainer.model["segmenter"].labellers[0](cut(item.near, grids)).argmax(1)
    truth = torch.stack([grid.sample(item.one_hot[:, z]).argmax(0) for z, grid in enumerate(grids)])
    logits = 10.0 * torch.nn.functional.one_hot(found, 5).permute(0, 3, 1, 2).float()
    return SoftDice()(logits, truth[:, None])


def test_the_segmentation_loss_trains_every_layer_of_both_networks(make_trainer):
    trainer = make_trainer(synthetic_share=1.0)
    segmenter, generator = trainer.model["segmenter"], trainer.model["generator"]
    rng, noise = draws()
    painted = trainer.paint(generator, rng)
    assert painted[0].synthetic
    seen = trainer._segmentation
    # Some steps train the locator, the others the labeller.
    assert_learns(segmenter.locator, seen.loss_on(painted, 0, rng, noise))
    assert_learns(segmenter.labellers[0], seen.loss_on(painted, 1, rng, noise))
    assert_learns(segmenter.heads, seen.loss_on(painted, 1, rng, noise))
    _, estimates = trainer._generation.loss_and_estimates(rng, noise)
    segmenter.zero_grad()
    assert_learns(generator, trainer._feedback.loss(judging(segmenter.labellers[0]), estimates))
    assert all(parameter.grad is None for parameter in segmenter.parameters())


def test_the_released_scheme_trains_nothing(make_trainer):
    trainer = make_trainer()
    loss = released_loss(trainer)
    assert 0 < float(loss) < 1
    for network in (trainer.model["generator"], trainer.model["segmenter"].labellers[0]):
        with pytest.raises(AssertionError, match="no gradient"):
            assert_learns(network, loss)


def test_a_step_changes_both_networks_and_each_loss_is_told(make_trainer):
    trainer = make_trainer()
    before = copy.deepcopy(trainer.model.state_dict())
    stream = io.StringIO()
    train(trainer, resume=False, events=JsonEvents(stream), stop_after_steps=2)
    after = trainer.model.state_dict()
    for network in ("segmenter.locator", "segmenter.labellers", "generator.context", "generator.denoise"):
        moved = [not torch.equal(after[key], before[key]) for key in before if key.startswith(network)]
        assert np.mean(moved) > 0.9, network
    metrics = [event for event in events_in(stream.getvalue()) if event["event"] == "metrics"]
    assert {"loss", "segmentation", "diffusion", "feedback"} <= metrics[0].keys()


def test_the_feedback_is_what_moves_the_generator_beside_its_own_loss(make_trainer):
    """Without its weight the generator's gradients are those of diffusion alone."""

    def gradient(**settings) -> torch.Tensor:
        trainer = make_trainer(**settings)
        trainer.loss(1, *draws()).backward()
        parameters = trainer.model["generator"].parameters()
        return torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])

    alone, both = gradient(feedback_weight=0.0), gradient(feedback_weight=1.0)
    assert (alone - both).norm() > 1e-3 * alone.norm()
    config = JointConfig(cache=Path(), out=Path(), feedback_weight=1.0, feedback_ramp_steps=10)
    assert [config.feedback_weight_at(step) for step in (0, 4, 9, 500)] == [0.1, 0.5, 1.0, 1.0]


def test_scars_are_new_lie_in_the_wall_and_follow_the_target(make_trainer):
    small = {"volume_ml": {"edges": [0, 4, 100], "shares": [1, 0]}}
    trainer = make_trainer(target=small, repaint_share=0.0, synthetic_studies=4)
    hearts = {heart.parent.name: heart for heart in trainer._painter._hearts}
    painted = trainer.paint(trainer.model["generator"], np.random.default_rng(3))
    assert len(painted) == 4
    for study in painted:
        heart = hearts[study.name.removesuffix("-synthetic")]
        new = infarct_mask(study.labels) & ~infarct_mask(heart.parent.labels)
        assert new.any()
        assert heart.frame.myocardium[new].all()
        assert (study.image[new] != heart.parent.image[new]).mean() > 0.9
        assert new.sum() * np.prod(study.spacing_zyx) / 1000 <= 4.02  # half a voxel more
    assert max(spec.volume_ml for heart in hearts.values() for spec in heart.pool) > 6


def test_the_quality_filter_decides_what_the_segmenter_sees(make_trainer):
    trainer = make_trainer(quality_pass_rate=1.0)
    real = trainer._segmentation.scores(trainer._judge)["phantom 3"]["infarct"]
    assert trainer._quality.threshold == pytest.approx(real)
    trainer._quality = QualityFilter(0.0)
    assert trainer.paint(trainer.model["generator"], np.random.default_rng(0))
    trainer._quality = QualityFilter(1.1)
    assert trainer.paint(trainer.model["generator"], np.random.default_rng(0)) == []
    assert trainer.loss(1, *draws()).isfinite()


def test_the_filter_asks_a_labeller_that_saw_no_synthetic_study(first_stages, tmp_path):
    """An ensemble's first labeller goes on learning; the second, trained on real studies alone, judges."""
    real, told = resolve(first_stages["segmenter"], "segmentation"), []
    assert real.card.real_only == (True,)
    fields = dataclasses.asdict(real.card) | {"data": {"real_only": [False]}}
    for filled_in in ("name", "sha256", "made_with", "format_version"):
        del fields[filled_in]
    state = {name: value + 0.25 for name, value in real.load_state().items()}
    mixed = save_model(tmp_path / "mixed", "mixed", state, fields)
    both = combine_segmenters([mixed, real.weights], tmp_path / "both", "both")
    events = SimpleNamespace(progress=lambda *_: None, emit=lambda kind, **said: told.append((kind, said)))
    config = tiny_config(tmp_path, quality_pass_rate=1.0)
    for segmenter, judge in ((both, real.load_state()), (mixed, state)):
        trainer = JointTrainer(config, tiny_cohort(), str(segmenter), first_stages["generator"], events)
        for name, value in trainer._judge.labellers.named_parameters():
            assert torch.equal(value, judge[f"labellers.{name}"].float())
    for name, value in trainer.model["segmenter"].labellers.named_parameters():
        assert torch.equal(value, state[f"labellers.{name}"].float())
    (said,) = [values["message"] for kind, values in told if kind == "judge"]
    assert "'mixed'" in said and "no independent judge" in said


PROCESSES = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
"""Of those that are forked, one imports torch and MONAI for all."""
PROCESSES.set_forkserver_preload(["joint_trial", "claimslicer.training.trainers.joint_run"])
LONGER = {"pretrain_segmenter_steps": 30, "generator_steps": 20, "joint_steps": 8}


def events_in(text: str) -> list[dict]:
    lines = text.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def kill_in(stage: Path, config: Path, checkpoints_: int) -> None:
    """Start training, and kill -9 it once ``stage`` has so many checkpoints."""
    process = PROCESSES.Process(target=joint_trial.go_on, args=(config,))
    process.start()
    end = time.monotonic() + 240
    try:
        while True:
            assert process.is_alive(), "it ended before it was killed"
            assert time.monotonic() < end, "waited in vain"
            file = stage / "events.jsonl"
            events = events_in(file.read_text(encoding="utf-8")) if file.exists() else []
            if sum(event["event"] == "checkpoint" for event in events) >= checkpoints_:
                break
            time.sleep(0.005)
    finally:
        process.kill()
        process.join()
    assert process.exitcode == -getattr(signal, "SIGKILL", -1) or sys.platform == "win32"


def test_killed_in_every_stage_it_ends_with_the_same_weights(tmp_path):
    config = write_yaml(tmp_path, **LONGER)
    run = tmp_path / "run"
    for stage, checkpoint in ((run / "segmenter", 3), (run / "generator", 2), (run / "joint", 2)):
        kill_in(stage, config, checkpoint)
        assert not (stage / "segmentation.safetensors").exists()
    left = [path for path in run.rglob(".*") if path.is_file()]
    weights = train_joint(JointConfig.from_yaml(config), resume=True)
    whole = tmp_path / "whole"
    expected = train_joint(
        dataclasses.replace(JointConfig.from_yaml(config), out=whole, checkpoint_every=50), resume=False
    )
    assert len(left) <= 3  # at most what each killed process was writing
    for found, wanted in zip(weights[:2], expected[:2], strict=True):
        state, truth = load_file(found), load_file(wanted)
        assert state.keys() == truth.keys()
        assert all(torch.equal(state[key], truth[key]) for key in truth), found
    state, truth = (load_file(folder / "joint" / "checkpoint.safetensors") for folder in (run, whole))
    assert all(torch.equal(state[key], truth[key]) for key in truth)

    for kind, path in zip(("segmentation", "synthesis"), weights[:2], strict=True):
        model = resolve(path.parent, kind)
        model.verify()
        assert model.card.split["validation"] == ["phantom 3"]
        assert model.card.training["joint_steps"] == 8
    page = weights[2].read_text(encoding="utf-8")
    assert all(title in page for title in STAGES.values())
    assert "SYNTHETIC" in page


def test_the_sample_shows_a_patient_who_isnt_trained_on(make_trainer):
    trainer = make_trainer()
    sample = trainer.sample(trainer.model)
    assert sample.study == "phantom 3-synthetic"
    assert sample.image.shape == sample.truth.shape == sample.found.shape
    assert infarct_mask(sample.truth).any()


def test_a_full_disk_stops_it_and_the_last_checkpoint_is_kept(make_trainer, monkeypatch):
    trainer = make_trainer()
    train(trainer, resume=False, events=SILENT, stop_after_steps=1)
    kept = (trainer.config.out / "checkpoint.safetensors").read_bytes()

    def full(tensors, path, metadata) -> None:
        Path(path).write_bytes(kept[: len(kept) // 2])
        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OutputError, match="the last one is kept"):
        train(trainer, resume=True, events=SILENT)
    assert [path.name for path in trainer.config.out.iterdir() if path.is_file()] == [
        "checkpoint.safetensors"
    ]
    assert (trainer.config.out / "checkpoint.safetensors").read_bytes() == kept


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_divergence_is_said(make_trainer):
    trainer = make_trainer()
    with torch.no_grad():
        trainer.model["generator"].denoise.first.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="diverged"):
        train(trainer, resume=False, events=SILENT)


def test_a_run_is_not_overwritten_nor_gone_on_with_other_settings(first_stages, tmp_path):
    folder = tmp_path / "segmenter"
    shutil.copytree(Path(first_stages["segmenter"]).parent, folder)
    origin = resolve(folder, "segmentation")
    card = dataclasses.replace(origin.card, calibration={"temperature": 2.0, "biases": [0.0] * 5})
    origin.card_file.write_text(card.to_json(), encoding="utf-8")
    given = {"initial_segmenter": str(folder), "initial_generator": first_stages["generator"]}
    skipped = {"pretrain_segmenter_steps": 0, "generator_steps": 0, "joint_steps": 1}
    decay = {"segmentation": {**TINY["segmentation"], "weight_decay": 0.01, "batch_size": 3}}
    config = tiny_config(tmp_path, **skipped, **given, **decay)
    assert len(train_joint(config, resume=False)) == 3
    assert not (config.out / "segmenter").exists()
    assert resolve(config.out, "segmentation").card.calibration == {}, "it was fitted for other weights"
    card = resolve(config.out, "synthesis").card
    assert card.data["description"].count("begun from") == 1, "the same said of both"
    assert card.training["initial_segmenter"] == "segmenter", "a name, not a path"
    assert card.training["weight_decay"] == 1e-4
    assert (card.training["learning_rate"], card.training["batch_size"]) == (config.learning_rate, 2)
    told = resolve(config.out, "segmentation").card.training
    assert (told["learning_rate"], told["batch_size"]) == (config.segmenter_learning_rate, 3)
    assert resolve(config.out, "segmentation").card.real_only == (False,)
    assert resolve(config.out, "segmentation").card.training["weight_decay"] == 0.01
    with pytest.raises(ModelError, match="already holds a run"):
        train_joint(config, resume=False)
    with pytest.raises(ModelError, match=r"synthetic_share 0\.5, now 0\.1"):
        train_joint(dataclasses.replace(config, synthetic_share=0.1), resume=True)
    wider = dataclasses.replace(config, out=tmp_path / "b", synthesis={**GENERATOR, "widths": (8, 8)})
    with pytest.raises(ModelError, match="another than"):
        train_joint(wider, resume=False)


def test_the_page_says_what_the_joint_stage_gained(first_stages, tmp_path, monkeypatch):
    config = tiny_config(tmp_path, **{f"initial_{name}": path for name, path in first_stages.items()})
    config = dataclasses.replace(config, pretrain_segmenter_steps=0, generator_steps=0)
    results = train_joint(config, resume=False)
    with monkeypatch.context() as patch:
        patch.setattr(joint_run, "JointTrainer", None)
        assert train_joint(config, resume=True) == results, "what has ended isn't begun again"
    with (config.out / "report" / "validation.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    alone = {
        (kind, name): value
        for path, kind in zip(first_stages.values(), ("segmentation", "synthesis"), strict=True)
        for name, value in resolve(path, kind).card.figures["validation"].items()
    }
    before = {(row["model"], row["figure"]): float(row["before the joint stage"]) for row in rows}
    assert before == pytest.approx(alone, abs=0.002), "but for the half precision of shipped weights"
    assert {row["figure"]: row["of"] for row in rows}["dice_scar"] == "MI alone, without MVO"
    page = (config.out / "report" / "report.html").read_text(encoding="utf-8")
    assert "held back: 1, of whom 1 with an infarct. So few tell little" in page
    assert "They are phantom 3." in page
    assert any(row["before the joint stage"] != row["after it"] for row in rows)
    events = (config.out / "joint" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    looks = [event for event in map(json.loads, events) if event["event"] == "validation"]
    assert [event["step"] for event in looks] == [config.joint_steps], "the end is always looked at"


def test_a_cohort_without_infarct_is_refused(tmp_path):
    config = tiny_config(tmp_path)
    healthy = [study for study in tiny_cohort().studies if not study.has_infarct]
    write_cache(config.cache, Cohort(tuple(healthy)).studies)
    with pytest.raises(StudyError, match="infarct"):
        train_joint(config, resume=False)
    write_cache(config.cache, tiny_cohort().studies)
    assert train_joint(config, resume=False), "a start that failed is no run to be resumed"


def test_tensorboard_gets_each_loss_and_a_run_that_goes_on_adds_to_it(make_trainer):
    pytest.importorskip("tensorboardX", reason="needs tensorboardX: pip install 'claim-slicer[fabric]'")
    trainer = make_trainer(tensorboard=True, validate_every=1)
    for _ in range(2):
        train(trainer, resume=True, events=SILENT, stop_after_steps=1)
    end = time.monotonic() + 60  # another thread writes them
    board = trainer.config.out / "tensorboard"
    while len(told := board_steps(board)) < 10 or told.get("metrics/loss") != [1, 2]:
        assert time.monotonic() < end, told
        time.sleep(0.2)
    assert {"metrics/feedback", "metrics/loss", "validation/dice_infarct"} <= told.keys()


def board_steps(folder: Path) -> dict[str, list[int]]:
    """Return the steps of each number that TensorBoard would show."""
    from tensorboardX.proto.event_pb2 import Event

    told: dict[str, list[int]] = {}
    for file in sorted(folder.iterdir()):
        for record in records(file.read_bytes()):
            event = Event.FromString(record)
            for value in event.summary.value:
                told.setdefault(value.tag, []).append(event.step)
    return told


def records(data: bytes) -> list[bytes]:
    """Read TensorFlow's whole records: length, its checksum, content, its checksum."""
    found, at = [], 0
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        found.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return found if at == len(data) else found[:-1]
