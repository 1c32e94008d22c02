"""Whatever writes is known, and what it writes of a synthetic study says so.

A function that writes and isn't in :data:`WRITERS` fails the first test: say there how its results are
marked.
"""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk
from claimslicer.errors import StudyError
from claimslicer.studies import write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.studies.synthetic import VOLUME_SUFFIXES

REPOSITORY = Path(__file__).resolve().parents[2]
CALLS = {
    "written_whole",
    "write_text",
    "write_bytes",
    "save_as",
    "write_volume",
    "to_filename",
    "WriteImage",
    "savefig",
    "save_png",
    "to_png",
    "savez_compressed",
    "save_file",
    "imsave",
    "saveNode",
    "exportNode",
    "saveScene",
    "write_report",
    "write_table",
}
"""What writes images, numbers, pictures or texts."""

VOLUME = "write_volume marks header, name and JSON file"
REPORT = "write_report marks page, numbers, tables and pictures"
RECORD = "a record of a cohort, evaluation or experiment, which says what is synthetic"
NO_IMAGE = "no image, nor a number of one"
MARKED = "marked by itself, with a test of its own"
WRITERS = {
    "ClaimSlicerLib/packages.py write_constraints": NO_IMAGE,
    "claimslicer/cli/agreement.py agreement": REPORT,
    "claimslicer/cli/anatomy.py _lay_on": VOLUME,
    "claimslicer/cli/arguments.py reformatted": VOLUME,
    "claimslicer/cli/demo.py _write": VOLUME,
    "claimslicer/cli/evaluate.py _score": "scores of readers, no image",
    "claimslicer/cli/inspect.py inspect": "the facts say whether the study is synthetic",
    "claimslicer/cli/main.py _end_unexpected": NO_IMAGE,
    "claimslicer/cli/quantify.py measured": REPORT,
    "claimslicer/cli/quantify.py quantify": REPORT,
    "claimslicer/cli/reproduce.py reproduce": VOLUME,
    "claimslicer/cli/segment.py _segment_one": VOLUME,
    "claimslicer/cli/smile.py _make": VOLUME,
    "claimslicer/cli/synthesize.py synthesize": VOLUME,
    "claimslicer/cohorts/begin.py begin": RECORD,
    "claimslicer/cohorts/reproduce.py compare": VOLUME,
    "claimslicer/cohorts/run.py _write_table": RECORD,
    "claimslicer/cohorts/write.py _write_texts": RECORD,
    "claimslicer/cohorts/write.py write_case": VOLUME,
    "claimslicer/evaluation/page.py write_page": REPORT,
    "claimslicer/evaluation/reader/sheets.py write_reader_test": "blinded: its key says which are made",
    "claimslicer/evaluation/record.py write_record": RECORD,
    "claimslicer/evaluation/run.py _claim_folder": RECORD,
    "claimslicer/experiments/jobs.py claim_folder": RECORD,
    "claimslicer/experiments/jobs.py finish": RECORD,
    "claimslicer/experiments/page.py write_page": REPORT,
    "claimslicer/experiments/scores.py write_scores": RECORD,
    "claimslicer/export/export.py _write": "export/marks.py, before each instance is written: test_export.py",
    "claimslicer/figures/clinical.py to_pdf": "the page's banner and the file's keywords",
    "claimslicer/figures/clinical.py to_svg": "the page's banner and the file's keywords",
    "claimslicer/figures/report.py write_report": MARKED,
    "claimslicer/figures/report.py write_table": "the caller's table has a column that says it",
    "claimslicer/figures/style.py save_png": MARKED,
    "claimslicer/figures/style.py to_png": MARKED,
    "claimslicer/models/registry.py save_model": NO_IMAGE,
    "claimslicer/models/transfer.py export_model": NO_IMAGE,
    "claimslicer/models/transfer.py _renamed": NO_IMAGE,
    "claimslicer/outputs.py write_text": NO_IMAGE,
    "claimslicer/outputs.py written_with": NO_IMAGE,
    "claimslicer/review/folder.py _write": "the table has the column synthetic",
    "claimslicer/review/queue.py put": "the queue's state: its studies' volumes are marked themselves",
    "claimslicer/studies/readers/dicom_pixels.py _decompressed": "a copy for reading, removed at once",
    "claimslicer/studies/write.py _save_itk": MARKED,
    "claimslicer/studies/write.py _save_nifti": MARKED,
    "claimslicer/studies/write.py write_volume": MARKED,
    "claimslicer/synthesis/result.py write": VOLUME,
    "claimslicer/synthesis/text.py write_captions": NO_IMAGE,
    "claimslicer/training/data/cache.py write_cache": "each study's entry says whether it is synthetic",
    "claimslicer/training/engine/checkpoints.py save_checkpoint": NO_IMAGE,
    "claimslicer/training/nnunet/dataset.py _write_case": VOLUME,
    "claimslicer/training/nnunet/dataset.py _write_json": RECORD,
    "claimslicer/training/nnunet/discovery.py install_trainers": NO_IMAGE,
    "claimslicer/training/outcome/calibrate.py calibrate_segmenter": NO_IMAGE,
    "claimslicer/training/progress/joint_report.py write_joint_report": REPORT,
    "claimslicer/training/progress/samples.py write_sample": "the picture's text fields and corner",
    "claimslicer/training/runs/needs.py measure_needs": NO_IMAGE,
    "claimslicer/training/runs/run.py prepare_run": NO_IMAGE,
    "claimslicer/training/runs/run.py start": NO_IMAGE,
    "claimslicer/worker/tasks/quantification.py report": REPORT,
    "claimslicer/worker/tasks/studies.py _write_labels": VOLUME,
    "claimslicer/worker/tasks/studies.py segment_file": VOLUME,
    "claimslicer/worker/tasks/studies.py write_image": VOLUME,
    "SMILEModuleLib/specification_files.py save": NO_IMAGE,
}


def writers() -> set[str]:
    """Return every function of library, command line and panels that calls one of :data:`CALLS`."""
    found = set()
    for folder in ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            place = file.relative_to(REPOSITORY / folder).as_posix()
            for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(function, ast.FunctionDef) and CALLS & set(map(_called, ast.walk(function))):
                    found.add(f"{place} {function.name}")
    return found


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_every_writer_is_known():
    unknown = writers() - WRITERS.keys()
    assert not unknown, f"say in WRITERS how the results of these are marked: {sorted(unknown)}"
    gone = WRITERS.keys() - writers()
    assert not gone, f"these write no more: {sorted(gone)}"


@pytest.fixture(scope="module")
def synthetic_case(tmp_path_factory) -> Path:
    """Return a synthetic study with labels, as this program writes it."""
    folder = tmp_path_factory.mktemp("made")
    settings = PhantomSettings(matrix=(96, 96), n_slices=6, slice_spacing=14.0, through_slice_samples=1)
    study = make_phantom(replace(settings, offset_mm=(0.0, 0.0))).study
    write_volume(folder / "heart.nii.gz", study.image, study.geometry, synthetic=True)
    write_volume(folder / "heart_synthetic_labels.nii.gz", study.labels, study.geometry, synthetic=True)
    return folder / "heart_synthetic.nii.gz"


def unmarked(folder: Path) -> list[str]:
    """Return the files under ``folder`` that don't say that they are synthetic."""
    import pydicom

    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name.endswith(VOLUME_SUFFIXES):
            renamed = path.with_name("x" + "".join(path.suffixes))  # the header alone has to say it
            path.rename(renamed)
            marked = header_says_synthetic(renamed) and "synthetic" in path.name
        elif path.suffix == ".json":
            record = json.loads(content)
            marked = True in (
                record.get("synthetic"),
                record.get("recipe", {}).get("source", {}).get("synthetic"),
                record.get("study", {}).get("synthetic"),
            )
        elif path.suffix == ".dcm":
            marked = pydicom.dcmread(path).get("SyntheticData") == "YES"
        else:
            marked = b"synthetic" in content.lower()
        found += [] if marked else [path.name]
    return found


def header_says_synthetic(path: Path) -> bool:
    """Say whether a volume's header alone marks it, whatever program reads it."""
    image = sitk.ReadImage(str(path))
    return any("SYNTHETIC" in image.GetMetaData(key) for key in image.GetMetaDataKeys())


@pytest.mark.parametrize(
    "arguments",
    [
        ["anatomy", "STUDY", "--out", "OUT/aha.nii.gz", "--json", "OUT/frame.json"],
        ["anatomy", "STUDY", "--out", "OUT/aha.seg.nrrd"],
        [
            "smile",
            "STUDY",
            "--segments",
            "7",
            "--volume-ml",
            "1",
            "--out",
            "OUT/m.mha",
            "--intensity",
            "OUT/i.nrrd",
        ],
        ["quantify", "STUDY", "--out", "OUT", "--reformat", "OUT/sa.nii.gz"],
        ["dicom", "STUDY", "LABELS", "--out", "OUT/dicom"],
        ["inspect", "STUDY", "--json", "OUT/facts.json"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[3:4]),
)
def test_commands_mark_all_that_they_make_of_a_synthetic_study(tmp_path, cli, synthetic_case, arguments):
    labels = synthetic_case.with_name("heart_synthetic_labels.nii.gz")
    places = {"STUDY": synthetic_case, "LABELS": labels, "OUT": tmp_path / "out"}
    (tmp_path / "out").mkdir()
    for name, place in places.items():
        arguments = [argument.replace(name, str(place)) for argument in arguments]
    ended = cli(*arguments)
    assert ended.code == 0, ended.err
    assert list((tmp_path / "out").rglob("*.*"))
    assert unmarked(tmp_path / "out") == []


def test_a_synthetic_study_never_counts_as_a_patient(tmp_path, synthetic_case):
    from claimslicer.cohorts.config import Source
    from claimslicer.cohorts.plan import _parent_of
    from claimslicer.evaluation.run import _read_heart
    from claimslicer.training.data.cache import read_case_folders

    for name in ("Case_P001", "Case_P002"):
        (tmp_path / name).mkdir()
        for file in synthetic_case.parent.glob("heart*"):
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    with pytest.raises(StudyError, match="synthetic and would count as a real patient"):
        _read_heart(tmp_path / "Case_P001")
    with pytest.raises(StudyError, match="no recipe says of which patient"):
        list(read_case_folders(tmp_path))
    with pytest.raises(StudyError, match="would count as a real parent"):
        _parent_of(Source(tmp_path), tmp_path / "Case_P001", "training")
