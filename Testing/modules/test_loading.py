"""How the module files are found: beside each other, in one folder, and alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cmake_lists
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = cmake_lists.MODULES
START = """
import sys
testing, names, *folders = sys.argv[1:]
import slicer  # before the path grows, as it takes every folder "slicer" there for its own
sys.path.insert(0, testing)
from host import application
application.MODULES = ()
application.start()
# Where the library is installed for development, it must not be found that way.
sys.path[:] = folders + [path for path in sys.path if "ClaimSlicer" not in path]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
sys.path_importer_cache.clear()
for name in names.split():
    try:
        __import__(name)
        import claimslicer
        print(claimslicer.__file__)
    except ModuleNotFoundError as error:
        print(error)
"""


def import_modules(names: str, *folders: Path) -> list[str]:
    """Import module files in a fresh process that has ``folders`` on its path and the library nowhere else.

    Return a line for each: where it found the library, or why it could not be imported.
    """
    arguments = [sys.executable, "-c", START, str(REPOSITORY / "Testing"), names, *map(str, folders)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_with_each_modules_folder_on_the_path():
    found = import_modules(" ".join(MODULES), *(REPOSITORY / name for name in reversed(MODULES)))
    assert found == [str(REPOSITORY / "ClaimSlicer" / "claimslicer" / "__init__.py")] * 4


def test_installed_in_one_folder(tmp_path):
    for module in MODULES:
        for files in cmake_lists.listed(module).values():
            for file in files:
                target = tmp_path / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(REPOSITORY / module / file, target)
    found = import_modules(" ".join(reversed(MODULES)), tmp_path)
    assert found == [str(tmp_path / "claimslicer" / "__init__.py")] * 4


@pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is missing: pip install cmake")
@pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("c++")), reason="cmake asks for a C and a C++ compiler"
)
def test_installed_by_cmake(tmp_path):
    """The extension's own CMake files, run with stand-ins for Slicer's macros, install what is listed."""
    configure = ["cmake", "-S", REPOSITORY, "-B", tmp_path / "build", "-DBUILD_TESTING=ON"]
    install = ["cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "installed"]
    for command in ([*configure, f"-DSlicer_DIR={REPOSITORY / 'Testing' / 'cmake'}"], install):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "installed" / "lib" / "Slicer-5.12" / "qt-scripted-modules"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    listed = {file for module in MODULES for files in cmake_lists.listed(module).values() for file in files}
    assert there == listed
    found = import_modules(" ".join(reversed(MODULES)), folder)
    assert found == [str(folder / "claimslicer" / "__init__.py")] * 4


def test_alone_a_module_says_what_it_needs():
    names = MODULES[1:]
    lines = import_modules(" ".join(names), *(REPOSITORY / name for name in names))
    assert len(lines) == len(names)
    for name, line in zip(names, lines, strict=True):
        assert f"{name} needs the module ClaimSlicer" in line
        assert "additional module paths" in line
