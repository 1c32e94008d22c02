"""What an experiment is asked for: its rows, its folds, and what is refused before anything is written."""

import dataclasses

import pytest
from claimslicer.errors import SpecificationError
from claimslicer.experiments.arms import TABLE_2, Arm
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.experiments.patients import find_subjects
from claimslicer.experiments.run import run_experiment
from claimslicer.experiments.train import mixture
from claimslicer.training.data.splits import EMIDEC_TEST
from experiment_trial import SETTINGS, write_data
from training_cohort import write_cohort


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("experiment"))


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


def test_folds_deal_everybody_once_and_the_published_test_cases_never(tmp_path, monkeypatch):
    from claimslicer.experiments import patients

    names = {f"Case_P{n:03d}": True for n in range(1, 31)} | {f"Case_N{n:03d}": False for n in range(1, 14)}

    def patient(folder):
        return patients.Patient(folder.name, folder, names[folder.name], folder.name, folder.name)

    monkeypatch.setattr(patients, "list_cases", lambda root, events: [root / name for name in names])
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
