"""The list of training runs, and the chosen one: curves, sample pictures, pause, resume, result, log.

A run's process belongs to nobody: what is shown comes from its files, looked at once a second and little by
little, so a run started in another Slicer is shown as well.
"""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from claimslicer.training.progress.history import STAGES, History
from claimslicer.training.runs.needs import span_text
from claimslicer.training.runs.run import Run, State, find_runs
from slicer.i18n import tr as _

from ClaimSlicerLib.curves import CurvesWidget, PictureWidget
from ClaimSlicerLib.packages import ensure_packages
from ClaimSlicerLib.processes import slicer_python

LOOK_MS = 1000
LOOKS_PER_SEARCH = 5
"""The folder is searched for runs that others began every so many looks."""
LOG_LINES = 200
FAILED = "#D84343"
COLOURS = {"running": "#388E3C", "stopping": "#B26A00", "paused": "#B26A00", "failed": FAILED}


def state_text(state: State) -> str:
    """Return a state for people."""
    return {
        "waiting": _("not started"),
        "running": _("running"),
        "stopping": _("pausing…"),
        "paused": _("paused"),
        "finished": _("finished"),
        "failed": _("failed"),
    }[state]


class RunsView:
    """Drives the widgets of Training.ui that show runs."""

    def __init__(self, ui, on_model) -> None:
        self.ui = ui
        self.on_model = on_model
        self.runs: list[Run] = []
        self.run: Run | None = None
        self.history = History()
        self.curves, self.picture = CurvesWidget(), PictureWidget()
        ui.curvesPlace.layout().addWidget(self.curves)
        ui.picturePlace.layout().addWidget(self.picture)
        self._folder = Path()
        self._read_to = 0
        self._looks = 0
        self._closed = False
        self._states: dict[str, State] = {}
        self._taken_in: dict[Path, str] = {}
        self._shown_state: State | None = None
        self._sample_steps: list[int] = []
        self._make_table()
        ui.runsTable.itemSelectionChanged.connect(self._row_chosen)
        ui.pauseButton.clicked.connect(self.pause)
        ui.resumeButton.clicked.connect(self.resume)
        ui.useButton.clicked.connect(self.use)
        ui.reportButton.clicked.connect(self.open_report)
        ui.folderButton.clicked.connect(self.open_folder)
        ui.logCheck.toggled.connect(self._show_log)
        ui.sampleSlider.valueChanged.connect(self._show_sample)
        self._timer = qt.QTimer()
        self._timer.timeout.connect(self._look)

    def close(self) -> None:
        """Stop looking, for good."""
        self._closed = True
        self._timer.stop()

    def _make_table(self) -> None:
        table = self.ui.runsTable
        table.columnCount = 3
        table.setHorizontalHeaderLabels([_("Run"), _("Preset"), _("State")])
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for column in (1, 2):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().hide()
        table.verticalHeader().defaultSectionSize = 22

    # The list

    def show_folder(self, folder: Path, select: str = "") -> None:
        """List the runs of ``folder``; choose the run ``select``, else one that goes on, else the newest."""
        self._folder = folder
        self._list()
        going_on = [run.name for run in self.runs if self._states[run.name] in ("running", "stopping")]
        names = [run.name for run in self.runs]
        wanted = [select, *going_on, *names]
        self._choose(next((self._run(name) for name in wanted if name in names), None))

    def going_on(self) -> str:
        """Return the name of a run that goes on, empty where none does."""
        states = self._states.items()
        return next((name for name, state in states if state in ("running", "stopping")), "")

    def _run(self, name: str) -> Run:
        return next(run for run in self.runs if run.name == name)

    def _list(self) -> None:
        """Fill the table anew; the run that is shown stays."""
        self.runs = find_runs(self._folder)
        table = self.ui.runsTable
        table.blockSignals(True)
        table.rowCount = len(self.runs)
        for row, run in enumerate(self.runs):
            for column, text in enumerate((run.name, run.info["preset"])):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(_("{kind} on {data}").format(**run.info))
                table.setItem(row, column, item)
        table.blockSignals(False)
        self._mark_row()
        self.ui.noRunsLabel.visible = not self.runs
        table.visible = bool(self.runs)
        self._states = {}
        self._show_states()

    def _mark_row(self) -> None:
        """Mark the row of the run that is shown."""
        names = [run.name for run in self.runs]
        if self.run is not None and self.run.name in names:
            self.ui.runsTable.blockSignals(True)
            self.ui.runsTable.selectRow(names.index(self.run.name))
            self.ui.runsTable.blockSignals(False)

    def _show_states(self) -> None:
        for row, run in enumerate(self.runs):
            state = run.state()
            if self._states.get(run.name) == state:
                continue
            self._states[run.name] = state
            item = qt.QTableWidgetItem(state_text(state))
            if state in COLOURS:
                item.setForeground(qt.QBrush(qt.QColor(COLOURS[state])))
            self.ui.runsTable.setItem(row, 2, item)

    def _row_chosen(self) -> None:
        row = self.ui.runsTable.currentRow()
        if 0 <= row < len(self.runs):
            self._choose(self.runs[row])

    def _choose(self, run: Run | None) -> None:
        self.run, self.history, self._read_to = run, History(), 0
        self._shown_state, self._sample_steps = None, []
        self.ui.runDetails.visible = run is not None
        self.ui.logCheck.checked = False
        self._mark_row()
        self._show_sample()
        self.refresh()

    # The chosen run

    def _look(self) -> None:
        """Look at the files again, while the box can be seen."""
        if not self.ui.runsTable.visible and not self.ui.noRunsLabel.visible:
            return
        self._looks += 1
        if self._looks % LOOKS_PER_SEARCH == 0 and self._others_began():
            self._list()
        self.refresh()

    def _others_began(self) -> bool:
        return {run.folder for run in find_runs(self._folder)} != {run.folder for run in self.runs}

    def refresh(self) -> None:
        """Show how all runs stand, and what is new of the chosen one."""
        if self._closed:
            return
        self._timer.stop()  # what can't be read is said once, not every second
        with slicer.util.tryWithErrorDisplay(_("The runs can't be read.")):
            self._show_states()
            if self.run is not None:
                self._read()
            self._timer.start(LOOK_MS)

    def _read(self) -> None:
        """Take in the events that are new; a long history is taken in pieces, so that Slicer stays free."""
        events, read_to = self.run.read_events(self._read_to)
        more, self._read_to = read_to > self._read_to, read_to
        if self.history.add(events) and more and len(events) > 200:
            qt.QTimer.singleShot(0, self.refresh)
            return
        self.curves.setHistory(self.history)
        self._show_samples()
        self._show_standing()

    def _show_standing(self) -> None:
        ui, history, state = self.ui, self.history, self._states[self.run.name]
        ui.curvesPlace.visible = history.steps > 0
        reading = state == "running" and history.stage == "reading"
        work = _("Reading studies") if reading else _(STAGES.get(history.joint_stage, ""))
        ui.runProgress.format = f"{work}, %p %" if work and state != "finished" else "%p %"
        ui.runProgress.value = round(100 * (1.0 if state == "finished" else history.fraction))
        ui.pauseButton.enabled = state == "running"
        ui.resumeButton.enabled = state in ("waiting", "paused", "failed")
        ui.resumeButton.text = _("Start") if state == "waiting" else _("Resume")
        ui.useButton.enabled = state == "finished"
        ui.reportButton.visible = state == "finished" and self.run.report.exists()
        ui.runLabel.text = self._standing(state)
        ui.runLabel.styleSheet = f"color: {FAILED}" if state == "failed" else ""
        if state != self._shown_state:
            self._shown_state = state
            ui.logCheck.checked = state == "failed"
        if ui.logCheck.checked:
            self._show_log(True)

    def _standing(self, state: State) -> str:
        """Say in a line how far the run is."""
        history = self.history
        if state == "failed":
            return self.run.cause()
        if history.steps == 0:
            return (
                history.message or _("Starting…") if state in ("running", "stopping") else _("No steps yet")
            )
        if state == "finished":
            ready = _("Both models are ready.") if history.joint_stage else _("The model is ready.")
            ready = self._taken_in.get(self.run.folder, ready)
            return _("{steps} steps on {device}. {ready}").format(ready=ready, **vars(history))
        text = _("Step {step} of {steps} on {device}").format(**vars(history))
        left = history.seconds_left()
        if state == "running" and left is not None:
            span = span_text(left, 1.25 * left)
            last = history.stage_ends == history.steps
            text += (_(", {time} to go") if last else _(", {time} to go in this stage")).format(time=span)
        return text + (f". {history.note}" if history.note else "")

    def _show_samples(self) -> None:
        """Let the slider reach every picture; it follows the newest unless the user looks at an older one."""
        steps, slider = sorted(self.history.samples), self.ui.sampleSlider
        if steps == self._sample_steps:
            return
        follows = not self._sample_steps or slider.value == slider.maximum
        self._sample_steps = steps
        slider.blockSignals(True)
        slider.maximum = max(len(steps) - 1, 0)
        if follows:
            slider.value = slider.maximum
        slider.blockSignals(False)
        self._show_sample()

    def _show_sample(self, *_args) -> None:
        steps = self._sample_steps
        for widget in (self.ui.sampleLabel, self.ui.sampleSlider, self.picture):
            widget.visible = bool(steps)
        if not steps:
            return
        step = steps[min(self.ui.sampleSlider.value, len(steps) - 1)]
        self.ui.sampleLabel.text = _("Step {step}").format(step=step)
        self.picture.setFile(self.run.folder / self.history.samples[step])

    def _show_log(self, wanted: bool) -> None:
        self.ui.logText.visible = wanted
        text = "\n".join(self.run.last_log_lines(LOG_LINES)) if wanted and self.run is not None else ""
        if text != self.ui.logText.plainText:
            self.ui.logText.plainText = text
            qt.QTimer.singleShot(0, self._log_to_end)

    def _log_to_end(self) -> None:
        bar = self.ui.logText.verticalScrollBar()
        bar.value = bar.maximum

    # Buttons

    def pause(self, *_args) -> None:
        """Ask for a pause."""
        with slicer.util.tryWithErrorDisplay(_("The run could not be paused.")):
            self.run.request_stop()
            self.refresh()

    def resume(self, *_args) -> None:
        """Go on from the last checkpoint, or start a run that was only prepared."""
        with slicer.util.tryWithErrorDisplay(_("The run could not go on.")):
            ensure_packages()
            self.run.start(slicer_python())
            self.refresh()

    def use(self, *_args) -> None:
        """Take the finished model in, and tell whoever wants to choose it."""
        with slicer.util.tryWithErrorDisplay(_("The model could not be taken in.")):
            name = self.run.take_models_in()[0].name
            self._taken_in[self.run.folder] = _("'{name}' is among your models.").format(name=name)
            self._show_standing()
            self.on_model(name)

    def open_report(self, *_args) -> None:
        """Show the page that the run ended with, in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.run.report)))

    def open_folder(self, *_args) -> None:
        """Show the files in the system's own way."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.run.folder)))
