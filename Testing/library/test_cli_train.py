"""Training through the command line: cohort, training, ensemble, and a model that segments."""

import json
from pathlib import Path

import pytest
from claimslicer.models.registry import resolve
from claimslicer.studies import write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import read_cache

CASES = {
    "Case_P001": PhantomScar(),
    "Case_N002": None,
    "Case_P004": PhantomScar(),
    "Case_P005": PhantomScar(),
}
"""By the fixed split, P004 is for validation and P005 is a published test case."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    for seed, (case, scar) in enumerate(CASES.items()):
        study = make_phantom(PhantomSettings(seed=seed, n_slices=4, scar=scar)).study
        labels = study.labels.copy()
        labels[labels == 5] = 0
        write_volume(folder / case / "Images" / f"{case}.nii.gz", study.image, study.geometry)
        write_volume(folder / case / "Contours" / f"{case}.nii.gz", labels, study.geometry)
    return folder


def test_from_case_folders_to_an_ensemble(cli, cohort, tmp_path):
    assert cli("train", "cache", cohort, "--out", tmp_path / "c.npz", "--synthetic", 1).code == 0
    studies = {study.name: study for study in read_cache(tmp_path / "c.npz").studies}
    assert {name: study.part for name, study in studies.items() if not study.synthetic} == {
        "Case_N002": "training",
        "Case_P001": "training",
        "Case_P004": "validation",
    }
    children = {name for name, study in studies.items() if study.synthetic}
    assert children == {"Case_N002-synthetic-0", "Case_P001-synthetic-0"}
    assert studies["Case_N002-synthetic-0"].has_infarct
    assert not studies["Case_N002"].has_infarct
    for name in ("a", "b"):
        text = "cache: c.npz\nsteps: 2\nbatch_size: 2\nsynthetic_share: 0.5\nterms: ours\n"
        (tmp_path / f"{name}.yaml").write_text(f"{text}out: {name}\nname: {name}\n", encoding="utf-8")
        outcome = cli("train", "segmentation", tmp_path / f"{name}.yaml")
        assert outcome.code == 0, outcome.err
    refused = cli("train", "segmentation", tmp_path / "a.yaml")
    assert refused.code == 2
    assert "already holds a run" in refused.err
    assert cli("train", "segmentation", tmp_path / "a.yaml", "--resume").code == 0
    outcome = cli("train", "ensemble", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "both")
    assert outcome.code == 0, outcome.err
    card = resolve(tmp_path / "both", "segmentation").card
    assert card.network["members"] == 2
    assert card.terms == "ours"
    assert cli("train", "ensemble", tmp_path / "a", "--out", tmp_path / "one").code == 2


def test_the_generator_is_trained_too(cli, cohort, tmp_path):
    assert cli("train", "cache", cohort, "--out", tmp_path / "c.npz").code == 0
    (tmp_path / "run.yaml").write_text("cache: c.npz\nout: run\nsteps: 2\nbatch_size: 2\n", encoding="utf-8")
    outcome = cli("train", "synthesis", tmp_path / "run.yaml")
    assert outcome.code == 0, outcome.err
    assert resolve(tmp_path / "run", "synthesis").load_state()


def test_a_folder_without_cases_is_refused(cli, tmp_path):
    outcome = cli("train", "cache", tmp_path, "--out", tmp_path / "c.npz")
    assert outcome.code == 2
    assert "holds no case folders" in outcome.err
    assert not (tmp_path / "c.npz").exists()
    missing = cli("train", "cache", tmp_path / "nowhere", "--out", tmp_path / "c.npz")
    assert missing.code == 2
    assert "Traceback" not in missing.err


def test_the_collection_says_which_slice_is_the_apex(cli, cohort, tmp_path):
    case = cohort / "Case_P001"
    for option, said in (((), True), (("--apex-last",), False)):
        outcome = cli("anatomy", case, *option, "--out", tmp_path / "a.nii.gz", "--json", tmp_path / "f.json")
        assert outcome.code == 0, outcome.err
        assert json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["apex_first"] is said
