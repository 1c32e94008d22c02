"""``claim-slicer quantify``: masses, transmurality and bull's-eyes of a labelled study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claimslicer.cli.arguments import (
    ApexOption,
    FrameOptions,
    InsertionsOption,
    LabelsOption,
    MirroredOption,
    RuleOption,
    StudyArgument,
    insertions_sentence,
    labelled_study,
)
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.outputs import make_folder

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.anatomy import LVFrame
    from claimslicer.figures.report import Report
    from claimslicer.studies import Study


def quantify(
    *,
    study: StudyArgument,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for report.html, CSV, JSON, PNG.", show_default=False)
    ],
    labels: LabelsOption = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Label map to compare with.", show_default=False)
    ] = None,
    insertions: InsertionsOption = None,
    rule: RuleOption = "fixed",
    apex_first: ApexOption = None,
    mirrored: MirroredOption = False,
    events: EventsOption = None,
) -> None:
    """Measure a labelled study: ml, g, % of the LV, transmurality, bull's-eyes."""
    with reporting("quantify", events) as report:
        from claimslicer.figures.report import write_report
        from claimslicer.studies import read_labels

        make_folder(out)
        scan, label_map = labelled_study(study, labels)
        truth = None if reference is None else read_labels(reference, scan)
        options = FrameOptions(insertions, rule, apex_first, mirrored)
        # The reference tells better than what is measured how the ventricle lies and is turned.
        base = options.frame_of(scan, label_map if truth is None else truth)
        page = build_page(scan, label_map, base, truth)
        written = write_report(out, page)
        report.say(insertions_sentence(base))
        report.wrote(written)


def build_page(
    study: Study, labels: np.ndarray, frame: LVFrame, reference: np.ndarray | None = None
) -> Report:
    """Return the report page of a labelled study, against a reference where there is one.

    ``frame`` is that of ``labels``, or of the ``reference`` where there is one: both are then laid out by its
    insertion points and slice order, so that each segment is compared with itself.
    """
    from claimslicer.figures.report import Report
    from claimslicer.figures.sections import comparison_section, labels_section, quantification_section
    from claimslicer.quantification import compare, quantify
    from claimslicer.studies import make_recipe

    grid, synthetic = study.geometry, study.synthetic
    if reference is None:
        measured = quantify(labels, grid, frame)
        data = {"quantification": measured.to_dict()}
        sections = [quantification_section(measured, synthetic=synthetic)]
    else:
        measured, truth = (
            quantify(labels, grid, _laid_out_as(frame, labels)),
            quantify(reference, grid, frame),
        )
        comparison = compare(labels, reference, grid, frame)
        sections = [
            quantification_section(measured, reference=truth, synthetic=synthetic),
            comparison_section(comparison),
        ]
        data = {
            "quantification": measured.to_dict(),
            "reference": truth.to_dict(),
            "agreement": comparison.to_dict(),
        }
    sections.append(
        labels_section(
            "Slices",
            study.image,
            labels,
            grid,
            reference=reference,
            apex_first=frame.apex_first,
            slice_axis=frame.slice_axis,
            synthetic=synthetic,
        )
    )
    recipe = make_recipe("quantify", study, {"rule": frame.rule}, labels=labels)
    return Report("Myocardial scar", study.name, sections, recipe, data, synthetic)


def _laid_out_as(frame: LVFrame, labels: np.ndarray) -> LVFrame:
    """Return the frame of other ``labels`` of the same heart, turned and ordered as ``frame`` is."""
    from claimslicer.anatomy import build_frame

    return build_frame(
        labels, frame.geometry, insertions=frame.insertions, rule=frame.rule, apex_first=frame.apex_first
    )
