"""The marks that tell a generated image from a patient's: header text, file-name token, JSON sidecar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claimslicer.json_files import read_json

HEADER_KEY = "claim_synthetic"
"""Key in NRRD and MetaImage headers; its value is :data:`HEADER_TEXT`."""
HEADER_TEXT = "SYNTHETIC image by CLAIM, research only, not for diagnosis"
"""Short enough for the 80 characters of a NIfTI description."""
INTENT_NAME = "synthetic"
"""The NIfTI intent name (16 characters), which more programs keep than the description."""

VOLUME_SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd")
_TOKEN = re.compile(r"(?<![a-z])synthetic(?![a-z])", re.IGNORECASE)


def recipe_says(recipe: Mapping[str, Any] | None) -> bool | None:
    """Return what ``recipe`` says of its result: synthetic, not synthetic, or None where it says nothing.

    A result is synthetic where the recipe says so itself, and where its source was.
    """
    if recipe is None:
        return None
    source = recipe.get("source")
    own = recipe.get("synthetic")
    if own is True or (isinstance(source, Mapping) and source.get("synthetic") is True):
        return True
    return False if own is False else None


def split_suffix(path: Path) -> tuple[str, str]:
    """Return a volume's file name as stem and suffix (``.nii.gz`` is one); the suffix is "" if unknown."""
    for suffix in VOLUME_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)], path.name[-len(suffix) :]
    return path.name, ""


def sidecar_path(path: Path) -> Path:
    """Return where the recipe of the volume ``path`` lies: ``scan.nii.gz`` → ``scan.json``."""
    return path.with_name(split_suffix(path)[0] + ".json")


def with_token(path: Path) -> Path:
    """Return ``path`` with ``_synthetic`` before its suffix, unless the name says so already."""
    if says_synthetic(path.name):
        return path
    stem, suffix = split_suffix(path)
    return path.with_name(f"{stem}_synthetic{suffix}")


def says_synthetic(text: str) -> bool:
    """Say whether ``text`` holds the word "synthetic"."""
    return bool(_TOKEN.search(text))


def is_marked_beside(path: Path) -> bool:
    """Say whether the name of the file ``path`` or its sidecar marks it as synthetic."""
    if says_synthetic(path.name):
        return True
    try:
        recipe = read_json(sidecar_path(path))
    except (OSError, ValueError):
        return False
    return isinstance(recipe, dict) and recipe.get("synthetic") is True
