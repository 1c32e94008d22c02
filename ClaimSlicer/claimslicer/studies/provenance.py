"""Recipes: what a result was made from and with, enough to make it again."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from enum import Enum
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.studies.study import Study

RECIPE_VERSION = 1
PACKAGES = (
    *("claim-slicer", "numpy", "scipy", "SimpleITK", "nibabel", "scikit-image", "scikit-learn"),
    *("torch", "monai"),
)
"""Packages whose version can change a result."""


def sha256_of_array(array: np.ndarray) -> str:
    """Return the hex SHA-256 of an array's type, shape and values, the same on every machine."""
    little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little_endian.dtype.str}{little_endian.shape}".encode())
    digest.update(little_endian.tobytes())
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of those :data:`PACKAGES` that are installed."""
    return dict(_package_versions())


@cache
def _package_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def to_json(value: Any) -> Any:
    """Turn settings (dataclasses, mappings, arrays, paths, enumerations) into JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Enum | Path):
        return value.value if isinstance(value, Enum) else str(value)
    if isinstance(value, set | frozenset):
        value = sorted(value)
    return [to_json(item) for item in value] if isinstance(value, list | tuple) else value


def source_record(study: Study) -> dict[str, Any]:
    """Say which study something comes from: its name and path, and the hashes of its image and labels."""
    return {
        "name": study.name,
        "path": None if study.source is None else str(study.source),
        "image_sha256": sha256_of_array(study.image),
        "labels_sha256": None if study.labels is None else sha256_of_array(study.labels),
        "synthetic": study.synthetic,
    }


def make_recipe(
    command: str,
    study: Study | None = None,
    settings: Any = None,
    *,
    seed: int | None = None,
    weights: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the recipe of a result, in JSON types, without the time: equal work gives equal recipes.

    ``command`` is the command-line name of the work (``synthesize``), ``settings`` a dataclass or mapping,
    ``weights`` the name and hash of the model used. ``more`` adds entries; NumPy arrays among them (a scar
    mask, say) are entered by their hash.
    """
    recipe: dict[str, Any] = {"recipe_version": RECIPE_VERSION, "command": command}
    if study is not None:
        recipe["source"] = source_record(study)
    recipe["settings"] = to_json({} if settings is None else settings)
    recipe["seed"] = to_json(seed)
    recipe["weights"] = to_json(weights)
    for name, value in more.items():
        is_array = isinstance(value, np.ndarray)
        recipe[f"{name}_sha256" if is_array else name] = (
            sha256_of_array(value) if is_array else to_json(value)
        )
    recipe["versions"] = package_versions()
    return recipe
