"""Work of a panel in a child process: files out, a command, files in, and nodes only when all went well."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from claimslicer.errors import Cancelled, StudyError
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from ClaimSlicerLib.command import ClaimCommand, Outcome
from ClaimSlicerLib.packages import ensure_packages
from ClaimSlicerLib.panel import Panel


class ChildLogic(ScriptedLoadableModuleLogic):
    """A logic whose work is one claim-slicer command; ``process`` runs it, a QProcess by default."""

    def __init__(self, process: qt.QProcess | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.command = ClaimCommand(process)
        self._folder: tempfile.TemporaryDirectory | None = None

    def run_command(
        self,
        prepare: Callable[[Path], list[str]],
        finish: Callable[[Path], slicer.vtkMRMLNode],
        on_progress: Callable[[float, str], None],
        on_done: Callable[[slicer.vtkMRMLNode | None, Exception | None], None],
    ) -> None:
        """Write files with ``prepare``, which returns the arguments; run; make the node with ``finish``.

        ``on_done`` gets the node, or the error when there is none. Errors before the start are raised.
        """
        folder = tempfile.TemporaryDirectory(prefix="claim-")

        def done(outcome: Outcome) -> None:
            node, failure = None, None
            try:
                outcome.check()
                node = finish(Path(folder.name))
            except Exception as error:
                failure = error
            folder.cleanup()
            on_done(node, failure)

        def progressed(event: dict) -> None:
            if event["event"] == "progress":
                on_progress(float(event["fraction"]), event["message"] or event["stage"])

        try:
            self.command.start(prepare(Path(folder.name)), progressed, done)
        except Exception:
            folder.cleanup()
            raise

    def cancel(self) -> None:
        """Stop the command; ``on_done`` is told."""
        self.command.cancel()


def volume_by_id(node_id: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Return the volume that the work began with; StudyError when it has left the scene meanwhile."""
    node = slicer.mrmlScene.GetNodeByID(node_id)
    if node is None:
        raise StudyError(
            "The volume was removed from the scene while the work went on: load it and run again."
        )
    return node


class ChildPanel(Panel):
    """A panel with Apply, Cancel and a progress bar over a :class:`ChildLogic`."""

    def start(self) -> None:
        """Start the work through ``self.logic`` with :meth:`on_progress` and :meth:`on_done`."""
        raise NotImplementedError

    def connect(self) -> None:
        """Connect Apply and Cancel."""
        self.ui.applyButton.clicked.connect(self.on_apply)
        self.ui.cancelButton.clicked.connect(self.on_cancel)
        self._show_running()

    def cleanup(self) -> None:
        """End the child process with the panel."""
        self.stop()
        Panel.cleanup(self)

    def stop(self) -> None:
        """End the child process."""
        self.logic.command.close()

    def on_apply(self, *_args) -> None:
        """Install what is missing, with the user's consent, and start."""
        with slicer.util.tryWithErrorDisplay(_("The work could not start.")):
            ensure_packages()
            self.start()
            self.ui.resultLabel.text = ""
            self._show_running()

    def on_cancel(self, *_args) -> None:
        """Stop the work."""
        with slicer.util.tryWithErrorDisplay(_("The work could not be stopped.")):
            self.logic.cancel()

    def on_progress(self, fraction: float, message: str) -> None:
        """Show how far the work is."""
        self.ui.progressBar.value = round(100 * fraction)
        self.ui.resultLabel.text = message

    def on_done(self, node: slicer.vtkMRMLNode | None, error: Exception | None) -> None:
        """Show the result, or what went wrong."""
        self._show_running()
        if node is not None:
            self.ui.resultLabel.text = _("Made {name}.").format(name=node.GetName())
            return
        self.ui.resultLabel.text = str(error)
        if not isinstance(error, Cancelled):
            with slicer.util.tryWithErrorDisplay(_("The work failed; the scene is as it was.")):
                raise error

    def _show_running(self) -> None:
        running = self.logic.command.running
        self.ui.cancelButton.enabled = running
        self.ui.progressBar.value = 0
        self.ui.progressBar.visible = running
        self.update()

    def update(self, *_args) -> None:
        """Keep Apply off while the work goes on."""
        Panel.update(self)
        if self.logic.command.running:
            self.ui.applyButton.enabled = False
