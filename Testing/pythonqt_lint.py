"""Find code of the panels that PySide6 runs and Slicer's PythonQt refuses, or that only one of the two knows.

    python Testing/pythonqt_lint.py [FILE ...]

What each rule says was seen in PythonQt 4.1 on Qt 5.15; the getters and setters of properties that PythonQt
has and the stand-in hasn't are refused too. Which names are properties, methods and signals comes
from Qt's own meta objects. The type of an object is known where the file makes it, where a ``.ui`` file names
it, and for ``self``; of others only names are judged that nothing but a Qt property has.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from PySide6 import QtCore, QtGui, QtWidgets

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
LIGHT = frozenset(
    ["slicer", "vtk", "qt", "ctk", "SimpleITK", "numpy", "scipy", "SampleData", "claimslicer"]
    + [f"{name}Lib" for name in MODULES]
)
"""What a module file may import at its top."""
ABSENT = frozenset(("QSvgRenderer", "QSvgWidget", "QTest", "Slot", "Property", "pyqtSlot", "pyqtSignal"))
VIRTUALS = frozenset(
    {name for name in dir(QtWidgets.QWidget) if name.endswith("Event")}
    | {"event", "sizeHint", "minimumSizeHint"}
)
CLASSES = {
    name: getattr(part, name)
    for part in (QtCore, QtGui, QtWidgets)
    for name in dir(part)
    if name.startswith("Q") and isinstance(getattr(part, name), type)
}
OBJECTS = {name: kind for name, kind in CLASSES.items() if issubclass(kind, QtCore.QObject)}


@cache
def properties(name: str) -> dict[str, bool]:
    """Return the properties of a Qt class and whether they can be written; empty for an unknown class."""
    if name not in OBJECTS:
        return {}
    meta = OBJECTS[name].staticMetaObject
    found = (meta.property(index) for index in range(meta.propertyCount()))
    return {one.name(): one.isWritable() for one in found}


@cache
def unmistakable() -> frozenset[str]:
    """Return the property names that no class without properties has as a method, such as QRect's width."""
    everywhere = {name for kind in OBJECTS for name in properties(kind)}
    plain = {name for key, kind in CLASSES.items() if key not in OBJECTS for name in dir(kind)}
    methods = {
        name
        for key, kind in OBJECTS.items()
        for name in set(dir(kind)) - set(properties(key))
        if callable(getattr(kind, name))
    }
    python = {name for kind in (str, list, dict, set, bytes, float, Path) for name in dir(kind)}
    return frozenset(
        everywhere - plain - methods - python - {"value", "state", "name", "model", "data", "label"}
    )


@cache
def getters() -> dict[str, str]:
    """Return the getters whose property has another name, such as isEnabled for enabled."""
    return {
        f"is{name[0].upper()}{name[1:]}": name
        for kind in OBJECTS
        for name in properties(kind)
        if hasattr(OBJECTS[kind], f"is{name[0].upper()}{name[1:]}")
    }


@cache
def qt_methods() -> frozenset[str]:
    """Return the names in camel case that are methods of Qt."""
    names = {name for kind in CLASSES.values() for name in dir(kind)}
    return frozenset(name for name in names if name[:1].islower() and not name.islower())


def ui_classes(folder: Path) -> dict[str, str]:
    """Return the class of each widget that ``.ui`` files under ``folder`` name; none where they differ."""
    result: dict[str, str] = {}
    for path in sorted(folder.rglob("*.ui")):
        for element in ElementTree.parse(path).iter("widget"):
            name, kind = element.get("name"), element.get("class")
            result[name] = kind if result.get(name, kind) == kind else ""
    return result


def qt_name(node: ast.expr) -> str:
    """Return X for ``qt.X`` and ``ctk.X``, ``qMRMLX`` for ``slicer.qMRMLX``, else an empty text."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id in ("qt", "ctk"):
            return node.attr
        if node.value.id == "slicer" and node.attr.startswith("qMRML"):
            return node.attr
    return ""


class Lint(ast.NodeVisitor):
    """Walks one file and collects ``(line, breach)``."""

    def __init__(self, source: str, widgets: dict[str, str]) -> None:
        self.found: list[tuple[int, str]] = []
        self.widgets = widgets
        self.tree = ast.parse(source)
        self.source = source
        self.types: list[dict[str, str]] = [self._made(self.tree.body)]
        self.own: set[str] = set()

    def run(self) -> list[str]:
        """Return the breaches, in order."""
        self._imports()
        self.visit(self.tree)
        return [f"line {line}: {text}" for line, text in sorted(set(self.found))]

    def _add(self, node: ast.AST, text: str) -> None:
        self.found.append((node.lineno, text))

    def _imports(self) -> None:
        for node in self.tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                root = name.split(".")[0]
                if root not in LIGHT and root not in sys.stdlib_module_names:
                    self._add(node, f"import {root} inside the function that needs it")

    def _type(self, node: ast.expr) -> str:
        """Return the Qt class of an expression where it is known."""
        if isinstance(node, ast.Call):
            return qt_name(node.func)
        text = ast.unparse(node)
        for scope in reversed(self.types):
            if text in scope:
                return scope[text]
        if text.startswith(("self.ui.", "ui.", "panel.ui.")):
            return self.widgets.get(text.rpartition(".")[2], "")
        return ""

    @staticmethod
    def _made(nodes: Iterable[ast.AST]) -> dict[str, str]:
        """Return what is assigned a new Qt object, and its class."""
        return {
            ast.unparse(target): qt_name(node.value.func)
            for node in nodes
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and qt_name(node.value.func)
            for target in node.targets
        }

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Judge a subclass of a Qt class, and remember what its ``self`` is."""
        bases = [qt_name(base) for base in node.bases if qt_name(base)]
        defined = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        scope = {text: kind for text, kind in self._made(ast.walk(node)).items() if "." in text}
        if bases:
            self._subclass(bases[0], defined)
            scope["self"] = bases[0]
        before, self.own = self.own, set(defined)
        self.types.append(scope)
        self.generic_visit(node)
        self.types.pop()
        self.own = before

    def _subclass(self, base: str, defined: dict[str, ast.FunctionDef]) -> None:
        for name, function in defined.items():
            if base.startswith(("ctk", "qMRML")) and name in VIRTUALS:
                self._add(function, f"{base}.{name} isn't called: install an event filter")
            elif name in properties(base) and name not in ("sizeHint", "minimumSizeHint"):
                self._add(function, f"{name} hides the property of {base}: give it another name")
        for name in ("sizeHint", "minimumSizeHint"):
            wanted = f"get{name[0].upper()}{name[1:]}"
            if name in defined and wanted not in defined:
                self._add(defined[name], f"{name} is ignored: override {wanted}")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Remember what local names are."""
        self.types.append(self._made(ast.walk(node)))
        self.generic_visit(node)
        self.types.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        """Judge what is assigned to attributes of Qt objects."""
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                self._assigned(target)
        self.generic_visit(node)

    def _assigned(self, target: ast.Attribute) -> None:
        kind, name = self._type(target.value), target.attr
        if name == "singleShot":
            self._add(target, "singleShot can't be assigned: setProperty('singleShot', True)")
        elif kind in OBJECTS:
            own = isinstance(target.value, ast.Name) and target.value.id == "self"
            writable = properties(kind).get(name)
            if writable is False:
                self._add(target, f"{kind}.{name} is a property that can't be written: another name")
            elif writable is None and not own and name != "name":
                self._add(target, f"{kind} has no property {name}, and takes no new attributes")

    def visit_With(self, node: ast.With) -> None:
        """Judge what a block is entered with."""
        if any(self._type(item.context_expr) == "QPainter" for item in node.items):
            self._add(node, "QPainter can't be entered: call end()")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Judge names of the module qt."""
        if qt_name(node) in ABSENT:
            self._add(node, f"qt.{node.attr} isn't there")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Judge a call."""
        if isinstance(node.func, ast.Attribute):
            self._method(node, node.func)
        if isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
            kinds = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
            if any(qt_name(kind) for kind in kinds):
                self._add(node, "isinstance knows no base classes of Qt's: ask inherits('QWidget')")
        if qt_name(node.func) and node.keywords:
            self._add(node, f"{qt_name(node.func)} takes no keywords")
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("getRgb", "getRgbF", "getHsv"):
            self._add(node, f"{node.func.attr} isn't there: red(), redF() and the like")
        if ast.unparse(node).endswith("setBrush(qt.Qt.NoBrush)"):
            self._add(node, "setBrush takes a brush: qt.QBrush()")
        if qt_name(node.func) == "QImage" and len(node.args) > 3:
            self._add(node, "an image from memory: QPixmap().loadFromData(bytes)")
        self.generic_visit(node)

    def _method(self, node: ast.Call, function: ast.Attribute) -> None:
        name, owner = function.attr, function.value
        kind = self._type(owner)
        own = isinstance(owner, ast.Name) and owner.id in ("self", "cls") and name in self.own
        if not node.args and not node.keywords and not own:
            self._getter(node, name, kind)
        prop = name[3:4].lower() + name[4:]
        if (
            name.startswith("set")
            and len(node.args) == 1
            and properties(kind).get(prop)
            and prop != "singleShot"
        ):
            self._add(node, f"assign the property: .{prop} = …")
        if name == "exec" and not qt_name(function):
            self._add(node, "exec_, which both have")
        if name == "connect" and len(node.args) == 2 and not isinstance(node.args[0], ast.Constant):
            self._add(node, "connect takes the slot only")
        if name in ("connect", "emit", "disconnect") and isinstance(owner, ast.Subscript):
            self._add(node, "signals have no overloads to choose from")
        of_qt = hasattr(OBJECTS[kind], name) if kind in OBJECTS else name in qt_methods() and not kind
        if node.keywords and not own and of_qt and self._is_object(owner):
            self._add(node, f"{name} takes no keywords")
        self._event(node, name, owner)

    @staticmethod
    def _is_object(owner: ast.expr) -> bool:
        """Say whether an owner can be an object: not a module or class, such as ``slicer.util``."""
        return not ast.unparse(owner).startswith(("slicer.", "np.", "vtk.", "subprocess", "super()"))

    def _getter(self, node: ast.Call, name: str, kind: str) -> None:
        if name in properties(kind) or (not kind and name in unmistakable()):
            self._add(node, f"{name}() is a property, so an attribute: {name}")
        other = getters().get(name)
        if other and (other in properties(kind) or (not kind and other in unmistakable())):
            self._add(node, f"{name}() is a property, so an attribute: {other}")

    def _event(self, node: ast.Call, name: str, owner: ast.expr) -> None:
        if not isinstance(owner, ast.Name) or "event" not in owner.id.lower():
            return
        for new, old in (("position", "localPos"), ("globalPosition", "globalPos")):
            if name == new and old not in self.source:
                self._add(node, f"event.{new}() isn't there in Qt 5: {old}()")


def breaches(source: str, widgets: dict[str, str] | None = None) -> list[str]:
    """Return what PythonQt would refuse in a file, given the classes of its ``.ui`` widgets."""
    return Lint(source, widgets or {}).run()


def module_files() -> list[Path]:
    """Return the files that run inside Slicer: the modules and what they share."""
    return sorted(
        path
        for module in MODULES
        for path in (REPOSITORY / module).rglob("*.py")
        if "claimslicer" not in path.relative_to(REPOSITORY).parts
    )


def check(path: Path) -> Iterator[str]:
    """Yield a file's breaches with their place."""
    try:
        folder = REPOSITORY / path.resolve().relative_to(REPOSITORY).parts[0]
    except ValueError:
        folder = path.parent
    for breach in breaches(path.read_text(encoding="utf-8"), ui_classes(folder)):
        yield f"{path}:{breach.removeprefix('line ')}"


def main() -> int:
    """Print all breaches; 1 where there are any."""
    paths = [Path(argument) for argument in sys.argv[1:]] or module_files()
    found = [line for path in paths for line in check(path)]
    print("\n".join(found) or f"{len(paths)} files keep PythonQt's rules.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
