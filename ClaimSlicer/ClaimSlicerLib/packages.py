"""Python packages that Slicer doesn't bring: asked for when needed, never replaced behind its back."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tempfile
from pathlib import Path

from claimslicer.errors import ClaimError

REQUIREMENTS = Path(__file__).parent.parent / "Resources" / "ClaimSlicer-requirements.txt"
SLICERS_OWN = ("numpy", "scipy", "SimpleITK", "vtk", "pydicom")
"""Packages that Slicer brings and that pip must leave as they are."""
CHOSEN_FOR_THIS_COMPUTER = ("torch", "torchvision")
"""Packages of which a build was chosen for this computer's graphics card: pip must not take another."""
TORCH = ">=2.4"


def ensure_packages() -> None:
    """Let the user install what networks need; main thread only, and only when Apply is pressed.

    Raises :class:`ClaimError` when PyTorch can't be installed or the user declines, RuntimeError when the
    user declines the other packages.
    """
    # Slicer loads this module only when it is asked for.
    from slicer import packaging

    if importlib.util.find_spec("torch") is None:
        install_torch()
    with tempfile.TemporaryDirectory(prefix="claim-") as folder:
        packaging.pip_ensure(
            packaging.load_requirements(REQUIREMENTS),
            constraints=write_constraints(Path(folder)),
            requester="CLAIM",
        )


def install_torch() -> None:
    """Let Slicer's extension PyTorch install the build that suits this computer; it asks the user first.

    Raises :class:`ClaimError` when the extension isn't there or the user declines.
    """
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


def write_constraints(folder: Path) -> Path:
    """Write the file that keeps pip from replacing what Slicer and this computer need as it is."""
    pins = []
    for name in (*SLICERS_OWN, *CHOSEN_FOR_THIS_COMPUTER):
        try:
            pins.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # not there, or built in by Slicer without pip's records and so out of its reach
    file = folder / "constraints.txt"
    file.write_text("\n".join(pins) + "\n", encoding="utf-8")
    return file
