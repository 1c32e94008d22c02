"""``claim-slicer quantify``: masses, transmurality and bull's-eyes of a labelled study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.arguments import (
    AcquisitionOption,
    ApexOption,
    FrameOptions,
    InsertionsOption,
    KindOption,
    LabelsOption,
    MirroredOption,
    ReformatOption,
    RuleOption,
    SeriesOption,
    StudyArgument,
    choice_of,
    insertions_sentence,
    labelled_study,
    reformatted,
    say_notes,
)
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.outputs import check_folder


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
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    reformat: ReformatOption = None,
    events: EventsOption = None,
) -> None:
    """Measure a labelled study: ml, g, % of the LV, transmurality, bull's-eyes."""
    with reporting("quantify", events) as report:
        from claimslicer.figures.page import quantification_page
        from claimslicer.figures.report import write_report
        from claimslicer.studies import read_labels

        check_folder(out)
        scan, label_map = labelled_study(study, labels, choice_of(series, kind, acquisition))
        say_notes(report, scan)
        if reformat is not None:
            inputs = [path for path in (study, labels) if path is not None]
            scan, label_map = reformatted(scan, reformat, "quantify", inputs, report)
        truth = None if reference is None else read_labels(reference, scan)
        options = FrameOptions(insertions, rule, apex_first, mirrored)
        # The reference tells better than what is measured how the ventricle lies and is turned.
        base = options.frame_of(scan, label_map if truth is None else truth)
        page = quantification_page(scan, label_map, base, truth)
        written = write_report(out, page)
        report.say(insertions_sentence(base))
        report.wrote(written)
