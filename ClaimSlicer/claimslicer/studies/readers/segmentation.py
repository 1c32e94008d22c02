"""Slicer's segmentations in NRRD files: layers of segments, each with a name and a coded meaning.

The header's keys are ``Segment<n>_ID``, ``_Name``, ``_LabelValue``, ``_Layer`` and ``_Tags``, which holds
``TerminologyEntry:context~category~type~modifier~context~region~modifier``, each code as
``scheme^value^meaning``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.labels import Label
from claimslicer.terms import BLOOD, LABEL_NAMES, LABEL_TERMS

IS_INTERNAL = "internal labels"
"""Key of a volume's metadata: its values are :class:`claimslicer.labels.Label` already."""
ON_TOP = (Label.RIGHT_VENTRICLE, Label.MYOCARDIUM, Label.CAVITY, Label.INFARCT, Label.MVO)
"""Where segments overlap, the later one counts: infarct is drawn over the wall that holds it."""
MOST_SEGMENTS = 1000
_INFARCT_CODE = "55641003"
"""SNOMED CT's infarct, which others use for what we call scar tissue."""


def is_one(keys: Collection[str]) -> bool:
    """Say whether a header's ``keys`` are those of a segmentation."""
    return "Segment0_ID" in keys


def to_labels(layers: np.ndarray, header: Mapping[str, str], path: Path) -> np.ndarray:
    """Return the label map uint8 ``(z, y, x)`` of a segmentation's ``(z, y, x)`` or ``(z, y, x, layer)``.

    Each segment is known by its code, else by its name. StudyError, with the segments' names, where one of
    them isn't known or two mean the same.
    """
    if layers.ndim == 3:
        layers = layers[..., None]
    found: dict[Label, tuple[str, np.ndarray]] = {}
    unclear = []
    for index in range(MOST_SEGMENTS):
        if f"Segment{index}_ID" not in header:
            break
        name = header.get(f"Segment{index}_Name") or header[f"Segment{index}_ID"]
        mask = _mask(layers, header, index, path)
        label = label_of(name, header.get(f"Segment{index}_Tags", ""))
        if label is None:
            if mask.any():
                unclear.append(name)
        elif label in found and mask.any() and found[label][1].any():
            raise StudyError(
                f"{path} has two segments that mean {LABEL_NAMES[label][0].lower()}, “{found[label][0]}” and "
                f"“{name}”; delete or rename one."
            )
        elif label not in found or mask.any():
            found[label] = (name, mask)
    if unclear:
        names = ", ".join(f"“{name}”" for name in unclear)
        known = ", ".join(known[0] for known in LABEL_NAMES.values())
        raise StudyError(
            f"I don't know what {names} in {path} means; name each segment {known}, or give it that term."
        )
    labels = np.zeros(layers.shape[:3], np.uint8)
    for label in ON_TOP:
        if label in found:
            labels[found[label][1]] = label
    return labels


def label_of(name: str, tags: str) -> Label | None:
    """Return what a segment means, by its code in ``tags``, else by its name; None where neither says."""
    kind, region = _codes(tags)
    for label, term in LABEL_TERMS.items():
        where = "" if term.region is None else term.region.value
        # Blood alone may be of either ventricle.
        if kind == term.type.value and (region == where or (not region and kind != BLOOD.value)):
            return label
    if kind == _INFARCT_CODE:
        return Label.INFARCT
    plain = " ".join(name.replace("_", " ").casefold().split())
    for label, names in LABEL_NAMES.items():
        if plain in (known.casefold() for known in names):
            return label
    return None


def _codes(tags: str) -> tuple[str, str]:
    """Return the values of type and region of a segment's terminology entry, "" where missing."""
    for tag in tags.split("|"):
        key, _, entry = tag.partition(":")
        if key == "TerminologyEntry":
            parts = [*(part.split("^") for part in entry.split("~")), *[[""]] * 7]
            kind, region = (part[1] if len(part) > 1 else "" for part in (parts[2], parts[5]))
            return kind, region
    return "", ""


def _mask(layers: np.ndarray, header: Mapping[str, str], index: int, path: Path) -> np.ndarray:
    try:
        layer = int(header.get(f"Segment{index}_Layer", "0"))
        value = int(header.get(f"Segment{index}_LabelValue", "1"))
        return layers[..., layer] == value
    except (ValueError, IndexError) as error:
        raise StudyError(f"{path} names a layer that it doesn't hold; save it again.") from error
