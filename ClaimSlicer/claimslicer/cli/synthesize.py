"""``claim-slicer synthesize``: the study with a scar painted in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from claimslicer.cli.arguments import (
    DeviceOption,
    LabelsOption,
    ModelOption,
    SeedOption,
    StudyArgument,
    all_or_none,
    check_volume_outputs,
    labelled_study,
)
from claimslicer.cli.reporting import EventsOption, reporting


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
    steps: Annotated[int, typer.Option("--steps", min=1, help="Number of inference steps.")] = 8,
    sampler: Annotated[
        Literal["dpm", "ddim", "repaint"],
        typer.Option("--sampler", help="repaint is the published, slow one."),
    ] = "dpm",
    texture: Annotated[
        str | None,
        typer.Option(
            "--texture",
            help="faint, medium, bright, or the median grey level in remote SDs; else from a like heart.",
            show_default=False,
        ),
    ] = None,
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
    events: EventsOption = None,
) -> None:
    """Paint a scar into a study; outside the mask every voxel stays as it is.

    The file name, its header and a JSON file beside it say that the result is synthetic.
    """
    with reporting("synthesize", events) as report:
        from claimslicer.studies import read_intensity, read_scar_mask, write_volume
        from claimslicer.synthesis import synthesize as synthesize_scar

        inputs = [path for path in (study, labels, scar, intensity) if path is not None]
        files = check_volume_outputs(out, difference, inputs=inputs, synthetic=True)
        scan, anatomy = labelled_study(study, labels)
        mask = read_scar_mask(scar, scan)
        result = synthesize_scar(
            scan,
            anatomy,
            mask,
            model=model,
            sampler=sampler,
            num_inference_steps=steps,
            texture=texture,
            intensity=None if intensity is None else read_intensity(intensity, scan),
            caption=caption,
            text_encoder=text_encoder,
            repaint_existing=repaint_existing,
            seed=seed,
            device=device,
            events=report.events,
        )
        marks: dict[str, Any] = {"recipe": result.recipe, "synthetic": True, "inputs": inputs}
        with all_or_none(files):
            written = [write_volume(out, result.image, scan.geometry, encoding=scan.encoding, **marks)]
            if difference is not None:
                written.append(write_volume(difference, result.difference, scan.geometry, **marks))
        report.wrote(*written)
