"""The library's files and rooms depend in one direction: nothing is imported in a circle, lazily or not."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "ClaimSlicer" / "claimslicer"


def imported(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield the names that a file imports from the library, as the parts of their paths."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "claimslicer":
            base = tuple(node.module.split(".")[1:])
            yield from ((*base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                tuple(alias.name.split(".")[1:])
                for alias in node.names
                if alias.name.startswith("claimslicer.")
            )


def file_of(parts: tuple[str, ...]) -> Path | None:
    """Return the file that an imported name lies in."""
    for length in range(len(parts), 0, -1):
        place = LIBRARY.joinpath(*parts[:length])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file.relative_to(LIBRARY)
    return None


@cache
def files() -> dict[Path, set[Path]]:
    """Return which files of the library each file imports."""
    found = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        own = path.relative_to(LIBRARY)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[own] = {file for parts in imported(tree) if (file := file_of(parts)) and file != own}
    return found


def room(file: Path, inside: str) -> str:
    """Return the room that a file lies in: a folder or file directly below the place looked at."""
    return file.relative_to(inside).parts[0] if inside else file.parts[0]


def circle(graph: dict) -> list:
    """Return one circle of a graph, empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_file_imports_itself_in_a_circle():
    assert not circle({str(file): {str(one) for one in ones} for file, ones in files().items()})


@pytest.mark.parametrize(
    "inside", ["", "training", "studies", "segmentation", "worker", "smile", "evaluation"]
)
def test_no_room_depends_on_one_that_depends_on_it(inside):
    graph: dict[str, set[str]] = {}
    for file, ones in files().items():
        if file.name == "__init__.py" or not file.is_relative_to(inside):
            continue
        others = {
            room(one, inside) for one in ones if one.is_relative_to(inside) and one.name != "__init__.py"
        }
        graph.setdefault(room(file, inside), set()).update(others - {room(file, inside)})
    assert not circle(graph)
