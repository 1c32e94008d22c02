"""The panel's list of variants: choosing, comparing, exporting, deleting."""

from __future__ import annotations

import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _

from SynthesisModuleLib.variants import Variant, remove_variant, variants

NAME_COLUMN = 0


class VariantsBox:
    """Shows the scene's variants in ``ui.variantsTable``; the rows follow the scene."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self._rows: list[Variant] = []
        self._busy = False
        header = ui.variantsTable.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(NAME_COLUMN, qt.QHeaderView.Stretch)
        header.highlightSections = False
        ui.variantsTable.itemSelectionChanged.connect(self.show_buttons)

    def refresh(self, busy: bool, shown: vtkMRMLScalarVolumeNode | None = None) -> None:
        """Show what the scene holds; ``busy`` keeps buttons off that would disturb a running job.

        New rows are chosen as the old ones were, or else that of the variant ``shown`` in the views.
        """
        self._busy = busy
        rows = variants()
        if rows != self._rows:
            chosen = self.chosen() or [shown]
            self._rows = rows
            self._fill()
            self.choose([node for node in chosen if node in [row.node for row in rows]])
        self.show_buttons()

    def _fill(self) -> None:
        table = self.ui.variantsTable
        table.clearContents()
        table.rowCount = len(self._rows)
        for index, variant in enumerate(self._rows):
            texts = (variant.name, variant.seed, variant.texture, variant.scar_level, variant.time)
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(variant.tip())
                if column != NAME_COLUMN:
                    item.setTextAlignment(qt.Qt.AlignCenter)
                table.setItem(index, column, item)
            table.setRowHeight(index, 22)

    def chosen(self) -> list[vtkMRMLScalarVolumeNode]:
        """Return the chosen variants' nodes, in the list's order."""
        rows = sorted(index.row() for index in self.ui.variantsTable.selectionModel().selectedRows())
        return [self._rows[row].node for row in rows if row < len(self._rows)]

    def choose(self, nodes: list[vtkMRMLScalarVolumeNode]) -> None:
        """Choose the rows of ``nodes``."""
        table = self.ui.variantsTable
        table.clearSelection()
        mode = qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
        for row, variant in enumerate(self._rows):
            if variant.node in nodes:
                table.selectionModel().select(table.model().index(row, NAME_COLUMN), mode)

    def show_buttons(self) -> None:
        """Enable what can be done with the rows chosen."""
        count = len(self.chosen())
        self.ui.compareButton.enabled = count in (1, 2)
        self.ui.exportButton.enabled = count == 1 and not self._busy
        self.ui.deleteButton.enabled = count > 0 and not self._busy
        self.ui.segmentButton.enabled = count == 1

    def pair(self) -> tuple[vtkMRMLScalarVolumeNode, vtkMRMLScalarVolumeNode]:
        """Return what is to be compared: one variant's original and itself, or two variants.

        Raises StudyError when the original has left the scene.
        """
        nodes = self.chosen()
        if len(nodes) == 1:
            return Variant.of(nodes[0]).original, nodes[0]
        return nodes[0], nodes[1]

    def delete(self) -> bool:
        """Take the chosen variants out of the scene if the user agrees; say whether that was done."""
        nodes = self.chosen()
        names = ", ".join(node.GetName() for node in nodes)
        question = _("Take {names} out of the scene? Files that were saved stay on the disk.")
        if not slicer.util.confirmOkCancelDisplay(question.format(names=names)):
            return False
        for node in nodes:
            remove_variant(node)
        return True
