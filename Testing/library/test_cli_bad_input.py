"""Bad input: one sentence, the right exit code, and nothing half-written."""

import gzip
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from claimslicer.labels import Label, myocardium_mask
from claimslicer.studies import Study, write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from cli_runner import files_under, run_apart

SMALL = PhantomSettings(
    matrix=(96, 96), n_slices=7, slice_spacing=13.0, offset_mm=(0.0, 0.0), through_slice_samples=2, scar=None
)


@pytest.fixture(scope="module")
def phantom() -> Study:
    """Return a small heart without scar."""
    return make_phantom(SMALL).study


@pytest.fixture
def case(tmp_path, phantom) -> Path:
    """Return a folder with the phantom as ``study.nii.gz`` and ``study_labels.nii.gz``."""
    folder = tmp_path / "case"
    write_volume(folder / "study.nii.gz", phantom.image, phantom.geometry)
    write_volume(folder / "study_labels.nii.gz", phantom.labels, phantom.geometry)
    return folder


@pytest.fixture
def out(tmp_path) -> Path:
    """Return an empty folder for results."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def refused(outcome, *words: str) -> None:
    """Check that a command ended with exit code 2 and one sentence that holds ``words``."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.endswith(".\n")
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word.lower() in outcome.err.lower()


def arguments_of(command: str, study: Path, out: Path) -> list[object]:
    """Return a call of ``command`` that is right but for the study."""
    mask = study.parent / "mask.nii.gz"
    return {
        "anatomy": ["anatomy", study, "--out", out / "aha.nii.gz", "--json", out / "frame.json"],
        "smile": ["smile", study, "--segments", "7", "--volume-ml", "1", "--out", out / "mask.nii.gz"],
        "synthesize": ["synthesize", study, "--scar", mask, "--out", out / "image.nii.gz"],
        "segment": ["segment", study, "--out", out / "labels.nii.gz"],
        "quantify": ["quantify", study, "--out", out / "report"],
    }[command]


COMMANDS = ("anatomy", "smile", "synthesize", "segment", "quantify")


def spoil(case: Path, phantom: Study, how: str) -> Path:
    """Make a study that can't be read, and return its path."""
    path = case / "study.nii.gz"
    content = path.read_bytes()
    affine = np.diag([1.5, 1.5, 13.0, 1.0])
    if how == "missing":
        path.unlink()
    elif how == "folder without a study":
        path = case / "empty"
        path.mkdir()
        (path / "notes.txt").write_text("nothing here", encoding="utf-8")
    elif how == "cut gzip":
        path.write_bytes(content[: len(content) // 2])
    elif how == "text":
        path.write_text("this is not an image\n" * 50, encoding="utf-8")
    elif how == "gzipped text":
        path.write_bytes(gzip.compress(b"this is not an image\n" * 50))
    elif how == "4-D":
        nibabel.Nifti1Image(np.zeros((96, 96, 7, 3), np.int16), affine).to_filename(path)
    elif how in ("NaN", "infinite"):
        voxels = phantom.image.T.astype(np.float32)
        voxels[40, 40, 3] = np.nan if how == "NaN" else np.inf
        nibabel.Nifti1Image(voxels, affine).to_filename(path)
    return path


@pytest.mark.parametrize(
    "how",
    ["missing", "folder without a study", "cut gzip", "text", "gzipped text", "4-D", "NaN", "infinite"],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_study_that_cannot_be_read(cli, case, out, phantom, command, how):
    """Every command refuses it the same way."""
    study = spoil(case, phantom, how)
    refused(cli(*arguments_of(command, study, out)), study.name)
    assert files_under(out) == {}


@pytest.mark.parametrize("command", ["anatomy", "smile", "quantify"])
@pytest.mark.parametrize("how", ["none", "empty", "no myocardium", "another shape", "far away", "fractions"])
def test_labels_that_cannot_be_used(cli, case, out, phantom, command, how):
    """Labels that are missing, empty, without a wall, or of another study."""
    path = case / "study_labels.nii.gz"
    labels, grid = phantom.labels, phantom.geometry
    if how == "none":
        path.unlink()
    elif how == "empty":
        write_volume(path, np.zeros_like(labels), grid)
    elif how == "no myocardium":
        write_volume(path, np.where(labels == Label.CAVITY, labels, 0).astype(np.uint8), grid)
    elif how == "another shape":
        half = replace(grid, shape=(*grid.shape[:2], 48), origin=(200.0, 0.0, 0.0))
        write_volume(path, labels[:, :, :48], half)
    elif how == "far away":
        moved = replace(grid, origin=(200.0, 0.0, 0.0))
        write_volume(path, labels, moved)
    elif how == "fractions":
        write_volume(path, labels * np.float32(0.5), grid)
    refused(
        cli(*arguments_of(command, case / "study.nii.gz", out)), "labels" if how != "none" else "--labels"
    )
    assert files_under(out) == {}


@pytest.mark.parametrize("command", ["anatomy", "smile", "quantify"])
def test_one_slice(cli, tmp_path, out, phantom, command):
    """A single slice has no long axis."""
    grid = replace(phantom.geometry, shape=(1, *phantom.geometry.shape[1:]))
    write_volume(tmp_path / "one.nii.gz", phantom.image[3:4], grid)
    write_volume(tmp_path / "one_labels.nii.gz", phantom.labels[3:4], grid)
    refused(cli(*arguments_of(command, tmp_path / "one.nii.gz", out)), "slice")
    assert files_under(out) == {}


def test_a_mask_outside_the_myocardium(cli, case, out, phantom):
    """Scar is painted in the wall only."""
    mask = np.zeros_like(phantom.labels)
    mask[3, :6, :6] = 1
    assert not (myocardium_mask(phantom.labels) & (mask > 0)).any()
    write_volume(case / "mask.nii.gz", mask, phantom.geometry)
    refused(cli(*arguments_of("synthesize", case / "study.nii.gz", out)), "myocardium")
    assert files_under(out) == {}


@pytest.mark.parametrize("mask", ["empty", "wrong values", "another shape"])
def test_a_mask_that_is_none(cli, case, out, phantom, mask):
    """An empty mask, label values for scar, or a mask of another study."""
    grid = phantom.geometry
    arrays = {
        "empty": np.zeros_like(phantom.labels),
        "wrong values": np.full_like(phantom.labels, 7),
        "another shape": np.ones((7, 96, 48), np.uint8),
    }
    array = arrays[mask]
    write_volume(
        case / "mask.nii.gz", array, type(grid)(array.shape, grid.spacing, grid.origin, grid.direction)
    )
    refused(cli(*arguments_of("synthesize", case / "study.nii.gz", out)), "scar mask")
    assert files_under(out) == {}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--segments", "18", "--volume-ml", "1"], "18"),
        (["--segments", "0", "--volume-ml", "1"], "segment"),
        (["--segments", "seven", "--volume-ml", "1"], "segments"),
        (["--segments", "7", "--volume-ml", "500"], "at most"),
        (["--segments", "7", "--volume-ml", "-1"], "above 0"),
        (["--segments", "7", "--volume-ml", "nan"], "above 0"),
        (["--segments", "7", "--percent", "101"], "at most 100"),
        (["--segments", "7"], "volume"),
        (["--volume-ml", "1"], "--segments"),
        (["--segments", "7", "--volume-ml", "1", "--percent", "5"], "either"),
        (["--segments", "7", "--volume-ml", "1", "--transmurality", "0.5-0.2"], "transmural"),
        (["--segments", "7", "--volume-ml", "1", "--transmurality", "deep"], "range"),
        (["--segments", "7", "--volume-ml", "1", "--pattern", "zigzag"], "pattern"),
        (["--segments", "7", "--volume-ml", "1", "--mvo", "2"], "MVO"),
        (["--segments", "7", "--volume-ml", "1", "--random"], "--random"),
        (["--segments", "7", "--volume-ml", "1", "--insertions", "1,2", "3,4,5"], "insertion"),
        (["--segments", "7", "--volume-ml", "1", "--insertions", "900,0,0", "0,0,0"], "insertion"),
        (["--spec", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_scar_that_cannot_be(cli, case, out, options, word):
    """Whatever is asked that can't be is said in words."""
    refused(cli("smile", case / "study.nii.gz", *options, "--out", out / "mask.nii.gz"), word)
    assert files_under(out) == {}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--jumps", "2/2"], "makes no jumps"),
        (["--sampler", "repaint", "--jumps", "two"], "no jumps"),
        (["--sampler", "repaint", "--jumps", "1/2/3"], "no jumps"),
        (["--sampler", "repaint", "--jumps", "0/2"], "1 or more"),
        (["--steps", "5000"], "steps"),
        (["--guidance", "-1"], "guidance"),
        (["--guidance", "nan"], "guidance"),
        (["--band", "11"], "band"),
        (["--band", "-1"], "band"),
        (["--band", "nan"], "band"),
        (["--texture", "sparkling"], "no texture 'sparkling'"),
        (["--texture", "0"], "0.2"),
        (["--texture", "nan"], "0.2"),
        (["--texture", "case/mask.nii.gz"], "comes without labels"),
        (["--texture", "case/study.nii.gz"], "0 voxels of scar"),
        (["--texture", "case/notes.txt"], "notes.txt"),
    ],
)
def test_a_scar_that_cannot_be_painted_so(cli, case, out, phantom, monkeypatch, options, word):
    """Samplers, textures and bands that there aren't, and studies that have no texture to give."""
    monkeypatch.chdir(case.parent)
    (case / "notes.txt").write_text("nothing here", encoding="utf-8")
    mask = (phantom.labels == Label.MYOCARDIUM).astype(np.uint8)
    write_volume(case / "mask.nii.gz", mask, phantom.geometry)
    refused(cli(*arguments_of("synthesize", case / "study.nii.gz", out), *options), word)
    assert files_under(out) == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_folder_that_is_a_file(cli, case, phantom, tmp_path, command):
    """Found out before any work, whoever runs it."""
    write_volume(case / "mask.nii.gz", myocardium_mask(phantom.labels).astype(np.uint8), phantom.geometry)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file", encoding="utf-8")
    refused(cli(*arguments_of(command, case / "study.nii.gz", blocked)), "can't write")
    assert blocked.read_text(encoding="utf-8") == "a file"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no folder modes")
@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_folder_without_permission(cli, case, phantom, tmp_path, command):
    """Found out before any work."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    write_volume(case / "mask.nii.gz", myocardium_mask(phantom.labels).astype(np.uint8), phantom.geometry)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(cli(*arguments_of(command, case / "study.nii.gz", locked)), "can't write")


def test_an_output_that_no_format_has(cli, case, out):
    """The suffix decides the format."""
    refused(cli("anatomy", case / "study.nii.gz", "--out", out / "aha.jpg"), ".nii.gz")
    assert files_under(out) == {}


@pytest.mark.parametrize("given", ["study.nii.gz", "study_labels.nii.gz"])
def test_an_input_is_never_written_over(cli, case, given):
    """Neither the study nor the labels."""
    before = files_under(case)
    labels = case / "study_labels.nii.gz"
    refused(cli("anatomy", case / "study.nii.gz", "--labels", labels, "--out", case / given), "written over")
    assert files_under(case) == before


def test_two_results_in_one_file(cli, case, out):
    """They would replace each other."""
    same = out / "one.nii.gz"
    refused(cli("segment", case / "study.nii.gz", "--out", same, "--uncertainty", same), "same file")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("command", ["anatomy", "smile", "quantify"])
def test_a_full_disk(case, out, command):
    """The disk takes the first bytes only; what was there before stays, and no piece is left."""
    (out / "older.txt").write_text("kept", encoding="utf-8")
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    outcome = run_apart(*arguments_of(command, case / "study.nii.gz", out), before=full)
    assert outcome.code == 2, outcome
    assert outcome.err.count("\n") == 1
    assert "full" in outcome.err or "larger" in outcome.err
    assert files_under(out) == {"older.txt": b"kept"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a single process")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_the_middle(case, out, sent):
    """The command is stopped inside its work: 130, one sentence, nothing written."""
    slow = (
        "import signal, time, claimslicer.smile as smile\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def generate(*_, **__):\n    print('working', flush=True)\n    time.sleep(60)\n"
        "smile.generate_scar = generate\n"
        "from claimslicer.cli.main import main\nmain()"
    )
    arguments = map(str, arguments_of("smile", case / "study.nii.gz", out))
    process = subprocess.Popen(
        [sys.executable, "-c", slow, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    started = time.monotonic()
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert process.returncode == 130
    assert err == "Stopped; nothing was written.\n"
    assert files_under(out) == {}


def test_our_own_failure_owns_up(cli, case, out, monkeypatch):
    """An error nobody foresaw: exit code 1, one sentence, the traceback in a file or with --debug."""

    def fail(*_, **__):
        raise RuntimeError("the unforeseen")

    monkeypatch.setattr("claimslicer.anatomy.build_frame", fail)
    arguments = arguments_of("anatomy", case / "study.nii.gz", out)
    outcome = cli(*arguments)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "the unforeseen" in outcome.err
    log = Path(outcome.err.rstrip(".\n").split(" with ")[-1])
    assert "RuntimeError: the unforeseen" in log.read_text(encoding="utf-8")
    log.unlink()
    outcome = cli("--debug", *arguments)
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert files_under(out) == {}


def test_too_little_memory(cli, case, out, monkeypatch):
    """Exit code 2 and what to do."""

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("claimslicer.anatomy.build_frame", fail)
    refused(cli(*arguments_of("anatomy", case / "study.nii.gz", out)), "memory")
