"""The LV frame of a study, kept for the tasks that follow, and its surface for 3-D views."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from claimslicer.anatomy import Insertions, LVFrame, build_frame
from claimslicer.errors import StudyError
from claimslicer.studies import Study
from claimslicer.studies.provenance import sha256_of_array, to_json
from claimslicer.worker.context import Context, KeptFrame
from claimslicer.worker.messages import study_from


def frame(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Build the frame of a labelled ``study``, or again that of the kept frame ``key``, and describe it.

    ``insertions`` is None or ``{anterior, inferior}`` in LPS millimetres; ``rule``, ``apex_first`` and
    ``mirrored`` are those of :func:`claimslicer.anatomy.build_frame`.
    """
    like = None
    if "study" in arguments:
        study = study_from(arguments["study"])
        study_key = hash_of_study(study)
    else:
        former = context.frames[arguments["key"]]
        study, study_key, like = former.study, former.study_key, former.frame
    options = {name: arguments.get(name) for name in ("insertions", "rule", "apex_first", "mirrored")}
    key = hashlib.sha256(json.dumps([study_key, to_json(options)]).encode()).hexdigest()
    if key not in context.frames:
        context.frames.keep(KeptFrame(key, study_key, study, frame_of(study, arguments, like=like)))
    return _description(context.frames[key])


def surface(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wall of the kept frame ``key`` as triangles in LPS millimetres, a segment for each point.

    ``voxel`` says where to look a point's segment up in another frame of the same study.
    """
    from claimslicer.anatomy.surface import wall_surface

    wall = wall_surface(context.frames[arguments["key"]].frame)
    return dataclasses.asdict(wall)


def _insertions(points: Mapping[str, Any]) -> Insertions:
    """Return points that were sent; ``found`` is their source and confidence while nobody has moved them."""
    return Insertions(tuple(points["anterior"]), tuple(points["inferior"]), **points.get("found", {}))


def frame_of(
    study: Study,
    arguments: Mapping[str, Any],
    labels: np.ndarray | None = None,
    like: LVFrame | None = None,
) -> LVFrame:
    """Build the frame of ``labels``, those of ``study`` unless given, as a task's arguments ask for it.

    ``like`` is a former frame of the same labels, to be quicker.
    """
    points = arguments.get("insertions")
    apex_first = arguments.get("apex_first")
    return build_frame(
        labels_of(study) if labels is None else labels,
        study.geometry,
        image=study.image,
        insertions=points and _insertions(points),
        rule=arguments.get("rule", "fixed"),
        apex_first=study.apex_first if apex_first is None else apex_first,
        mirrored=bool(arguments.get("mirrored")),
        like=like,
    )


def labels_of(study: Study) -> np.ndarray:
    """Return the labels of ``study``. Raises StudyError when it has none."""
    if study.labels is None:
        raise StudyError(f"{study.name} comes without labels of the left ventricle: choose or make them.")
    return study.labels


def hash_of_study(study: Study) -> str:
    """Return a hash of all that a frame depends on."""
    arrays = [None if array is None else sha256_of_array(array) for array in (study.image, study.labels)]
    rest = [*arrays, to_json(study.geometry), study.apex_first]
    return hashlib.sha256(json.dumps(rest).encode()).hexdigest()


def _description(kept: KeptFrame) -> dict[str, Any]:
    frame, existing = kept.frame, kept.existing
    segment_ml = frame.segment_ml()
    existing_ml = frame.segment_ml(existing > 0)
    return {
        "key": kept.key,
        "segments": frame.segments,
        "insertions": to_json(frame.insertions),
        "apex_first": frame.apex_first,
        "segment_ml": segment_ml,
        "existing_ml": existing_ml,
        "lv_ml": sum(segment_ml.values()),
        "infarct_ml": sum(existing_ml.values()),
        "mvo_ml": sum(frame.segment_ml(existing == 2).values()),
    }
