"""The numbers as rows of text for the panel, and as table nodes of the scene."""

from __future__ import annotations

from collections.abc import Sequence

import qt
import slicer
from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.face import (
    Face,
    difference_face,
    empty_face,
    signed,
    transmurality_face,
    volume_face,
)
from ClaimSlicerLib.made import made_for, mark_made
from ClaimSlicerLib.synthetic import is_synthetic, mark_synthetic
from slicer.i18n import tr as _

DASH = "–"
Row = list[str]


def totals_rows(result: dict, thresholds: dict | None) -> list[Row]:
    """Return quantity, ml, g and % of LV mass; thresholds follow the labels' own numbers."""
    totals = result["totals"]
    rows = [
        [_("Infarct with MVO"), *_amounts(totals, "infarct")],
        [_("MVO"), *_amounts(totals, "mvo")],
        [_("LV wall"), f"{totals['myocardium_ml']:.1f}", f"{totals['myocardium_g']:.1f}", "100"],
        [_("LV cavity"), f"{totals['cavity_ml']:.1f}", DASH, DASH],
    ]
    for name, numbers in (thresholds or {}).items():
        rows.append([_("Infarct by {name}").format(name=name), *_amounts(numbers, "infarct")])
    return rows


def _amounts(numbers: dict, what: str) -> Row:
    return [f"{numbers[f'{what}_{unit}']:.1f}" for unit in ("ml", "g", "percent")]


def segment_rows(result: dict) -> list[Row]:
    """Return segment, infarct ml, MVO ml, transmurality in % and its class."""
    rows = []
    for number, segment in SEGMENTS.items():
        values = result["segments"].get(str(number))
        name = f"{number} {segment.name}"
        if values is None:
            rows.append([name, DASH, DASH, DASH, DASH])
            continue
        depth = values["transmurality"]
        rows.append(
            [
                name,
                f"{values['infarct_ml']:.1f}",
                f"{values['mvo_ml']:.1f}",
                DASH if depth is None else f"{100 * depth:.0f}",
                values["transmurality_class"] or DASH,
            ]
        )
    return rows


def agreement_rows(result: dict) -> list[Row]:
    """Return region, Dice, HD95 in mm and the difference in ml; nothing without a second segmentation."""
    names = {
        "cavity": _("LV cavity"),
        "myocardium": _("LV wall"),
        "infarct": _("Infarct with MVO"),
        "mvo": _("MVO"),
    }
    rows = []
    for row in (result["comparison"] or {"rows": []})["rows"]:
        if row["region"] in names:
            hd95 = DASH if row["hd95_mm"] is None else f"{row['hd95_mm']:.1f}"
            empty = not (row["volume_ml"] or row["reference_ml"])  # nothing agrees with nothing
            dice = DASH if empty else f"{row['dice']:.3f}"
            rows.append([names[row["region"]], dice, hd95, signed(row["difference_ml"], 1)])
    return rows


def face_of(shown: str, result: dict | None) -> Face:
    """Return the bull's-eye for "volume", "transmurality" or "difference"."""
    if result is None:
        return empty_face()
    segments = {int(number): values for number, values in result["segments"].items()}
    if shown == "volume":
        return volume_face({k: values["infarct_ml"] for k, values in segments.items()})
    if shown == "transmurality":
        return transmurality_face({k: values["transmurality"] for k, values in segments.items()})
    if result["comparison"] is None:
        return empty_face(_("Choose what to compare with"))
    differences = result["comparison"]["segment_difference_ml"]
    return difference_face({int(number): ml for number, ml in differences.items()})


def fill(table: qt.QTableWidget, headings: Sequence[str], rows: Sequence[Row]) -> None:
    """Show ``rows``; the first column takes the room that is left. What is there already stays."""
    table.columnCount = len(headings)
    table.setHorizontalHeaderLabels(list(headings))
    table.rowCount = len(rows)
    right = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            known = table.item(y, x)
            if known is not None and known.text() == text:
                continue
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            if x:
                item.setTextAlignment(right)
            table.setItem(y, x, item)
    header = table.horizontalHeader()
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
    for x in range(1, len(headings)):
        header.setSectionResizeMode(x, qt.QHeaderView.ResizeToContents)
    table.verticalHeader().defaultSectionSize = 22


def fit_height(table: qt.QTableWidget) -> None:
    """Make ``table`` as high as its rows."""
    table.setFixedHeight(22 * table.rowCount + table.horizontalHeader().height + 6)


def write_table_nodes(
    result: dict, volume: slicer.vtkMRMLScalarVolumeNode, *, create: bool
) -> list[slicer.vtkMRMLTableNode]:
    """Put the numbers into our table nodes of ``volume``; those that are missing are made if ``create``."""
    totals = [[name, value] for name, value in result["totals"].items()]
    columns = list(result["rows"][0]) if result["rows"] else []
    segments = [[row[name] for name in columns] for row in result["rows"]]
    return [
        node
        for node in (
            _table_node(volume, "numbers", _("totals"), ["quantity", "value"], totals, create),
            _table_node(volume, "segments", _("AHA segments"), columns, segments, create),
        )
        if node is not None
    ]


def _table_node(volume, kind: str, title: str, columns: list[str], rows: list[list], create: bool):
    node = made_for(volume, "vtkMRMLTableNode", kind)
    if node is None and not create:
        return None
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} {title}")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
        mark_made(node, kind, volume)
        if is_synthetic(volume):
            mark_synthetic(node)
    node.RemoveAllColumns()
    for index, name in enumerate(columns):
        column = node.AddColumn()
        column.SetName(name)
        column.SetNumberOfValues(len(rows))
        for y, row in enumerate(rows):
            column.SetValue(y, "" if row[index] is None else str(row[index]))
    node.GetTable().Modified()
    return node
