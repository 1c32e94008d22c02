"""``claim-slicer anatomy``: the AHA-17 model on a study."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    check_apart,
    check_volume_outputs,
    choice_of,
    insertions_sentence,
    labelled_study,
    reformatted,
    say_notes,
)
from claimslicer.cli.folders import beside, folder_run, labels_file
from claimslicer.cli.reporting import Collected, EventsOption, Told, reporting
from claimslicer.errors import SpecificationError
from claimslicer.outputs import all_or_none, check_output, write_text

if TYPE_CHECKING:
    from claimslicer.anatomy import LVFrame
    from claimslicer.events import Events
    from claimslicer.review import FolderStudy, Made
    from claimslicer.studies.readers.dicom_stacks import Choice


def anatomy(
    *,
    study: StudyArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="AHA label map to write; for a folder of studies, a folder.", show_default=False
        ),
    ],
    labels: LabelsOption = None,
    insertions: InsertionsOption = None,
    rule: RuleOption = "fixed",
    apex_first: ApexOption = None,
    mirrored: MirroredOption = False,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Frame to write as JSON.", show_default=False)
    ] = None,
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    reformat: ReformatOption = None,
    events: EventsOption = None,
) -> None:
    """Lay the AHA 17-segment model on a study.

    Of a folder of studies, on each: --out is a folder then, for a map of each and the table studies.csv, and
    so are --json, --reformat, and --labels, as segment writes them. Stopped, the same command goes on.
    """
    with reporting("anatomy", events) as report:
        options = FrameOptions(insertions, rule, apex_first, mirrored)
        choice = choice_of(series, kind, acquisition)
        run = folder_run(report, "anatomy", study, out, {"--json": json_out, "--reformat": reformat})
        if run is None:
            files = _Files(out, json_out, reformat)
            report.wrote(*_lay_on(study, labels, choice, options, files, report).files)
            return
        if insertions is not None:
            raise SpecificationError(
                "--insertions belong to one study: leave them out for a folder of studies."
            )

        def work(one: FolderStudy, _: Events) -> Made:
            facts = beside(json_out, one, "_frame.json")
            stack = beside(reformat, one, "_short_axis.nii.gz")
            files = _Files(out / f"{one.stem}_aha.nii.gz", facts, stack)
            return _lay_on(one.path, labels_file(labels, one), choice, options, files, Collected())

        asked = {"labels": labels, "rule": rule, "apex_first": apex_first, "mirrored": mirrored}
        run.do(work, asked | {"choice": choice, "json": json_out, "reformat": reformat})


@dataclass(frozen=True)
class _Files:
    """Where the results of one study go."""

    segments: Path
    facts: Path | None
    reformat: Path | None


def _lay_on(
    study: Path, labels: Path | None, choice: Choice, options: FrameOptions, files: _Files, told: Told
) -> Made:
    """Lay the model on one study; return the files, and what a row tells of it."""
    from claimslicer.review import Made
    from claimslicer.studies import make_recipe, write_volume
    from claimslicer.studies.segments import AHA_SEGMENTS

    inputs = [path for path in (study, labels) if path is not None]
    scan, label_map = labelled_study(study, labels, choice)
    say_notes(told, scan)
    targets = check_volume_outputs(files.segments, inputs=inputs, synthetic=scan.synthetic)
    if files.facts is not None:
        targets.append(check_output(files.facts))
        check_apart(targets)
    if files.reformat is not None:
        scan, label_map = reformatted(scan, files.reformat, "anatomy", inputs, told)
    frame = options.frame_of(scan, label_map)
    facts = describe_frame(frame)
    recipe = make_recipe("anatomy", scan, facts["settings"])
    with all_or_none(targets):
        marks: dict[str, Any] = {"recipe": recipe, "synthetic": scan.synthetic, "inputs": inputs}
        written = [
            write_volume(files.segments, frame.segments, scan.geometry, segments=AHA_SEGMENTS, **marks)
        ]
        if files.facts is not None:
            write_text(files.facts, json.dumps({**facts, "recipe": recipe}, indent=2) + "\n")
            written.append(files.facts)
    told.say(insertions_sentence(frame))
    return Made(written, {**_cells(facts), "synthetic": scan.synthetic, "remarks": " ".join(told.said)})


def _cells(facts: dict[str, Any]) -> dict[str, Any]:
    """Return a frame's facts as a row's cells."""
    return {
        "rule": facts["settings"]["rule"],
        "insertions_source": facts["settings"]["insertions_source"],
        **{name: value for name, value in facts.items() if not isinstance(value, dict)},
        **{f"segment_{k}_ml": ml for k, ml in facts["segments_ml"].items()},
    }


def describe_frame(frame: LVFrame) -> dict[str, Any]:
    """Return the frame's facts in JSON types: insertions, rule, slice order, ml of each segment."""
    import numpy as np

    counts = np.bincount(frame.segments.ravel(), minlength=18)
    ml = frame.geometry.voxel_volume_ml
    points = frame.insertions
    return {
        "settings": {
            "rule": frame.rule,
            "insertions_lps_mm": {"anterior": list(points.anterior), "inferior": list(points.inferior)},
            "insertions_source": points.source,
        },
        "insertions_confidence": round(points.confidence, 3),
        "apex_first": frame.apex_first,
        "septal_arc_deg": round(frame.septal_arc_deg, 2),
        "length_mm": round(frame.length_mm, 2),
        "segments_ml": {str(k): round(float(counts[k] * ml), 4) for k in range(1, 18)},
    }
