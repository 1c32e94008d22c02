"""The report page of a labelled study."""

from __future__ import annotations

import numpy as np

from claimslicer.anatomy import LVFrame
from claimslicer.figures.report import Report
from claimslicer.figures.sections import comparison_section, labels_section, quantification_section
from claimslicer.quantification import measure
from claimslicer.studies import Study, make_recipe


def quantification_page(
    study: Study, labels: np.ndarray, frame: LVFrame, reference: np.ndarray | None = None
) -> Report:
    """Return the page of ``labels`` of ``study``, against ``reference`` where there is one.

    ``frame`` is the one that :func:`claimslicer.quantification.measure` takes.
    """
    measured = measure(labels, frame, reference)
    numbers = quantification_section(
        measured.quantification,
        text=frame.insertions.in_words(),
        reference=measured.reference,
        synthetic=study.synthetic,
    )
    agreement = [] if measured.comparison is None else [comparison_section(measured.comparison)]
    slices = labels_section(
        "Slices",
        study.image,
        labels,
        study.geometry,
        reference=reference,
        apex_first=frame.apex_first,
        slice_axis=frame.slice_axis,
        synthetic=study.synthetic,
    )
    recipe = make_recipe("quantify", study, {"rule": frame.rule}, labels=labels)
    sections = [numbers, *agreement, slices]
    return Report("Myocardial scar", study.name, sections, recipe, measured.to_dict(), study.synthetic)
