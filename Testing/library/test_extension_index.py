"""The extension index's conditions and the release's versions: they hold, and are missed where they don't."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def script(monkeypatch, name):
    """Import a script that lies beside the tests' folders."""
    monkeypatch.setattr(sys, "path", [str(REPOSITORY / "Testing"), *sys.path])
    return importlib.import_module(name)


@pytest.fixture
def index(monkeypatch):
    return script(monkeypatch, "extension_index")


@pytest.fixture
def copy(index, monkeypatch, tmp_path):
    """Let the script check a copy of what it reads; return the copy's folder."""
    tracked = [
        path for path in index.tracked() if path.parts[0] != "Testing" and path.suffix != ".safetensors"
    ]
    for path in tracked:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / path, tmp_path / path)
    monkeypatch.setattr(index, "REPOSITORY", tmp_path)
    monkeypatch.setattr(index, "tracked", lambda: tracked)
    return tmp_path


def problems(index):
    return [problem for check in index.CHECKS for problem in check()]


def change(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_the_conditions_hold(index):
    assert not problems(index)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CMakeLists.txt", 'set(EXTENSION_DEPENDS "PyTorch")', "", "EXTENSION_DEPENDS isn't"),
        ("CMakeLists.txt", "project(ClaimSlicer)", "project(SlicerClaim)", "begins with Slicer"),
        ("CMakeLists.txt", "docs/claim.jpg", "docs/none.jpg", "none.jpg is no file"),
        ("CMakeLists.txt", 'DEPENDS "PyTorch"', 'DEPENDS "PyTorch NNUNet"', "differ in build_dependencies"),
        ("ClaimSlicer.json", '"tier": 1', '"tier": 7', "the tier"),
        ("ClaimSlicer.json", '"tier"', '"level"', "doesn't know level"),
        ("README.md", "Apache License", "free licence", "licence isn't named"),
        ("README.md", "Nothing is sent anywhere", "Nothing is sent", "what is sent anywhere"),
        ("README.md", "- **SMILE** ", "- SMILE ", "module SMILEModule"),
        ("docs/tutorial.md", ".jpg)", ".jpg", "few screenshots"),
        ("SMILEModule/SMILEModule.py", "class SMILEModuleTest(", "class Nothing(", "lacks SMILEModuleTest"),
        ("SMILEModule/SMILEModule.py", "import slicer", "import slicer\nimport socket", "imports socket"),
        ("CITATION.cff", "github.com/ClaimSlicer", "github.com/Other", "CITATION.cff doesn't name"),
    ],
)
def test_what_is_missing_is_said(index, copy, file, old, new, said):
    change(copy / file, old, new)
    assert any(said in problem for problem in problems(index))


def test_moving_to_another_address_changes_it_everywhere(index, copy):
    changed = {path.name for path in index.move("https://github.com/example/SlicerScar")}
    assert {"CMakeLists.txt", "ClaimSlicer.json", "CITATION.cff", "pyproject.toml", "commands.md"} <= changed
    assert not problems(index)
    assert (
        "raw.githubusercontent.com/example/SlicerScar/main/docs/claim.jpg"
        in index.cmake_settings()["SCREENSHOTURLS"]
    )
    with pytest.raises(SystemExit, match="Give an address"):
        index.move("example.org")


def test_the_version_is_the_same_everywhere(monkeypatch):
    assert len(set(script(monkeypatch, "release").versions().values())) == 1
