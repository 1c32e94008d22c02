"""``claim-slicer cohort``: many synthetic studies from many sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.reporting import EventsOption, reporting

WHEN_STOPPED = "the studies made so far are whole, the same command makes the others"


def cohort(
    *,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="All settings of the cohort.")],
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Dask scheduler of a cluster you trust, tcp://host:8786; else processes of this computer. "
            "The only option with which anything is sent over a network.",
            show_default=False,
        ),
    ] = None,
    events: EventsOption = None,
) -> None:
    """Make synthetic studies from folders of labelled ones; called again, it makes those that are missing.

    Each study is a case folder with image, labels, mask and recipe.json, all marked as synthetic.
    """
    with reporting("cohort", events, WHEN_STOPPED) as report:
        from claimslicer.cohorts.config import CohortConfig
        from claimslicer.cohorts.run import make_cohort

        settings = CohortConfig.from_yaml(config)
        if scheduler is not None:
            report.say(f"Network: the settings and the paths of the studies go to {scheduler}, nothing else.")
        result = make_cohort(settings, scheduler=scheduler, events=report.events)
        report.record(
            "cohort",
            made=len(result.made),
            kept=len(result.kept),
            passed_over=result.passed_over,
            target_distance=result.target_distance,
        )
        report.say(f"{len(result.made)} synthetic studies made, {len(result.kept)} were there.")
        if result.passed_over:
            name, reason = next(iter(result.passed_over.items()))
            report.say(f"{len(result.passed_over)} passed over, {name} for one: {reason}")
        if result.target_distance is not None:
            report.say(
                f"Distance to the target distribution: {result.target_distance:.1%} (total variation)."
            )
        report.wrote(result.folder)
