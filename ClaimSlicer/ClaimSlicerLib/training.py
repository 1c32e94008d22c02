"""The training box of module CLAIM: what a run needs, its start, and below all runs, also earlier ones."""

from __future__ import annotations

import datetime
import html
import sys
from pathlib import Path

import qt
import slicer
from claimslicer.training.runs.kinds import PRESETS, TRAINABLE, preset_description
from claimslicer.training.runs.needs import Needs
from claimslicer.training.runs.run import prepare_run
from slicer.i18n import tr as _

from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.packages import ensure_packages
from ClaimSlicerLib.processes import slicer_python
from ClaimSlicerLib.training_runs import RunsView
from ClaimSlicerLib.worker import Worker

SETTINGS = "CLAIM/Training/"
AMBER, RED = "#B26A00", "#D84343"


def devices() -> list[tuple[str, str]]:
    """Return what may be chosen here, as text and torch's name."""
    gpu = (_("Apple GPU (MPS)"), "mps") if sys.platform == "darwin" else (_("NVIDIA GPU (CUDA)"), "cuda")
    return [(_("Automatic"), "auto"), gpu, (_("Processor (CPU)"), "cpu")]


def chosen_data(box: qt.QComboBox) -> str:
    """Return the data of a combo box's current item."""
    return box.itemData(box.currentIndex)


def default_runs_folder() -> str:
    """Return the place for runs in the user's documents."""
    documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
    return str(Path(documents) / "CLAIM training")


class TrainingBox:
    """Puts its widgets into ``parent_layout``. What was chosen last is kept in the user's settings.

    ``on_model(name)`` is called when the user has taken a finished model in.
    """

    def __init__(self, parent_layout, on_model=lambda name: None) -> None:
        top = slicer.util.loadUI(str(Path(__file__).parent.parent / "Resources" / "UI" / "Training.ui"))
        parent_layout.addWidget(top)
        self.top = top
        self.ui = slicer.util.childWidgetVariables(top)
        self._needs: Needs | None = None
        self._checked: dict[str, str] = {}
        self._worker: Worker | None = None
        self.checking = JobDisplay(
            self.ui.checkProgress, self.ui.checkCancelButton, self.ui.checkLabel, self._check_changed
        )
        self.runs = RunsView(self.ui, on_model)
        self._fill()
        self._connect()
        self.runs.show_folder(Path(self.ui.runsEdit.text))
        self.ui.newButton.collapsed = bool(self.runs.runs)
        self._update()

    def close(self) -> None:
        """End a check and stop looking at runs, which go on by themselves; called before the panel goes."""
        self.checking.cancel()
        self.runs.close()
        if self._worker is not None:
            self._worker.close()

    def _fill(self) -> None:
        for kind, entry in TRAINABLE.items():
            self.ui.kindBox.addItem(_(entry.title), kind)
        for preset, title in PRESETS.items():
            self.ui.presetBox.addItem(_(title), preset)
        for text, device in devices():
            self.ui.deviceBox.addItem(text, device)
        settings = slicer.app.userSettings()
        self.ui.dataEdit.text = settings.value(f"{SETTINGS}Data", "") or ""
        self.ui.runsEdit.text = settings.value(f"{SETTINGS}Runs", "") or default_runs_folder()
        for name in ("kind", "preset", "device"):
            box = getattr(self.ui, f"{name}Box")
            kept = box.findData(settings.value(SETTINGS + name.capitalize(), ""))
            box.currentIndex = max(kept, 0)
        self._propose_name()

    def _connect(self) -> None:
        ui = self.ui
        ui.kindBox.currentIndexChanged.connect(self._kind_changed)
        for box in (ui.presetBox, ui.deviceBox):
            box.currentIndexChanged.connect(self._update)
        ui.dataEdit.textChanged.connect(self._update)
        ui.nameEdit.textChanged.connect(self._update)
        ui.runsEdit.editingFinished.connect(self._runs_folder_changed)
        ui.dataButton.clicked.connect(self._choose_data)
        ui.runsButton.clicked.connect(self._choose_runs_folder)
        ui.checkButton.clicked.connect(self.check)
        ui.startButton.clicked.connect(self.start)

    def choices(self) -> dict[str, str]:
        """What the check depends on: kind, preset, device, data and the runs' folder."""
        chosen = {name: chosen_data(getattr(self.ui, f"{name}Box")) for name in ("kind", "preset", "device")}
        return {**chosen, "data": self.ui.dataEdit.text.strip(), "runs_folder": self.ui.runsEdit.text.strip()}

    @property
    def needs(self) -> Needs | None:
        """What the check found, while it holds for what is chosen now."""
        return self._needs if self._checked == self.choices() else None

    def missing(self) -> str:
        """Say what keeps Start off; empty when nothing does."""
        if not self.ui.dataEdit.text.strip():
            return _("Choose the folder with the labelled studies.")
        if self.checking.running:
            return _("The check is going on.")
        if self.needs is None:
            return _("Check first what the training needs.")
        if self.needs.obstacles():
            return self.needs.obstacles()[0]
        if not self.ui.nameEdit.text.strip():
            return _("Give the run a name.")
        return ""

    def _update(self, *_args) -> None:
        chosen = self.choices()
        self.ui.presetBox.toolTip = _(preset_description(chosen["kind"], chosen["preset"]))
        self.ui.checkButton.enabled = bool(chosen["data"]) and not self.checking.running
        missing = self.missing()
        self.ui.startButton.enabled = not missing
        self.ui.startButton.toolTip = missing or _("Start; the training goes on when Slicer is closed")
        self.ui.needsLabel.visible = self.needs is not None
        self.ui.needsLabel.text = "" if self.needs is None else needs_text(self.needs, self.runs.going_on())
        self.ui.checkLabel.visible = self.needs is None and bool(self.ui.checkLabel.text)

    def _kind_changed(self, *_args) -> None:
        self._propose_name()
        self._update()

    def _propose_name(self) -> None:
        """Propose a name that no run has, unless the user has typed one."""
        text = self.ui.nameEdit.text.strip()
        if text and not any(text.startswith(f"{kind}-") for kind in TRAINABLE):
            return
        stem = f"{chosen_data(self.ui.kindBox)}-{datetime.date.today().isoformat()}"
        folder, name, number = Path(self.ui.runsEdit.text), stem, 1
        while (folder / name).exists():
            number += 1
            name = f"{stem}-{number}"
        self.ui.nameEdit.text = name

    def _choose_data(self, *_args) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self.top, _("Labelled studies"), self.ui.dataEdit.text)
        if folder:
            self.ui.dataEdit.text = folder

    def _choose_runs_folder(self, *_args) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self.top, _("Runs"), self.ui.runsEdit.text)
        if folder:
            self.ui.runsEdit.text = folder
            self._runs_folder_changed()

    def _runs_folder_changed(self, *_args) -> None:
        self.runs.show_folder(Path(self.ui.runsEdit.text))
        self._propose_name()
        self._remember()
        self._update()

    def _remember(self) -> None:
        settings, chosen = slicer.app.userSettings(), self.choices()
        for key in ("kind", "preset", "device", "data"):
            settings.setValue(SETTINGS + key.capitalize(), chosen[key])
        settings.setValue(f"{SETTINGS}Runs", chosen["runs_folder"])

    def check(self, *_args) -> None:
        """Measure in a process of its own, which ends afterwards: it takes as much memory as the training."""
        with slicer.util.tryWithErrorDisplay(_("The check could not start.")):
            ensure_packages()
            if self._worker is not None:
                self._worker.close()
            self._worker, chosen = Worker(name="needs"), self.choices()
            self._needs, self._checked = None, chosen
            self._remember()
            self.checking.start(self._worker, "training_needs", chosen, self._measured)

    def _measured(self, result: dict) -> str:
        self._needs = Needs.from_dict(result)
        return ""

    def _check_changed(self) -> None:
        if not self.checking.running and self._worker is not None:
            self._worker.process.closeWriteChannel()  # its input closed, it ends by itself
        self._update()

    def start(self, *_args) -> None:
        """Make the run's folder, start its process, and show it."""
        with slicer.util.tryWithErrorDisplay(_("The training could not start.")):
            ensure_packages()
            python, chosen = slicer_python(), self.choices()
            run = prepare_run(
                Path(chosen["runs_folder"]),
                chosen["kind"],
                chosen["preset"],
                Path(chosen["data"]),
                name=self.ui.nameEdit.text.strip(),
                device=chosen["device"],
            )
            self._remember()
            self.runs.show_folder(run.folder.parent, select=run.name)
            run.start(python)
            self.ui.newButton.collapsed = True
            self.runs.refresh()
            self._propose_name()
            self._update()


def needs_text(needs: Needs, running: str = "") -> str:
    """Return the needs as rich text: a row for each, then what stands against or is worth knowing.

    ``running`` is the name of a run that goes on beside it.
    """
    rows = [f"<b>{_(name)}:</b> {html.escape(value)}" for name, value in needs.table()]
    rows += [f"<span style='color:{RED}'>{html.escape(text)}</span>" for text in needs.obstacles()]
    cautions = list(needs.cautions())
    if running:
        beside = _("The run {name} is going on: both together are slower and need the memory of both.")
        cautions.insert(0, beside.format(name=running))
    rows += [f"<span style='color:{AMBER}'>{html.escape(text)}</span>" for text in cautions]
    return "<br>".join(rows)
