"""No command writes over what it reads or didn't make, or among the studies; refused ones leave nothing."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from claimslicer.errors import OutputError, StudyError
from claimslicer.figures.report import Report, write_report
from claimslicer.models.registry import SHIPPED, resolve
from claimslicer.studies import Geometry, read_study, write_volume
from claimslicer.studies.read import list_cases
from claimslicer.yaml_settings import load_yaml
from cli_runner import files_under
from training_cohort import write_cohort
from yaml import YAMLError


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def mine(tmp_path) -> Path:
    """Return a folder with a copy of the shipped segmenter."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("segmentation.safetensors", "segmentation.json"):
        shutil.copy(SHIPPED / "emidec" / name, folder)
    return folder


class Notes:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told = []

    def progress(self, stage, fraction, message=""):
        pass

    def emit(self, kind, **values):
        self.told.append((kind, values))


def refused(outcome, *words: str) -> None:
    assert outcome.code == 2, outcome
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


def test_an_ensemble_replaces_no_model(cli, mine, tmp_path):
    before = files_under(mine)
    for options in ([], ["--overwrite"]):
        refused(cli("train", "ensemble", mine, "emidec", "--out", mine, *options), "never written over")
    other = tmp_path / "other"
    shutil.copytree(mine, other)
    refused(cli("train", "ensemble", mine, mine, "--out", other), "--overwrite")
    assert files_under(mine) == before == files_under(other)
    assert cli("train", "ensemble", mine, mine, "--out", other, "--overwrite").code == 0
    assert resolve(other, "segmentation").card.network["members"] == 10
    refused(cli("train", "ensemble", mine, "no-such", "--out", tmp_path / "new"), "no-such")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["segmentation", "synthesis", "joint"])
def test_training_replaces_no_model_that_it_did_not_make(cli, cohort, mine, tmp_path, kind):
    assert cli("train", "cache", cohort, "--out", tmp_path / "cohort.npz").code == 0
    before = files_under(mine)
    config = tmp_path / "config.yaml"
    config.write_text(f"cache: cohort.npz\nout: {mine}\n", encoding="utf-8")
    for options in ([], ["--resume"]):
        refused(cli("train", kind, config, *options), "holds a model that this run didn't make")
    assert files_under(mine) == before


@pytest.mark.parametrize("kind", ["segmentation", "synthesis", "joint"])
def test_an_out_that_can_not_be_made_is_told_in_a_sentence(cli, cohort, tmp_path, kind):
    cli("train", "cache", cohort, "--out", tmp_path / "cohort.npz")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    config = tmp_path / "config.yaml"
    config.write_text("cache: cohort.npz\nout: file/mine\n", encoding="utf-8")
    refused(cli("train", kind, config), "a file stands where a folder is needed")


def test_the_cache_tells_counts_and_split_and_is_an_npz(cli, cohort, tmp_path):
    outcome = cli("train", "cache", cohort, "--out", tmp_path / "c.npz")
    assert "3 studies (2 for training, 1 for validation), 2 of them with infarct." in outcome.out
    refused(cli("train", "cache", cohort, "--out", tmp_path / "c.txt"), ".npz")
    assert {path.name for path in tmp_path.iterdir()} == {"c.npz"}


def test_a_folder_that_is_no_run_stays_as_it_is(cli, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    refused(cli("train", "run", tmp_path), "is no training run")
    assert set(files_under(tmp_path)) == {"notes.txt"}
    refused(cli("train", "run", tmp_path / "nope"), "There is no run")
    assert not (tmp_path / "nope").exists()


@pytest.mark.parametrize("name", ["../evil", ".hidden", "a/b", ""])
def test_a_runs_name_is_no_path(cli, tmp_path, name):
    config = tmp_path / "config.yaml"
    config.write_text(f"cache: c.npz\nout: mine\nname: '{name}'\n", encoding="utf-8")
    for kind in ("segmentation", "synthesis", "joint"):
        refused(cli("train", kind, config), "'name'")
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml"}


def test_a_setting_given_twice_is_refused(cli, tmp_path):
    with pytest.raises(YAMLError, match="'steps' is given twice"):
        load_yaml("steps: 3\nout: a\nsteps: 4\n")
    with pytest.raises(YAMLError, match="'a' is given twice"):
        load_yaml("outer: {a: 1, a: 2}")
    config = tmp_path / "config.yaml"
    config.write_text("cache: c.npz\nout: mine\nsteps: 3\nsteps: 4\n", encoding="utf-8")
    refused(cli("train", "segmentation", config), "'steps' is given twice")


def test_results_among_the_studies_are_refused(cli, cohort, tmp_path):
    before = files_under(cohort)
    config = tmp_path / "config.yaml"
    for command in ("experiment", "evaluate"):
        config.write_text(f"data: {cohort}\nout: {cohort}/out\n", encoding="utf-8")
        refused(cli(command, config), "lies in")
    refused(cli("nnunet", "export", cohort, "--out", cohort / "nnUNet_raw"), "lies in")
    refused(cli("train", "prepare", "segmentation", cohort, "--out", cohort / "run"), "lies in")
    config.write_text(f"sources: [{cohort}]\nout: {cohort}/out\ncount: 1\n", encoding="utf-8")
    refused(cli("cohort", config), "lies in")
    assert files_under(cohort) == before
    assert not (cohort / "out").exists()


def test_a_stray_folder_is_passed_over_with_a_word(cli, tmp_path):
    cohort = write_cohort(tmp_path / "cohort")
    (cohort / "notes" / "old").mkdir(parents=True)
    (cohort / "notes" / "old" / "a.txt").write_text("b", encoding="utf-8")
    (cohort / "empty").mkdir()
    notes = Notes()
    assert [path.name for path in list_cases(cohort, notes)] == sorted(
        ["Case_N002", "Case_P001", "Case_P004", "Case_P005"]
    )
    assert notes.told[0][0] == "passed over"
    assert "empty, notes" in notes.told[0][1]["message"]
    outcome = cli("train", "cache", cohort, "--out", tmp_path / "c.npz")
    assert outcome.code == 0
    assert "notes" in outcome.err
    shutil.rmtree(cohort / "Case_P001" / "Contours")
    with pytest.raises(StudyError, match="no labels"):
        from claimslicer.training.data.cache import read_case_folders

        list(read_case_folders(cohort))


def test_a_report_replaces_only_its_own(tmp_path):
    one = Report("Scar", "Case_P001", (), recipe={"source": {"name": "Case_P001", "path": "/a"}})
    other = Report("Scar", "Case_P002", (), recipe={"source": {"name": "Case_P002", "path": "/b"}})
    write_report(tmp_path, one)
    write_report(tmp_path, one)
    before = files_under(tmp_path)
    with pytest.raises(OutputError, match="the report of Case_P001"):
        write_report(tmp_path, other)
    assert files_under(tmp_path) == before
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match="isn't ours"):
        write_report(tmp_path, one)


def test_refused_commands_leave_no_folder(cli, cohort, tmp_path):
    for command in ("quantify", "demo"):
        study = [] if command == "demo" else [tmp_path / "none"]
        (tmp_path / "file").write_text("x", encoding="utf-8")
        assert cli(command, *study, "--out", tmp_path / "file" / "new").code == 2
    refused(cli("quantify", tmp_path / "none", "--out", tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_events_replace_no_input(cli, cohort, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("cache: c.npz\nout: mine\n", encoding="utf-8")
    refused(cli("train", "segmentation", config, "--events", config), "holds no events")
    assert config.read_text(encoding="utf-8").startswith("cache")
    events = tmp_path / "events.jsonl"
    for _ in range(2):
        assert cli("train", "cache", cohort, "--out", tmp_path / "c.npz", "--events", events).code == 0
    assert json.loads(events.read_text(encoding="utf-8").splitlines()[0])["event"] == "started"


def test_labels_with_emidecs_own_affine_lie_on_their_image(tmp_path):
    """The affine knows no voxel sizes; labels saved with it alone seem to lie 140 mm away."""
    geometry = Geometry((5, 60, 60), (1.4, 1.4, 10.0))
    path = write_volume(tmp_path / "scan.nii.gz", np.zeros(geometry.shape, np.int16), geometry)
    wrong = np.diag([-1.0, -1.0, 1.0, 1.0])
    image = nibabel.load(path)
    header = image.header.copy()
    file = nibabel.Nifti1Image(np.asarray(image.dataobj), None, header)
    file.header.set_sform(wrong, code=1)
    file.header["pixdim"][1:4] = (1.4, 1.4, 10.0)
    file.to_filename(path)
    labels = np.zeros((60, 60, 5), np.uint8)
    labels[20:40, 20:40, 1:4] = 2
    labels[25:35, 25:35, 1:4] = 1
    nibabel.save(nibabel.Nifti1Image(labels, wrong), tmp_path / "mine.nii.gz")
    study = read_study(path, tmp_path / "mine.nii.gz")
    assert study.geometry.spacing == pytest.approx((1.4, 1.4, 10.0))
    np.testing.assert_array_equal(study.labels, labels.T)
    elsewhere = wrong.copy()
    elsewhere[:3, 3] = (90.0, 0.0, 0.0)
    nibabel.save(nibabel.Nifti1Image(labels, elsewhere), tmp_path / "other.nii.gz")
    with pytest.raises(StudyError, match="mm away from the image"):
        read_study(path, tmp_path / "other.nii.gz")


def test_an_imported_network_replaces_no_model(mine, tmp_path):
    from claimslicer.models.registry import check_new_model

    with pytest.raises(OutputError, match="holds a segmentation model"):
        check_new_model(mine, "segmentation")
    check_new_model(mine, "synthesis")
    check_new_model(mine, "segmentation", overwrite=True)
