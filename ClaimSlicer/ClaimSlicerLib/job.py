"""What a panel shows of a long job: a progress bar, a Cancel button and one line of text."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from claimslicer.errors import Cancelled
from slicer.i18n import tr as _

from ClaimSlicerLib.worker import Job, Worker


class JobDisplay:
    """One long job at a time, shown in the widgets that a ``.ui`` file has for it.

    ``changed`` is called whenever a job begins or has ended, for the panel to enable its buttons.
    """

    def __init__(
        self,
        bar: qt.QProgressBar,
        cancel_button: qt.QPushButton,
        text: qt.QLabel,
        changed: Callable[[], None],
    ) -> None:
        self._bar = bar
        self._cancel_button = cancel_button
        self._text = text
        self._changed = changed
        self._job: Job | None = None
        cancel_button.clicked.connect(self.cancel)
        self._show_running(False)

    @property
    def running(self) -> bool:
        """Whether a job has begun and not ended."""
        return self._job is not None

    def start(self, worker: Worker, task: str, arguments: dict, on_result: Callable[[dict], str]) -> None:
        """Ask ``worker`` for ``task``; the job before, if there is one, is cancelled.

        ``on_result`` takes the result to where it belongs and returns the sentence to show. What goes wrong
        in the worker or there is shown as an error.
        """
        self.cancel()

        def done(result: dict | None, error: Exception | None) -> None:
            self._job = None
            self._show_running(False)
            self._end(result, error, on_result)

        self._text.text = _("Starting…")
        self._show_running(True)
        self._job = worker.request(task, arguments, done, self._progress)
        self._changed()

    def clear(self) -> None:
        """Forget what was said of the last job."""
        if not self.running:
            self._text.text = ""

    def cancel(self, *_args) -> None:
        """Stop the job, if there is one."""
        if self._job is not None:
            self._job.cancel()

    def _progress(self, fraction: float, message: str) -> None:
        self._bar.maximum = 100
        self._bar.value = round(100 * fraction)
        self._text.text = message

    def _show_running(self, running: bool) -> None:
        # Without a maximum the bar shows that something goes on, not how far: networks take time to load.
        self._bar.maximum = 0 if running else 100
        self._bar.value = 0
        self._bar.visible = running
        self._cancel_button.visible = running
        self._cancel_button.enabled = running

    def _end(self, result: dict | None, error: Exception | None, on_result: Callable[[dict], str]) -> None:
        if error is None:
            try:
                self._text.text = on_result(result)
            except Exception as failure:
                error = failure
        if error is not None:
            self._text.text = str(error).partition("\n")[0]
        self._changed()
        if error is not None and not isinstance(error, Cancelled):
            with slicer.util.tryWithErrorDisplay(_("The work failed; the scene is as it was.")):
                raise error
