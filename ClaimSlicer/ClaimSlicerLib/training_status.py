"""A running training in Slicer's status bar: seen whatever module is open, also after a restart."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

RUNS_SETTING = "CLAIM/Training/Runs"
"""The user's setting that holds the folder of runs; the box Training writes it."""
LOOK_MS = 10_000
_shown: list[TrainingStatus] = []


def install() -> None:
    """Look for running trainings from now on; called once the application has started."""
    if slicer.util.mainWindow() is not None and not _shown:
        _shown.append(TrainingStatus(slicer.util.mainWindow().statusBar()))


class TrainingStatus:
    """A label in the status bar that names the runs that go on; it isn't there while none does."""

    def __init__(self, bar: qt.QStatusBar) -> None:
        self.label = qt.QLabel()
        self.label.visible = False
        bar.addPermanentWidget(self.label)
        self._timer = qt.QTimer()
        self._timer.timeout.connect(self.look)
        self._timer.start(LOOK_MS)

    def look(self) -> None:
        """Look at the runs again."""
        folder = slicer.app.userSettings().value(RUNS_SETTING, "") or ""
        names = self._running(Path(folder)) if folder else []
        self.label.text = _("Training: {names}").format(names=", ".join(names)) if names else ""
        self.label.visible = bool(names)

    @staticmethod
    def _running(folder: Path) -> list[str]:
        from claimslicer.training.runs.run import find_runs

        try:
            runs = find_runs(folder)
            return [run.name for run in runs if run.state() in ("running", "stopping")]
        except Exception:  # what can't be read is told where the runs are listed
            return []
