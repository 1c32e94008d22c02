"""The panel's box Installation: what is installed and works, and installing what is missing."""

from __future__ import annotations

import importlib

import qt
import slicer
from claimslicer.doctor import Finding
from claimslicer.errors import ClaimError
from slicer.i18n import tr as _

from ClaimSlicerLib.install import PackageInstall
from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.packages import SLICERS_OWN, install_torch
from ClaimSlicerLib.resources import load_ui
from ClaimSlicerLib.worker import Worker, close_workers

MARKS = {"fine": ("✓", "#1e8449"), "absent": ("–", "#7f8c8d")}
"""Mark and colour by a finding's state; all others are in the way."""
IN_THE_WAY = ("✗", "#c0392b")
SETTING = "ClaimSlicer/WheelsFolder"


class DoctorBox:
    """Shows the library's findings, and mends what pip can mend.

    Packages are imported in a process of their own, which ends afterwards: so an installation is checked as
    the next start of Slicer will find it, and one that is only half there is written anew, once.
    """

    def __init__(self, layout) -> None:
        self.ui = load_ui("DoctorBox", layout)
        self.worker = Worker(name="doctor")
        self.install = PackageInstall(self.ui.installLog.appendPlainText, self._installed)
        ui = self.ui
        self.job = JobDisplay(ui.installProgress, ui.installCancelButton, ui.doctorLabel, self._show_buttons)
        self.findings: list[Finding] = []
        self._steps: list[tuple[list[str], bool]] = []
        self._mending = False
        self._repaired = False
        self._outcome = ""
        table = ui.findingsTable
        table.columnCount = 3
        table.setHorizontalHeaderLabels(["", _("Name"), _("Found")])
        table.verticalHeader().visible = False
        table.horizontalHeader().stretchLastSection = True
        ui.wheelsEdit.text = slicer.app.userSettings().value(SETTING) or ""
        ui.wheelsEdit.textChanged.connect(self._keep_folder)
        ui.wheelsButton.clicked.connect(self._choose_folder)
        ui.checkButton.clicked.connect(self._check_again)
        ui.installButton.clicked.connect(self._start_install)
        ui.installCancelButton.clicked.connect(self.install.cancel)
        self.check()

    def close(self) -> None:
        """End what runs."""
        self.install.close()
        self.worker.close()

    def _check_again(self, *_args) -> None:
        self._mending = False
        self.check()

    def check(self) -> None:
        """Look at everything again."""
        with slicer.util.tryWithErrorDisplay(_("The installation could not be looked at.")):
            self.worker.close()
            self.job.start(self.worker, "doctor", {}, self._found)
            self.ui.doctorLabel.text = _("Loading every package once, which takes some seconds…")

    def _found(self, result: dict) -> str:
        qt.QTimer.singleShot(0, self._end_worker)
        findings = [Finding(**values) for values in result["findings"]]
        self.findings = sorted(findings, key=lambda finding: not finding.in_the_way)
        self._fill()
        if self._mending:
            return self._after_install()
        return self._summary()

    def _end_worker(self) -> None:
        """The next look must be at the packages as they are then."""
        if not self.job.running:
            self.worker.close()

    def _fill(self) -> None:
        table = self.ui.findingsTable
        table.rowCount = len(self.findings)
        for row, finding in enumerate(self.findings):
            mark, colour = MARKS.get(finding.state, IN_THE_WAY)
            for column, text in enumerate((mark, finding.name, finding.text)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(finding.text)
                if column == 0:
                    item.setForeground(qt.QBrush(qt.QColor(colour)))
                table.setItem(row, column, item)
        table.resizeColumnsToContents()
        table.resizeRowsToContents()

    def _summary(self) -> str:
        wrong = [finding.name for finding in self.findings if finding.in_the_way]
        if not wrong:
            return _("Everything is in order.")
        return _("Not in order: {}.").format(", ".join(wrong))

    def _to_mend(self) -> list[Finding]:
        """Return the findings that pip can mend; what Slicer brings is Slicer's."""
        packages = [finding for finding in self.findings if finding.area == "packages" and finding.in_the_way]
        return [finding for finding in packages if finding.name not in SLICERS_OWN]

    def _show_buttons(self) -> None:
        free = not self.job.running and not self.install.running
        self.ui.installRow.visible = not free
        self.ui.doctorLabel.visible = bool(self.ui.doctorLabel.text)
        self.ui.checkButton.enabled = free
        self.ui.installButton.enabled = free and bool(self._to_mend())
        names = ", ".join(finding.requirement for finding in self._to_mend())
        self.ui.installButton.toolTip = (
            _("Install {} into this Slicer; what Slicer brings stays as it is").format(names)
            if names
            else _("Nothing is missing that could be installed")
        )

    # Installing

    def _keep_folder(self, folder: str) -> None:
        slicer.app.userSettings().setValue(SETTING, folder)

    def _choose_folder(self, *_args) -> None:
        title = _("Choose the folder of wheels")
        folder = qt.QFileDialog.getExistingDirectory(self.ui.wheelsEdit, title, self.ui.wheelsEdit.text)
        if folder:
            self.ui.wheelsEdit.text = folder

    def _start_install(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The installation could not start.")):
            wheels = self.ui.wheelsEdit.text.strip()
            if wheels and not qt.QDir(wheels).exists():
                raise ClaimError(_("There is no folder {}: choose the one with the wheels.").format(wheels))
            if not wheels and "torch" in [finding.name for finding in self._to_mend()]:
                install_torch()
            close_workers()  # on Windows, files that a process has loaded can't be replaced
            self._repaired = False
            self.ui.installLog.plainText = ""
            self._steps = self._plan(from_folder=bool(wheels))
            self._next_step()

    def _plan(self, *, from_folder: bool) -> list[tuple[list[str], bool]]:
        """Return what pip is to do: missing packages as they are asked for, broken ones written anew."""
        findings = [finding for finding in self._to_mend() if from_folder or finding.name != "torch"]
        missing = [finding.requirement for finding in findings if finding.state != "broken"]
        broken = [finding.requirement for finding in findings if finding.state == "broken"]
        return [step for step in ((missing, False), (broken, True)) if step[0]]

    def _next_step(self) -> None:
        self._mending = True
        self._outcome = ""
        if not self._steps:
            self.check()
            return
        requirements, anew = self._steps.pop(0)
        self.install.start(requirements, self.ui.wheelsEdit.text.strip(), anew=anew)
        self.ui.installLog.visible = True
        self.ui.installProgress.maximum = 0
        for widget in (self.ui.installProgress, self.ui.installCancelButton):
            widget.visible = True
        self.ui.installCancelButton.enabled = True
        self.ui.doctorLabel.text = _("Installing {}…").format(", ".join(requirements))
        self._show_buttons()

    def _installed(self, why: str, cancelled: bool) -> None:
        if not why and self._steps:
            self._next_step()
            return
        self._steps = []
        if cancelled:
            self._outcome = _("The installation was stopped.")
            self._repaired = True  # who stops it doesn't want more of it
        elif why:
            self._outcome = _("The installation failed: {}").format(why)
        importlib.invalidate_caches()
        self.check()

    def _after_install(self) -> str:
        """Repair what is only half there, once; then say how it stands."""
        self._mending = False
        broken = [finding.requirement for finding in self._to_mend() if finding.state == "broken"]
        if broken and not self._repaired:
            self._repaired = True
            self._steps = [(broken, True)]
            # The job that shows the check is still ending.
            qt.QTimer.singleShot(0, self._next_step)
            return _("Only half installed, so written anew: {}…").format(", ".join(broken))
        return f"{self._outcome} {self._summary()}".strip()
