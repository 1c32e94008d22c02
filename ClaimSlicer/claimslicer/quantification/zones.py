"""Scar core and border (grey) zone, by the image's maximum, by remote SDs or by a network's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from claimslicer.errors import SpecificationError, StudyError

ZoneRule = Literal["maximum", "SD", "probability"]
ZONE_RULES: tuple[ZoneRule, ...] = get_args(ZoneRule)
MAXIMUM_SHARES = (0.4, 0.6)
"""Border zone from 40 %, core from 60 % of the way from no signal to the wall's maximum."""
SDS = (2.0, 3.0)
PROBABILITIES = (0.25, 0.75)


@dataclass(frozen=True)
class Zones:
    """Core and border zone (bool, (z, y, x), apart from each other), and the two levels that part them."""

    core: np.ndarray
    border: np.ndarray
    levels: tuple[float, float]
    rule: ZoneRule

    def describe(self) -> str:
        """Say how the zones were told apart."""
        return {
            "maximum": "core over 60 %, border zone 40–60 % of the wall's maximum",
            "SD": "core over 3 SD, border zone 2–3 SD above remote myocardium",
            "probability": "core from a probability of 75 %, border zone from 25 %, by the network",
        }[self.rule]


def find_zones(
    image: np.ndarray,
    wall: np.ndarray,
    remote: np.ndarray,
    *,
    zero: float = 0.0,
    rule: ZoneRule = "maximum",
    probability: np.ndarray | None = None,
    mvo: np.ndarray | None = None,
) -> Zones:
    """Part the enhanced wall into core and border zone; all arrays are (z, y, x), masks bool.

    "maximum" is ADAS's default of 40 and 60 % of the maximum, counted from ``zero``, the level of no signal;
    "SD" takes 2 and 3 SD above the mean of ``remote`` (Schmidt et al., Circulation 2007, 115:2006, in one of
    its common forms); "probability" needs the network's ``probability`` of infarct (0–1). ``mvo`` is dark
    core, and counts as core. Raises SpecificationError for another rule or without the probability it needs,
    StudyError for a wall of one grey level.
    """
    if rule not in ZONE_RULES:
        raise SpecificationError(f"There is no rule {rule!r} of zones: give {', '.join(ZONE_RULES)}.")
    if rule == "probability" and probability is None:
        raise SpecificationError(
            "Zones by probability need the network's map of infarct: give it with --probability."
        )
    if not wall.any() or np.ptp(image[wall]) == 0:
        raise StudyError("The wall is of one grey level, so it has no core and border zone: check the image.")
    source = image
    if rule == "probability":
        assert probability is not None
        source, (low, high) = probability, PROBABILITIES
    elif rule == "maximum":
        top = float(image[wall].max())
        low, high = (zero + share * (top - zero) for share in MAXIMUM_SHARES)
    else:
        values = image[remote].astype(float)
        low, high = (float(values.mean() + n * values.std(ddof=1)) for n in SDS)
    dark = np.zeros(wall.shape, bool) if mvo is None else mvo & wall
    core = wall & ((source > high) | dark)
    return Zones(core, wall & (source > low) & ~core, (low, high), rule)
