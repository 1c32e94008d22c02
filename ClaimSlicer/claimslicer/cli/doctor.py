"""``claim-slicer doctor``: what is installed, what it runs on, and whether the weights are intact."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import typer

from claimslicer import __version__
from claimslicer.errors import ModelError

NEEDED = (
    "numpy", "scipy", "SimpleITK", "nibabel", "scikit-image", "torch", "monai", "safetensors",
    "matplotlib", "PyYAML", "typer", "rich", "psutil",
)  # fmt: skip
OPTIONAL = {"pydicom": "DICOM folders", "nnunetv2": "nnU-Net", "dask": "cohorts on clusters"}


def doctor() -> None:
    """Say what is installed, which device and how much memory there is, and which weights verify.

    Ends with exit code 2 when something that every command needs is missing or damaged.
    """
    typer.echo(f"claim-slicer {__version__}, Python {platform.python_version()}, {platform.platform()}")
    problems = _packages()
    problems += _device()
    problems += _weights()
    if problems:
        raise ModelError(f"Not everything is in order: {'; '.join(problems)}.")
    typer.echo("Everything is in order.")


def _packages() -> list[str]:
    typer.echo("\nPackages")
    problems = []
    for name in (*NEEDED, *OPTIONAL):
        try:
            found = version(name)
        except PackageNotFoundError:
            found = f"not installed (for {OPTIONAL[name]})" if name in OPTIONAL else "MISSING"
            if name in NEEDED:
                problems.append(f"install {name}")
        typer.echo(f"  {name:14} {found}")
    return problems


def _device() -> list[str]:
    """Print devices and memory."""
    import psutil

    memory = psutil.virtual_memory()
    typer.echo("\nDevices")
    typer.echo(f"  memory         {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free")
    try:
        import torch
    except ImportError as error:
        return [f"torch can't be loaded ({error})"]
    typer.echo(f"  cpu            {psutil.cpu_count(logical=False)} cores, {torch.get_num_threads()} threads")
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        typer.echo(f"  cuda:{index}         {card.name}, {card.total_memory / 2**30:.1f} GiB")
    if torch.backends.mps.is_available():
        typer.echo("  mps            Apple GPU")
    return []


def _weights() -> list[str]:
    from claimslicer.models.registry import list_models

    typer.echo("\nWeights")
    problems = []
    models = list_models()
    for model in models:
        try:
            model.verify()
            state = f"intact, {model.card.terms}"
        except ModelError as error:
            state = str(error)
            problems.append(f"{model.name} {model.weights.stem} is damaged")
        typer.echo(f"  {model.name} {model.weights.stem}: {state}")
    if not any(model.shipped for model in models):
        problems.append("the shipped weights are missing, install the package again")
    return problems
