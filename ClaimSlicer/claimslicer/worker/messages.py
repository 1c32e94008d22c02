"""What both ends of the worker's pipes share: values with arrays in files, and studies as values."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.studies import Geometry, Study
from claimslicer.studies.provenance import to_json

ARRAY = "$array"
"""Key of the mapping that stands for an array; its value is the file's name."""


def pack(values: Any, folder: Path, name: str) -> Any:
    """Return ``values`` in JSON types; every array among them goes to ``folder`` as ``NAME<number>.npy``.

    Raises ValueError for arrays of Python objects, OSError where the folder can't be written.
    """
    numbers = itertools.count()

    def swap(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            file = f"{name}{next(numbers)}.npy"
            np.save(folder / file, value, allow_pickle=False)
            return {ARRAY: file}
        if isinstance(value, Mapping):
            return {str(key): swap(item) for key, item in value.items()}
        return [swap(item) for item in value] if isinstance(value, list | tuple) else to_json(value)

    return swap(values)


def unpack(packed: Any, folder: Path) -> Any:
    """Return the values that :func:`pack` was given: mappings with text as keys, lists, arrays."""
    if isinstance(packed, dict):
        if ARRAY in packed:
            return np.load(folder / packed[ARRAY], allow_pickle=False)
        return {key: unpack(item, folder) for key, item in packed.items()}
    return [unpack(item, folder) for item in packed] if isinstance(packed, list) else packed


def study_values(study: Study) -> dict[str, Any]:
    """Return what tasks need of a study: all but its file's encoding."""
    return {
        "name": study.name,
        "image": study.image,
        "labels": study.labels,
        "geometry": dataclasses.asdict(study.geometry),
        "source": None if study.source is None else str(study.source),
        "synthetic": study.synthetic,
        "metadata": dict(study.metadata),
    }


def study_from(values: Mapping[str, Any]) -> Study:
    """Return the study of :func:`study_values`."""
    source = values["source"]
    geometry = {name: tuple(numbers) for name, numbers in values["geometry"].items()}
    return Study(
        **{**values, "geometry": Geometry(**geometry), "source": None if source is None else Path(source)}
    )
