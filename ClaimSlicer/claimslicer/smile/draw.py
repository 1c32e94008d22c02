"""Random scar specifications: connected segments, drawn so that a cohort resembles real infarcts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from claimslicer.anatomy.aha import SEGMENTS, neighbours
from claimslicer.anatomy.frame import LVFrame
from claimslicer.errors import SpecificationError
from claimslicer.smile.spec import ScarSpec
from claimslicer.smile.texture import Texture

SEGMENT_WEIGHTS: Mapping[int, float] = {
    **{1: 3.5, 2: 3.5, 3: 6.0, 4: 8.5, 5: 5.0, 6: 3.0},
    **{7: 7.5, 8: 9.0, 9: 6.0, 10: 7.5, 11: 3.5, 12: 3.5},
    **{13: 10.5, 14: 10.0, 15: 8.5, 16: 4.5, 17: 5.0},
}
"""Share of infarct that lies in each segment, in %, mean of the 57 EMIDEC patients; 17, that those studies
do not show, is drawn about as often as the apical segments for its size."""


@dataclass(frozen=True)
class ScarPrior:
    """How :func:`random_spec` draws. The defaults are fitted to the 57 shared EMIDEC patients with infarct.

    ``extent_shape`` and ``extent_scale`` are those of the gamma distribution of the extent in % of the LV,
    cut off to ``extent_range``; ``foci`` are the chances of one, two, ... separate scars. ``fill`` is the
    share of the drawn segments' wall that an infarct of 1 % of the LV takes, which grows with the root of
    its extent. ``same_territory`` is how much rather a scar grows into its own coronary territory. An
    infarct of less than ``shallow_below`` % of the LV is kept, by the chance ``shallow``, to the part of
    the wall inside a limit drawn from ``outer_range``. The chance of MVO is ``mvo_base`` + ``mvo_slope`` x
    extent (as a fraction), its fraction of the scar a gamma distribution of ``mvo_shape`` and
    ``mvo_scale``.
    """

    pattern: str = "ischaemic"
    """How scar spreads: ischaemic, mid-wall, subepicardial, patchy or claim."""
    extent_shape: float = 2.7
    """Shape of the gamma distribution of the extent."""
    extent_scale: float = 7.4
    """Its scale, in % of the left ventricle's wall."""
    extent_range: tuple[float, float] = (2.0, 55.0)
    """The extent is cut off to this range, in %."""
    foci: tuple[float, ...] = (0.8, 0.16, 0.04)
    """The chances of one, two and more separate scars."""
    fill: float = 0.09
    """The share of the drawn segments' wall that an infarct of 1 % of the LV takes; it grows with the root of
    the extent."""
    fill_spread: float = 0.2
    """SD of the logarithm by which that share varies."""
    same_territory: float = 5.0
    """How much rather a scar grows into its own coronary territory."""
    segment_weights: Mapping[int, float] = field(default_factory=lambda: dict(SEGMENT_WEIGHTS))
    """How likely a scar begins in, or grows into, each AHA segment: ``{segment: weight}``."""
    shallow: float = 0.35
    """The chance that a small infarct spares the outer wall."""
    shallow_below: float = 20.0
    """What counts as small, in % of the LV."""
    outer_range: tuple[float, float] = (0.5, 0.95)
    """Its outer limit (0–1) is drawn from this range."""
    porosity_range: tuple[float, float] = (0.0, 0.2)
    """The porosity (0–1) is drawn from this range."""
    mvo_base: float = 0.25
    """The chance of MVO is this much, and ``mvo_slope`` times the extent."""
    mvo_slope: float = 1.8
    """The extent counts as a fraction of the LV here."""
    mvo_shape: float = 2.0
    """Shape of the gamma distribution of the MVO's fraction of the scar."""
    mvo_scale: float = 0.067
    """Its scale."""


def random_spec(
    frame: LVFrame,
    rng: np.random.Generator,
    prior: ScarPrior | None = None,
    existing: np.ndarray | None = None,
) -> ScarSpec:
    """Draw a scar for ``frame``: one or more foci, each a connected set of the segments that the frame shows.

    The result can be held by the wall that ``existing`` (``(z, y, x)``, a scar mask) leaves free. Raises
    :class:`SpecificationError` when it leaves hardly any.
    """
    prior = prior or ScarPrior()
    extent = float(np.clip(rng.gamma(prior.extent_shape, prior.extent_scale), *prior.extent_range))
    shallow = extent < prior.shallow_below and rng.random() < prior.shallow
    outer = rng.uniform(*prior.outer_range) if shallow else 1.0
    free = frame.myocardium & (frame.transmural <= outer)
    if existing is not None:
        free &= existing == 0
    wall_ml = frame.segment_ml()
    room_ml = frame.segment_ml(free)
    lv_ml = sum(wall_ml.values())
    if sum(room_ml.values()) < 0.05 * lv_ml:
        raise SpecificationError(
            "The existing scar leaves no room for another: choose a study with less scar."
        )

    wanted_ml = extent / 100.0 * lv_ml
    fill = np.clip(
        prior.fill * np.sqrt(extent) * np.exp(prior.fill_spread * rng.standard_normal()), 0.1, 0.85
    )
    foci = 1 + int(rng.choice(len(prior.foci), p=prior.foci))
    segments = _draw_segments(rng, prior, room_ml, wanted_ml / fill, foci)
    with_mvo = rng.random() < prior.mvo_base + prior.mvo_slope * extent / 100.0
    return ScarSpec(
        segments=tuple(sorted(segments)),
        volume_ml=round(min(wanted_ml, 0.85 * sum(room_ml[k] for k in segments)), 3),
        transmurality=(0.0, round(outer, 3)),
        pattern=prior.pattern,
        texture=Texture(porosity=round(rng.uniform(*prior.porosity_range), 3)),
        mvo_fraction=round(min(rng.gamma(prior.mvo_shape, prior.mvo_scale), 0.4), 3) if with_mvo else 0.0,
        seed=int(rng.integers(2**31)),
    )


def paper_spec(frame: LVFrame, rng: np.random.Generator) -> ScarSpec:
    """Draw a scar as the CLAIM paper does (Ramzan et al. 2025, section 2.2), to compare with.

    One or more adjacent regions of each of the basal, mid and apical levels, and for each region a volume
    from a uniform distribution. The paper gives no bounds: here it is one to three regions of each level,
    and 10 to 100 % of each.
    """
    shown = {k for k, ml in frame.segment_ml().items() if ml > 0}
    chosen: set[int] = set()
    for level in ("basal", "mid", "apical"):
        here = {k for k in shown if SEGMENTS[k].level == level}
        beside = {k for k in here if chosen & set(neighbours(k))} or here
        part = {int(rng.choice(sorted(beside)))} if beside else set()
        for _ in range(int(rng.integers(0, 3))):
            reach = {n for k in part for n in neighbours(k)} & here - part
            part |= {int(rng.choice(sorted(reach)))} if reach else set()
        chosen |= part
    return ScarSpec(
        percent={k: round(float(rng.uniform(10.0, 100.0)), 1) for k in sorted(chosen)},
        pattern="claim",
        texture=Texture(anisotropy=round(float(rng.uniform(1.0, 3.0)), 2), grain_mm=8.0),
        seed=int(rng.integers(2**31)),
    )


def _draw_segments(
    rng: np.random.Generator, prior: ScarPrior, room_ml: Mapping[int, float], wanted_ml: float, foci: int
) -> set[int]:
    """Return segments that hold ``wanted_ml``, grown from ``foci`` starts over the adjacency graph.

    Starts after the first lie apart from what is there; where no segment does, there is one focus less.
    """
    weights = {k: prior.segment_weights.get(k, 0.0) for k, ml in room_ml.items() if ml > 0}
    # The biggest scar takes most of the room; shares are those of a broken stick.
    shares = np.sort(rng.dirichlet(np.ones(foci)))[::-1]
    chosen: set[int] = set()
    for share in shares:
        around = {n for k in chosen for n in neighbours(k)} | chosen
        start = _pick(rng, {k: w for k, w in weights.items() if k not in around})
        if start is None:
            break
        part = {start}
        while sum(room_ml[k] for k in part) < share * wanted_ml:
            pull = _pull(prior, weights, part, SEGMENTS[start].territory)
            grown = _pick(rng, {k: w for k, w in pull.items() if k not in chosen})
            if grown is None:
                break
            part.add(grown)
        chosen |= part
    return chosen


def _pull(prior: ScarPrior, weights: Mapping[int, float], part: set[int], territory: str) -> dict[int, float]:
    """Return how much each segment beside ``part`` draws it: rather one of its territory, and one it
    embraces.
    """
    pull = {}
    for k in {n for member in part for n in neighbours(member)} - part:
        own = prior.same_territory if SEGMENTS[k].territory == territory else 1.0
        pull[k] = weights.get(k, 0.0) * own * len(part & set(neighbours(k)))
    return pull


def _pick(rng: np.random.Generator, weights: Mapping[int, float]) -> int | None:
    """Return a key by weight, None where no weight is left."""
    keys = sorted(k for k, w in weights.items() if w > 0)
    if not keys:
        return None
    chances = np.array([weights[k] for k in keys])
    return int(rng.choice(keys, p=chances / chances.sum()))
