"""``claim-slicer segment``: cavity, myocardium, infarct and MVO from an LGE study alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from claimslicer.cli.arguments import (
    AcquisitionOption,
    DeviceOption,
    KindOption,
    ModelOption,
    ReformatOption,
    SeriesOption,
    StudyArgument,
    all_or_none,
    check_volume_outputs,
    choice_of,
    say_notes,
)
from claimslicer.cli.reporting import EventsOption, reporting


def segment(
    *,
    study: StudyArgument,
    out: Annotated[Path, typer.Option("--out", help="Label map to write.", show_default=False)],
    model: ModelOption = None,
    device: DeviceOption = "auto",
    clean: Annotated[
        bool | None,
        typer.Option(
            "--clean/--raw",
            help="Whether to apply rules of anatomy to the labels; else as if --clean, but for nnU-Net's own "
            "models as if --raw.",
            show_default=False,
        ),
    ] = None,
    phase: Annotated[
        Literal["acute", "chronic"] | None,
        typer.Option("--phase", help="Of the infarct, told to models that know phases.", show_default=False),
    ] = None,
    uncertainty: Annotated[
        Path | None, typer.Option("--uncertainty", help="Uncertainty map (0–1) to write.", show_default=False)
    ] = None,
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    reformat: ReformatOption = None,
    events: EventsOption = None,
) -> None:
    """Segment a study: 0 background, 1 cavity, 2 myocardium, 3 infarct, 4 no-reflow (MVO)."""
    with reporting("segment", events) as report:
        from claimslicer.segmentation import segment as segment_study
        from claimslicer.segmentation.reformat import check_slices, to_short_axis
        from claimslicer.studies import read_study, write_volume

        scan = read_study(study, choice=choice_of(series, kind, acquisition))
        say_notes(report, scan)
        files = check_volume_outputs(out, uncertainty, reformat, inputs=[study], synthetic=scan.synthetic)
        options: dict[str, Any] = {"model": model, "device": device, "clean": clean, "phase": phase}
        if reformat is None:
            check_slices(scan)
        else:
            scan = to_short_axis(
                replace(scan, labels=None),
                lambda cut: segment_study(cut, **options).labels,
                events=report.events,
            )
        result = segment_study(scan, events=report.events, **options)
        marks: dict[str, Any] = {"recipe": result.recipe, "synthetic": scan.synthetic, "inputs": [study]}
        with all_or_none(files):
            written = [write_volume(out, result.labels, scan.geometry, **marks)]
            if reformat is not None:
                written.insert(0, write_volume(reformat, scan.image, scan.geometry, **marks))
            if uncertainty is not None:
                written.append(write_volume(uncertainty, result.uncertainty, scan.geometry, **marks))
        report.wrote(*written)
