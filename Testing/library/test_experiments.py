"""The paper's experiment on tiny phantoms: from its YAML to its page, interrupted, gone on with, no leak."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from claimslicer.errors import Cancelled, SpecificationError
from claimslicer.events import SILENT
from claimslicer.experiments import train
from claimslicer.experiments.arms import TABLE_2, Arm
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.experiments.page import summary_of, write_page
from claimslicer.experiments.patients import HELD_BACK, Subjects, find_subjects
from claimslicer.experiments.run import run_experiment
from claimslicer.experiments.scores import SCORES_FILE, Score, ScoreBook
from claimslicer.experiments.summary import summarise
from claimslicer.experiments.tables import dice_table, headline
from claimslicer.experiments.train import mixture
from claimslicer.labels import scar_of_labels
from claimslicer.models.registry import Model
from claimslicer.training import joint_run, segmentation, synthesis
from claimslicer.training.augment import synthetic_children
from claimslicer.training.cache import Cohort, read_cache
from claimslicer.training.online import OnlinePainter
from claimslicer.training.splits import EMIDEC_TEST
from cli_runner import run_here
from joint_trial import cached
from training_cohort import write_cohort

CASES = {"Case_P001": True, "Case_P002": True, "Case_N001": False, "Case_N002": False, "Case_P005": True}
"""Case and whether it has a scar; P005 is a published test case."""
SETTINGS = """
data: data
out: OUT
folds: 2
tests: {elsewhere: other}
seeds: 1
arms: [P, P+P'+N'' ours, P+N' claim joint]
steps: 4
joint_steps: 2
generator_steps: 2
synthetic_share: 0.5
painting: {num_inference_steps: 1}
segmentation: {batch_size: 2, warmup_steps: 1}
synthesis: {batch_size: 2, warmup_steps: 1, context_widths: [4, 8], widths: [4, 8]}
joint: {synthetic_studies: 1, num_inference_steps: 1, warmup_steps: 1}
checkpoint_every: 1
resamples: 100
threads: 1
device: cpu
"""

pytestmark = pytest.mark.usefixtures("tiny_segmenter")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the data, another test folder, and the YAML of an experiment."""
    root = tmp_path_factory.mktemp("experiment")
    write_cohort(root / "data", CASES)
    write_cohort(root / "other", {"Case_X": False, "Case_Y": False, "Case_Z": True})
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


@pytest.fixture
def cli(monkeypatch, capsys):
    return lambda *arguments: run_here(monkeypatch, capsys, *arguments)


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


def test_folds_deal_everybody_once_and_the_published_test_cases_never(tmp_path, monkeypatch):
    from claimslicer.experiments import patients

    names = {f"Case_P{n:03d}": True for n in range(1, 31)} | {f"Case_N{n:03d}": False for n in range(1, 14)}

    def patient(folder):
        return patients.Patient(folder.name, folder, names[folder.name], folder.name, folder.name)

    monkeypatch.setattr(patients, "list_cases", lambda root: [root / name for name in names])
    monkeypatch.setattr(
        patients, "_patients", lambda some, events: sorted(map(patient, some), key=lambda p: p.name)
    )
    config = ExperimentConfig(data=(tmp_path,), out=tmp_path / "out", folds=3)
    subjects = find_subjects(config)
    assert subjects == find_subjects(config)
    held = [one.name for fold in subjects.folds for one in fold.held_back]
    assert sorted(held) == sorted(set(names) - EMIDEC_TEST)
    for fold in subjects.folds:
        assert not {p.name for p in fold.training} & {p.name for p in fold.held_back}
        assert len(fold.training) + len(fold.held_back) == len(held)
        infarcted = sum(one.has_infarct for one in fold.held_back)
        assert infarcted in (9, 10) and len(fold.held_back) - infarcted in (4, 5)
    fixed = find_subjects(dataclasses.replace(config, folds=0)).folds
    assert {p.name for p in fixed[0].held_back} == {"Case_P004", "Case_P015", "Case_N006", "Case_N012"}
    assert not {p.name for p in (*fixed[0].training, *fixed[0].held_back)} & EMIDEC_TEST
    made = mixture(Arm.parse("P+P'+N'' ours"), fixed[0].training)
    assert (made.infarcted, made.normal) == (made.real, 5 * (len(fixed[0].training) - made.real))
    assert mixture(Arm.parse("P+N"), fixed[0].training).synthetic_share == 0


class TestRows:
    def test_the_default_is_table_2(self):
        assert len(TABLE_2) == 1 + 3 * 2 * 2
        for arm in TABLE_2:
            assert Arm.parse(arm.name) == arm
        assert len({arm.folder for arm in TABLE_2}) == len(TABLE_2)

    def test_names_are_read_in_any_order_and_with_real_primes(self):
        arm = Arm.parse("N″+P+P′ joint ours")
        assert (arm.name, arm.per_normal, arm.per_infarcted) == ("P+P'+N'' ours joint", 5, 1)
        assert Arm.parse("P+N'  claim").per_normal == 2
        assert Arm.parse("P+N").name == "P+N"

    @pytest.mark.parametrize(
        "name",
        ["", "Q", "N''ours", "P+P", "P ours", "P joint", "P+N''", "P+N' ours claim", "P+N'+N'' ours", 3],
    )
    def test_others_are_refused(self, name):
        with pytest.raises(SpecificationError):
            Arm.parse(name)


class TestBadInput:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("sizes: 3", "Unknown setting 'sizes'"),
            ("data: nowhere", "can't be read as a folder"),
            ("data: data/Case_P001", "is one case"),
            ("data: [3]", "is no path"),
            ("folds: 1", "One fold holds nobody back"),
            ("folds: 5", "Nobody with infarct is left to hold back"),
            ("seeds: 0", "'seeds' must be a whole number"),
            ("steps: many", "'steps' must be a whole number"),
            ("joint_steps: 4", "'joint_steps' are the last"),
            ("generator: emidec", "each part's generator is trained"),
            ("arms: P", "'arms' must be a list"),
            ("arms: [P, P]", "named twice"),
            ("arms: [P+X]", "can't be read"),
            ("tests: {held back: other}", "names of their own"),
            ("tests: {again: data}", "take it out"),
            ("tests: other", "'name: folder'"),
            ("synthetic_share: 2", "'synthetic_share' must lie"),
            ("painting: {model: emidec}", "'painting' doesn't know model"),
            ("segmentation: {seed: 3}", "'seed' can't stand in 'segmentation'"),
            ("segmentation: {speed: 3}", "Unknown setting 'speed' in 'segmentation'"),
            ("synthesis: {reward_weight: 1}", "'reward_weight' can't stand in 'synthesis'"),
            ("joint: {joint_steps: 3}", "'joint_steps' can't stand in 'joint'"),
            ("joint: {pace: 3}", "Unknown setting 'pace' in 'joint'"),
            ("joint: 3", "'joint' must hold"),
            ("thresholds: 3", "'thresholds' must be true or false"),
        ],
    )
    def test_one_sentence_and_nothing_written(self, cli, folder, line, words):
        path = folder / "wrong.yaml"
        kept = [row for row in SETTINGS.splitlines() if not row.startswith(f"{line.split(':')[0]}:")]
        path.write_text("\n".join([*kept, line]).replace("OUT", "elsewhere"), encoding="utf-8")
        outcome = cli("experiment", path)
        assert outcome.code == 2, outcome
        assert words in outcome.err
        assert outcome.err.count("\n") == 1
        assert not (folder / "elsewhere").exists()

    def test_a_page_of_nothing(self, cli, folder):
        path = folder / "new.yaml"
        path.write_text(SETTINGS.replace("OUT", "new"), encoding="utf-8")
        outcome = cli("experiment", path, "--report")
        assert outcome.code == 2 and "no experiment" in outcome.err

    def test_a_generator_that_knows_a_test_patient(self, folder, tmp_path):
        """P100, whom the shipped generator is not trained on, and P001, whom it is."""
        config = ExperimentConfig(
            data=(write_cohort(tmp_path / "data", {"Case_P006": True, "Case_P004": True}),),
            out=tmp_path / "out",
            tests={
                "known": write_cohort(
                    tmp_path / "tests", {"Case_N9": False, "Case_P": False, "Case_P001": True}
                )
            },
            generator="emidec",
        )
        with pytest.raises(SpecificationError, match="was trained on Case_P001"):
            run_experiment(config)
        assert not config.out.exists()


def score(arm: str, patient: str, seed: int, value: float, *, infarct: bool = True, test: str = "t") -> Score:
    names = ("dice", "dice_non_empty", "precision", "sensitivity", "specificity", "hd95_mm")
    more = {
        "surface_distance_mm": 1.0,
        "volume_ml": 10 * value,
        "reference_ml": 5.0,
        "difference_ml": 10 * value - 5,
    }
    numbers = dict.fromkeys(names, value) | more
    regions = dict.fromkeys(("cavity", "myocardium", "infarct", "mi"), numbers)
    empty = numbers | {"dice": 1.0, "dice_non_empty": None}
    segments = (tuple(np.full(17, value)), tuple(np.full(17, 0.5)))
    return Score(test, arm, seed, "f", patient, "d", "m", infarct, False, {**regions, "mvo": empty}, segments)


class TestSummary:
    SCORES = (
        *(score("P", f"p{n}", seed, 0.5 + 0.1 * n + 0.02 * seed) for n in range(4) for seed in range(2)),
        *(score("P+N", f"p{n}", seed, 0.6 + 0.1 * n - 0.02 * seed) for n in range(4) for seed in range(3)),
        score("P", "n", 0, 0.2, infarct=False),
    )

    def test_means_over_seeds_then_patients_and_differences_by_patient(self):
        p, more = summarise(self.SCORES, ["P", "P+N", "absent"]).tests["t"]
        estimate = p.estimates["infarct"]
        assert estimate.value == pytest.approx(0.66) and estimate.patients == 4
        assert 0.5 < estimate.low < 0.6 and 0.72 < estimate.high < 0.82
        assert estimate.seeds_sd == pytest.approx(0.02 / np.sqrt(2))
        assert p.differences == {}
        gain = more.differences["infarct"]  # of the two seeds that both have
        assert gain.value == pytest.approx(0.08) and gain.patients == 4
        assert gain.low == pytest.approx(0.08) and gain.high == pytest.approx(0.08)
        assert gain.seeds_sd == pytest.approx(0.04 / np.sqrt(2))
        assert more.seeds == 3

    def test_both_conventions_and_normals(self):
        (p, _) = summarise(self.SCORES, ["P", "P+N"]).tests["t"]
        assert p.estimates["mvo_emidec"].value == 1.0
        assert np.isnan(p.estimates["mvo"].value)
        assert p.estimates["infarct_all"].patients == 5
        assert p.estimates["false_alarms"].value == 1.0
        assert p.estimates["bias_ml"].value == pytest.approx(1.6)
        assert p.segments_ml[0] == pytest.approx(0.66) and p.true_segments_ml == pytest.approx((0.5,) * 17)

    def test_tables_and_headline_say_it(self):
        summary = summarise(self.SCORES, ["P", "P+N"])
        table = dice_table("t", summary.tests["t"])
        assert table.rows[1][4].startswith("+0.080 (0.080 to 0.080) ± 0.028")
        assert headline(summary) == "t: infarct Dice of P 0.660; against it P+N +0.080 (+0.080 to +0.080)."
        json.dumps(summary.to_dict(), allow_nan=False)


@pytest.fixture(scope="module")
def hearts():
    return Cohort((cached(1, "training"), cached(2, "training", scar=False)))


class TestPainting:
    @pytest.mark.parametrize("masks", ["ours", "claim"])
    def test_another_scar_is_added_to_the_patients_own(self, hearts, masks):
        children = list(
            synthetic_children(
                hearts, [0, 3], masks=masks, repaint=False, painting={"num_inference_steps": 1}
            )
        )
        assert [child.name[-1] for child in children] == ["0", "3"] * 2
        for child, parent in zip(children, [hearts.studies[0]] * 2 + [hearts.studies[1]] * 2, strict=True):
            before, after = scar_of_labels(parent.labels), scar_of_labels(child.labels)
            np.testing.assert_array_equal(after[before > 0], before[before > 0])
            assert (after > 0).sum() > (before > 0).sum()
            assert child.synthetic and child.part == "training"
            assert (child.image != parent.image).any()
            untouched = (before > 0) | (child.labels == 0) | (child.labels == 1)
            np.testing.assert_array_equal(child.image[untouched], parent.image[untouched])

    def test_a_child_depends_on_its_number_alone(self, hearts):
        def images(variants):
            made = synthetic_children(hearts, variants, repaint=False, painting={"num_inference_steps": 1})
            return {child.name: child.image for child in made}

        one, three = images([2]), images(3)
        assert len(three) == 6 and len(one) == 2
        for name, image in one.items():
            np.testing.assert_array_equal(image, three[name])

    @pytest.mark.parametrize(("share", "infarcted"), [(0.0, {True}), (1.0, {False}), (None, {True, False})])
    def test_the_joint_painter_takes_the_hearts_that_are_wanted(self, hearts, share, infarcted):
        painter = OnlinePainter(
            hearts.studies,
            repaint_share=0.0,
            target=None,
            seed=0,
            options={},
            events=SILENT,
            masks="claim",
            normal_share=share,
        )
        rng = np.random.default_rng(0)
        taken = [painter._take(rng).parent.has_infarct for _ in range(20)]
        assert set(taken) == infarcted
