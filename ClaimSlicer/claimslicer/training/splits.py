"""The fixed split of EMIDEC by patient. The published test cases are in neither part."""

from __future__ import annotations

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
