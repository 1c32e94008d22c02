"""The extension's CMake files: every file is listed, and the index finds what it reads."""

from __future__ import annotations

import re
from pathlib import Path

import cmake_lists
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", cmake_lists.MODULES)
def test_every_file_is_listed(module):
    listed, wanted = cmake_lists.listed(module), cmake_lists.wanted(module)
    for name in (cmake_lists.SCRIPTS, cmake_lists.RESOURCES):
        missing = sorted(set(wanted[name]) - set(listed[name]))
        stale = sorted(set(listed[name]) - set(wanted[name]))
        assert not missing and not stale, (
            f"{module}/CMakeLists.txt, {name}: add {missing}, remove {stale}; "
            "python Testing/cmake_lists.py does both."
        )
    assert f"{module}.py" in listed[cmake_lists.SCRIPTS]
    assert f"Resources/UI/{module}.ui" in listed[cmake_lists.RESOURCES]
    assert f"Resources/Icons/{module}.png" in listed[cmake_lists.RESOURCES]


def test_installed_in_one_folder_no_file_hides_another():
    places = [
        file
        for module in cmake_lists.MODULES
        for files in cmake_lists.wanted(module).values()
        for file in files
    ]
    # Windows and macOS don't tell upper from lower case.
    folded = [place.casefold() for place in places]
    assert sorted(folded) == sorted(set(folded))


def test_the_index_finds_what_it_reads():
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    names = ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")
    values = {name: re.search(rf'^set\(EXTENSION_{name} "([^"$]+)"\)$', text, re.MULTILINE) for name in names}
    assert all(values.values()), values
    assert values["CATEGORY"][1] == "Cardiac"
    assert values["DEPENDS"][1] == "PyTorch"
    for module in cmake_lists.MODULES:
        assert f"add_subdirectory({module})" in text
    icon = values["ICONURL"][1].split("/main/")[1]
    assert (REPOSITORY / icon).is_file()


def test_requirements_are_the_packages_own():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (
        (REPOSITORY / "ClaimSlicer/Resources/ClaimSlicer-requirements.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    extra = {line for line in lines if line and not line.startswith("#")}
    brought = {
        line
        for line in project["dependencies"]
        if re.split(r"[<>=]", line)[0] in ("numpy", "scipy", "SimpleITK", "torch")
    }
    # Slicer brings pydicom; what writes DICOM with it doesn't come along.
    dicom = {line for line in project["optional-dependencies"]["dicom"] if not line.startswith("pydicom")}
    assert extra | brought == set(project["dependencies"]) | dicom
