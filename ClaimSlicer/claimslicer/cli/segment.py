"""``claim-slicer segment``: cavity, myocardium, infarct and MVO from an LGE study alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from claimslicer.cli.arguments import (
    AcquisitionOption,
    DeviceOption,
    KindOption,
    ModelOption,
    ReformatOption,
    SeriesOption,
    StudyArgument,
    check_volume_outputs,
    choice_of,
    say_notes,
)
from claimslicer.cli.folders import beside, folder_run
from claimslicer.cli.reporting import Collected, EventsOption, Told, reporting
from claimslicer.outputs import all_or_none

if TYPE_CHECKING:
    from claimslicer.events import Events
    from claimslicer.review import FolderStudy, Made
    from claimslicer.studies.readers.dicom_stacks import Choice


def segment(
    *,
    study: StudyArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="Label map to write; for a folder of studies, a folder.", show_default=False
        ),
    ],
    model: ModelOption = None,
    device: DeviceOption = "auto",
    clean: Annotated[
        bool | None,
        typer.Option(
            "--clean/--raw",
            help="Whether to apply rules of anatomy to the labels. Left out: to all but those of nnU-Net's "
            "own models.",
            show_default=False,
        ),
    ] = None,
    phase: Annotated[
        Literal["acute", "chronic"] | None,
        typer.Option(
            "--phase",
            help="Whether the infarct is acute or chronic, for models that were trained to know.",
            show_default=False,
        ),
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
    """Segment a study: 0 background, 1 cavity, 2 myocardium, 3 infarct, 4 no-reflow (MVO).

    Of a folder of studies, each: --out is a folder then, for a label map of each and the table studies.csv,
    and so are --uncertainty and --reformat. Stopped, the same command goes on.
    """
    with reporting("segment", events) as report:
        options: dict[str, Any] = {"model": model, "device": device, "clean": clean, "phase": phase}
        choice = choice_of(series, kind, acquisition)
        more = {"--uncertainty": uncertainty, "--reformat": reformat}
        run = folder_run(report, "segment", study, out, more)
        if run is None:
            files = _Files(out, uncertainty, reformat)
            report.wrote(*_segment_one(study, choice, files, report, report.events, options).files)
            return

        def work(one: FolderStudy, shown: Events) -> Made:
            unsure = beside(uncertainty, one, "_uncertainty.nii.gz")
            stack = beside(reformat, one, "_short_axis.nii.gz")
            files = _Files(out / f"{one.stem}_labels.nii.gz", unsure, stack)
            return _segment_one(one.path, choice, files, Collected(), shown, options)

        asked = {"weights": _weights(model, device), "clean": clean, "phase": phase, "choice": choice}
        run.do(work, asked | {"uncertainty": uncertainty, "reformat": reformat})


@dataclass(frozen=True)
class _Files:
    """Where the results of one study go."""

    labels: Path
    uncertainty: Path | None
    reformat: Path | None


def _segment_one(
    study: Path, choice: Choice, files: _Files, told: Told, events: Events, options: Mapping[str, Any]
) -> Made:
    """Segment one study into files; return these, and what a row tells of it."""
    from claimslicer.anatomy.short_axis import check_slices, to_short_axis
    from claimslicer.quantification import quantify
    from claimslicer.review import Made
    from claimslicer.segmentation import segment as segment_study
    from claimslicer.studies import read_study, write_volume
    from claimslicer.studies.segments import LABEL_SEGMENTS

    scan = read_study(study, choice=choice)
    say_notes(told, scan)
    outputs = (files.labels, files.uncertainty, files.reformat)
    targets = check_volume_outputs(*outputs, inputs=[study], synthetic=scan.synthetic)
    if files.reformat is None:
        check_slices(scan)
    else:
        scan = to_short_axis(
            replace(scan, labels=None), lambda cut: segment_study(cut, **options).labels, events=events
        )
    result = segment_study(scan, events=events, **options)
    marks: dict[str, Any] = {"recipe": result.recipe, "synthetic": scan.synthetic, "inputs": [study]}
    with all_or_none(targets):
        written = [write_volume(files.labels, result.labels, scan.geometry, segments=LABEL_SEGMENTS, **marks)]
        if files.reformat is not None:
            written.insert(0, write_volume(files.reformat, scan.image, scan.geometry, **marks))
        if files.uncertainty is not None:
            written.append(write_volume(files.uncertainty, result.uncertainty, scan.geometry, **marks))
    totals = quantify(result.labels, scan.geometry).totals()
    cells = {name: round(value, 3) for name, value in totals.items()}
    remarks = " ".join(filter(None, [*told.said, result.warning]))
    return Made(written, {**cells, "synthetic": scan.synthetic, "remarks": remarks})


def _weights(model: str | None, device: str) -> dict[str, Any]:
    """Return name and hash of the weights, for the record. Raises ModelError."""
    from claimslicer.segmentation.model import load_segmenter
    from claimslicer.segmentation.nnunet.model import find_nnunet

    return dict((find_nnunet(model) or load_segmenter(model, device)).weights)
