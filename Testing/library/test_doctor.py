"""The doctor's findings: what is asked for is what the package declares, and what is broken is said."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from claimslicer import doctor
from claimslicer.doctor import NEEDED, OPTIONAL, Package

REPOSITORY = Path(__file__).resolve().parents[2]
SLICERS_OWN = {"numpy", "scipy", "SimpleITK"}


def test_the_requirements_are_those_declared():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {package.requirement for package in NEEDED} == set(project["dependencies"])
    optional = {line for lines in project["optional-dependencies"].values() for line in lines}
    dask = {line.replace("dask[distributed]", "dask") for line in optional}
    assert {package.requirement for package in OPTIONAL} <= optional | dask
    lines = (
        (REPOSITORY / "ClaimSlicer/Resources/ClaimSlicer-requirements.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    in_slicer = {line for line in lines if line and not line.startswith("#")}
    others = {p.requirement for p in NEEDED if p.name not in SLICERS_OWN | {"torch"}}
    assert in_slicer == others | {p.requirement for p in OPTIONAL if p.name == "highdicom"}


def test_what_is_installed_is_fine():
    found = {finding.name: finding for finding in doctor.examine_packages()}
    assert found["numpy"].state == "fine"
    assert found["numpy"].text == sys.modules["numpy"].__version__
    assert not found["torch"].in_the_way


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put a distribution ``heartbeat`` of some version and content where Python looks for packages."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(version: str, source: str | None) -> Package:
        (tmp_path / "heartbeat").mkdir()
        if source is not None:
            (tmp_path / "heartbeat" / "__init__.py").write_text(source)
        if version:
            info = tmp_path / f"heartbeat-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: heartbeat\nVersion: {version}\n")
        return Package("heartbeat", "heartbeat", "1.10", "hearts")

    yield make
    sys.modules.pop("heartbeat", None)


@pytest.mark.parametrize(
    ("version", "source", "state", "words"),
    [
        ("1.10.2", "", "fine", "1.10.2"),
        ("1.9", "", "old", "1.10 or newer"),
        ("2.0", "raise OSError('no such library')", "broken", "no such library"),
        ("2.0", "import a_package_that_is_not_there", "broken", "a_package_that_is_not_there"),
        ("2.0", None, "broken", "only a part"),
        ("", "__version__ = '1.12'", "fine", "1.12"),
    ],
)
def test_a_package_is_imported_for_real(package, version, source, state, words):
    finding = doctor._examine(package(version, source), needed=True)
    assert finding.state == state
    assert words in finding.text
    assert finding.requirement == ("" if state == "fine" else "heartbeat>=1.10")


def test_a_missing_package():
    nowhere = Package("no-such-heart", "no_such_heart", "1", "hearts")
    assert doctor._examine(nowhere, needed=True).in_the_way
    assert not doctor._examine(nowhere, needed=False).in_the_way
    assert "hearts" in doctor._examine(nowhere, needed=False).text


def test_every_set_of_weights_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "synthesis.json").write_text("{}")
    found = {finding.name: finding for finding in doctor.examine_weights()}
    assert found["mine synthesis"].state == "broken"
    assert found["emidec segmentation"].state == "fine"
