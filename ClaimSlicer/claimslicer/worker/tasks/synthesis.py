"""Scar painted into a study, one variant for each seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from claimslicer.events import PartEvents
from claimslicer.labels import ScarLabel, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.studies import Study
from claimslicer.synthesis import SynthesisResult
from claimslicer.synthesis import synthesize as paint
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from
from claimslicer.worker.tasks.anatomy import frame_of, labels_of

OPTIONS = (
    "intensity",
    "model",
    "num_inference_steps",
    "sampler",
    "texture",
    "device",
    "repaint_existing",
)


def synthesize(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Paint ``scar`` into ``study`` once for each of ``seeds``.

    The options are those of :func:`claimslicer.synthesis.synthesize`. ``specification``, what SMILE made the
    scar from (``spec`` and the arguments of a frame), gives the border zone where ``scar`` is still as it was
    made; ``border`` in the result says whether there is one. ``scar_levels`` are mean grey levels of the scar
    in SDs above the remote myocardium's mean.
    """
    study = study_from(arguments["study"])
    labels, seeds = labels_of(study), arguments["seeds"]
    options = {name: arguments[name] for name in OPTIONS if name in arguments}
    if arguments.get("specification") is not None:
        options["intensity"] = border_zone(study, arguments["scar"], arguments["specification"])
    context.events.progress("painting", 0.0, "loading the network")
    results = []
    for index, seed in enumerate(seeds):
        events = PartEvents(context.events, index, len(seeds), "variant")
        results.append(paint(study, labels, arguments["scar"], seed=seed, events=events, **options))
    return {
        "images": [result.image for result in results],
        "differences": [result.difference for result in results],
        "recipes": [result.recipe for result in results],
        "scar_levels": [_scar_level(result, arguments["scar"]) for result in results],
        "border": options.get("intensity") is not None,
    }


def border_zone(study: Study, scar: np.ndarray, specification: Mapping[str, Any]) -> np.ndarray | None:
    """Make the intensity of SMILE's scar again; None when ``scar`` isn't what the specification gives."""
    frame = frame_of(study, specification)
    mask = generate_scar(ScarSpec.from_dict(specification["spec"]), frame, scar_of_labels(labels_of(study)))
    return mask.intensity if np.array_equal(mask.labels, scar) else None


def _scar_level(result: SynthesisResult, scar: np.ndarray) -> float:
    settings = result.recipe["settings"]
    mean = float(result.image[scar != ScarLabel.NONE].mean())
    return (mean - settings["remote_mean"]) / settings["remote_sd"]
