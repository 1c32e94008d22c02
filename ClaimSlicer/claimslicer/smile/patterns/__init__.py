"""The scar patterns, one file each: functions from a bed to a score, listed in PATTERNS."""

from __future__ import annotations

from claimslicer.smile.patterns.claim import claim
from claimslicer.smile.patterns.ischaemic import ischaemic
from claimslicer.smile.patterns.mid_wall import mid_wall
from claimslicer.smile.patterns.patchy import patchy
from claimslicer.smile.patterns.pattern import Pattern
from claimslicer.smile.patterns.subepicardial import subepicardial

PATTERNS: dict[str, Pattern] = {
    "ischaemic": Pattern(ischaemic),
    "mid-wall": Pattern(mid_wall),
    "subepicardial": Pattern(subepicardial),
    "patchy": Pattern(patchy, smallest_island_ml=0.05),
    "claim": Pattern(claim),
}

__all__ = ["PATTERNS", "Pattern"]
