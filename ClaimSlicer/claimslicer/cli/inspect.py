"""``claim-slicer inspect``: what is there, what would be read, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.arguments import (
    AcquisitionOption,
    KindOption,
    LabelsOption,
    SeriesOption,
    choice_of,
)
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.outputs import check_output, write_text


def inspect(
    *,
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="A file, folder or zip of any kind.", show_default=False),
    ],
    labels: LabelsOption = None,
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write what was found as JSON.", show_default=False)
    ] = None,
    events: EventsOption = None,
) -> None:
    """Say what a file or folder holds, what would be read, and why: series, kinds, geometry, labels."""
    with reporting("inspect", events) as report:
        from claimslicer.review.inspect import inspect as look_at

        if json_out is not None:
            check_output(json_out)
        found = look_at(path, labels, choice_of(series, kind, acquisition))
        report.say(found.text)
        if json_out is not None:
            write_text(json_out, json.dumps(found.facts, indent=2, ensure_ascii=False) + "\n")
            report.wrote(json_out)
