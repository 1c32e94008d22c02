"""``claim-slicer smile``: a scar mask by specification or by chance."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claimslicer.cli.arguments import (
    ApexOption,
    FrameOptions,
    InsertionsOption,
    LabelsOption,
    MirroredOption,
    RuleOption,
    StudyArgument,
    all_or_none,
    check_volume_outputs,
    labelled_study,
    parse_range,
    parse_segments,
)
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.errors import SpecificationError

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.anatomy import LVFrame
    from claimslicer.smile import ScarSpec


def smile(
    *,
    study: StudyArgument,
    out: Annotated[Path, typer.Option("--out", help="Scar mask to write.", show_default=False)],
    labels: LabelsOption = None,
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
        typer.Option(
            "--spec", help="YAML specification; options beside it go before it.", show_default=False
        ),
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
    events: EventsOption = None,
) -> None:
    """Make a scar mask in the myocardium: 1 scar, 2 no-reflow (MVO).

    Scar that the labels already hold stays where it is; the mask holds the new scar alone.
    """
    with reporting("smile", events) as report:
        from claimslicer.labels import scar_of_labels
        from claimslicer.smile import generate_scar
        from claimslicer.studies import make_recipe, write_volume

        inputs = [path for path in (study, labels, spec) if path is not None]
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
        if random and (spec is not None or segments is not None):
            raise SpecificationError("Give --random or the place of the scar (--segments, --spec), not both.")
        asked = None if random else _asked_specification(spec, given)
        scan, label_map = labelled_study(study, labels)
        files = check_volume_outputs(out, intensity, inputs=inputs, synthetic=scan.synthetic)
        frame = FrameOptions(insertions, rule, apex_first, mirrored).frame_of(scan, label_map)
        existing = scar_of_labels(label_map)
        wanted = asked or _drawn_specification(frame, existing, given)
        scar = generate_scar(wanted, frame, existing=existing)
        recipe = make_recipe("smile", scan, wanted.to_dict(), seed=wanted.seed)
        marks: dict[str, Any] = {"recipe": recipe, "synthetic": scan.synthetic, "inputs": inputs}
        with all_or_none(files):
            written = [write_volume(out, scar.labels * scar.added, scan.geometry, **marks)]
            if intensity is not None:
                written.append(write_volume(intensity, scar.intensity * scar.added, scan.geometry, **marks))
        report.say(_sentence(wanted, scar.volume_ml, scar.mvo_volume_ml))
        report.wrote(*written)


def _asked_specification(spec: Path | None, given: dict[str, Any]) -> ScarSpec:
    """Return what the command line asks for, on top of the file ``spec`` where there is one."""
    from claimslicer.smile import ScarSpec

    if spec is None:
        if "segments" not in given:
            raise SpecificationError("Say where the scar goes: --segments 5,6,11, --spec FILE or --random.")
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
