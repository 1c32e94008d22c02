"""Keep the file lists of the modules' CMakeLists.txt: a file that isn't listed is missing after installation.

    python Testing/cmake_lists.py

rewrites the lists from the folders. ``Testing/modules/test_cmake_lists.py`` fails while they differ.
"""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
SCRIPTS, RESOURCES = "MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"


def is_shipped(relative: Path) -> bool:
    """Say whether a file of a module's folder belongs into the installed extension."""
    made_elsewhere = any(
        part.startswith(".") or part == "__pycache__" or part.endswith(".egg-info") for part in relative.parts
    )
    return not made_elsewhere and relative.parts[0] not in ("CMakeLists.txt", "Testing")


def wanted(module: str) -> dict[str, list[str]]:
    """Return the files of a module's folder by the list they belong to."""
    folder = REPOSITORY / module
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = [path.as_posix() for path in files if is_shipped(path)]
    return {
        SCRIPTS: [name for name in names if name.endswith(".py")],
        RESOURCES: [name for name in names if not name.endswith(".py")],
    }


def listed(module: str) -> dict[str, list[str]]:
    """Return the files that a module's CMakeLists.txt lists."""
    text = (REPOSITORY / module / "CMakeLists.txt").read_text(encoding="utf-8")
    return {name: _block(name).search(text)[1].split() for name in (SCRIPTS, RESOURCES)}


def write(module: str) -> None:
    """Rewrite the lists of a module's CMakeLists.txt."""
    path = REPOSITORY / module / "CMakeLists.txt"
    text = path.read_text(encoding="utf-8")
    for name, files in wanted(module).items():
        lines = "".join(f"  {file}\n" for file in files)
        text = _block(name).sub(lambda _, name=name, lines=lines: f"set({name}\n{lines}  )", text)
    path.write_text(text, encoding="utf-8", newline="\n")


def _block(name: str) -> re.Pattern[str]:
    return re.compile(rf"set\({name}\n(.*?)  \)", re.DOTALL)


if __name__ == "__main__":
    for module_name in MODULES:
        write(module_name)
