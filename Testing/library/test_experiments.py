"""The paper's experiment on tiny phantoms: from its YAML to its page, interrupted, gone on with, no leak."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest
from claimslicer.errors import Cancelled
from claimslicer.experiments import train
from claimslicer.experiments.arms import Arm
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.experiments.page import summary_of, write_page
from claimslicer.experiments.patients import HELD_BACK, Subjects
from claimslicer.experiments.run import run_experiment
from claimslicer.experiments.scores import SCORES_FILE, ScoreBook
from claimslicer.models.registry import Model
from claimslicer.training.data.cache import read_cache
from claimslicer.training.trainers import joint_run, segmentation, synthesis
from experiment_trial import SETTINGS, write_data

pytestmark = pytest.mark.usefixtures("tiny_segmenter")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data, and the YAML of an experiment that is carried out at once and of one in parts."""
    root = write_data(tmp_path_factory.mktemp("experiment"))
    (root / "experiment.yaml").write_text(SETTINGS.replace("OUT", "whole"), encoding="utf-8")
    (root / "parts.yaml").write_text(SETTINGS.replace("OUT", "parts"), encoding="utf-8")
    return root


@dataclasses.dataclass(frozen=True)
class Done:
    """An experiment that was carried out at once, and the names of all studies read in each fold."""

    config: ExperimentConfig
    subjects: Subjects
    book: ScoreBook
    read: dict[str, set[str]]


@pytest.fixture(scope="module")
def whole(folder, tiny_segmenter):
    """Carry out an experiment, looking at every study that any training, or the painter, reads."""
    config = ExperimentConfig.from_yaml(folder / "experiment.yaml")
    read: dict[str, set[str]] = {}

    def remembered(path):
        cohort = read_cache(path)
        fold = next(part for part in Path(path).parts if part.startswith("fold-"))
        read.setdefault(fold, set()).update(study.name for study in cohort.studies)
        return cohort

    with pytest.MonkeyPatch.context() as patch:
        for module in (train, joint_run, segmentation, synthesis):
            patch.setattr(module, "read_cache", remembered)
        return Done(config, *run_experiment(config), read)


class Interrupts:
    """Raises Cancelled at every so manieth event, each time later, so that the work gets on."""

    def __init__(self) -> None:
        self.left = 0

    def progress(self, *_: object) -> None:
        self.left -= 1
        if not self.left:
            raise Cancelled("Stopped.")

    def emit(self, *_: object, **__: object) -> None:
        self.progress()


def test_interrupted_anywhere_it_ends_with_the_same_scores(folder, whole):
    config = ExperimentConfig.from_yaml(folder / "parts.yaml")
    events, times = Interrupts(), 0
    while True:
        events.left = 12 + 6 * times
        try:
            run_experiment(config, events)
            break
        except Cancelled:
            times += 1
            with (config.out / SCORES_FILE).open("a", encoding="utf-8") as stream:
                stream.write('{"test": "held back", "arm": "P", "se')  # a line cut short
    assert times > 3
    assert sorted(ScoreBook(config.out), key=lambda s: s.key) == sorted(whole.book, key=lambda s: s.key)
    write_page(config, whole.subjects, whole.book)
    weights = sorted(path.relative_to(config.out) for path in config.out.rglob("segmentation.safetensors"))
    assert len(weights) == 2 * 4
    for path in weights:
        assert (config.out / path).read_bytes() == (whole.config.out / path).read_bytes()


def test_the_same_command_goes_on_and_writes_the_page(cli, folder, whole):
    before = (whole.config.out / SCORES_FILE).read_bytes()
    outcome = cli("experiment", folder / "experiment.yaml")
    assert outcome.code == 0, outcome.err
    out = whole.config.out
    assert (out / SCORES_FILE).read_bytes() == before
    for words in ("P+P'+N'' ours", "FWHM", "Otsu", "held back", "elsewhere", "report.html"):
        assert words in outcome.out
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in (
        "2 folds",
        "1 seed; 4 optimiser steps",
        "the first 2 steps are on real studies and the last 2 together",
        "EMIDEC",
        "6 of 6 trainings",
    ):
        assert words in page
    assert {path.name for path in out.glob("*.png")} >= {"dice.png", "bullseye_held_back.png"}
    with (out / "scores.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    trained = [row for row in rows if row["model"]]
    # Every patient held back once; the three others by the models of both folds.
    assert len(trained) == 3 * (4 + 2 * 3)
    assert len(rows) - len(trained) == (5 * 4 - 2) + (5 * 3 - 2)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in summary[HELD_BACK]][:3] == ["P", "P+P'+N'' ours", "P+N' claim joint"]
    assert cli("experiment", folder / "experiment.yaml", "--report").code == 0


def test_nothing_of_a_patient_held_back_is_trained_on(whole):
    assert len(whole.subjects.folds) == len(whole.read) == 2
    for fold in whole.subjects.folds:
        training, read = {patient.name for patient in fold.training}, whole.read[fold.name]
        assert {name.split("-synthetic")[0] for name in read} == training
        assert any("-synthetic" in name for name in read)
        assert not training & {patient.name for patient in fold.held_back}
        files = list((whole.config.out / fold.name).rglob("*.npz"))
        assert len(files) == 1 + 6
        for file in files:
            assert {study.name.split("-synthetic")[0] for study in read_cache(file).studies} <= training
        card = Model(whole.config.out / fold.name / "generator" / "synthesis.safetensors").card
        assert set(card.split["training"]) == training


def test_every_row_takes_as_many_steps_and_sees_its_sets(whole):
    config = whole.config
    for fold in whole.subjects.folds:
        folder = config.out / fold.name

        def card(name: str, folder=folder):
            return Model(next((folder / name).rglob("segmentation.safetensors"))).card

        assert card("P").training["steps"] == card("P_P1_N5-ours").training["steps"] == config.steps
        first, then = card("P-before-joint").training["steps"], card("P_N2-claim-joint").training["steps"]
        assert first + then == config.steps
        assert card("P").data["studies"] == 1
        assert card("P_P1_N5-ours").data["studies"] == 1 + 1 + 5
        joint = card("P_N2-claim-joint").training
        assert (joint["masks"], joint["normal_share"], joint["normals"]) == ("claim", 1.0, False)
        assert not list(folder.rglob("checkpoint.safetensors"))


def test_more_rows_and_seeds_may_come_later_and_nothing_else_may_change(cli, folder, whole):
    def refused(old: str, new: str) -> str:
        path = folder / "other.yaml"
        path.write_text(SETTINGS.replace("OUT", "whole").replace(old, new), encoding="utf-8")
        outcome = cli("experiment", path)
        assert outcome.code == 2 and outcome.err.count("\n") == 1
        return outcome.err

    assert "another steps" in refused("\nsteps: 4", "\nsteps: 5")
    assert "another painting" in refused("painting: {num_inference_steps: 1}", "painting: {}")
    more = dataclasses.replace(whole.config, arms=(Arm.parse("P"),), seeds=2)
    subjects, book = run_experiment(more)
    row = summary_of(more, subjects, book).tests[HELD_BACK][0]
    assert (row.seeds, row.patients) == (2, 4)
    note = whole.config.out / "fold-1" / "P" / "seed-0.job.json"
    kept = note.read_text(encoding="utf-8")
    note.write_text(kept.replace('"learning_rate"', '"learning_late"'), encoding="utf-8")
    assert "other studies or settings" in refused("nothing", "nothing")
    note.write_text("{", encoding="utf-8")
    assert "damaged" in refused("nothing", "nothing")
    note.write_text(kept, encoding="utf-8")


def test_on_the_way_all_rows_are_compared_on_the_same_patients(whole):
    first = {patient.name for patient in whole.subjects.folds[0].held_back}
    so_far = [score for score in whole.book if score.arm != "P+N' claim joint" or score.patient in first]
    rows = summary_of(whole.config, whole.subjects, so_far).tests[HELD_BACK]
    assert {"P", "2 SD", "P+N' claim joint"} <= {row.name for row in rows}
    assert {row.patients for row in rows if row.name != "Otsu"} == {len(first)}
