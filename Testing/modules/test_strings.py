"""Every text that the panels show can be translated: it goes through ``_``."""

from __future__ import annotations

import ast

import pytest
import pythonqt_lint

SHOWN = frozenset(("text", "toolTip", "title", "windowTitle", "placeholderText", "statusTip", "helpText"))
SHOWING = frozenset(
    (
        "errorDisplay",
        "infoDisplay",
        "warningDisplay",
        "tryWithErrorDisplay",
        "showStatusMessage",
        "confirmYesNoDisplay",
        "confirmOkCancelDisplay",
        "setHorizontalHeaderLabels",
        "addTab",
        "setText",
        "QLabel",
        "QPushButton",
        "QCheckBox",
        "QGroupBox",
        "QAction",
        "QTableWidgetItem",
        "QListWidgetItem",
    )
)


def untranslated(source: str) -> list[str]:
    """Return the texts that are shown as they stand in the code, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        values = []
        if isinstance(node, ast.Assign):
            shown = [t for t in node.targets if isinstance(t, ast.Attribute) and t.attr in SHOWN]
            values = [node.value] if shown else []
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            values = node.args[:1] if name in SHOWING else []
        for value in values:
            parts = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
            found += [f"line {part.lineno}: {ast.unparse(part)}" for part in parts if _is_text(part)]
    return found


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(_is_text(part) for part in node.values)
    return (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and any(map(str.isalpha, node.value))
    )


@pytest.mark.parametrize("path", pythonqt_lint.module_files(), ids=lambda path: path.name)
def test_what_is_shown_can_be_translated(path):
    assert untranslated(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "self.ui.label.text = 'Nothing chosen'",
        "button.toolTip = f'{count} studies'",
        "slicer.util.errorDisplay('It failed.')",
        "table.setHorizontalHeaderLabels([_('Name'), 'Volume'])",
        "x = qt.QLabel('Seed')",
    ],
)
def test_a_bare_text_is_found(line):
    assert untranslated(line)


@pytest.mark.parametrize(
    "line",
    [
        "self.ui.label.text = _('Nothing chosen')",
        "self.ui.label.text = ''",
        "self.ui.label.text = f'{value:.1f}'",
        "slicer.util.errorDisplay(_('It failed.'), detailedText='x')",
        "x = qt.QLabel('–')",
    ],
)
def test_translated_and_wordless_texts_pass(line):
    assert not untranslated(line)
