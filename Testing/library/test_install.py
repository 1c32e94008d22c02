"""pip as a child: it installs from a folder without the internet, and goes with its children when told."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "ClaimSlicer"


def wheel(folder: Path, name: str, version: str, source: str = "") -> Path:
    """Write a wheel that holds one module."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{name}/__init__.py", source)
        packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return path


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "claimslicer.install", *arguments],
        cwd=LIBRARY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this Python has no pip")
def test_installs_from_a_folder_of_wheels(tmp_path):
    wheel(tmp_path, "heartbeat", "1.0")
    target = tmp_path / "target"
    options = ["--no-index", "--find-links", str(tmp_path), "--target", str(target), "--no-input"]
    child = start("install", *options, "heartbeat")
    output = child.stdout.read()
    assert child.wait() == 0, output
    assert (target / "heartbeat" / "__init__.py").exists()
    child = start("install", *options, "not-in-the-folder")
    assert b"not-in-the-folder" in child.stdout.read()
    assert child.wait() == 1


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for pip is a shell script")
def test_ends_pip_and_its_children_when_stdin_closes(tmp_path, monkeypatch):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = start("install", "anything")
    grandchild = psutil.Process(int(child.stdout.readline()))
    family = [grandchild, grandchild.parent()]
    child.stdin.close()
    assert child.wait(5) == 130
    deadline = time.monotonic() + 5
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family):
        assert time.monotonic() < deadline
        time.sleep(0.02)
