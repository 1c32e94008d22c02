"""Dialogs that wait for the user: what they say is recorded, and tests prepare the answers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from PySide6 import QtWidgets

from host import NotInHostError


@dataclass(frozen=True)
class Message:
    """What a message box said."""

    text: str
    icon: QtWidgets.QMessageBox.Icon
    details: str


class Dialogs:
    """``shown`` are the messages so far; ``answers`` and ``paths`` are the user's, first come first taken."""

    def __init__(self) -> None:
        self.shown: list[Message] = []
        self.answers: deque[object] = deque()
        self.paths: deque[object] = deque()

    def clear(self) -> None:
        """Forget everything, answers that nobody asked for included."""
        self.shown.clear()
        self.answers.clear()
        self.paths.clear()

    def errors(self) -> list[str]:
        """Return the texts of the error messages."""
        return [message.text for message in self.shown if message.icon == QtWidgets.QMessageBox.Icon.Critical]

    def answer(self, question: str) -> object:
        """Return the next prepared answer; without one a real user would be waited for."""
        if not self.answers:
            raise NotInHostError(f"No answer is prepared for: {question}")
        return self.answers.popleft()

    def path(self, title: str) -> object:
        """Return the next prepared file or folder."""
        if not self.paths:
            raise NotInHostError(f"No path is prepared for the file dialog: {title}")
        return self.paths.popleft()


DIALOGS = Dialogs()


class MessageBox(QtWidgets.QMessageBox):
    """``ctk.ctkMessageBox`` and ``qt.QMessageBox``."""

    def exec_(self) -> object:
        """Record what is said; one button is pressed, a choice between several is taken from the answers."""
        detail, icon = QtWidgets.QMessageBox.detailedText(self), QtWidgets.QMessageBox.icon(self)
        text = QtWidgets.QMessageBox.text(self)
        DIALOGS.shown.append(Message(text, icon, detail))
        # "Show details…" is no answer.
        action = QtWidgets.QMessageBox.ButtonRole.ActionRole
        buttons = [button for button in self.buttons() if self.buttonRole(button) != action]
        if len(buttons) <= 1:
            return self.standardButton(buttons[0]) if buttons else QtWidgets.QMessageBox.StandardButton.Ok
        return DIALOGS.answer(text)


class FileDialog(QtWidgets.QFileDialog):
    """``qt.QFileDialog``: its questions for a file or folder; as in PythonQt a path comes back, or ""."""

    @staticmethod
    def getOpenFileName(parent=None, title="", folder="", filters="") -> str:  # noqa: N802
        """Ask for a file to read."""
        return str(DIALOGS.path(title))

    @staticmethod
    def getSaveFileName(parent=None, title="", folder="", filters="") -> str:  # noqa: N802
        """Ask for a file to write."""
        return str(DIALOGS.path(title))

    @staticmethod
    def getExistingDirectory(parent=None, title="", folder="", options=None) -> str:  # noqa: N802
        """Ask for a folder."""
        return str(DIALOGS.path(title))

    @staticmethod
    def getOpenFileNames(parent=None, title="", folder="", filters="") -> tuple[str, ...]:  # noqa: N802
        """Ask for files to read."""
        return tuple(map(str, DIALOGS.path(title)))

    def exec_(self) -> object:
        """Refuse: the panels ask through the functions above."""
        raise NotInHostError("The host answers QFileDialog's static functions only.")
