"""Splits by patient: the fixed one of EMIDEC, whose published test cases are in neither part, and others'."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Literal

Part = Literal["training", "validation", "test"]

EMIDEC_TEST = frozenset(f"Case_P{n:03d}" for n in (5, 8, 39, 57, 61, 71, 72, 77, 78, 82))
"""The CLAIM paper's test cases: never trained or tuned on."""

EMIDEC_VALIDATION = frozenset(
    [f"Case_P{n:03d}" for n in (4, 15, 47, 50, 55, 56, 76, 85, 90, 100)]
    + [f"Case_N{n:03d}" for n in (6, 12, 16, 24, 52, 79, 84)]
)
"""Drawn once with a fixed seed, before anything was trained; P100 is in it as the documented example."""


def emidec_part(case: str) -> Part:
    """Say which part of the split the case folder ``case`` belongs to; new cases are for training."""
    if case in EMIDEC_TEST:
        return "test"
    return "validation" if case in EMIDEC_VALIDATION else "training"


def split_by_patient(cases: Collection[str]) -> dict[str, Part]:
    """Say for each case folder which part of the split it belongs to; a case is a patient.

    EMIDEC's fixed split counts. Where it holds no case back, as in other collections, one in five (at least
    one of two) is for validation, drawn by the hash of its name, so always the same ones.
    """
    parts: dict[str, Part] = {case: emidec_part(case) for case in cases}
    if len(parts) > 1 and set(parts.values()) == {"training"}:
        drawn = sorted(parts, key=lambda case: hashlib.sha256(case.encode()).hexdigest())
        parts.update(dict.fromkeys(drawn[: max(1, len(drawn) // 5)], "validation"))
    return parts
