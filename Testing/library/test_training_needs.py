"""What a training needs, found out before it starts; and the split by patient."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from claimslicer.errors import StudyError
from claimslicer.training.data.cache import case_folders, read_case_folders, write_cache
from claimslicer.training.data.splits import EMIDEC_VALIDATION, split_by_patient
from claimslicer.training.runs.needs import Needs, measure_needs, size_text, span_text
from claimslicer.worker.context import Context
from claimslicer.worker.tasks import find_task
from claimslicer.yaml_settings import load_yaml
from cli_runner import run_here
from training_cohort import write_cohort

TINY = "batch_size: 1\nthreads: 1\n"


class Told:
    """Keeps the fractions of progress."""

    def __init__(self) -> None:
        self.fractions: list[float] = []

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)

    def emit(self, kind: str, **values) -> None:
        raise AssertionError(kind)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def needs(cohort, tmp_path_factory) -> Needs:
    told = Told()
    found = measure_needs(
        "synthesis", "standard", cohort, tmp_path_factory.mktemp("runs") / "new", settings=TINY, events=told
    )
    assert told.fractions == sorted(told.fractions)
    assert told.fractions[-1] == 1.0
    return found


def test_studies_are_counted_and_steps_measured(needs):
    assert needs.studies == {"training": 2, "validation": 1, "test": 1}
    assert needs.with_infarct == {"training": 1, "validation": 1}
    assert needs.steps == 3800
    low, high = needs.seconds_per_step
    assert 0 < low <= high
    assert 3800 * low < needs.seconds[0] <= needs.seconds[1]
    assert needs.seconds[1] > 1.2 * 3800 * high
    assert 100e6 < needs.memory < needs.memory_free  # torch alone takes more than 100 MB
    assert 2e6 < needs.disk < needs.disk_free
    assert Needs.from_dict(json.loads(json.dumps(needs.to_dict()))) == needs


def test_what_is_said(needs):
    table = dict(needs.table())
    assert table["Patients"].startswith("2 to train on (1 with infarct); 1 held back (1 with infarct)")
    assert "1 published test cases left unread" in table["Patients"]
    assert "3800 steps on" in table["Time"]
    assert needs.obstacles() == []
    assert any("are few" in text for text in needs.cautions())
    full = dataclasses.replace(needs, disk_free=10)
    assert "disk" in full.obstacles()[0]
    small = dataclasses.replace(needs, device_memory=2 * 10**9, device_memory_free=10**9)
    assert "GPU has only 1.0 GB free" in small.obstacles()[0]
    assert ("GPU memory", "2.0 GB of 1.0 GB free") in small.table()
    poor = dataclasses.replace(needs, memory_free=10, with_infarct={"training": 1, "validation": 0})
    assert [word in " ".join(poor.cautions()) for word in ("close other programs", "held back")] == [True] * 2


def test_a_cache_will_do_and_the_worker_answers_the_same(cohort, tmp_path, needs, monkeypatch):
    monkeypatch.setattr("claimslicer.training.runs.needs.MEASURED_STEPS", (2,))
    write_cache(tmp_path / "c.npz", read_case_folders(cohort))
    arguments = {"kind": "synthesis", "preset": "trial", "data": str(tmp_path / "c.npz")}
    arguments |= {"runs_folder": str(tmp_path), "device": "cpu"}
    found = Needs.from_dict(find_task("training_needs")(Context(), arguments))
    assert found.studies == {**needs.studies, "test": 0}
    assert found.device == "cpu"


def test_what_can_not_be_trained_on_is_refused_before_anything_is_measured(tmp_path):
    with pytest.raises(StudyError, match="holds no case folders"):
        measure_needs("synthesis", "trial", tmp_path, tmp_path)
    healthy = write_cohort(tmp_path / "healthy", {"A": False, "B": False})
    with pytest.raises(StudyError, match="No training study has an infarct"):
        measure_needs("synthesis", "trial", healthy, tmp_path)
    label = next((healthy / "A" / "Contours").glob("*.nii.gz"))
    label.unlink()
    with pytest.raises(StudyError, match="has no labels"):
        measure_needs("synthesis", "trial", healthy, tmp_path)


def test_the_command_line_prepares_and_carries_out_a_run(cohort, tmp_path, monkeypatch, capsys):
    def cli(*arguments):
        return run_here(monkeypatch, capsys, "train", *arguments)

    monkeypatch.setattr("claimslicer.training.runs.needs.MEASURED_STEPS", (2,))
    asked = ("synthesis", cohort, "--preset", "trial", "--device", "cpu", "--runs", tmp_path)
    outcome = cli("needs", *asked, "--events", tmp_path / "events.jsonl")
    assert outcome.code == 0, outcome.err
    assert "Patients: 2 to train on" in outcome.out
    assert "with_infarct" not in outcome.err  # that is for programs
    events = map(json.loads, (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines())
    assert next(line for line in events if line["event"] == "needs")["studies"]["training"] == 2
    assert cli("prepare", "synthesis", cohort, "--preset", "trial", "--out", tmp_path / "mine").code == 0
    assert cli("prepare", "synthesis", cohort, "--out", tmp_path / "mine").code == 2
    config = tmp_path / "mine" / "config.yaml"
    settings = load_yaml(config.read_text(encoding="utf-8")) | load_yaml(f"{TINY}steps: 3\n")
    config.write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "mine" / "stop").touch()
    paused = cli("run", tmp_path / "mine")
    assert paused.code == 130
    assert "Paused" in paused.err
    assert cli("run", tmp_path / "mine").code == 0
    assert (tmp_path / "mine" / "synthesis.safetensors").exists()
    assert cli("run", tmp_path / "nowhere").code == 2


def test_other_collections_are_split_by_patient_always_alike():
    names = [f"patient {number}" for number in range(50)]
    parts = split_by_patient(names)
    assert list(parts.values()).count("validation") == 10
    assert split_by_patient(names[::-1]) == parts
    assert split_by_patient(["only"]) == {"only": "training"}
    assert sorted(split_by_patient(["a", "b"]).values()) == ["training", "validation"]
    emidec = split_by_patient(["Case_P001", "Case_P002", "Case_P005", *EMIDEC_VALIDATION])
    assert emidec["Case_P001"] == emidec["Case_P002"] == "training"
    assert emidec["Case_P005"] == "test"


def test_hidden_folders_are_no_cases(tmp_path):
    for name in (".git", "__MACOSX", "a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan.nii").touch()
    assert sorted(folder.name for folder in case_folders(tmp_path)) == ["a", "b"]


def test_what_is_wrong_with_a_folder_is_said(cohort, tmp_path):
    with pytest.raises(StudyError, match="is one case: give the folder around it"):
        case_folders(next(path for path in cohort.iterdir() if path.is_dir()))
    held_back = write_cohort(tmp_path / "held back", {"Case_P100": False})
    with pytest.raises(StudyError, match="are held back, so nobody is left"):
        case_folders(held_back)
    shutil.rmtree(held_back / "Case_P100" / "Contours")
    with pytest.raises(StudyError, match="Case_P100' has no labels"):
        case_folders(held_back)


def test_sizes_and_spans_for_people():
    assert [size_text(count) for count in (12_345, 86_000_000, 1_270_000_000)] == ["1 MB", "86 MB", "1.3 GB"]
    assert span_text(20, 30) == "20–30 s"
    assert span_text(2400, 3600) == "40–60 min"
    assert span_text(9000, 12600) == "2.5–3.5 h"
    assert span_text(119, 121) == "about 2 min"
