"""``claim-slicer synthesize``: the study with a scar painted in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from claimslicer.cli.arguments import (
    AcquisitionOption,
    DeviceOption,
    KindOption,
    LabelsOption,
    ModelOption,
    SeedOption,
    SeriesOption,
    StudyArgument,
    check_volume_outputs,
    choice_of,
    labelled_study,
    say_notes,
)
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.errors import SpecificationError
from claimslicer.outputs import all_or_none
from claimslicer.synthesis.settings import BAND_MM, SAMPLING_STEPS

if TYPE_CHECKING:
    from claimslicer.synthesis.samplers import Jumps


def synthesize(
    *,
    study: StudyArgument,
    scar: Annotated[Path, typer.Option("--scar", help="Scar mask: 1 scar, 2 no-reflow.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Image to write.", show_default=False)],
    labels: LabelsOption = None,
    intensity: Annotated[
        Path | None,
        typer.Option("--intensity", help="Border zone made with the mask by smile.", show_default=False),
    ] = None,
    model: ModelOption = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Number of inference steps.")] = SAMPLING_STEPS,
    sampler: Annotated[
        Literal["dpm", "ddim", "flow", "repaint"],
        typer.Option("--sampler", help="repaint is the published, slow one; use it with --steps 300."),
    ] = "dpm",
    jumps: Annotated[
        str,
        typer.Option(
            "--jumps",
            metavar="LENGTH/TIMES",
            help="RePaint's resampling: each stretch of LENGTH steps is walked TIMES times; 5 is 5/5.",
        ),
    ] = "1",
    texture: Annotated[
        str | None,
        typer.Option(
            "--texture",
            metavar="faint|medium|bright|typical|any|NUMBER|STUDY",
            help="A kind of scar, any patient's, the median grey level in remote SDs, or that of a study "
            "with labelled scar; else that of the heart's own scar, or of a patient drawn by the seed.",
            show_default=False,
        ),
    ] = None,
    guidance: Annotated[
        float,
        typer.Option(
            "--guidance", help="Above 1 the network heeds texture and caption more, at twice the time."
        ),
    ] = 1.0,
    band: Annotated[
        float,
        typer.Option(
            "--band",
            metavar="MM",
            help="How far beyond the mask wall, blood and fat are painted with the scar; 0: the mask alone.",
        ),
    ] = BAND_MM,
    caption: Annotated[
        str | None,
        typer.Option(
            "--caption",
            help="What the scar is, for weights that were trained with captions.",
            show_default=False,
        ),
    ] = None,
    text_encoder: Annotated[
        Path | None,
        typer.Option(
            "--text-encoder",
            help="Folder of the text encoder that those weights were trained with.",
            show_default=False,
        ),
    ] = None,
    repaint_existing: Annotated[
        bool, typer.Option("--repaint-existing", help="Paint over scar that the study already has.")
    ] = False,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    difference: Annotated[
        Path | None,
        typer.Option("--difference", help="Result minus study, to write.", show_default=False),
    ] = None,
    series: SeriesOption = None,
    kind: KindOption = None,
    acquisition: AcquisitionOption = None,
    events: EventsOption = None,
) -> None:
    """Paint a scar into a study; outside the mask and the band round it no voxel changes.

    The file name, its header and a JSON file beside it say that the result is synthetic. What was painted
    lies beside it, too: 1 scar, 2 band.
    """
    with reporting("synthesize", events) as report:
        from claimslicer.studies import read_intensity, read_scar_mask, read_study, write_volume
        from claimslicer.synthesis import synthesize as synthesize_scar
        from claimslicer.synthesis.result import band_path
        from claimslicer.synthesis.texture import texture_of_study

        like = _study_of(texture)
        inputs = [path for path in (study, labels, scar, intensity, like) if path is not None]
        band_out = band_path(out)
        files = check_volume_outputs(out, difference, band_out, inputs=inputs, synthetic=True)
        scan, anatomy = labelled_study(study, labels, choice_of(series, kind, acquisition))
        say_notes(report, scan)
        mask = read_scar_mask(scar, scan)
        result = synthesize_scar(
            scan,
            anatomy,
            mask,
            model=model,
            sampler=sampler,
            num_inference_steps=steps,
            jumps=parse_jumps(jumps),
            texture=texture if like is None else texture_of_study(read_study(like)),
            guidance=guidance,
            band_mm=band,
            intensity=None if intensity is None else read_intensity(intensity, scan),
            caption=caption,
            text_encoder=text_encoder,
            repaint_existing=repaint_existing,
            seed=seed,
            device=device,
            events=report.events,
        )
        given = {"scar": scar, "intensity": intensity, "labels": labels}
        found = {name: str(path.absolute()) for name, path in given.items() if path is not None}
        marks: dict[str, Any] = {"recipe": {**result.recipe, "inputs": found}, "inputs": inputs}
        with all_or_none(files):
            written = [write_volume(out, result.image, scan.geometry, encoding=scan.encoding, **marks)]
            written.append(write_volume(band_out, result.band, scan.geometry, **marks))
            if difference is not None:
                written.append(write_volume(difference, result.difference, scan.geometry, **marks))
        report.wrote(*written)


def parse_jumps(text: str) -> Jumps:
    """Turn ``"2/3"`` into RePaint's jump length and times; ``"5"`` is both."""
    try:
        numbers = [int(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2:
        raise SpecificationError(f"{text!r} are no jumps: give a length and how often, like 2/2.")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _study_of(texture: str | None) -> Path | None:
    """Return the study that ``texture`` points to; None where it is a name, or nothing is there."""
    from claimslicer.synthesis.texture import ANY, PRESETS, TYPICAL

    if texture is None or texture in (*PRESETS, TYPICAL, ANY) or not Path(texture).exists():
        return None
    return Path(texture)
