"""``claim-slicer models``: the weights that are there, and moving them in and out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claimslicer.cli.arguments import DeviceOption
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.errors import ModelError

if TYPE_CHECKING:
    from claimslicer.models.registry import Model

app = typer.Typer(
    help="List, show, import, export, remove, verify and calibrate weights.", no_args_is_help=True
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Model's name.", show_default=False)]


@app.command("list")
def list_all() -> None:
    """List the models that are here, the user's own first."""
    from rich.console import Console
    from rich.table import Table

    from claimslicer.models.registry import list_models, user_folder

    table = Table("name", "kind", "version", "terms", "from", box=None)
    for model in list_models():
        origin = "shipped" if model.shipped else str(model.weights.parent)
        try:
            card = model.card
            table.add_row(model.name, card.kind, card.version, card.terms, origin)
        except ModelError as error:
            table.add_row(model.name, model.weights.stem, "", f"damaged: {error}", origin)
    if table.row_count:
        Console().print(table, markup=False)
    else:
        typer.echo(f"There are no models; yours would be in {user_folder()}.")


@app.command()
def show(
    name: NameArgument,
    full: Annotated[bool, typer.Option("--full", help="Print the whole cards, as JSON.")] = False,
) -> None:
    """Say what a model is: data, split, training, figures, terms."""
    from claimslicer.models.registry import list_models

    models = [model for model in list_models() if model.name == name]
    if not models:
        raise ModelError(f"There is no model {name!r}: see 'claim-slicer models list'.")
    for model in models:
        typer.echo(f"{model.weights}\n{model.card.to_json()}" if full else _summary(model))


def _summary(model: Model) -> str:
    """Return a card on some lines."""
    card = model.card
    split = {part: value for part, value in card.split.items() if isinstance(value, list)}
    counts = ", ".join(f"{len(names)} {part}" for part, names in split.items()) or "not stated"
    lines = {
        "file": model.weights,
        "kind": f"{card.kind}, version {card.version}",
        "data": card.data.get("description", "not stated"),
        "split": f"{counts} studies",
        "steps": _steps(card.training) or "not stated",
        "figures": _figures(card.figures) or "not stated",
        "calibrated": "yes" if card.calibration else "no",
        "sha256": card.sha256,
        "terms": card.terms,
    }
    if card.kind == "segmentation":
        real = sum(card.real_only)
        lines["labellers"] = f"{len(card.real_only)}, of which {real} learnt from real studies alone"
    width = max(map(len, lines)) + 2
    body = "\n".join(f"{name:{width}}{value}" for name, value in lines.items())
    return f"{card.name} ({card.kind})\n{body}\n"


def _steps(training: Mapping[str, Any]) -> str:
    """Return the optimiser steps, of each member where there are several."""
    members = [value for value in training.values() if isinstance(value, dict) and "steps" in value]
    found = [one["steps"] for one in ([training] if "steps" in training else members)]
    return ", ".join(map(str, found))


def _figures(figures: Mapping[str, Any]) -> str:
    """Return the numbers of a card's validation, those of several members as their mean."""
    numbers: dict[str, list[float]] = {}
    for one in (figures, *figures.values()):
        validation = one.get("validation") if isinstance(one, dict) else None
        for name, value in validation.items() if isinstance(validation, dict) else ():
            if isinstance(value, int | float):
                numbers.setdefault(name, []).append(float(value))
    return ", ".join(f"{name} {sum(some) / len(some):.3g}" for name, some in numbers.items())


@app.command("import")
def import_one(
    source: Annotated[
        Path, typer.Argument(help="A .safetensors file with its card, a folder or a zip archive.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name to ask for it by; else that on its card.", show_default=False),
    ] = None,
) -> None:
    """Copy a model into your own models, checked."""
    from claimslicer.models.transfer import import_model

    for model in import_model(source, name=name):
        typer.echo(f"Imported {model.name} ({model.card.kind}) to {model.weights}. Terms: {model.card.terms}")


@app.command()
def remove(name: NameArgument) -> None:
    """Remove one of your own models."""
    from claimslicer.models.transfer import remove_model

    remove_model(name)
    typer.echo(f"Removed {name}")


@app.command()
def export(
    name: NameArgument,
    archive: Annotated[Path, typer.Argument(help="Zip archive to write.", show_default=False)],
) -> None:
    """Write a model with its terms to a zip archive."""
    from claimslicer.models.transfer import export_model

    typer.echo(f"Wrote {export_model(name, archive)}")


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Model's name; else all.")] = None,
) -> None:
    """Check that weights are those on their cards."""
    from claimslicer.models.registry import list_models
    from claimslicer.models.registry import verify as verify_model

    names = [name] if name is not None else sorted({model.name for model in list_models()})
    for each in names:
        for model in verify_model(each):
            typer.echo(f"{each} ({model.card.kind}): intact")
    if not names:
        typer.echo("There are no models.")


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A segmenter: name, folder or file.")],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Folder of labelled case folders, or a training cache (.npz); only patients that the model "
            "held back are looked at.",
            show_default=False,
        ),
    ],
    device: DeviceOption = "auto",
    events: EventsOption = None,
) -> None:
    """Fit what makes a segmenter's probabilities and uncertainty frequencies, and write it onto its card."""
    with reporting("models calibrate", events) as report:
        from claimslicer.training.outcome.calibrate import calibrate_segmenter

        card, found = calibrate_segmenter(model, data, device=device, events=report.events)
        before, after = found.errors().values()
        report.say(
            f"Expected calibration error over {len(found.patients)} patients, each left out of the fit: "
            f"infarct {before['infarct']:.4f} before, {after['infarct']:.4f} after; mean of the classes "
            f"{before['classwise']:.4f} before, {after['classwise']:.4f} after."
        )
        report.wrote(card)
