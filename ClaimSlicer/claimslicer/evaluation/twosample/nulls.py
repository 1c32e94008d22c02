"""What the test says where there is nothing to tell: a copy, real scars relabelled, real against real."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from claimslicer.evaluation.twosample.samples import SliceSample


def copied(samples: Sequence[SliceSample], kind: str) -> list[SliceSample]:
    """Return the real samples and the same again called ``kind``: the AUC is 0.5."""
    real = [sample for sample in samples if sample.kind == "real"]
    return real + [dataclasses.replace(sample, kind=kind) for sample in real]


def relabelled(samples: Sequence[SliceSample], kind: str, rng: np.random.Generator) -> list[SliceSample]:
    """Return the samples with what is real and what is ``kind`` drawn by lot, patient by patient.

    Of a patient that has both, all samples change sides or none; the other patients' sides are dealt anew,
    as many to each as before. Where synthetic scars are like real ones, that changes nothing, so the AUCs
    are what a permutation test compares with.
    """
    used = [sample for sample in samples if sample.kind in ("real", kind)]
    sides: dict[str, set[str]] = {}
    for sample in used:
        sides.setdefault(sample.patient, set()).add(sample.kind)
    alone = [name for name in sorted(sides) if len(sides[name]) == 1]
    dealt = rng.permutation([next(iter(sides[name])) for name in alone])
    side = dict(zip(alone, dealt.tolist(), strict=True))
    swapped = {name: bool(rng.integers(2)) for name in sorted(sides) if name not in side}
    other = {"real": kind, kind: "real"}
    return [
        dataclasses.replace(
            sample,
            kind=side.get(sample.patient, other[sample.kind] if swapped.get(sample.patient) else sample.kind),
        )
        for sample in used
    ]


def real_halves(samples: Sequence[SliceSample], kind: str, rng: np.random.Generator) -> list[SliceSample]:
    """Return the real samples, those of a random half of the patients called ``kind``."""
    real = [sample for sample in samples if sample.kind == "real"]
    names = sorted({sample.patient for sample in real})
    half = set(rng.permutation(names)[: len(names) // 2].tolist())
    return [dataclasses.replace(sample, kind=kind) if sample.patient in half else sample for sample in real]
