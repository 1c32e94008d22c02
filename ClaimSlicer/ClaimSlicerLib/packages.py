"""Python packages that Slicer doesn't bring: asked for when needed, never replaced behind its back."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tempfile
from pathlib import Path

import slicer
from claimslicer.errors import ClaimError

REQUIREMENTS = Path(__file__).parent.parent / "Resources" / "ClaimSlicer-requirements.txt"
SLICERS_OWN = ("numpy", "scipy", "SimpleITK", "vtk", "pydicom")
"""Packages that Slicer brings and that pip must leave as they are."""
TORCH = ">=2.4"


def ensure_packages() -> None:
    """Let the user install what networks need; main thread only, and only when Apply is pressed.

    Raises :class:`ClaimError` when PyTorch can't be installed or the user declines, RuntimeError when the
    user declines the other packages.
    """
    if importlib.util.find_spec("torch") is None:
        _install_torch()
    with tempfile.TemporaryDirectory(prefix="claim-") as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(_pins()) + "\n", encoding="utf-8")
        slicer.packaging.pip_ensure(
            slicer.packaging.load_requirements(REQUIREMENTS), constraints=constraints, requester="CLAIM"
        )


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ModuleNotFoundError as error:
        raise ClaimError(
            "This needs PyTorch: install the extension PyTorch in the Extensions Manager and restart Slicer."
        ) from error
    if (
        PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=TORCH)
        is None
    ):
        raise ClaimError("PyTorch was not installed: press the button again when you want to install it.")


def _pins() -> list[str]:
    pins = []
    for name in SLICERS_OWN:
        try:
            pins.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # Slicer built it in without pip's records, so pip can't replace it either.
    return pins
