"""``claim-slicer anatomy``: the AHA-17 model on a study."""

from __future__ import annotations

import json
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
    all_or_none,
    check_apart,
    check_volume_outputs,
    choice_of,
    insertions_sentence,
    labelled_study,
    reformatted,
    say_notes,
)
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.outputs import check_output, write_text

if TYPE_CHECKING:
    from claimslicer.anatomy import LVFrame


def anatomy(
    *,
    study: StudyArgument,
    out: Annotated[Path, typer.Option("--out", help="AHA label map to write.", show_default=False)],
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
    """Lay the AHA 17-segment model on a study."""
    with reporting("anatomy", events) as report:
        from claimslicer.studies import make_recipe, write_volume

        inputs = [path for path in (study, labels) if path is not None]
        scan, label_map = labelled_study(study, labels, choice_of(series, kind, acquisition))
        say_notes(report, scan)
        files = check_volume_outputs(out, inputs=inputs, synthetic=scan.synthetic)
        if json_out is not None:
            files.append(check_output(json_out))
            check_apart(files)
        if reformat is not None:
            scan, label_map = reformatted(scan, reformat, "anatomy", inputs, report)
        frame = FrameOptions(insertions, rule, apex_first, mirrored).frame_of(scan, label_map)
        facts = describe_frame(frame)
        recipe = make_recipe("anatomy", scan, facts["settings"])
        with all_or_none(files):
            marks: dict[str, Any] = {"recipe": recipe, "synthetic": scan.synthetic, "inputs": inputs}
            written = write_volume(out, frame.segments, scan.geometry, **marks)
            if json_out is not None:
                write_text(json_out, json.dumps({**facts, "recipe": recipe}, indent=2) + "\n")
        report.say(insertions_sentence(frame))
        report.wrote(written, json_out)


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
