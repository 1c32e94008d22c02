"""How the module files are found: beside each other, in one folder, and alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cmake_lists

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = cmake_lists.MODULES
START = """
import sys
tests, names, *folders = sys.argv[1:]
sys.path.insert(0, tests)
import conftest
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
        print(sys.modules["claimslicer"].__file__)
    except ModuleNotFoundError as error:
        print(error)
"""


def import_modules(names: str, *folders: Path) -> list[str]:
    """Import module files in a fresh process that has ``folders`` on its path and the library nowhere else.

    Return a line for each: where it found the library, or why it could not be imported.
    """
    arguments = [sys.executable, "-c", START, str(Path(__file__).parent), names, *map(str, folders)]
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


def test_alone_a_module_says_what_it_needs():
    names = MODULES[1:]
    lines = import_modules(" ".join(names), *(REPOSITORY / name for name in names))
    assert len(lines) == len(names)
    for name, line in zip(names, lines, strict=True):
        assert f"{name} needs the module ClaimSlicer" in line
        assert "additional module paths" in line
