"""An evaluation from its YAML to its page: painted, segmented, kept, gone on with, refused."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.evaluation import run as running
from claimslicer.evaluation.config import CONTROLS, KINDS, EvaluationConfig
from claimslicer.evaluation.record import read_record
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.segmentation.model import load_segmenter
from claimslicer.studies import write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.synthesis.normalisation import remote_scale

CASES = {"Case_P001": 20.0, "Case_P004": 100.0, "Case_P015": 200.0, "Case_P047": 300.0, "Case_P050": 150.0}
"""Case and where its scar lies; by EMIDEC's split P001 is for training and the others for validation."""
SETTINGS = """
data: cohort
out: results
kinds: [repainted, authored, inside, copy]
steps: 1
seeds: 1
draws: 1
resamples: 12
montages: 2
sheets: 6
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tiny cohort of phantoms and the YAML of an evaluation that was carried out."""
    root = tmp_path_factory.mktemp("evaluation")
    for seed, (case, centre) in enumerate({**CASES, "Case_N006": None}.items()):
        scar = None if centre is None else PhantomScar(centre_deg=centre, transmurality=0.9)
        study = make_phantom(
            PhantomSettings(
                seed=seed,
                matrix=(112, 112),
                n_slices=4,
                slice_spacing=16.0,
                offset_mm=(0.0, 0.0),
                through_slice_samples=2,
                scar=scar,
            )
        ).study
        labels = np.where(study.labels == Label.RIGHT_VENTRICLE, 0, study.labels).astype(np.uint8)
        for part, array in (("Images", study.image), ("Contours", labels)):
            write_volume(root / "cohort" / case / part / f"{case}.nii.gz", array, study.geometry)
    (root / "evaluation.yaml").write_text(SETTINGS, encoding="utf-8")
    return root


@pytest.fixture
def threshold_reader(monkeypatch, folder):
    """In place of the shipped segmenter, a quick one that knows the wall: infarct is over 3 remote SDs."""

    def read(study, *, judge, **_):
        assert judge
        labels = running._read_heart(folder / "cohort" / study.name).labels
        wall = myocardium_mask(labels)
        bright = remote_scale(study.image, labels).forward(study.image) > 3
        found = np.where(wall, np.where(bright, Label.INFARCT, Label.MYOCARDIUM), labels)
        return SimpleNamespace(labels=found.astype(np.uint8))

    monkeypatch.setattr("claimslicer.segmentation.segment", read, raising=False)


@pytest.fixture(scope="module", autouse=True)
def quick_classifiers():
    """Few trees and steps: what they find is tested with the classifiers themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("claimslicer.evaluation.twosample.forest.TREES", 10)
        patch.setattr("claimslicer.evaluation.twosample.network.STEPS", 2)
        patch.setattr("claimslicer.evaluation.twosample.told.DRAWS", {"forest": 1, "network": 1})
        yield


def assert_told_and_read(cli, folder, summary, said):
    """Classifiers were asked, and the reader test's form can be filled in and scored."""
    out = folder / "results"
    assert summary["kinds"]["inside"]["changed_outside"] == 0, "nothing but the mask"
    told = {(one["kind"], one["classifier"]): one for one in summary["told"]}
    assert set(told) == {(kind, how) for kind in ("repainted", "inside") for how in ("forest", "network")}
    assert all(one["copied"] == 0.5 for one in told.values())
    assert "needs 4 patients of each; 1 of the authored" in said
    assert len(list((out / "reader-test").glob("sheet_*.png"))) == 6
    form = (out / "reader-test" / "form.csv").read_text(encoding="utf-8").replace(",,", ",real,")
    (folder / "form.csv").write_text(form.replace(",,", ",real,"), encoding="utf-8")
    scored = cli("evaluate", folder / "evaluation.yaml", "--score", folder / "form.csv")
    assert scored.code == 0, scored.err
    assert "50%" in scored.out
    assert (out / "reader_scores.csv").exists()


def test_from_yaml_to_the_page_and_on_from_where_it_was(cli, folder, monkeypatch, threshold_reader):
    outcome = cli("evaluate", folder / "evaluation.yaml")
    assert outcome.code == 0, outcome.err
    for words in ("Distance from real scars", "Targets", "report.html"):
        assert words in outcome.out
    out = folder / "results"
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["kinds"]) == {"real", "repainted", "authored", "inside", "copy"}
    painted = summary["kinds"]["repainted"]
    assert (painted["patients"], painted["evaluations"], painted["changed_outside"]) == (4, 1, 0)
    assert painted["seconds"] > 0
    assert 0.3 < painted["nearest"]["value"] < 2
    assert "cnr" in summary["kinds"]["copy"]["fails"]
    with (out / "evaluation.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4 + 4 + 4 + 1 + 1
    assert {row["case"] for row in rows if row["kind"] == "authored"} == {"Case_N006"}
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert len(pictures) == 2 + 2 + 2
    assert all("synthetic" in name for name in pictures)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "SYNTHETIC" in page and "Not for diagnosis" in page
    assert_told_and_read(cli, folder, summary, outcome.out)
    assert "an independent judge" in page and "judge: The segmenter is 'emidec'" in outcome.err
    weights = json.loads((out / "settings.json").read_text(encoding="utf-8"))["weights"]
    assert weights["segmenter"] == load_segmenter(None, "cpu", judge=True).weights

    # A scar that is missing is computed again, the others are not, and the numbers are the same.
    lost = next((out / "studies").glob("Case_P004_repainted*.npz"))
    before = read_record(lost)
    lost.unlink()
    made = []
    original = running._measured
    monkeypatch.setattr(
        running, "_measured", lambda *given: made.append((given[2].kind, given[2].draw)) or original(*given)
    )
    running.evaluate(EvaluationConfig.from_yaml(folder / "evaluation.yaml"))
    assert made == [("repainted", 0)]
    after = read_record(lost)
    assert after.measures == before.measures
    assert after.found_ml == before.found_ml

    # The folder stays with its settings and its studies.
    other = folder / "other.yaml"
    other.write_text(SETTINGS.replace("steps: 1", "steps: 2"), encoding="utf-8")
    refused = cli("evaluate", other)
    assert refused.code == 2
    assert "another steps" in refused.err
    assert refused.err.count("\n") == 1
    settings = out / "settings.json"
    kept = settings.read_text(encoding="utf-8")
    settings.write_text(kept.replace('"Case_P015"', '"Case_P999"'), encoding="utf-8")
    assert "another studies" in cli("evaluate", folder / "evaluation.yaml").err
    settings.write_text(kept, encoding="utf-8")
    lost.write_bytes(b"no record")
    broken = cli("evaluate", folder / "evaluation.yaml")
    assert broken.code == 2
    assert "damaged" in broken.err


def test_the_shipped_segmenter_is_asked_and_finding_no_heart_counts_as_nothing_found(folder):
    heart = running._read_heart(folder / "cohort" / "Case_P004")
    config = EvaluationConfig(data=folder, out=folder)
    found, no_heart = running._segmented(config, heart, heart.study.image)
    assert not no_heart
    overlap = infarct_mask(found) & infarct_mask(heart.labels)
    assert overlap.sum() > 0.4 * infarct_mask(heart.labels).sum()
    found, no_heart = running._segmented(config, heart, np.zeros_like(heart.study.image))
    assert no_heart
    assert not found.any()


def test_calls_of_a_network_are_counted():
    import torch

    network = torch.nn.Linear(2, 2)
    with running.counted_calls(network) as calls:
        network(torch.zeros(1, 2))
        network(torch.zeros(1, 2))
    network(torch.zeros(1, 2))
    assert len(calls) == 2


def test_the_mask_and_its_band_may_change(folder):
    heart = running._read_heart(folder / "cohort" / "Case_P004")
    scar = (heart.labels == Label.INFARCT).astype(np.uint8)

    def may_change(**options):
        config = EvaluationConfig(data=folder, out=folder, **options)
        return running._may_change(config, heart, scar)

    np.testing.assert_array_equal(may_change(band_mm=0.0), scar > 0)
    narrow, usual = may_change(band_mm=2.0), may_change()
    assert (narrow & (scar == 0)).any() and narrow[scar > 0].all()
    assert usual[narrow].all() and usual.sum() > narrow.sum()


class TestSettings:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("sampling: dpm", "Unknown setting 'sampling'"),
            ("kinds: [magic]", "no kind of scar magic"),
            ("kinds: []", "no kind of scar"),
            ("cases: everything", "must be one of training"),
            ("cases: [Case_X001]", "holds no case Case_X001"),
            ("cases: [Case_P004, Case_P015]", "needs 4 patients with scar"),
            ("cases: [Case_P004, Case_P015, Case_P047, Case_P050]", "needs cases without scar"),
            ("seeds: 0", "'seeds' must be a whole number from 1"),
            ("seeds: true", "'seeds' must be a whole number"),
            ("pass_rate: 2", "'pass_rate' must lie"),
            ("band_mm: wide", "'band_mm' must lie"),
            ("jumps: [5, 0]", "'jumps' must be"),
            ("guidance: -1", "'guidance' must lie"),
            ("texture: [1, 2]", "'texture' must be"),
            ("model: no-such-model", "no synthesis model"),
            ("data: nowhere", "can't be read as a folder"),
            ("data: cohort/Case_P004", "is one case"),
            ("out: [1]", "'out' is missing"),
            ("data: [1]", "'data' is missing"),
            ("data: [cohort, nowhere]", "can't be read"),
            ("data: ['cohort/Case_X*']", "Nothing is called"),
            ("data: [cohort, cohort/Case_P004]", "two cases called Case_P004"),
            ("classifiers: [oracle]", "a list of forest, network"),
            ("sheets: -1", "'sheets' must be a whole number from 0"),
            ("- a list", "can't be read as YAML"),
        ],
    )
    def test_what_cannot_be_evaluated_is_refused_in_a_sentence(self, cli, folder, line, words):
        path = folder / "wrong.yaml"
        text = "\n".join(row for row in SETTINGS.splitlines() if not row.startswith(f"{line.split(':')[0]}:"))
        path.write_text(f"{text}\n{line}\n".replace("out: results", "out: elsewhere"), encoding="utf-8")
        outcome = cli("evaluate", path)
        assert outcome.code == 2, outcome
        assert words in outcome.err
        assert outcome.err.count("\n") == 1
        assert not (folder / "elsewhere").exists()

    def test_a_file_that_is_not_there(self, cli, tmp_path):
        outcome = cli("evaluate", tmp_path / "none.yaml")
        assert outcome.code == 2
        assert "no configuration" in outcome.err

    def test_paths_are_taken_from_the_files_folder_and_names_left_alone(self, folder):
        (folder / "mine").mkdir(exist_ok=True)
        path = folder / "paths.yaml"
        path.write_text("data: cohort\nout: a/b\nmodel: mine\nsegmenter: emidec\n", encoding="utf-8")
        config = EvaluationConfig.from_yaml(path)
        assert config.data == (folder / "cohort").resolve()
        assert config.out == (folder / "a" / "b").resolve()
        assert config.model == str((folder / "mine").resolve())
        assert config.segmenter == "emidec"
        assert config.kinds == KINDS
        assert set(CONTROLS) < set(KINDS)
        assert json.loads(json.dumps(config.to_dict()))["kinds"] == list(KINDS)

    def test_the_split_chooses_the_cases(self, folder):
        config = EvaluationConfig(data=folder / "cohort", out=folder / "o")
        assert [path.name for path in config.case_folders()] == sorted([*list(CASES)[1:], "Case_N006"])
        assert [path.name for path in config.training_folders()] == ["Case_P001"]
        with pytest.raises(StudyError, match="no test cases"):
            EvaluationConfig(data=folder / "cohort", out=folder / "o", cases="test").case_folders()

    def test_data_may_be_a_list_of_folders_and_cases(self, folder):
        path = folder / "listed.yaml"
        path.write_text("data: [cohort, 'cohort/Case_P00*']\nout: o\n", encoding="utf-8")
        config = EvaluationConfig.from_yaml(path)
        named = [(folder / "cohort" / case).resolve() for case in ("Case_P001", "Case_P004")]
        assert config.data == ((folder / "cohort").resolve(), (folder / "cohort").resolve() / "Case_P00*")
        any_name = EvaluationConfig(data=(config.data[1],), out=folder / "o")
        assert any_name.case_folders() == named
        only = EvaluationConfig(data=tuple(named), out=folder / "o")
        assert only.case_folders() == named
        assert only.training_folders() == []
        assert json.loads(json.dumps(only.to_dict()))["data"] == [str(case) for case in named]
        with pytest.raises(StudyError, match="no case Case_N006"):
            EvaluationConfig(data=tuple(named), out=folder / "o", cases=("Case_N006",)).case_folders()

    def test_evaluated_patients_are_never_among_the_training_scars(self, folder):
        both = ("Case_P001", "Case_P004")
        config = EvaluationConfig(
            data=folder / "cohort", out=folder / "o", cases=("Case_P004",), training=both
        )
        assert [path.name for path in config.training_folders()] == ["Case_P001"]

    def test_settings_are_checked_when_made(self, tmp_path):
        with pytest.raises(SpecificationError, match="'draws'"):
            EvaluationConfig(data=tmp_path, out=tmp_path, draws=-1)
