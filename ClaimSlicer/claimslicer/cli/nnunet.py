"""``claim-slicer nnunet``: studies to nnU-Net v2, our trainers for its commands, its models back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.reporting import EventsOption, reporting

app = typer.Typer(help="Work with nnU-Net v2: data sets, trainers, models.", no_args_is_help=True)


@app.command()
def export(
    cases: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder of labelled case folders, or a training cache (.npz)."),
    ],
    out: Annotated[Path, typer.Option("--out", help="nnU-Net's folder nnUNet_raw.", show_default=False)],
    number: Annotated[int, typer.Option("--id", help="The data set's number.")] = 501,
    name: Annotated[str, typer.Option("--name", help="The data set's name.")] = "CLAIM",
    synthetic: Annotated[
        Path | None,
        typer.Option(
            "--synthetic", help="Folder with synthetic studies, labels and recipes.", show_default=False
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option("--folds", help="1: the program's own split; more: cross-validation by patient.")
    ] = 1,
    events: EventsOption = None,
) -> None:
    """Write studies as an nnU-Net data set, no synthetic child trained on where its patient is held back.

    Published test cases are left out.
    """
    with reporting("nnunet export", events) as report:
        from claimslicer.training.nnunet.dataset import DatasetSettings, export_dataset

        settings = DatasetSettings(number, name, folds)
        report.wrote(export_dataset(cases, out, settings, synthetic=synthetic, events=report.events))
        report.say(f"Next: nnUNetv2_plan_and_preprocess -d {number} -c 2d --verify_dataset_integrity")


@app.command()
def trainers(
    install: Annotated[bool, typer.Option("--install", help="Put them into nnU-Net's own folder.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take them out of it again.")] = False,
) -> None:
    """Print the folder with our trainers, for nnU-Net's environment variable nnUNet_extTrainer."""
    from claimslicer.training.nnunet import discovery

    if install:
        typer.echo(f"Wrote {discovery.install_trainers()}")
    elif remove:
        typer.echo(f"Removed {discovery.remove_trainers()}")
    else:
        typer.echo(discovery.TRAINERS)
        if not discovery.outside_search_works():
            typer.echo(
                "Here nnU-Net doesn't reach outside folders (its timm and torchvision don't fit this torch): "
                "use --install.",
                err=True,
            )


@app.command("import")
def import_one(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL_FOLDER", help="nnU-Net's TRAINER__PLANS__CONFIGURATION, or a fold in it."
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="Name to ask for the model by.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; else your own models.", show_default=False)
    ] = None,
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", help="File in the folds' folders.")
    ] = "checkpoint_final.pth",
    terms: Annotated[
        str, typer.Option("--terms", help="Licence of the weights, for the card.", show_default=False)
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over a model that is there already.")
    ] = False,
) -> None:
    """Take in a trained nnU-Net as safetensors with a card; 'segment --model NAME' runs it."""
    from claimslicer.segmentation.nnunet.transfer import import_nnunet

    model = import_nnunet(folder, name, out=out, checkpoint=checkpoint, terms=terms, overwrite=overwrite)
    typer.echo(f"Imported {name} to {model.weights}. Terms: {terms or 'not stated (--terms gives them)'}")
    trained = model.card.training
    epochs = ", ".join(f"{fold} {count}" for fold, count in trained["epochs"].items())
    typer.echo(f"Trained by {trained['trainer']}, epochs: {epochs}.")
