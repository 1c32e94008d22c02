"""Which slices a reader is shown: as many real as synthetic ones, no slice of a heart twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from claimslicer.evaluation.twosample.samples import SliceSample

SYNTHETIC = ("repainted", "authored")
"""Kinds that a reader is shown; the controls are for classifiers."""


def choose_sheets(samples: Sequence[SliceSample], count: int, rng: np.random.Generator) -> list[SliceSample]:
    """Return up to ``count`` samples in the order of the sheets, half of them real, patients taking turns.

    A slice of a heart is shown once, as it is or with one of its synthetic scars, so that nobody can compare
    the two. Where both kinds of synthetic scar are there, each is a quarter.
    """
    kinds = [kind for kind in SYNTHETIC if any(sample.kind == kind for sample in samples)]
    if not kinds:
        return []
    shares = [count // 2 // len(kinds)] * len(kinds)
    shares[0] += count // 2 - sum(shares)
    taken: set[tuple[str, int]] = set()
    chosen: dict[str, list[SliceSample]] = {kind: [] for kind in ("real", *kinds)}
    queues = {kind: _in_turns([s for s in samples if s.kind == kind], rng) for kind in chosen}
    wanted = {"real": count // 2} | dict(zip(kinds, shares, strict=True))
    while any(queues.values()):
        for kind, queue in queues.items():
            while queue:
                sample = queue.pop(0)
                if len(chosen[kind]) >= wanted[kind] or (sample.patient, sample.z) in taken:
                    continue
                taken.add((sample.patient, sample.z))
                chosen[kind].append(sample)
                break
    fewest = min(len(chosen["real"]), sum(len(chosen[kind]) for kind in kinds))
    synthetic = [sample for kind in kinds for sample in chosen[kind]]
    synthetic = [synthetic[i] for i in rng.permutation(len(synthetic))]
    both = chosen["real"][:fewest] + synthetic[:fewest]
    return [both[i] for i in rng.permutation(len(both))]


def _in_turns(samples: list[SliceSample], rng: np.random.Generator) -> list[SliceSample]:
    """Return the samples in random order, but one of every patient before any patient's second."""
    order = [samples[i] for i in rng.permutation(len(samples))]
    seen: dict[str, int] = {}
    rounds = []
    for sample in order:
        seen[sample.patient] = seen.get(sample.patient, 0) + 1
        rounds.append(seen[sample.patient])
    return [order[i] for i in np.argsort(rounds, kind="stable")]
