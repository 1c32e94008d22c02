"""Drawn scars weighted so that a cohort of them follows a target distribution.

The random draw resembles EMIDEC's infarcts; a cohort for another hospital, or one without the drop that the
CLAIM paper saw out of its domain, wants other volumes, places or depths. Each drawn specification gets a
weight: the smallest change of the draw (in Kullback-Leibler divergence) that brings its marginals to the
target, by generalised iterative scaling (Darroch & Ratcliff 1972, Ann. Math. Stat. 43, 1470), which for
histograms alone is raking.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.smile.spec import SEGMENT_NUMBERS, ScarSpec

ROUNDS = 500
CLOSE = 1e-4
"""Marginals that differ from the target by less in every bin have reached it."""


@dataclass(frozen=True)
class Histogram:
    """``shares`` of a quantity between ``edges``, which rise and are one more; shares are brought to sum 1.

    The last bin holds its upper edge. Raises SpecificationError.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        try:
            edges, shares = (np.asarray(v, float) for v in (self.edges, self.shares))
        except (TypeError, ValueError) as error:
            raise SpecificationError("A histogram's edges and shares must be lists of numbers.") from error
        if edges.ndim != 1 or shares.ndim != 1 or len(edges) != len(shares) + 1 or len(shares) == 0:
            raise SpecificationError("A histogram needs one edge more than it has shares.")
        if not (np.isfinite(edges).all() and np.all(np.diff(edges) > 0)):
            raise SpecificationError("A histogram's edges must be rising numbers.")
        object.__setattr__(self, "edges", tuple(edges.tolist()))
        object.__setattr__(self, "shares", _as_shares(shares))

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, edges: Sequence[float]) -> Histogram:
        """Return the histogram of ``values``, such as the infarct volumes of real patients."""
        counts, _ = np.histogram(values, edges)
        return cls(tuple(edges), tuple(counts.tolist()))

    def membership(self, values: np.ndarray) -> np.ndarray:
        """Return which bin each of ``values`` (n,) lies in, as 0 and 1, ``(n, bins)``."""
        lower, upper = np.array(self.edges[:-1]), np.array(self.edges[1:])
        column = values[:, None]
        inside = (column >= lower) & (column < upper)
        inside[:, -1] |= values == self.edges[-1]
        return inside.astype(float)


@dataclass(frozen=True)
class ScarTarget:
    """The distribution that a cohort's scars shall have; what is None is left as it is drawn.

    ``volume_ml`` and ``extent_percent`` (of the LV wall) are of the new scar, ``transmurality`` is of the
    outer limit of its transmural range (0–1), and ``segments`` the share of scar that each AHA segment
    takes, a specification's segments counting alike.
    """

    volume_ml: Histogram | None = None
    """Of the new scar: ``{edges: […], shares: […]}``, with one edge more than shares."""
    extent_percent: Histogram | None = None
    """Its share of the wall of the left ventricle, in %: edges and shares."""
    transmurality: Histogram | None = None
    """The outer limit of its transmural range (0–1): edges and shares."""
    segments: Mapping[int, float] | None = None
    """The share of scar that each AHA segment takes, ``{segment: share}``."""

    def __post_init__(self) -> None:
        if all(getattr(self, field.name) is None for field in dataclasses.fields(self)):
            raise SpecificationError(
                "A target needs at least one of volume_ml, extent_percent, transmurality and segments."
            )
        if self.segments is not None:
            unknown = [key for key in self.segments if key not in SEGMENT_NUMBERS]
            if unknown:
                raise SpecificationError(f"There is no AHA segment {unknown[0]!r}: choose from 1 to 17.")
            shares = _as_shares(np.asarray(list(self.segments.values()), float))
            object.__setattr__(self, "segments", dict(zip(self.segments, shares, strict=True)))

    @classmethod
    def from_dict(cls, values: Any) -> ScarTarget:
        """Make a target from plain values: ``{volume_ml: {edges: […], shares: […]}, segments: {5: 1}}``."""
        known = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or set(values) - set(known):
            raise SpecificationError(f"A target distribution holds {', '.join(known)}, and nothing else.")
        arguments = dict(values)
        for name in known[:-1]:
            if arguments.get(name) is not None:
                if not isinstance(arguments[name], Mapping) or set(arguments[name]) != {"edges", "shares"}:
                    raise SpecificationError(f"The target of {name} must hold 'edges' and 'shares'.")
                arguments[name] = Histogram(**arguments[name])
        if not isinstance(arguments.get("segments"), Mapping | None):
            raise SpecificationError("The target of segments must hold 'segment: share' pairs.")
        return cls(**arguments)


@dataclass(frozen=True)
class ScarWeights:
    """How likely each drawn specification is to be taken, ``values`` ``(n,)`` of sum 1.

    ``shortfall`` is the largest total variation distance (0–1) between a marginal that they reach and its
    target: above 0 where the heart can't hold what was asked, or the draw doesn't give it.
    """

    values: np.ndarray
    shortfall: float

    @property
    def effective_count(self) -> float:
        """How many equally likely specifications the weights are worth (Kish 1965)."""
        return float(1.0 / np.square(self.values).sum())


def scar_weights(
    specs: Sequence[ScarSpec], target: ScarTarget, lv_ml: float | Sequence[float] | np.ndarray
) -> ScarWeights:
    """Return weights that bring drawn ``specs`` to ``target``: ``rng.choice(n, p=weights.values)`` takes one.

    ``lv_ml`` is the volume of the LV wall, of the one heart they were drawn for or of each one's. They must
    ask for their volume in ml, as :func:`claimslicer.smile.random_spec` does. Raises SpecificationError
    where no specification lies in the target at all.
    """
    if not specs or any(spec.volume_ml is None for spec in specs):
        raise SpecificationError("Only scars that were drawn with a volume in ml can be brought to a target.")
    parts = list(_parts(specs, target, np.broadcast_to(np.asarray(lv_ml, float), len(specs))))
    weights = np.full(len(specs), 1.0 / len(specs))
    for _ in range(ROUNDS):
        distance = 0.0
        for membership, shares in parts:
            # A bin that no weight reaches asks for nothing; what it was to hold goes to the others.
            now = weights @ membership
            factor = np.divide(shares, now, out=np.ones_like(now), where=now > 0)
            weights = weights * np.prod(factor**membership, axis=1) * (membership.sum(1) > 0)
            if weights.sum() <= 0:
                raise SpecificationError(
                    "No scar that was drawn lies in the target distribution: widen it, or change the prior."
                )
            weights /= weights.sum()
            distance = max(distance, float(np.abs(now - shares).max()))
        if distance < CLOSE:
            break
    return ScarWeights(weights, _distance(weights, parts))


def distance_to_target(
    specs: Sequence[ScarSpec], target: ScarTarget, lv_ml: float | Sequence[float] | np.ndarray
) -> float:
    """Return how far a cohort's scars lie from ``target``: the largest total variation distance, 0–1."""
    parts = list(_parts(specs, target, np.broadcast_to(np.asarray(lv_ml, float), len(specs))))
    return _distance(np.full(len(specs), 1.0 / len(specs)), parts)


def _distance(weights: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the largest total variation distance between a marginal and its target; outside counts."""
    distances = []
    for membership, shares in parts:
        now = weights @ membership
        distances.append(0.5 * float(np.abs(now - shares).sum() + 1.0 - now.sum()))
    return max(distances)


def _parts(
    specs: Sequence[ScarSpec], target: ScarTarget, lv_ml: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each quantity of ``target``, how specifications share in its bins, and the bins' shares."""
    volume = np.array([spec.volume_ml for spec in specs], float)
    outer = np.array([spec.transmurality[1] for spec in specs])
    for histogram, values in (
        (target.volume_ml, volume),
        (target.extent_percent, 100.0 * volume / lv_ml),
        (target.transmurality, outer),
    ):
        if histogram is not None:
            yield histogram.membership(values), np.array(histogram.shares)
    if target.segments is not None:
        own = np.array([[k in spec.segments for k in SEGMENT_NUMBERS] for spec in specs], float)
        yield own / own.sum(1, keepdims=True), np.array([target.segments.get(k, 0) for k in SEGMENT_NUMBERS])


def _as_shares(values: np.ndarray) -> tuple[float, ...]:
    if not np.isfinite(values).all() or np.any(values < 0) or values.sum() <= 0:
        raise SpecificationError("Shares must be numbers from 0 up, not all of them 0.")
    return tuple((values / values.sum()).tolist())
