"""``claim-slicer dicom``: results as a DICOM study that a hospital opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from claimslicer.cli.arguments import AcquisitionOption, KindOption, SeriesOption, choice_of
from claimslicer.cli.reporting import EventsOption, reporting


def dicom(
    *,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="Images, label maps, scar masks, and folders of reports (of quantify).",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="New folder for the files.", show_default=False)],
    source: Annotated[
        Path | None,
        typer.Option(
            "--source", metavar="DICOM_FOLDER", help="What they were made from.", show_default=False
        ),
    ] = None,
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    form: Annotated[
        Literal["classic", "enhanced"],
        typer.Option("--form", help="Images as one instance a slice, or one multi-frame instance."),
    ] = "classic",
    identity: Annotated[
        Literal["new", "source"] | None,
        typer.Option(
            "--identity",
            help="A made-up patient and study, or the source's; else new where anything is synthetic or "
            "there is no source.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Put synthetic data under the source's identity, marked all the same."),
    ] = False,
    events: EventsOption = None,
) -> None:
    """Write images as MR series, labels as SEG, numbers as a structured report, pictures as captures.

    Everything goes into new series. What is synthetic is marked in every instance.
    """
    with reporting("dicom", events) as report:
        from claimslicer.export.export import export

        done = export(
            files,
            out,
            source=source,
            choice=choice_of(series, kind, acquisition),
            form=form,
            identity=identity,
            force=force,
            events=report.events,
        )
        for note in done.notes:
            report.say(note)
        for name in done.series:
            report.say(f"Series: {name}")
        report.say(f"Wrote {len(done.files)} files to {done.folder}")
