"""The panel's box Networks: what is here, taking in, giving out, checking, removing, and each one's card."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from claimslicer.errors import ModelError
from claimslicer.models.card import ModelCard
from claimslicer.models.registry import Model, list_models
from slicer.i18n import tr as _

from ClaimSlicerLib.job import JobDisplay
from ClaimSlicerLib.resources import load_ui
from ClaimSlicerLib.worker import Worker

COLUMNS = ("", _("Name"), _("Kind"), _("Size"), _("From"))
MARKS = {"intact": ("✓", "#1e8449"), "damaged": ("✗", "#c0392b"), "unknown": ("?", "#7f8c8d")}
"""Mark and colour by what verifying said."""
FILTER = _("Networks") + " (*.zip *.safetensors)"


class ModelsBox:
    """Shows the library's models; files are read and written by a worker of its own."""

    def __init__(self, layout) -> None:
        self.ui = load_ui("ModelsBox", layout)
        self.worker = Worker(name="models-files")
        self.job = JobDisplay(
            self.ui.modelsProgress, self.ui.modelsCancelButton, self.ui.modelsLabel, self._show_buttons
        )
        self.models: list[Model] = []
        self._problems: dict[str, str] = {}
        table = self.ui.modelsTable
        table.columnCount = len(COLUMNS)
        table.setHorizontalHeaderLabels(list(COLUMNS))
        table.verticalHeader().visible = False
        table.horizontalHeader().setSectionResizeMode(COLUMNS.index(_("Kind")), qt.QHeaderView.Stretch)
        table.horizontalHeader().highlightSections = False
        table.itemSelectionChanged.connect(self._show_card)
        self.ui.importButton.clicked.connect(self._import)
        self.ui.exportButton.clicked.connect(self._export)
        self.ui.verifyButton.clicked.connect(self._verify)
        self.ui.removeButton.clicked.connect(self._remove)
        self.fill()

    def close(self) -> None:
        """End what runs."""
        self.worker.close()

    @property
    def chosen(self) -> Model | None:
        """The model of the chosen row."""
        row = self.ui.modelsTable.currentRow()
        return self.models[row] if 0 <= row < len(self.models) else None

    def fill(self, wanted: str = "") -> None:
        """List the models and choose the one called ``wanted``, or the first."""
        self.models = list_models()
        table = self.ui.modelsTable
        table.rowCount = len(self.models)
        for row, model in enumerate(self.models):
            state, tip = self._state(model)
            mark, colour = MARKS[state]
            for column, text in enumerate((mark, *_texts(model))):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(tip)
                if column == 0:
                    item.setForeground(qt.QBrush(qt.QColor(colour)))
                table.setItem(row, column, item)
        table.resizeColumnsToContents()
        table.resizeRowsToContents()
        names = [model.name for model in self.models]
        if names:
            table.setCurrentCell(names.index(wanted) if wanted in names else 0, 0)
        self._show_card()

    def _state(self, model: Model) -> tuple[str, str]:
        """Return a model's state, a key of MARKS, and what there is to say of it."""
        problem = self._problems.get(str(model.weights))
        try:
            _card = model.card
        except ModelError as error:
            problem = str(error)
        if problem is None:
            return "unknown", _("Not verified yet: {}").format(model.weights)
        return ("damaged", problem) if problem else ("intact", _("Verified: {}").format(model.weights))

    def _show_card(self) -> None:
        model = self.chosen
        if model is None:
            self.ui.cardView.plainText = _("There are no networks here: import one from a file.")
        else:
            try:
                self.ui.cardView.html = card_html(model.card)
            except ModelError as error:
                self.ui.cardView.plainText = str(error)
        self._show_buttons()

    def _show_buttons(self) -> None:
        free = not self.job.running
        self.ui.modelsProgressRow.visible = not free
        self.ui.modelsLabel.visible = bool(self.ui.modelsLabel.text)
        self.ui.importButton.enabled = free
        self.ui.verifyButton.enabled = free and bool(self.models)
        self.ui.exportButton.enabled = free and self.chosen is not None
        own = self.chosen is not None and not self.chosen.shipped
        self.ui.removeButton.enabled = free and own
        self.ui.removeButton.toolTip = (
            _("Delete the chosen network of your own from this computer")
            if own
            else _("Only networks of your own can be removed")
        )

    # What the buttons do

    def _import(self, *_args) -> None:
        path = qt.QFileDialog.getOpenFileName(self.ui.modelsTable, _("Import a network"), "", FILTER)
        if path:
            self._do("import_model", {"source": path}, self._imported)

    def _imported(self, result: dict) -> str:
        self.fill(result["name"])
        return _("Imported {name}; its weights are those on its card.").format(name=result["name"])

    def _export(self, *_args) -> None:
        name = self.chosen.name
        title = _("Export {name}").format(name=name)
        path = qt.QFileDialog.getSaveFileName(self.ui.modelsTable, title, f"{name}.zip", "(*.zip)")
        if path:
            archive = path if path.lower().endswith(".zip") else f"{path}.zip"
            arguments = {"name": name, "archive": archive}
            self._do("export_model", arguments, lambda result: _("Wrote {}.").format(result["archive"]))

    def _verify(self, *_args) -> None:
        self._do("verify_models", {}, self._verified)

    def _verified(self, result: dict) -> str:
        self._problems = result["problems"]
        self.fill(self.chosen.name if self.chosen else "")
        damaged = [problem for problem in self._problems.values() if problem]
        return damaged[0] if damaged else _("All weights are those on their cards.")

    def _remove(self, *_args) -> None:
        name = self.chosen.name
        question = _("Delete the network {name} from this computer? It can't be brought back.").format(
            name=name
        )
        if slicer.util.confirmOkCancelDisplay(question):
            self._do("remove_model", {"name": name}, lambda _result: self._removed(name))

    def _removed(self, name: str) -> str:
        self.fill()
        return _("Removed {name}.").format(name=name)

    def _do(self, task: str, arguments: dict, on_result) -> None:
        with slicer.util.tryWithErrorDisplay(_("The networks could not be changed.")):
            self.job.start(self.worker, task, arguments, on_result)


def _texts(model: Model) -> tuple[str, ...]:
    origin = _("shipped") if model.shipped else _("yours")
    return f"{model.name} {_version(model)}", model.weights.stem, size_text(model.weights), origin


def _version(model: Model) -> str:
    try:
        return model.card.version
    except ModelError:  # the mark in front says so
        return ""


def size_text(path: Path) -> str:
    """Return a file's size in words, a dash where it isn't there."""
    return f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "–"


def card_html(card: ModelCard) -> str:
    """Return what a card says of its data, split, training, figures and terms, to read in a panel."""
    from html import escape

    def lines(values: object, name: str = "") -> list[str]:
        if isinstance(values, dict):
            return [line for key, value in values.items() for line in lines(value, f"{name} {key}".strip())]
        if isinstance(values, list):
            return [f"{escape(name)}: {len(values)} – {escape(', '.join(map(str, values)))}"]
        number = f"{values:.3g}" if isinstance(values, float) else str(values)
        return [f"{escape(name)}: {escape(number)}" if name else escape(number)]

    sections = {
        _("Terms"): card.terms,
        _("Data"): card.data,
        _("Figures"): card.figures,
        _("Training"): card.training,
        _("Split"): card.split,
        _("Made with"): card.made_with,
        _("SHA-256"): card.sha256,
    }
    title = f"<p><b>{escape(card.name)}</b> {escape(card.kind)} {escape(card.version)}</p>"
    parts = [
        f"<p><b>{escape(heading)}</b><br>{'<br>'.join(line.replace('_', ' ') for line in lines(values))}</p>"
        for heading, values in sections.items()
        if values
    ]
    return title + "".join(parts)
