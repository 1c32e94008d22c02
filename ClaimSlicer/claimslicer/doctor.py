"""What is installed and works, what it can compute on, and whether the weights are intact.

Runs without any of the packages it asks for, as in a Slicer just installed. Packages are imported for real,
since a half-finished installation shows only then: call it in a process that may end afterwards.
"""

from __future__ import annotations

import importlib
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from claimslicer.errors import ModelError

Area = Literal["packages", "devices", "weights"]
State = Literal["fine", "absent", "missing", "old", "broken"]
"""``absent`` is what only some work needs; ``missing``, ``old`` and ``broken`` are in the way."""


@dataclass(frozen=True)
class Package:
    """A distribution, the name it is imported by, the oldest version that will do, and what it is for."""

    name: str
    module: str
    oldest: str
    purpose: str = ""

    @property
    def requirement(self) -> str:
        """The package as pip takes it."""
        return f"{self.name}>={self.oldest}"


NEEDED = (
    Package("numpy", "numpy", "1.26"),
    Package("scipy", "scipy", "1.11"),
    Package("SimpleITK", "SimpleITK", "2.3"),
    Package("nibabel", "nibabel", "5"),
    Package("scikit-image", "skimage", "0.22"),
    Package("scikit-learn", "sklearn", "1.6"),
    Package("torch", "torch", "2.4"),
    Package("monai", "monai", "1.4"),
    Package("safetensors", "safetensors", "0.4"),
    Package("matplotlib", "matplotlib", "3.8"),
    Package("PyYAML", "yaml", "6"),
    Package("typer", "typer", "0.12"),
    Package("rich", "rich", "13"),
    Package("psutil", "psutil", "5.9"),
)
OPTIONAL = (
    Package("pydicom", "pydicom", "3.0", "DICOM folders"),
    Package("highdicom", "highdicom", "0.28", "results as DICOM"),
    Package("nnunetv2", "nnunetv2", "2.8", "nnU-Net"),
    Package("dask", "dask", "2024.5", "cohorts on clusters"),
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, how it is, in words, and what pip would be asked to mend it."""

    area: Area
    name: str
    state: State
    text: str
    requirement: str = ""

    @property
    def in_the_way(self) -> bool:
        """Whether something that the program needs can't be used."""
        return self.state in ("missing", "old", "broken")


def examine() -> list[Finding]:
    """Look at every package, device and set of weights, and return what was found."""
    return [*examine_packages(), *examine_devices(), *examine_weights()]


def examine_packages() -> list[Finding]:
    """Import every package, the optional ones too, and compare its version with the oldest that will do."""
    return [_examine(package, needed=True) for package in NEEDED] + [
        _examine(package, needed=False) for package in OPTIONAL
    ]


def _examine(package: Package, *, needed: bool) -> Finding:
    def finding(state: State, text: str) -> Finding:
        requirement = "" if state == "fine" else package.requirement
        return Finding("packages", package.name, state, text, requirement)

    try:
        found = version(package.name)
    except PackageNotFoundError:
        # Slicer builds some packages in without pip's records: they can be imported all the same.
        found = ""
    try:
        module = importlib.import_module(package.module)
    except ModuleNotFoundError as error:
        if not found and error.name == package.module:
            absent = f"not installed (for {package.purpose})"
            return finding("missing", "not installed") if needed else finding("absent", absent)
        return finding("broken", f"{found} can't be loaded: {error}")
    except Exception as error:  # a half-finished installation may raise anything at all
        return finding("broken", f"{found} can't be loaded: {error}".strip())
    found = found or str(getattr(module, "__version__", ""))
    if getattr(module, "__file__", None) is None:
        return finding("broken", "only a part of it is installed")
    if _release(found) < _release(package.oldest):
        return finding("old", f"{found}, but {package.oldest} or newer is needed")
    return finding("fine", found)


def _release(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, so that 1.26.4rc1 compares as (1, 26, 4)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def examine_devices() -> list[Finding]:
    """Say how much memory there is and what torch can compute on."""
    found = [_memory()]
    try:
        import torch
    except Exception:  # already said among the packages
        return [*found, Finding("devices", "cpu", "missing", "networks can't run before torch does")]
    threads = f"{torch.get_num_threads()} threads, {platform.machine()}"
    found.append(Finding("devices", "cpu", "fine", threads))
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        text = f"{card.name}, {card.total_memory / 2**30:.1f} GiB"
        found.append(Finding("devices", f"cuda:{index}", "fine", text))
    if torch.backends.mps.is_available():
        found.append(Finding("devices", "mps", "fine", "Apple GPU"))
    return found


def _memory() -> Finding:
    try:
        import psutil
    except Exception:  # already said among the packages
        return Finding("devices", "memory", "absent", "not known before psutil is installed")
    memory = psutil.virtual_memory()
    text = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    return Finding("devices", "memory", "fine", text)


def examine_weights() -> list[Finding]:
    """Check the hash of every set of weights, the user's own and the shipped ones."""
    from claimslicer.models.registry import list_models

    models = list_models()
    found = []
    for model in models:
        name = f"{model.name} {model.weights.stem}"
        try:
            model.verify()
            found.append(Finding("weights", name, "fine", f"intact, {model.card.terms}"))
        except ModelError as error:
            found.append(Finding("weights", name, "broken", str(error)))
    if not any(model.shipped for model in models):
        text = "the shipped weights are missing: install the extension again"
        found.append(Finding("weights", "shipped", "missing", text))
    return found
