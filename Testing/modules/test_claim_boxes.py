"""The CLAIM panel's boxes Networks and Installation, with real files, real pip and a real child process."""

from __future__ import annotations

import os
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtTest import QTest

FIELDS = {key: {} for key in ("network", "preprocessing", "split", "training")}
CARD = {
    **FIELDS,
    "kind": "synthesis",
    "version": "2",
    "terms": "CC0",
    "data": {"description": "made up <here>"},
    "figures": {"validation_loss": 0.12345},
}


def click(widget, **where) -> None:
    """Press and release the left mouse button."""
    QTest.mouseClick(widget, QtCore.Qt.MouseButton.LeftButton, **where)


def cells(table) -> list[list[str]]:
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def open_box(panel, button, lazy, wait_for):
    """Open a box of the panel as the user does, and return its contents."""
    click(button, pos=QtCore.QPoint(30, 8))
    wait_for(lambda: lazy.contents is not None)
    return lazy.contents


@pytest.fixture
def own_models(tmp_path, monkeypatch):
    """A folder of the user's own models that holds one, and an archive of another."""
    import torch
    from claimslicer.models.registry import save_model
    from claimslicer.models.transfer import export_model

    folder = tmp_path / "models"
    monkeypatch.setenv("CLAIM_MODELS", str(folder))
    save_model(folder / "other", "other", {"weight": torch.ones(3)}, CARD)
    archive = export_model("other", tmp_path / "other.zip")
    (folder / "other").rename(tmp_path / "away")
    save_model(folder / "mine", "mine", {"weight": torch.ones(3)}, CARD)
    return archive


@pytest.fixture
def networks(own_models, open_panel, wait_for):
    panel = open_panel("ClaimSlicer")
    return open_box(panel, panel.ui.modelsButton, panel.networks, wait_for)


def choose(networks, name: str) -> None:
    row = [model.name for model in networks.models].index(name)
    table = networks.ui.modelsTable
    click(table.viewport(), pos=table.visualItemRect(table.item(row, 1)).center())


def end(networks, wait_for) -> str:
    """Wait for the work that a click has begun, and return what is said of it."""
    assert networks.job.running
    wait_for(lambda: not networks.job.running)
    return networks.ui.modelsLabel.text


def test_networks_are_listed_with_their_cards(networks):
    rows = cells(networks.ui.modelsTable)
    assert ["?", "mine 2", "synthesis", "0.0 MB", "yours"] in rows
    assert sum(row[-1] == "shipped" for row in rows) == 2
    choose(networks, "mine")
    text = networks.ui.cardView.plainText
    for words in ("CC0", "made up <here>", "0.123", "SHA-256"):
        assert words in text
    assert networks.ui.removeButton.enabled
    choose(networks, "emidec")
    assert not networks.ui.removeButton.enabled
    assert "CC BY-NC-SA 4.0" in networks.ui.cardView.plainText


def test_verifying_finds_damage(networks, wait_for):
    click(networks.ui.verifyButton)
    assert end(networks, wait_for) == "All weights are those on their cards."
    assert {row[0] for row in cells(networks.ui.modelsTable)} == {"✓"}
    weights = next(model.weights for model in networks.models if model.name == "mine")
    weights.write_bytes(weights.read_bytes()[:-1])
    click(networks.ui.verifyButton)
    assert "not those on their card" in end(networks, wait_for)
    marks = {row[1]: row[0] for row in cells(networks.ui.modelsTable)}
    assert marks["mine 2"] == "✗"
    assert marks["emidec 0.1.0"] == "✓"


def test_import_and_export(networks, own_models, wait_for, dialogs, tmp_path):
    dialogs.paths.append(own_models)
    click(networks.ui.importButton)
    assert "Imported other" in end(networks, wait_for)
    assert networks.chosen.name == "other"
    dialogs.paths.append(tmp_path / "out")
    click(networks.ui.exportButton)
    assert "out.zip" in end(networks, wait_for)
    assert zipfile.ZipFile(tmp_path / "out.zip").testzip() is None
    dialogs.paths.append(own_models)
    click(networks.ui.importButton)
    assert "already" in end(networks, wait_for)
    assert "already" in dialogs.errors()[0]
    dialogs.paths.append("")  # the user closes the file dialog
    click(networks.ui.importButton)
    assert not networks.job.running


def test_what_is_no_model_is_refused(networks, wait_for, dialogs, tmp_path):
    pickle = tmp_path / "weights.pt"
    pickle.write_bytes(b"anything")
    dialogs.paths.append(pickle)
    click(networks.ui.importButton)
    assert "pickle" in end(networks, wait_for)
    assert len(networks.models) == 3


def test_removing_asks_first(networks, wait_for, dialogs):
    choose(networks, "mine")
    dialogs.answers.append(QtWidgets.QMessageBox.StandardButton.Cancel)
    click(networks.ui.removeButton)
    assert not networks.job.running
    dialogs.answers.append(QtWidgets.QMessageBox.StandardButton.Ok)
    click(networks.ui.removeButton)
    assert end(networks, wait_for) == "Removed mine."
    assert "mine" in dialogs.shown[-1].text
    assert {model.name for model in networks.models} == {"emidec"}


# Installation: a package "heartbeat" that every child process is told to need, installed to a folder of ours.

SITE = """
import claimslicer.doctor as doctor
doctor.NEEDED = (*doctor.NEEDED[:3], doctor.Package("heartbeat", "heartbeat", "1.0"))
doctor.OPTIONAL = ()
doctor.examine_devices = lambda: []  # loading torch takes its time; Testing/library looks at it
"""


def write_wheel(folder: Path, source: str = "", setup: str = "") -> None:
    """Write a wheel of heartbeat 1.0."""
    folder.mkdir(exist_ok=True)
    info = "heartbeat-1.0.dist-info"
    with zipfile.ZipFile(folder / "heartbeat-1.0-py3-none-any.whl", "w") as packed:
        packed.writestr("heartbeat/__init__.py", source)
        packed.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: heartbeat\nVersion: 1.0\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The folder that pip installs to and that child processes look in."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PIP_TARGET", str(folder))
    monkeypatch.setenv("PIP_UPGRADE", "1")
    return folder


@pytest.fixture
def doctor(site, open_panel, wait_for):
    panel = open_panel("ClaimSlicer")
    slicer.app.userSettings().remove("ClaimSlicer/WheelsFolder")
    box = open_box(panel, panel.ui.doctorButton, panel.doctor, wait_for)
    wait_for(lambda: not box.job.running)
    return box


def state_of(doctor, name: str) -> list[str]:
    return next(row for row in cells(doctor.ui.findingsTable) if row[1] == name)


def settled(doctor) -> bool:
    return not (doctor.job.running or doctor.install.running or doctor._mending or doctor._steps)


def test_what_is_missing_is_said_first(doctor):
    assert cells(doctor.ui.findingsTable)[0] == ["✗", "heartbeat", "not installed"]
    assert state_of(doctor, "numpy")[0] == "✓"
    assert state_of(doctor, "emidec synthesis")[2].startswith("intact")
    assert doctor.ui.doctorLabel.text == "Not in order: heartbeat."
    assert doctor.ui.installButton.enabled
    assert "heartbeat>=1.0" in doctor.ui.installButton.toolTip


def test_installing_from_a_folder_of_wheels(doctor, tmp_path, wait_for, dialogs):
    write_wheel(tmp_path / "wheels")
    dialogs.paths.append(tmp_path / "wheels")
    click(doctor.ui.wheelsButton)
    click(doctor.ui.installButton)
    assert doctor.ui.installCancelButton.visible
    wait_for(lambda: settled(doctor))
    assert doctor.ui.doctorLabel.text == "Everything is in order."
    assert state_of(doctor, "heartbeat") == ["✓", "heartbeat", "1.0"]
    assert "Successfully installed heartbeat-1.0" in doctor.ui.installLog.plainText
    assert not doctor.ui.installButton.enabled
    assert not doctor.ui.installRow.visible
    assert slicer.app.userSettings().value("ClaimSlicer/WheelsFolder") == str(tmp_path / "wheels")


def test_a_half_finished_installation_is_written_anew(doctor, site, tmp_path, wait_for):
    write_wheel(tmp_path / "wheels")
    # All of the package is there but its code: what is left when pip is killed at the wrong moment.
    (site / "heartbeat").mkdir()
    (site / "heartbeat-1.0.dist-info").mkdir()
    (site / "heartbeat-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: heartbeat\nVersion: 1.0\n"
    )
    click(doctor.ui.checkButton)
    wait_for(lambda: settled(doctor))
    assert state_of(doctor, "heartbeat") == ["✗", "heartbeat", "only a part of it is installed"]
    doctor.ui.wheelsEdit.text = str(tmp_path / "wheels")
    click(doctor.ui.installButton)
    wait_for(lambda: settled(doctor))
    assert state_of(doctor, "heartbeat")[0] == "✓"


def test_what_stays_broken_is_said_plainly(doctor, tmp_path, wait_for):
    write_wheel(tmp_path / "wheels", source="raise OSError('libheart.so is missing')")
    doctor.ui.wheelsEdit.text = str(tmp_path / "wheels")
    click(doctor.ui.installButton)
    wait_for(lambda: settled(doctor))
    assert doctor.ui.doctorLabel.text == "Not in order: heartbeat."
    assert "libheart.so is missing" in state_of(doctor, "heartbeat")[2]
    assert doctor.ui.installLog.plainText.count("Successfully installed") == 2, (
        "written anew once, and no more"
    )


def test_a_wrong_folder_is_said(doctor, tmp_path, wait_for, dialogs):
    doctor.ui.wheelsEdit.text = str(tmp_path / "nowhere")
    click(doctor.ui.installButton)
    assert "There is no folder" in dialogs.errors()[0]
    (tmp_path / "empty").mkdir()
    doctor.ui.wheelsEdit.text = str(tmp_path / "empty")
    click(doctor.ui.installButton)
    wait_for(lambda: settled(doctor))
    assert (
        "The installation failed: No matching distribution found for heartbeat" in doctor.ui.doctorLabel.text
    )


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for pip needs POSIX")
def test_an_installation_is_cancelled_with_all_it_started(doctor, site, wait_for):
    (site / "pip").mkdir()
    (site / "pip" / "__init__.py").touch()
    (site / "pip" / "__main__.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "print('building', child.pid, flush=True)\ntime.sleep(600)\n"
    )
    click(doctor.ui.installButton)
    wait_for(lambda: "building" in doctor.ui.installLog.plainText)
    builder = psutil.Process(int(doctor.ui.installLog.plainText.split()[-1]))
    family = [builder, builder.parent()]
    click(doctor.ui.installCancelButton)
    wait_for(lambda: settled(doctor))
    assert "The installation was stopped. Not in order: heartbeat." in doctor.ui.doctorLabel.text
    deadline = time.monotonic() + 5
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_pip_is_told_to_leave_what_slicer_brings(scene, tmp_path):
    from host import application

    application.load("ClaimSlicer")
    import numpy
    from ClaimSlicerLib.packages import write_constraints

    lines = write_constraints(tmp_path).read_text(encoding="utf-8").splitlines()
    assert f"numpy=={numpy.__version__}" in lines
    assert any(line.startswith("SimpleITK==") for line in lines)
    assert any(line.startswith("torch==") for line in lines)


def test_torch_comes_from_slicers_own_extension(doctor, monkeypatch, dialogs):
    """Without a folder of wheels PyTorch isn't pip's business, and without the extension it is said so."""
    from claimslicer.doctor import Finding

    doctor.findings = [Finding("packages", "torch", "missing", "not installed", "torch>=2.4")]
    doctor._show_buttons()
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    click(doctor.ui.installButton)
    assert "install the extension PyTorch" in dialogs.errors()[0]
    assert not doctor.install.running
    assert doctor._plan(from_folder=False) == []
    assert doctor._plan(from_folder=True) == [(["torch>=2.4"], False)]
