"""Infarct by signal thresholds in a labelled wall, to set beside the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claimslicer.labels import infarct_mask, myocardium_mask
from claimslicer.quantification import MYOCARDIAL_DENSITY_G_PER_ML, threshold_masks
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from
from claimslicer.worker.tasks.anatomy import frame_of, labels_of


def thresholds(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return infarct in ml, g and % of the LV by ``sd`` times SD, FWHM and Otsu in the wall of ``study``.

    The frame's options are those of the task ``frame``.
    """
    context.events.progress("measuring", 0.0, "thresholds")
    study = study_from(arguments["study"])
    labels, frame = labels_of(study), frame_of(study, arguments)
    masks = threshold_masks(study.image, frame, infarct_mask(labels), arguments["sd"])
    wall, voxel_ml = int(myocardium_mask(labels).sum()), study.geometry.voxel_volume_ml
    return {
        name: {
            "infarct_ml": int(mask.sum()) * voxel_ml,
            "infarct_g": int(mask.sum()) * voxel_ml * MYOCARDIAL_DENSITY_G_PER_ML,
            "infarct_percent": 100.0 * int(mask.sum()) / wall,
            "segment_ml": frame.segment_ml(mask),
        }
        for name, mask in masks.items()
    }
