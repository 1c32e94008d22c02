"""How nnU-Net's commands find our trainers: from a folder that they are told of, or from nnU-Net's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from claimslicer.errors import ModelError, OutputError
from claimslicer.outputs import output_error, write_text

TRAINERS = Path(__file__).parent / "trainers"
"""Folder for the environment variable ``nnUNet_extTrainer``, which nnU-Net knows since version 2.8."""
_FILE = "nnUNetTrainerCLAIM.py"


def outside_search_works() -> bool:
    """Say whether nnU-Net gets as far as the folders of ``nnUNet_extTrainer``.

    Before, it imports every trainer of its own, some of which need timm, and thereby a torchvision that fits
    torch: where it doesn't, as beside a torch for CPUs only, the search ends with torchvision's error.
    """
    try:
        import timm.layers  # noqa: F401
    except Exception:  # torchvision raises RuntimeError
        return False
    return True


def install_trainers() -> Path:
    """Put our trainers' file into nnU-Net's folder of trainers, where it looks first; return the file.

    It holds imports only. Raises ModelError without nnunetv2, OutputError where the folder can't be written.
    """
    target = _place()
    if target.exists() and not _is_ours(target):
        raise OutputError(f"{target} exists and isn't ours: remove it first.")
    write_text(target, (TRAINERS / _FILE).read_text(encoding="utf-8"))
    return target


def remove_trainers() -> Path:
    """Remove what :func:`install_trainers` wrote; return the file. Raises as it does."""
    target = _place()
    if not target.exists() or not _is_ours(target):
        raise OutputError(f"There is no file of ours at {target}, so nothing was removed.")
    try:
        target.unlink()
    except OSError as error:
        raise output_error(target, error) from error
    return target


def _place() -> Path:
    found = importlib.util.find_spec("nnunetv2")
    if found is None or found.origin is None:
        raise ModelError("nnU-Net isn't installed: pip install nnunetv2, or 'claim-slicer[nnunet]'.")
    return Path(found.origin).parent / "training" / "nnUNetTrainer" / _FILE


def _is_ours(path: Path) -> bool:
    return "from claimslicer.training.nnunet.trainer import" in path.read_text(encoding="utf-8")
