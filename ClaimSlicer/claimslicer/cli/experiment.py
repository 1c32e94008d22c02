"""``claim-slicer experiment``: the CLAIM paper's experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.reporting import EventsOption, reporting

WHEN_STOPPED = "finished work and the last checkpoint are kept, the same command goes on"


def experiment(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG.yaml", help="All settings of the experiment.", show_default=False),
    ],
    report_only: Annotated[
        bool, typer.Option("--report", help="Only write the page of what is there so far.")
    ] = False,
    events: EventsOption = None,
) -> None:
    """Train segmenters without and with synthetic studies, as the CLAIM paper does, and compare them.

    CONFIG.yaml names folders of labelled case folders as data, and a new one as out; it may hold folds,
    tests, arms, thresholds, seeds, steps, joint_steps, generator_steps, generator, synthetic_share, painting,
    segmentation, synthesis, joint, checkpoint_every, resamples, threads and device. Called again, it goes on.
    """
    with reporting("experiment", events, WHEN_STOPPED) as report:
        from claimslicer.evaluation.tables import as_text
        from claimslicer.experiments.config import ExperimentConfig
        from claimslicer.experiments.page import SCORES_TABLE, SUMMARY_FILE, summary_of, write_page
        from claimslicer.experiments.run import read_scores, run_experiment
        from claimslicer.experiments.tables import dice_table, headline

        settings = ExperimentConfig.from_yaml(config)
        if report_only:
            subjects, book = read_scores(settings, report.events)
        else:
            subjects, book = run_experiment(
                settings, report.events, lambda subjects, book: write_page(settings, subjects, book)
            )
        page = write_page(settings, subjects, book)
        summary = summary_of(settings, subjects, book)
        for test, rows in summary.tests.items():
            report.say(f"{test}\n{as_text(dice_table(test, rows))}\n")
        report.say(headline(summary))
        report.wrote(settings.out / SUMMARY_FILE, settings.out / SCORES_TABLE, page)
