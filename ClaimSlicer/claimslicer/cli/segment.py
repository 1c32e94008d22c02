"""``claim-slicer segment``: cavity, myocardium, infarct and MVO from an LGE study alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from claimslicer.cli.arguments import (
    DeviceOption,
    ModelOption,
    StudyArgument,
    all_or_none,
    check_volume_outputs,
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
    events: EventsOption = None,
) -> None:
    """Segment a study: 0 background, 1 cavity, 2 myocardium, 3 infarct, 4 no-reflow (MVO)."""
    with reporting("segment", events) as report:
        from claimslicer.segmentation import segment as segment_study
        from claimslicer.studies import read_study, write_volume

        scan = read_study(study)
        files = check_volume_outputs(out, uncertainty, inputs=[study], synthetic=scan.synthetic)
        result = segment_study(
            scan, model=model, device=device, clean=clean, phase=phase, events=report.events
        )
        marks: dict[str, Any] = {"recipe": result.recipe, "synthetic": scan.synthetic, "inputs": [study]}
        with all_or_none(files):
            written = [write_volume(out, result.labels, scan.geometry, **marks)]
            if uncertainty is not None:
                written.append(write_volume(uncertainty, result.uncertainty, scan.geometry, **marks))
        report.wrote(*written)
