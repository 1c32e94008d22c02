"""How the scars of synthetic studies are drawn: as real ones lie, or by the CLAIM paper's recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from claimslicer.smile import ScarMask, ScarSpec, generate_scar, random_spec
from claimslicer.smile.draw import paper_spec

if TYPE_CHECKING:
    from claimslicer.anatomy import LVFrame

MASKS = ("ours", "claim")
"""``ours`` is :func:`claimslicer.smile.random_spec`, ``claim`` :func:`claimslicer.smile.draw.paper_spec`."""


def draw_scar(masks: str, frame: LVFrame, rng: np.random.Generator, existing: np.ndarray) -> ScarMask:
    """Draw a scar beside the ``existing`` one (``(z, y, x)``, a scar mask, often empty).

    Raises SpecificationError where the wall can't hold it.
    """
    if masks == "claim":
        return _added(paper_spec(frame, rng), frame, existing)
    return generate_scar(random_spec(frame, rng, existing=existing), frame, existing)


def _added(spec: ScarSpec, frame: LVFrame, existing: np.ndarray) -> ScarMask:
    """Lay a scar over the existing one, as the paper does: what they share counts to the existing one."""
    made = generate_scar(spec, frame)
    kept = existing > 0
    return replace(
        made,
        labels=np.where(kept, existing, made.labels).astype(np.uint8),
        intensity=np.where(kept, 1.0, made.intensity).astype(np.float32),
        added=made.added & ~kept,
    )
