"""``claim-slicer smile``: a scar mask by specification or by chance."""

from __future__ import annotations

import dataclasses
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
    RuleOption,
    SeriesOption,
    StudyArgument,
    check_volume_outputs,
    choice_of,
    labelled_study,
    parse_range,
    parse_segments,
    say_notes,
)
from claimslicer.cli.reporting import EventsOption, Report, reporting
from claimslicer.errors import SpecificationError
from claimslicer.outputs import all_or_none

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.anatomy import LVFrame
    from claimslicer.smile import ScarSpec
    from claimslicer.studies import Study


def smile(
    *,
    study: StudyArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Scar mask to write.", show_default=False)] = None,
    labels: LabelsOption = None,
    describe: Annotated[
        Path | None,
        typer.Option(
            "--describe", metavar="MASK", help="Print this scar mask's caption instead.", show_default=False
        ),
    ] = None,
    caption: Annotated[
        str | None,
        typer.Option(
            "--caption",
            help="The scar in a sentence, as --describe prints it; other options overrule it.",
            show_default=False,
        ),
    ] = None,
    segments: Annotated[
        str | None, typer.Option("--segments", metavar="5,6,11", help="AHA segments.", show_default=False)
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Draw place, size and pattern by chance.")] = False,
    volume_ml: Annotated[
        float | None,
        typer.Option("--volume-ml", help="Volume of the new scar, MVO included.", show_default=False),
    ] = None,
    percent: Annotated[
        float | None, typer.Option("--percent", help="New scar in % of the segments.", show_default=False)
    ] = None,
    transmurality: Annotated[
        str | None,
        typer.Option(
            "--transmurality",
            metavar="LO-HI",
            help="From 0 (endocardium) to 1 (epicardium).",
            show_default=False,
        ),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option("--pattern", help="ischaemic, mid-wall, subepicardial, patchy or claim.")
    ] = None,
    mvo: Annotated[
        float | None, typer.Option("--mvo", help="Part of the new scar that is MVO, 0–1.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same mask.", show_default="0")
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option("--spec", help="YAML specification; other options overrule it.", show_default=False),
    ] = None,
    intensity: Annotated[
        Path | None,
        typer.Option(
            "--intensity",
            help="Border zone to write: how much of the scar shows (0–1), for synthesize.",
            show_default=False,
        ),
    ] = None,
    insertions: InsertionsOption = None,
    rule: RuleOption = "fixed",
    apex_first: ApexOption = None,
    mirrored: MirroredOption = False,
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    events: EventsOption = None,
) -> None:
    """Make a scar mask in the myocardium: 1 scar, 2 no-reflow (MVO); or say what a mask holds.

    Scar that the labels already hold stays where it is; the mask holds the new scar alone. A mask's caption
    is printed, and kept in the JSON file beside it.
    """
    with reporting("smile", events) as report:
        from claimslicer.labels import scar_of_labels

        fields: dict[str, Any] = {
            "segments": None if segments is None else parse_segments(segments),
            "volume_ml": volume_ml,
            "percent": percent,
            "transmurality": None if transmurality is None else parse_range(transmurality),
            "pattern": pattern,
            "mvo_fraction": mvo,
            "seed": seed,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        chosen = choice_of(series, kind, acquisition)
        place = FrameOptions(insertions, rule, apex_first, mirrored)
        if describe is not None:
            if given or random or (out, spec, caption) != (None, None, None):
                raise SpecificationError("--describe makes no mask: leave out what asks for one.")
            report.say(_caption_of(describe, *labelled_study(study, labels, chosen), place, intensity))
            return
        if out is None:
            raise SpecificationError("Say where the scar mask goes: --out FILE.")
        if random + (caption is not None) + (spec is not None or segments is not None) > 1:
            raise SpecificationError(
                "Give one of --random, --caption and the place of the scar (--segments, --spec)."
            )
        asked = None if random or caption is not None else _asked_specification(spec, given)
        scan, label_map = labelled_study(study, labels, chosen)
        say_notes(report, scan)
        inputs = [path for path in (study, labels, spec) if path is not None]
        check_volume_outputs(out, intensity, inputs=inputs, synthetic=scan.synthetic)
        frame = place.frame_of(scan, label_map)
        if caption is not None:
            asked = _with_fields(_specification_in_words(caption, frame), given)
        existing = scar_of_labels(label_map)
        asked = asked or _drawn_specification(frame, existing, given)
        _make(report, asked, scan, frame, existing, out, intensity, inputs, place)


def _make(
    report: Report,
    spec: ScarSpec,
    study: Study,
    frame: LVFrame,
    existing: np.ndarray,
    out: Path,
    intensity: Path | None,
    inputs: list[Path],
    place: FrameOptions,
) -> None:
    """Make the mask beside ``existing`` scar, write it and say what it is."""
    from claimslicer.smile import generate_scar
    from claimslicer.smile.caption import caption
    from claimslicer.studies import make_recipe, write_volume
    from claimslicer.studies.segments import SCAR_SEGMENTS

    files = check_volume_outputs(out, intensity, inputs=inputs, synthetic=study.synthetic)
    scar = generate_scar(spec, frame, existing=existing)
    sentence = caption(scar.labels * scar.added, frame, scar.intensity * scar.added)
    recipe = make_recipe("smile", study, spec.to_dict(), seed=spec.seed, caption=sentence, frame=place)
    marks: dict[str, Any] = {"recipe": recipe, "synthetic": study.synthetic, "inputs": inputs}
    with all_or_none(files):
        written = [
            write_volume(out, scar.labels * scar.added, study.geometry, segments=SCAR_SEGMENTS, **marks)
        ]
        if intensity is not None:
            written.append(write_volume(intensity, scar.intensity * scar.added, study.geometry, **marks))
    report.say(_sentence(spec, scar.volume_ml, scar.mvo_volume_ml))
    if scar.remark:
        report.say(scar.remark)
    report.say(sentence)
    report.wrote(*written)


def _caption_of(
    mask: Path, study: Study, labels: np.ndarray, options: FrameOptions, intensity: Path | None
) -> str:
    """Return the caption of a scar mask's file; ``intensity`` tells its border zone."""
    from claimslicer.smile.caption import caption
    from claimslicer.studies import read_intensity, read_scar_mask

    shown = None if intensity is None else read_intensity(intensity, study)
    return caption(read_scar_mask(mask, study), options.frame_of(study, labels), shown)


def _specification_in_words(sentence: str, frame: LVFrame) -> ScarSpec:
    from claimslicer.smile.words import parse

    wall_ml = frame.segment_ml()
    return parse(sentence, wall_ml, lv_ml=sum(wall_ml.values()))


def _asked_specification(spec: Path | None, given: dict[str, Any]) -> ScarSpec:
    """Return what the command line asks for, on top of the file ``spec`` where there is one."""
    from claimslicer.smile import ScarSpec

    if spec is None:
        if "segments" not in given:
            raise SpecificationError(
                "Say where the scar goes: --segments 5,6,11, --caption TEXT, --spec FILE or --random."
            )
        return ScarSpec(**given)
    try:
        base = ScarSpec.from_yaml(spec.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"Can't read the scar specification {spec}: check the file.") from error
    return _with_fields(base, given)


def _drawn_specification(frame: LVFrame, existing: np.ndarray, given: dict[str, Any]) -> ScarSpec:
    """Draw a specification that ``existing`` scar leaves room for; what the command line names is kept."""
    from numpy.random import default_rng

    from claimslicer.smile import random_spec

    seed = given.get("seed", 0)
    drawn = random_spec(frame, default_rng(seed), existing=existing)
    return _with_fields(drawn, {**given, "seed": seed})


def _with_fields(base: ScarSpec, given: dict[str, Any]) -> ScarSpec:
    """Return ``base`` with some fields replaced; a new volume or percentage drops the old one."""
    amounts = {"volume_ml", "percent"}
    dropped = dict.fromkeys(amounts) if amounts & given.keys() else {}
    return dataclasses.replace(base, **{**dropped, **given})


def _sentence(spec: ScarSpec, volume_ml: float, mvo_ml: float) -> str:
    place = ", ".join(map(str, spec.segments))
    return f"{spec.pattern} scar in AHA segments {place}: {volume_ml:.2f} ml, of which {mvo_ml:.2f} ml MVO."
