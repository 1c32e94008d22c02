"""Combo boxes whose entries are found out while Slicer runs: the models there are, the devices there are."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence

import qt
from claimslicer.errors import Cancelled
from slicer.i18n import tr as _

from ClaimSlicerLib.worker import model_worker

Option = tuple[str, str, str]
"""A value, the text that the user reads, and its tool tip."""


class Choice:
    """A combo box over values; ``chosen(value)`` is called when the user picks one, not when one is shown."""

    def __init__(self, box: qt.QComboBox, chosen: Callable[[str], None]) -> None:
        self._box = box
        self._chosen = chosen
        self._values: list[str] = []
        box.activated.connect(self._picked)

    def offer(self, options: Sequence[Option]) -> None:
        """Replace the entries; what is shown stays where it is offered still."""
        current = self.value
        self._box.clear()
        self._values = []
        for option in options:
            self._add(option)
        if current:
            self.show(current)

    @property
    def value(self) -> str:
        """The value shown, empty when there is none."""
        index = self._box.currentIndex
        return self._values[index] if 0 <= index < len(self._values) else ""

    def show(self, value: str) -> None:
        """Show a value; one that isn't offered here, as a scene may bring it, is shown as missing."""
        if value not in self._values:
            self._add((value, _("{name} (not here)").format(name=value), _("From the scene; missing here")))
        self._box.currentIndex = self._values.index(value)

    def _add(self, option: Option) -> None:
        value, text, tip = option
        self._values.append(value)
        self._box.addItem(text)
        self._box.setItemData(len(self._values) - 1, tip, qt.Qt.ToolTipRole)

    def _picked(self, *_args) -> None:
        self._chosen(self.value)


def model_options(kind: str) -> list[Option]:
    """Return the models for "synthesis" or "segmentation"; a user's own hides a shipped one of its name."""
    from claimslicer.models.registry import DEFAULT_MODEL, list_models

    models = {model.name: model for model in reversed(list_models()) if model.weights.stem == kind}
    return [
        (
            name,
            _("{name} (shipped)").format(name=name) if model.shipped else name,
            str(model.weights.parent),
        )
        for name, model in sorted(models.items(), key=lambda item: (item[0] != DEFAULT_MODEL, item[0]))
    ]


DEVICE_OPTIONS: tuple[Option, ...] = (
    ("auto", _("Automatic"), _("The graphics card where one can be used, else the processor")),
    ("cpu", _("Processor"), _("Always works; slower than a graphics card")),
)


def ask_devices(choice: Choice, on_error: Callable[[Exception], None]) -> None:
    """Offer the devices that the worker finds; only the two sure ones before PyTorch is installed."""
    if importlib.util.find_spec("torch") is None:
        return

    def answered(result: dict | None, error: Exception | None) -> None:
        if isinstance(error, Cancelled):
            return  # Slicer ends, and the panel with it
        if error is not None:
            on_error(error)
            return
        found = [
            (device["name"], _("Graphics card {name}").format(name=device["name"]), device["text"])
            for device in result["devices"]
            if device["name"] != "cpu"
        ]
        choice.offer([*DEVICE_OPTIONS, *found])

    model_worker().request("devices", {}, answered)
