"""Joint training as a run that the panel starts: its check, its pause, its curves and its two models."""

from pathlib import Path

import joint_trial
import pytest
import yaml
from claimslicer.errors import Cancelled, SpecificationError
from claimslicer.events import SilentEvents
from claimslicer.models.registry import list_models
from claimslicer.training.progress.history import STAGES, History
from claimslicer.training.progress.joint_report import _curves
from claimslicer.training.runs.execute import execute
from claimslicer.training.runs.needs import measure_needs
from claimslicer.training.runs.run import Run, find_runs, prepare_run
from claimslicer.training.trainers.joint_run import train_joint
from claimslicer.yaml_settings import load_yaml
from joint_trial import TINY, tiny_config
from training_cohort import write_cohort

pytestmark = pytest.mark.usefixtures("tiny_segmenter")
STEPS = {"pretrain_segmenter_steps": 2, "generator_steps": 12, "joint_steps": 2}


def tiny_yaml(**settings) -> str:
    """Lines of settings that go over a preset's."""
    values = {**TINY, **STEPS, "validate_every": 2, **settings}
    values["synthesis"] = joint_trial.as_yaml(values["synthesis"])
    return yaml.safe_dump(values)


def change_settings(run: Run, lines: str) -> None:
    """Put the settings of ``lines`` in place of the run's own."""
    settings = load_yaml(run.config_file.read_text(encoding="utf-8")) | load_yaml(lines)
    run.config_file.write_text(yaml.safe_dump(settings), encoding="utf-8")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def run(cohort, tmp_path, monkeypatch) -> Run:
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "models"))
    run = prepare_run(tmp_path / "runs", "joint", "trial", cohort, name="mine", device="cpu")
    change_settings(run, tiny_yaml())
    return run


class Pausing(SilentEvents):
    """Asks for a pause as soon as the generator's stage begins."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def emit(self, kind: str, **values) -> None:
        if kind == "training" and values["steps"] == STEPS["generator_steps"]:
            self.run.request_stop()


def history_of(run: Run) -> History:
    history = History()
    history.add(run.read_events(0, 2**20)[0])
    return history


def test_it_pauses_in_a_stage_goes_on_and_gives_both_models(run):
    with pytest.raises(Cancelled, match="Paused after"):
        execute(run, Pausing(run))
    assert run.state() == "paused"
    assert not list(run.folder.rglob("stop"))
    paused = history_of(run)
    assert (paused.joint_stage, paused.steps) == ("generator", 16)
    assert 2 <= paused.step < 14
    (run.folder / "joint").mkdir()
    (run.folder / "joint" / "stop").touch()  # a process may be killed before it obeys

    weights = execute(run)
    assert [path.name for path in weights] == [
        "segmentation.safetensors",
        "synthesis.safetensors",
        "report.html",
    ]
    assert run.state() == "finished"
    assert not run.cache_file.exists()
    history = history_of(run)
    assert (history.step, history.steps, history.fraction) == (16, 16, 1.0)
    assert history.begins == dict(zip(STAGES, (0, 2, 14), strict=True))
    assert [step for step, _ in history.validation["dice_infarct"]] == [2, 16]
    assert [step for step, _ in history.validation["loss"]] == [4, 6, 8, 10, 12, 14, 16]
    first = {name: (curve[0][0], curve[-1][0]) for name, curve in history.losses.items()}
    assert first["segmentation"] == (1, 16)
    assert first["diffusion"] == (3, 16)
    assert first["feedback"] == (15, 16)
    assert sorted(history.samples) == list(range(2, 17, 2))
    assert all((run.folder / file).read_bytes().startswith(b"\x89PNG") for file in history.samples.values())
    page = run.report.read_text(encoding="utf-8")
    assert all(title in page for title in STAGES.values())
    for _ in range(2):
        models = run.take_models_in()
        assert {(model.card.name, model.card.kind) for model in models} == {
            ("mine", "segmentation"),
            ("mine", "synthesis"),
        }
    assert sum(not model.shipped for model in list_models()) == 2


def test_a_finished_run_without_one_of_its_models_is_not_finished(run):
    for name in ("segmentation", "synthesis"):
        assert not run.is_finished()
        (run.folder / f"{name}.safetensors").touch()
    run.cache_file.touch()
    assert run.state() == "waiting"
    run.cache_file.unlink()
    assert run.state() == "finished"


def test_a_run_that_would_not_end_with_both_networks_is_refused(run):
    change_settings(run, "joint_steps: 0")
    with pytest.raises(SpecificationError, match="'joint_steps' to 1"):
        execute(run)
    assert [found.name for found in find_runs(run.folder.parent)] == ["mine"]


def test_all_stages_are_measured_and_reckoned_up(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("claimslicer.training.runs.needs.MEASURED_STEPS", (2,))
    asked = {"device": "cpu", "settings": tiny_yaml(joint_steps=100_000)}
    needs = measure_needs("joint", "trial", cohort, tmp_path, **asked)
    assert needs.steps == 100_014
    assert needs.seconds[0] > 100_000 * 0.5 * needs.seconds_per_step[0]
    assert needs.studies == {"training": 2, "validation": 1, "test": 1}
    assert not any("All patients" in text for text in needs.cautions())
    sick = write_cohort(tmp_path / "sick", {"A": True, "B": True, "C": True})
    needs = measure_needs("joint", "trial", sick, tmp_path, device="cpu", settings=tiny_yaml())
    assert any("All patients to train on have an infarct" in text for text in needs.cautions())


def test_a_pause_asked_for_in_an_early_stage_is_obeyed(tmp_path):
    config = tiny_config(tmp_path, pretrain_segmenter_steps=40)
    config.out.mkdir()
    (config.out / "stop").touch()
    with pytest.raises(Cancelled, match="Paused after"):
        train_joint(config, resume=False)
    assert not list(config.out.rglob("stop"))
    assert (config.out / "segmenter" / "checkpoint.safetensors").exists()
    assert not (config.out / "generator").exists()


def test_dice_and_the_generators_loss_have_an_axis_each():
    history = History()
    history.validation = {"dice_infarct": [(0, 0.6), (8, 0.7)], "loss": [(0, 0.4), (8, 0.3)]}
    history.loss = [(1, 1.0), (8, 0.9)]
    _, dice, loss = _curves(history).axes
    assert [axes.get_ylabel() for axes in (dice, loss)] == ["Dice", "generator's loss"]
    assert [axes.lines[0].get_label() for axes in (dice, loss)] == ["infarct: MI and MVO", "generator's loss"]
    assert dice.get_xlim()[0] <= 0, "where it stood before the stage is seen"
    del history.validation["dice_infarct"]
    _, loss = _curves(history).axes
    assert loss.get_ylabel() == "generator's loss"
