"""pip in a child process: its output as it comes, and an end that leaves nothing running."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import claimslicer
import qt
from slicer.i18n import tr as _

from ClaimSlicerLib.packages import write_constraints


class PackageInstall:
    """One installation at a time; ``process`` is a QProcess or what behaves like one.

    ``on_line`` gets each line that pip writes. ``on_done`` gets why it failed, empty when it didn't, and
    whether the user stopped it.
    """

    def __init__(
        self,
        on_line: Callable[[str], None],
        on_done: Callable[[str, bool], None],
        process: qt.QProcess | None = None,
    ) -> None:
        self.process = process if process is not None else qt.QProcess()
        self.process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.finished.connect(self._finished)
        self.process.errorOccurred.connect(self._failed)
        self._on_line = on_line
        self._on_done = on_done
        self._folder: tempfile.TemporaryDirectory | None = None
        self._rest = b""
        self._last_error = ""
        self._cancelled = False

    @property
    def running(self) -> bool:
        """Whether an installation has begun and not ended."""
        return self._folder is not None

    def start(self, requirements: Sequence[str], wheels: str = "", *, anew: bool = False) -> None:
        """Install ``requirements``, from the folder ``wheels`` alone where one is given.

        ``anew`` writes packages again that pip holds to be there, and leaves what they depend on. Raises
        RuntimeError without Slicer's Python.
        """
        python = shutil.which("PythonSlicer")
        if python is None:
            raise RuntimeError(_("PythonSlicer isn't on the PATH; it comes with Slicer."))
        self._rest, self._last_error, self._cancelled = b"", "", False
        self._folder = tempfile.TemporaryDirectory(prefix="claim-", ignore_cleanup_errors=True)
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        options += ["--constraint", str(write_constraints(Path(self._folder.name)))]
        options += ["--no-index", "--find-links", wheels] if wheels else []
        options += ["--force-reinstall", "--no-deps"] if anew else []
        # ``python -m`` looks in the working directory first, and the library lies there.
        self.process.setWorkingDirectory(str(Path(claimslicer.__file__).parent.parent))
        self.process.start(python, ["-m", "claimslicer.install", "install", *options, *requirements])

    def cancel(self, *_args) -> None:
        """End pip and all that it started; ``on_done`` is told when they are gone."""
        if self.running:
            self._cancelled = True
            self.process.closeWriteChannel()

    def close(self) -> None:
        """End the installation with the panel, and wait until it is gone."""
        if self.running:
            self.cancel()
            self.process.waitForFinished(5000)

    def _read(self) -> None:
        lines = (self._rest + self.process.readAllStandardOutput().data()).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text.startswith("ERROR:"):
            self._last_error = text.removeprefix("ERROR:").strip()
        if text:
            self._on_line(text)

    def _finished(self, *_args) -> None:
        self._read()
        self._line(self._rest)
        code = int(self.process.exitCode())
        why = "" if code == 0 else self._last_error or _("pip ended with exit code {}.").format(code)
        self._end(why)

    def _failed(self, *_args) -> None:
        # Every other error is followed by ``finished``.
        if self.process.error() == qt.QProcess.FailedToStart:
            self._end(_("Slicer's Python could not be started."))

    def _end(self, why: str) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()
            self._on_done(why, self._cancelled)
