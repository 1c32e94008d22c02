"""Help, misspelt words, and what no command does: open a socket."""

import sys
from dataclasses import replace

import pytest
from claimslicer.cli.main import app
from claimslicer.studies import write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from cli_runner import run_apart


def commands() -> list[list[str]]:
    """Return every command by its words."""
    found = []
    for command in app.registered_commands:
        found.append([_name(command)])
    for group in app.registered_groups:
        found += [[str(group.name), _name(one)] for one in group.typer_instance.registered_commands]
    return found


def _name(command) -> str:
    return command.name or command.callback.__name__.strip("_").replace("_", "-")


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help(cli, command):
    ended = cli(*command, "--help")
    assert ended.code == 0
    assert "Usage: " in ended.out
    assert ended.err == ""


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_misspelt_option_is_answered_in_one_sentence(cli, command):
    ended = cli(*command, "--evnts", "x", "--hlep")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
    assert "--evnts" in ended.err


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["segmnt", "x"], "No such command 'segmnt'; did you mean 'segment'?"),
        (["train", "segmentatoin"], "No such command 'segmentatoin'; did you mean 'segmentation'?"),
        (["segment", "--modle", "x", "y"], "No such option: --modle; did you mean --model?"),
        (["smile", "x", "--segmnets", "3"], "No such option: --segmnets; did you mean --segments?"),
        (["segment"], "Missing argument 'STUDY'; see claim-slicer segment --help."),
        (["segment", "x"], "Missing option '--out'; see claim-slicer segment --help."),
        (["segment", "x", "--out"], "Option '--out' requires an argument; see"),
        (["segment", "x", "--kind", "psri", "--out", "y"], "'psri' is not one of"),
        (["smile", "x", "--seed", "-3", "--out", "y"], "greater than or equal to 0; see claim-slicer smile"),
        (["smile", "x", "--seed", "two", "--out", "y"], "--seed"),
        (["anatomy", "x", "y", "--out", "z"], "y"),
    ],
)
def test_what_is_missing_or_misspelt(cli, arguments, answer):
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert answer in ended.err


WATCH = """
import sys
def watch(event, arguments):
    if event == "socket.bind" and arguments[1] == ("::1", 0):
        return  # urllib3, which pydicom brings along, asks when it is imported whether there is IPv6
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "urllib.Request"):
        print("SOCKET", event, arguments[1:], file=sys.stderr)
sys.addaudithook(watch)
"""


@pytest.mark.parametrize("command", ["dicom"])
def test_no_command_opens_a_socket(tmp_path, command):
    settings = PhantomSettings(matrix=(96, 96), n_slices=6, slice_spacing=14.0, through_slice_samples=1)
    study = make_phantom(replace(settings, offset_mm=(0.0, 0.0))).study
    image = write_volume(tmp_path / "heart.nii.gz", study.image, study.geometry)
    labels = write_volume(tmp_path / "heart_labels.nii.gz", study.labels, study.geometry)
    arguments = {
        "dicom": ["dicom", image, labels, "--out", tmp_path / "dicom"],
    }[command]
    ended = run_apart(*arguments, before=WATCH)
    assert ended.code == 0, ended.err
    assert "SOCKET" not in ended.err


def test_the_watch_sees_a_socket():
    before = WATCH + "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept OSError: pass\n"
    assert "SOCKET socket.connect" in run_apart("--version", before=before).err
    assert sys.version_info >= (3, 11)
