"""The numbers of a labelled study, and the report that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claimslicer.anatomy import LVFrame
from claimslicer.quantification import MYOCARDIAL_DENSITY_G_PER_ML, Comparison, Quantification, measure
from claimslicer.studies import Study
from claimslicer.studies.provenance import to_json
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from
from claimslicer.worker.tasks.anatomy import frame_of, labels_of


def quantify(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the labels of ``study``, against the label map ``reference`` where it is not None.

    The frame's options are those of the task ``frame``.
    """
    study, frame = _study_and_frame(context, arguments)
    measured = measure(labels_of(study), frame, arguments.get("reference"))
    numbers, comparison = measured.quantification, measured.comparison
    return {
        "totals": numbers.totals(),
        "rows": numbers.rows(),
        "segments": _segments(numbers),
        "comparison": None if comparison is None else _comparison(comparison),
        "insertions": to_json(frame.insertions),
    }


def report(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write what the command ``quantify`` writes into ``folder``; return the files, the page first."""
    from claimslicer.figures.page import quantification_page
    from claimslicer.figures.report import write_report
    from claimslicer.outputs import make_folder

    folder = make_folder(Path(arguments["folder"]))
    study, frame = _study_and_frame(context, arguments)
    context.events.progress("reporting", 0.3, "drawing the report")
    page = quantification_page(study, labels_of(study), frame, arguments.get("reference"))
    context.events.progress("reporting", 0.8, "writing the report")
    write_report(folder, page)
    return {"files": [str(folder / name) for name in page.files]}


def _study_and_frame(context: Context, arguments: Mapping[str, Any]) -> tuple[Study, LVFrame]:
    context.events.progress("measuring", 0.0, "finding the segments")
    study = study_from(arguments["study"])
    # The reference tells better than what is measured how the ventricle lies and is turned.
    return study, frame_of(study, arguments, arguments.get("reference"))


def _segments(measured: Quantification) -> dict[int, dict[str, Any]]:
    """Return what tables and bull's-eyes show of each segment that holds wall; None is not defined."""
    return {
        segment.segment: {
            **row,
            "wall_ml": segment.volume_ml,
            "infarct_g": segment.infarct_ml * MYOCARDIAL_DENSITY_G_PER_ML,
        }
        for segment, row in zip(measured.segments, measured.rows(), strict=True)
        if segment.volume_ml > 0
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    differences = {difference.segment: difference.infarct_ml for difference in comparison.segments}
    return {"rows": comparison.rows(), "segment_difference_ml": differences}
