"""The label values of other collections, each mapped to :class:`claimslicer.labels.Label` in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.labels import Label, myocardium_mask

ROUNDED = 1e-3
"""Numbers this near to a whole one are whole, as a program that scales or resamples may write them."""


@dataclass(frozen=True)
class LabelConvention:
    """A collection's label values and what they are inside."""

    name: str
    values: Mapping[int, Label]


EMIDEC = LabelConvention("EMIDEC", {int(label): label for label in Label})
"""EMIDEC's 0–4, which are ours as well, and our 5 for the right ventricle."""

MYOPS = LabelConvention(
    "MyoPS",
    {
        0: Label.BACKGROUND,
        200: Label.MYOCARDIUM,
        500: Label.CAVITY,
        600: Label.RIGHT_VENTRICLE,
        1220: Label.MYOCARDIUM,  # oedema: injured, but not infarcted
        2221: Label.INFARCT,
    },
)

ACDC = LabelConvention(
    "ACDC",
    {0: Label.BACKGROUND, 1: Label.RIGHT_VENTRICLE, 2: Label.MYOCARDIUM, 3: Label.CAVITY},
)

CONVENTIONS: Mapping[str, LabelConvention] = {table.name: table for table in (EMIDEC, MYOPS, ACDC)}


def to_internal(stored: np.ndarray, where: str, convention: str | None = None) -> np.ndarray:
    """Map label values to the internal table, uint8, shape of ``stored`` ``(z, y, x)``.

    ``convention`` is the name of the table to try first (from the folder layout); where its values don't
    fit, or None is given, the table is found from the values. ``where`` names the file in errors.
    StudyError where values aren't whole, belong to no table, or don't tell between two.
    """
    # A panel maps its labels while the user waits, and the type of a file's is ten times as fast as int64.
    is_whole = np.issubdtype(stored.dtype, np.integer)
    whole = stored if is_whole else np.rint(stored).astype(np.int64)
    if not is_whole and np.abs(stored - whole).max(initial=0) > ROUNDED:
        raise StudyError(f"{where} holds fractions, so it is no label map; give one with whole numbers.")
    values = _values_in(whole)
    if values <= {0}:
        raise StudyError(f"{where} is empty; give a label map with cavity and myocardium drawn.")
    fitting = {name: table for name, table in CONVENTIONS.items() if values <= set(table.values)}
    if not fitting:
        unknown = ", ".join(str(value) for value in sorted(values)[:8])
        raise StudyError(
            f"{where} holds the values {unknown}, which are no labels I know; convert them to EMIDEC's "
            "(0 background, 1 cavity, 2 myocardium, 3 infarct, 4 no-reflow) and 5 for the right ventricle."
        )
    if convention in fitting:
        table = fitting[convention]
    elif len(fitting) == 1:
        table = next(iter(fitting.values()))
    else:
        table = _by_shape(whole, where)
    labels = np.zeros(whole.shape, np.uint8)
    for value, label in table.values.items():
        labels[whole == value] = label
    if not myocardium_mask(labels).any():
        raise StudyError(
            f"{where} holds no myocardium; give a label map with the left ventricle's wall drawn."
        )
    return labels


def _values_in(whole: np.ndarray) -> set[int]:
    """Return the values of an array of whole numbers; counting takes a tenth of what ``np.unique`` does."""
    low = whole.min(initial=0)
    offsets = np.subtract(whole, low, dtype=np.int64).ravel()
    if offsets.max(initial=0) > 1000:
        return set(np.unique(whole).tolist())
    return set((np.flatnonzero(np.bincount(offsets)) + int(low)).tolist())


def _by_shape(values: np.ndarray, where: str) -> LabelConvention:
    """Tell EMIDEC from ACDC where both fit (values 0–3): the wall encloses the cavity, which is 1 or 3.

    In EMIDEC, label 1 lies in the ring of 2 ∪ 3, most of it even where the basal ring is open; in ACDC,
    label 1 lies beside the ring of 2, and label 3 in it.
    """
    inner_1 = _share_inside(values == 1, np.isin(values, (2, 3)))
    if not np.any(values == 3) or inner_1 > 0.5:
        return EMIDEC
    if inner_1 < 0.1 and _share_inside(values == 3, values == 2) > 0.5:
        return ACDC
    raise StudyError(
        f"{where} has values 0–3 that may be EMIDEC's (1 cavity, 3 infarct) or ACDC's (1 right ventricle, "
        "3 cavity) and no closed wall to tell; close the wall, or mark the right ventricle as 5."
    )


def _share_inside(part: np.ndarray, wall: np.ndarray) -> float:
    """Return the share of ``part`` that lies in holes of ``wall``, slice by slice; 0 without any."""
    from scipy import ndimage

    if not part.any():
        return 0.0
    holes = np.stack([ndimage.binary_fill_holes(piece) for piece in wall]) & ~wall
    return float(np.count_nonzero(part & holes) / np.count_nonzero(part))
