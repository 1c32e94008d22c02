"""``claim-slicer doctor``: what is installed, what it runs on, and whether the weights are intact."""

from __future__ import annotations

import platform

import typer

from claimslicer import __version__
from claimslicer.errors import ModelError


def doctor() -> None:
    """Say what is installed, which device and how much memory there is, and which weights verify.

    Ends with exit code 2 when something that every command needs is missing or damaged.
    """
    from claimslicer.doctor import examine

    typer.echo(f"claim-slicer {__version__}, Python {platform.python_version()}, {platform.platform()}")
    area = ""
    findings = examine()
    for finding in findings:
        if finding.area != area:
            area = finding.area
            typer.echo(f"\n{area.capitalize()}")
        mark = f"{finding.state.upper()}: " if finding.in_the_way else ""
        typer.echo(f"  {finding.name:20} {mark}{finding.text}")
    problems = [f"{each.name} ({each.text})" for each in findings if each.in_the_way]
    if problems:
        raise ModelError(f"Not everything is in order: {'; '.join(problems)}.")
    typer.echo("Everything is in order.")
