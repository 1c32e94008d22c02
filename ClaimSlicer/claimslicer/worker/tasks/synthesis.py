"""Scar painted into a study, one variant for each seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claimslicer.labels import ScarLabel
from claimslicer.smile.lesion import border_zone
from claimslicer.synthesis import SynthesisResult, synthesize_variants
from claimslicer.synthesis.texture import texture_of_study
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from
from claimslicer.worker.tasks.anatomy import labels_of

OPTIONS = (
    "intensity",
    "model",
    "num_inference_steps",
    "sampler",
    "jumps",
    "texture",
    "guidance",
    "band_mm",
    "device",
    "repaint_existing",
)


def synthesize(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Paint ``scar`` into ``study`` once for each of ``seeds``.

    The options are those of :func:`claimslicer.synthesis.synthesize_variants`; ``border_zone_mm`` gives the
    scar a border zone of that width, instead of ``intensity``, and ``texture_study`` the texture of another
    study's scar, instead of ``texture``. ``scar_levels`` in the result are mean grey levels of the scar, in
    SDs above the remote myocardium's mean.
    """
    study = study_from(arguments["study"])
    labels, scar = labels_of(study), arguments["scar"]
    options = {name: arguments[name] for name in OPTIONS if name in arguments}
    if "border_zone_mm" in arguments:
        options["intensity"] = border_zone(scar, labels, study.geometry, arguments["border_zone_mm"])
    if "texture_study" in arguments:
        options["texture"] = texture_of_study(study_from(arguments["texture_study"]))
    context.events.progress("painting", 0.0, "loading the network")
    results = synthesize_variants(
        study, labels, scar, seeds=arguments["seeds"], events=context.events, **options
    )
    return {
        "images": [result.image for result in results],
        "differences": [result.difference for result in results],
        "bands": [result.band for result in results],
        "recipes": [result.recipe for result in results],
        "scar_levels": [_scar_level(result, scar) for result in results],
    }


def _scar_level(result: SynthesisResult, scar: np.ndarray) -> float:
    settings = result.recipe["settings"]
    mean = float(result.image[scar != ScarLabel.NONE].mean())
    return (mean - settings["remote_mean"]) / settings["remote_sd"]
