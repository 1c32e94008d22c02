"""``claim-slicer evaluate``: how real synthetic scars are, against real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.reporting import EventsOption, reporting


def evaluate(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.yaml", help="Settings of the evaluation.", show_default=False)
    ],
    events: EventsOption = None,
) -> None:
    """Measure how real synthetic scars are, beside real scars and controls that must fail.

    CONFIG.yaml names a folder of labelled case folders as data, and a new one as out; it may hold cases,
    training_data, training, model, segmenter, sampler, steps, jumps, guidance, texture, halo_mm, seeds,
    draws, kinds, pass_rate, resamples, montages and device. Finished studies are kept in out: stopped, the
    same command goes on.
    """
    when_stopped = "finished studies are kept, the same command goes on"
    with reporting("evaluate", events, when_stopped) as report:
        from claimslicer.evaluation.config import EvaluationConfig
        from claimslicer.evaluation.page import SUMMARY_FILE, write_page
        from claimslicer.evaluation.run import evaluate as run
        from claimslicer.evaluation.summary import summarise
        from claimslicer.evaluation.tables import as_text, headline, tables_of

        settings = EvaluationConfig.from_yaml(config)
        records = run(settings, report.events)
        summary = summarise(records, pass_rate=settings.pass_rate, resamples=settings.resamples)
        page = write_page(settings, records, summary)
        for table in tables_of(summary):
            report.say(as_text(table) + "\n")
        report.say(headline(summary) + "\n")
        report.wrote(settings.out / SUMMARY_FILE, page)
