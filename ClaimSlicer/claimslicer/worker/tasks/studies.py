"""Studies in files: found, read, segmented and written without passing through the panel's process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.outputs import all_or_none
from claimslicer.quantification import quantify
from claimslicer.review import find_studies
from claimslicer.review.inspect import study_words
from claimslicer.studies import (
    Study,
    check_volume_path,
    make_recipe,
    read_labels,
    read_study,
    write_volume,
)
from claimslicer.studies.provenance import sha256_of_array
from claimslicer.studies.readers.file import read_volume
from claimslicer.studies.segments import LABEL_SEGMENTS
from claimslicer.studies.synthetic import sidecar_path
from claimslicer.synthesis.result import band_path
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from, study_values


def list_studies(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Find the studies in ``folder``; see :func:`claimslicer.review.find_studies`."""
    found = find_studies(Path(arguments["folder"]), events=context.events)
    return {"studies": [{"key": study.key, "name": study.name} for study in found]}


def read(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Read the study at ``path`` and, where given, results of it: the files ``labels`` and ``uncertainty``.

    The study keeps the labels that lie beside its image.
    """
    context.events.progress("reading", 0.0)
    study = read_study(arguments["path"])
    labels, uncertainty = arguments.get("labels"), arguments.get("uncertainty")
    return {
        "study": study_values(study),
        "words": study_words(study),
        "labels": read_labels(labels, study, convention="EMIDEC") if labels else None,
        "uncertainty": read_volume(Path(uncertainty)).image if uncertainty else None,
    }


def segment_file(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Segment the study at ``path`` into the files ``labels`` and ``uncertainty``."""
    from claimslicer.segmentation import segment

    study = read_study(arguments["path"])
    result = segment(study, model=arguments.get("model"), device=arguments["device"], events=context.events)
    marks: dict[str, Any] = {"synthetic": study.synthetic, "inputs": [arguments["path"]]}
    # The labels come last: where they are, everything is.
    uncertainty = write_volume(arguments["uncertainty"], result.uncertainty, study.geometry, **marks)
    written = _write_labels(Path(arguments["labels"]), result.labels, study, result.recipe, marks)
    model = str(result.recipe["weights"]["name"])
    return {**written, "uncertainty": str(uncertainty), "model": model, "warning": result.warning}


def write_labels(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write the labels of ``study`` to ``file``; ``command`` and ``settings`` go into its recipe."""
    study = study_from(arguments["study"])
    assert study.labels is not None
    context.events.progress("writing", 0.0)
    recipe = make_recipe(arguments["command"], study, arguments.get("settings"))
    inputs = [] if study.source is None else [study.source]
    marks: dict[str, Any] = {"synthetic": study.synthetic, "inputs": inputs}
    return _write_labels(Path(arguments["file"]), study.labels, study, recipe, marks)


def write_image(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write the image of ``study`` to ``file``, its ``recipe`` beside it, marked where it is synthetic.

    ``band`` (uint8, optional) says what was painted in it, and goes beside it: both files, or neither.
    """
    study = study_from(arguments["study"])
    context.events.progress("writing", 0.0)
    inputs = [] if study.source is None else [study.source]
    marks: dict[str, Any] = {"synthetic": study.synthetic, "inputs": inputs}
    file, band = Path(arguments["file"]), arguments.get("band")
    volumes = {file: study.image} if band is None else {file: study.image, band_path(file): band}
    recipe = arguments.get("recipe")
    targets = [check_volume_path(path, recipe=recipe is not None, **marks) for path in volumes]
    with all_or_none([*targets, *map(sidecar_path, targets)]):
        for path, array in volumes.items():
            write_volume(path, array, study.geometry, recipe=recipe, **marks)
    return {"file": str(targets[0]), "band": None if band is None else str(targets[1])}


def export_dicom(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``study`` with its labels as DICOM into the new folder ``folder``.

    ``source`` is the DICOM folder that it was loaded from, or None.
    """
    from claimslicer.export.export import export_study

    source = arguments.get("source")
    done = export_study(
        study_from(arguments["study"]),
        Path(arguments["folder"]),
        source=None if source is None else Path(source),
        events=context.events,
    )
    return {"folder": str(done.folder), "series": list(done.series), "notes": list(done.notes)}


def _write_labels(
    file: Path, labels: np.ndarray, study: Study, recipe: Mapping[str, Any], marks: Mapping[str, Any]
) -> dict[str, Any]:
    measured = quantify(labels, study.geometry)
    written = write_volume(file, labels, study.geometry, recipe=recipe, segments=LABEL_SEGMENTS, **marks)
    return {
        "labels": str(written),
        "content": sha256_of_array(labels),
        "myocardium_g": measured.myocardium_g,
        "infarct_ml": measured.infarct_ml,
    }
