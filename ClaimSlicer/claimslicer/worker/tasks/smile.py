"""Scar masks and random specifications on a kept frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.smile import random_spec as draw_spec
from claimslicer.smile.words import describe
from claimslicer.worker.context import Context


def scar(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make the scar that ``spec`` asks for in the kept frame ``key``, beside the scar that is there."""
    kept = context.frames[arguments["key"]]
    spec = ScarSpec.from_dict(arguments["spec"])
    mask = generate_scar(spec, kept.frame, kept.existing)
    lv_ml = sum(kept.frame.segment_ml().values())
    return {
        "key": kept.key,
        "spec": spec.to_dict(),
        "labels": mask.labels,
        "added": mask.added,
        "intensity": mask.intensity,
        "volume_ml": mask.volume_ml,
        "mvo_ml": mask.mvo_volume_ml,
        "total_ml": mask.total_volume_ml,
        "segment_ml": kept.frame.segment_ml(mask.added),
        "sentence": describe(spec, volume_ml=mask.volume_ml, lv_ml=lv_ml),
        "remark": mask.remark,
    }


def random_spec(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a scar for the kept frame ``key``; the same ``seed`` gives the same."""
    kept = context.frames[arguments["key"]]
    spec = draw_spec(kept.frame, np.random.default_rng(arguments["seed"]), existing=kept.existing)
    return {"spec": spec.to_dict()}
