"""``claim-slicer quantify``: masses, transmurality and bull's-eyes of a labelled study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from claimslicer.cli.folders import folder_run, labels_file
from claimslicer.cli.reporting import Collected, EventsOption, Told, reporting
from claimslicer.errors import SpecificationError
from claimslicer.outputs import check_folder

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.events import Events
    from claimslicer.quantification.volume_range import VolumeRange
    from claimslicer.review import FolderStudy, Made
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
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    reformat: ReformatOption = None,
    image_kind: Annotated[
        Literal["magnitude", "PSIR", "lifted PSIR"] | None,
        typer.Option("--image-kind", help="Kind of image; else found from the image.", show_default=False),
    ] = None,
    zones: Annotated[
        Literal["maximum", "SD"], typer.Option("--zones", help="Core and border zone by maximum or SD.")
    ] = "maximum",
    per_slice: Annotated[bool, typer.Option("--per-slice", help="A threshold for each slice.")] = False,
    remote: Annotated[
        Path | None, typer.Option("--remote", help="Mask of remote muscle; else found.", show_default=False)
    ] = None,
    include: Annotated[
        Path | None, typer.Option("--include", help="Mask that infarct may lie in.", show_default=False)
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option("--exclude", help="Mask without infarct.", show_default=False)
    ] = None,
    slice_distance: Annotated[
        float | None,
        typer.Option("--slice-distance", metavar="MM", help="For files that lost it.", show_default=False),
    ] = None,
    sectors: Annotated[int, typer.Option("--sectors", min=0, max=120, help="Sectors a slice, too.")] = 0,
    territories: Annotated[
        str | None,
        typer.Option(
            "--territories",
            metavar="LAD=1,2,… …",
            help="AHA segments of each artery, like 'LAD=1,2,7 RCA=3,4'.",
            show_default=False,
        ),
    ] = None,
    events: EventsOption = None,
) -> None:
    """Measure a labelled study: ml, g, % of the LV, transmurality, bull's-eyes, infarct by every method.

    Of a folder of studies, each: --out holds a folder for each and the table studies.csv, a row a study;
    --labels is a folder then, as segment writes it. Stopped, the same command goes on.
    """
    with reporting("quantify", events) as report:
        options = FrameOptions(insertions, rule, apex_first, mirrored)
        choice = choice_of(series, kind, acquisition)
        areas = None if territories is None else _territories(territories)
        one_only = {"--reference": reference, "--remote": remote, "--include": include, "--exclude": exclude}

        def measured(path: Path, folder: Path, drawn: Path | None, told: Told) -> Any:
            from claimslicer.figures.page import quantification_page
            from claimslicer.figures.report import write_report
            from claimslicer.quantification.methods import MethodSettings
            from claimslicer.quantification.report_numbers import NumbersSettings
            from claimslicer.studies import read_labels

            check_folder(folder)
            scan, label_map = labelled_study(path, drawn, choice)
            say_notes(told, scan)
            if reformat is not None:
                inputs = [file for file in (path, drawn) if file is not None]
                scan, label_map = reformatted(scan, reformat, "quantify", inputs, report)
            if slice_distance is not None:
                scan = _spaced(scan, label_map, slice_distance)
            masks = (_mask(file, scan) for file in (remote, include, exclude))
            remote_mask, included, excluded = masks
            methods = MethodSettings(per_slice, remote_mask, include=included, exclude=excluded)
            settings = NumbersSettings(image_kind, zones, methods, sectors, *([areas] if areas else []))
            truth = None if reference is None else read_labels(reference, scan)
            # The reference tells better than what is measured how the ventricle lies and is turned.
            base = options.frame_of(scan, label_map if truth is None else truth)
            page = quantification_page(scan, label_map, base, truth, settings, _range_beside(drawn, scan))
            told.say(insertions_sentence(base))
            told.wrote(write_report(folder, page))
            return page.data["quantification"]

        run = folder_run(report, "quantify", study, out, {"--reformat": reformat})
        if run is None:
            measured(study, out, labels, report)
            return
        given = [name for name, file in {**one_only, "--insertions": insertions}.items() if file is not None]
        if given or reformat is not None:
            raise SpecificationError(
                f"{', '.join(given or ['--reformat'])} belongs to one study: leave it out for a folder."
            )

        def work(one: FolderStudy, _: Events) -> Made:
            from claimslicer.quantification.names import QUANTITIES
            from claimslicer.review import Made

            told = Collected()
            data = measured(one.path, out / one.stem, labels_file(labels, one), told)
            row = {name: data[name] for name in QUANTITIES} | {"image_kind": data["image_kind"]}
            by_method = {
                f"{found['method']} infarct_ml": found["infarct_ml"] for found in data["methods"][1:]
            }
            return Made([out / one.stem / "report.html"], row | by_method | {"remarks": " ".join(told.said)})

        asked: dict[str, Any] = {
            "labels": labels,
            "rule": rule,
            "apex_first": apex_first,
            "mirrored": mirrored,
        }
        asked |= {"choice": choice, "image_kind": image_kind, "zones": zones, "per_slice": per_slice}
        asked |= {"slice_distance": slice_distance, "sectors": sectors, "territories": territories}
        run.do(work, asked)


def _spaced(scan: Study, labels: np.ndarray, distance_mm: float) -> Study:
    """Return the study with its slices ``distance_mm`` apart."""
    from claimslicer.anatomy.stack import find_slice_axis
    from claimslicer.quantification.report_numbers import with_slice_distance

    axis = find_slice_axis(labels, scan.geometry)
    return replace(scan, geometry=with_slice_distance(scan.geometry, axis, distance_mm))


def _mask(path: Path | None, scan: Study) -> np.ndarray | None:
    """Read a drawn region. Raises StudyError where it isn't on the study's grid."""
    from claimslicer.errors import StudyError
    from claimslicer.studies.readers.file import read_volume

    if path is None:
        return None
    mask = read_volume(path).image != 0
    if mask.shape != scan.geometry.shape:
        raise StudyError(f"{path} is not on the grid of the study: draw the region on this study.")
    return mask


def _range_beside(labels: Path | None, scan: Study) -> VolumeRange | None:
    """Read the infarct's range from the recipe beside the labels, where there is one."""
    from claimslicer.export.items import recipe_beside
    from claimslicer.quantification.volume_range import VolumeRange

    file = labels or scan.metadata.get("labels")
    return None if file is None else VolumeRange.of_recipe(recipe_beside(Path(file)))


def _territories(text: str) -> dict[str, tuple[int, ...]]:
    """Turn ``"LAD=1,2 RCA=3"`` into segments by artery."""
    try:
        parts = [part.split("=") for part in text.split()]
        return {name: tuple(int(k) for k in segments.split(",")) for name, segments in parts}
    except ValueError as error:
        raise SpecificationError(
            f"{text!r} names no territories: give them like 'LAD=1,2,7,8,13,14,17 RCA=3,4,9,10,15'."
        ) from error
