"""Cohorts: settings, plans, and single studies."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from claimslicer.cohorts.begin import begin
from claimslicer.cohorts.config import CohortConfig, Quality, Source
from claimslicer.cohorts.make import PassedOver, StudyMaker, infarct_dice
from claimslicer.cohorts.plan import find_parents
from claimslicer.cohorts.run import UNFINISHED, make_cohort, make_study
from claimslicer.cohorts.write import write_case
from claimslicer.errors import ModelError, OutputError, SpecificationError, StudyError
from claimslicer.events import SILENT
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.models.registry import resolve
from claimslicer.quantification.quality import QualityFilter
from claimslicer.smile.resample import Histogram, ScarTarget
from claimslicer.studies import read_study, write_volume
from claimslicer.training.data.cache import case_folders, read_cache
from cohort_trial import jobs_of, write_source


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "hospital")


@pytest.fixture
def config(source, tmp_path) -> CohortConfig:
    """Return settings of a small and fast cohort."""
    return CohortConfig(out=tmp_path / "cohort", sources=(Source(source),), steps=1, seed=3, device="cpu")


def test_settings_come_from_yaml(tmp_path):
    """Relative paths start at the YAML's folder; a model that is a name stays one."""
    (tmp_path / "weights").mkdir()
    file = tmp_path / "cohort.yaml"
    file.write_text(
        "out: made\nsources: [emidec, {folder: ../other, infarcted: repaint, prefix: b-}]\ncount: 10\n"
        "prior: {extent_scale: 9, foci: [1]}\nsteps: 4\nmodel: weights\n"
        "quality: {pass_rate: 0.9, segmenter: emidec}\n"
        "target: {volume_ml: {edges: [0, 10, 40], shares: [1, 3]}}\n"
    )
    config = CohortConfig.from_yaml(file)
    assert config.out == tmp_path / "made"
    assert [source.folder for source in config.sources] == [tmp_path / "emidec", tmp_path.parent / "other"]
    assert config.prior.extent_scale == 9 and config.prior.foci == (1,)
    assert config.model == str(tmp_path / "weights")
    assert config.quality == Quality(pass_rate=0.9, segmenter="emidec")
    assert config.target is not None and config.target.volume_ml.shares == (0.25, 0.75)
    assert config.painting() == {"num_inference_steps": 4, "device": "auto"}


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ("stepps: 3", "stepps"),
        ("seed: -1", "seed"),
        ("workers: 0", "workers"),
        ("count: 2.5", "count"),
        ("band_mm: -1", "band_mm"),
        ("format: .dcm", "format"),
        ("prior: {extent: 1}", "extent"),
        ("prior: {pattern: round}", "pattern"),
        ("prior: {foci: many}", "foci"),
        ("quality: {threshold: 0.5, pass_rate: 0.9}", "threshold"),
        ("quality: {threshold: 2}", "quality"),
        ("target: {ml: 3}", "target"),
        ("sources: emidec", "list"),
        ("sources: []", "source"),
        ("sources: [{draws: 2}]", "folder"),
        ("sources: [{folder: a, infarcted: heal}]", "infarcted"),
        ("sources: [{folder: a, parts: [test]}]", "parts"),
        ("sources: [{folder: a, prefix: a/b}]", "prefix"),
        ("sources: [{folder: a, draws: 2}]\ncount: 3", "draws"),
        ("out: 3", "path"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, cli, lines, word):
    """Exit code 2, a sentence that names the setting, and no folder made."""
    given = "" if lines.startswith("sources") else "sources: [emidec]\n"
    given += "" if lines.startswith("out") else "out: made\n"
    (tmp_path / "cohort.yaml").write_text(given + lines)
    outcome = cli("cohort", tmp_path / "cohort.yaml")
    assert outcome.code == 2 and word in outcome.err and outcome.err.count("\n") == 1, outcome
    assert not (tmp_path / "made").exists()


def test_hearts_of_other_parts_of_the_split_are_told(config, source, monkeypatch):
    """Of P001, N002, P004 (validation) and P005 (test), two take part, or three with validation."""
    told = []
    events = SimpleNamespace(
        progress=lambda *_: None, emit=lambda kind, **values: told.append((kind, values))
    )
    monkeypatch.setattr("claimslicer.cohorts.run._outcomes", lambda order, scheduler, jobs: made(jobs))
    listed = []
    monkeypatch.setattr(
        "claimslicer.cohorts.plan.case_folders", lambda folder: listed.append(folder) or case_folders(folder)
    )

    def made(jobs):
        yield from ((job.name, None) for job in jobs)

    make_cohort(config, events=events)
    kind, values = told[0]
    assert (kind, values.pop("message").partition("; ")[2]) == (
        "planned",
        "2 hearts of other parts of the split are left out",
    )
    assert values == {"studies": 2, "hearts": 2, "missing": 2, "left_out": 2}
    assert listed == [source], "a folder may hold thousands"
    told.clear()
    both = (Source(source, parts=("training", "validation")),)
    strict = replace(config, sources=both, out=config.out.with_name("more"), quality=Quality(threshold=0.5))
    make_cohort(strict, events=events)
    assert told[0][1]["left_out"] == 1 and told[0][1]["hearts"] == 3
    assert told[1][0] == "judge" and "an independent judge" in told[1][1]["message"]


def test_the_plan_holds_back_test_patients(config, source, tmp_path):
    """Only the asked parts take part; numbers count up within a heart, whether by draws or in all."""
    assert {job.parent.name for job in jobs_of(config).values()} == {"Case_N002", "Case_P001"}
    both = replace(config, sources=(Source(source, draws=2, parts=("training", "validation")),))
    names = set(jobs_of(both))
    assert len(names) == 6 and "Case_P004-synthetic-00001" in names
    assert not any("P005" in name for name in names)
    assert set(jobs_of(replace(config, count=3))) == {
        "Case_N002-synthetic-00000",
        "Case_N002-synthetic-00001",
        "Case_P001-synthetic-00000",
    }
    healthy, left_out = find_parents(replace(config, sources=(Source(source, infarcted="skip"),)))
    assert ([parent.name for parent in healthy], left_out) == (["Case_N002"], 2)
    with pytest.raises(SpecificationError, match="prefix"):
        find_parents(replace(config, sources=(Source(source), Source(source))))
    images = source / "Case_X" / "Images"
    images.mkdir(parents=True)
    (images / "Case_X.nii.gz").write_bytes(b"")
    try:
        with pytest.raises(StudyError, match="Case_X"):
            find_parents(config)
    finally:
        shutil.rmtree(source / "Case_X")


def test_a_study_depends_on_seed_heart_and_number_alone(config, source):
    """Another count, more sources or studies made before don't change one; another number or seed does."""
    job = jobs_of(replace(config, count=4))["Case_N002-synthetic-00001"]
    other = jobs_of(replace(config, count=4))["Case_N002-synthetic-00000"]
    heart, child = StudyMaker(config).make(job)
    later = StudyMaker(replace(config, count=9, workers=7))
    _, before = later.make(other)
    _, again = later.make(job)
    assert np.array_equal(child.image, again.image) and child.recipe == again.recipe
    assert not np.array_equal(child.scar, before.scar)
    _, reseeded = StudyMaker(replace(config, seed=4)).make(job)
    assert not np.array_equal(child.scar, reseeded.scar)
    changed = child.image != heart.study.image
    assert changed.any() and not np.any(changed & (child.band == 0))


def test_what_becomes_of_an_infarct(config, source):
    """A heart with infarct keeps it and gets another, or has its own painted anew."""
    job = jobs_of(config)["Case_P001-synthetic-00000"]
    heart, added = StudyMaker(config).make(job)
    old, new = infarct_mask(heart.labels), infarct_mask(added.labels)
    assert np.all(new[old]) and new.sum() > old.sum()
    assert np.array_equal(added.image[old], heart.study.image[old])
    again = replace(config, sources=(Source(source, infarcted="repaint"),))
    job = jobs_of(again)["Case_P001-synthetic-00000"]
    heart, repainted = StudyMaker(again).make(job)
    assert np.array_equal(repainted.labels, heart.labels)
    assert np.mean(repainted.image[old] != heart.study.image[old]) > 0.5
    assert repainted.recipe["smile"] is None


def test_a_target_shapes_the_draw(config):
    """Scars are as large as the target says, on the heart that they are drawn for."""
    aimed = replace(config, count=60, target=ScarTarget(volume_ml=Histogram((0, 4, 8), (1, 3))))
    maker = StudyMaker(aimed)
    jobs = [job for job in jobs_of(aimed).values() if job.parent.name == "Case_N002"]
    heart = maker._heart(jobs[0].parent.folder)
    asked = [
        maker._draw(job.parent, heart, np.random.default_rng([job.number])).volume_ml
        for job in jobs
        for _ in range(4)
    ]
    assert max(asked) <= 8
    assert np.mean(np.array(asked) >= 4) == pytest.approx(0.75, abs=0.12)


def test_bad_studies_are_drawn_again_then_passed_over(config, monkeypatch):
    """The filter's verdict decides; each attempt is another draw."""
    seen = []

    def judge(study, labels, segmenter, device):
        seen.append(int(infarct_mask(labels).sum()))
        return 0.4 if len(seen) < 3 else 0.8

    monkeypatch.setattr("claimslicer.cohorts.make.infarct_dice", judge)
    strict = replace(config, quality=Quality(threshold=0.5), attempts=3)
    job = jobs_of(strict)["Case_N002-synthetic-00000"]
    _, child = StudyMaker(strict, QualityFilter(0.5)).make(job)
    assert child.recipe["child"]["attempt"] == 2 and len(set(seen)) > 1
    with pytest.raises(PassedOver, match="1 attempt"):
        seen.clear()
        StudyMaker(replace(strict, attempts=1), QualityFilter(0.5)).make(job)


def test_the_filter_is_calibrated_on_validation_patients(config, source, monkeypatch):
    """Real infarcts that aren't trained on set the bar, once for a cohort; a heart not found has Dice 0."""
    seen = []

    def segment(study, *, model, device, judge):
        assert judge
        seen.append((study.name, model))
        found = study.labels.copy()
        found[: len(found) // 2] = np.where(myocardium_mask(found), Label.MYOCARDIUM, 0)[: len(found) // 2]
        return SimpleNamespace(labels=found)

    monkeypatch.setattr("claimslicer.segmentation.segment", segment)
    judged = replace(config, quality=Quality(pass_rate=1.0, segmenter="emidec"))
    config.out.mkdir()
    order = begin(judged, config.out, SILENT)
    assert seen == [("Case_P004", "emidec")]
    card = resolve("emidec", "segmentation").card
    judges = [str(number) for number, real in enumerate(card.real_only) if real]
    assert order.weights["judges"].split() == judges, "others would set another bar"
    infarct = infarct_mask(read_study(source / "Case_P004").labels)
    kept = infarct[len(infarct) // 2 :].sum()
    assert order.quality.threshold == pytest.approx(2 * kept / (kept + infarct.sum()))
    assert begin(judged, config.out, SILENT) == order and len(seen) == 1

    def lose(study, **options):
        raise StudyError("No left ventricle was found.")

    monkeypatch.setattr("claimslicer.segmentation.segment", lose)
    assert infarct_dice(read_study(source / "Case_P004"), infarct, "emidec", "cpu") == 0


def test_a_case_is_readable_marked_and_on_its_parents_side(config, source, cli, tmp_path, torch_threads):
    """A written study reads as its parent does, says what it is, and goes to its parent's part in a cache."""
    both = replace(config, sources=(Source(source, parts=("training", "validation")),))
    config.out.mkdir()
    order = begin(both, config.out, SILENT)
    for job in jobs_of(both).values():
        if job.parent.name != "Case_P001":
            assert make_study(order, job) is None
    assert not list(config.out.glob(f"{UNFINISHED}/*"))
    parent = read_study(source / "Case_N002")
    case = config.out / "Case_N002-synthetic-00000"
    study = read_study(case)
    assert study.synthetic and study.geometry.is_close(parent.geometry, 1e-3)
    assert study.image.dtype == parent.image.dtype and study.apex_first is False
    scar = read_study(case / "Scar" / f"{case.name}.nii.gz")
    assert scar.synthetic
    assert np.array_equal(infarct_mask(study.labels), scar.image > 0)
    assert np.array_equal(myocardium_mask(study.labels), myocardium_mask(parent.labels))
    assert np.array_equal(study.labels == Label.RIGHT_VENTRICLE, parent.labels == Label.RIGHT_VENTRICLE)
    recipe = json.loads((case / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["synthetic"] is True and recipe["child"]["parent"] == "Case_N002"
    assert cli("train", "cache", config.out, "--out", tmp_path / "cache.npz").code == 0
    with pytest.raises(ModelError, match="replaced"):
        make_study(replace(order, weights={"synthesis": "0"}), jobs_of(both)["Case_P001-synthetic-00000"])
    parts = {study.name: study.part for study in read_cache(tmp_path / "cache.npz").studies}
    assert parts == {"Case_N002-synthetic-00000": "training", "Case_P004-synthetic-00000": "validation"}


def test_a_damaged_heart_is_passed_over(config, source, tmp_path):
    """A study that can't be read, or whose labels hold no frame, stops nothing but itself."""
    for case in ("Case_N002", "Case_P001"):
        for part in ("Images", "Contours"):
            (tmp_path / "copy" / case / part).mkdir(parents=True)
            file = source / case / part / f"{case}.nii.gz"
            (tmp_path / "copy" / case / part / file.name).write_bytes(file.read_bytes())
    broken = tmp_path / "copy" / "Case_N002" / "Images" / "Case_N002.nii.gz"
    broken.write_bytes(broken.read_bytes()[:2000])
    study = read_study(source / "Case_P001")
    wall = np.where(study.labels == Label.CAVITY, Label.BACKGROUND, study.labels)
    write_volume(tmp_path / "copy" / "Case_P001" / "Contours" / "Case_P001.nii.gz", wall, study.geometry)
    for job in jobs_of(replace(config, sources=(Source(tmp_path / "copy"),))).values():
        with pytest.raises(PassedOver, match="copy" if "N002" in job.name else "cavity"):
            StudyMaker(config).make(job)


def test_a_case_is_there_whole_or_not_at_all(config, monkeypatch):
    """A full disk leaves nothing, and a study that another worker wrote first stays."""
    job = jobs_of(config)["Case_N002-synthetic-00000"]
    made = StudyMaker(config).make(job)
    with monkeypatch.context() as patch:
        written = []

        def fill(path, *arguments, **options):
            written.append(path)
            if len(written) == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write_volume(path, *arguments, **options)

        patch.setattr("claimslicer.cohorts.write.write_volume", fill)
        with pytest.raises(OutputError, match="disk is full"):
            write_case(config.out, job, *made, ".nii.gz")
    assert not [path for path in config.out.rglob("*") if path.is_file()]
    folder = write_case(config.out, job, *made, ".nrrd")
    before = sorted(folder.rglob("*"))
    assert write_case(config.out, job, *made, ".nii.gz") == folder
    assert sorted(folder.rglob("*")) == before
    assert read_study(folder).synthetic and not list(config.out.glob(f"{UNFINISHED}/*"))
