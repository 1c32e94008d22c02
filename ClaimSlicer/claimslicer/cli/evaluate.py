"""``claim-slicer evaluate``: how real synthetic scars are, against real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claimslicer.cli.reporting import EventsOption, Report, reporting

if TYPE_CHECKING:
    from claimslicer.evaluation.config import EvaluationConfig


def evaluate(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.yaml", help="Settings of the evaluation.", show_default=False)
    ],
    score: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FORM.csv",
            help="Score a reader's filled-in form instead of evaluating; may be given several times.",
            show_default=False,
        ),
    ] = None,
    events: EventsOption = None,
) -> None:
    """Measure how real synthetic scars are, beside real scars and controls that must fail.

    CONFIG.yaml names a folder of labelled case folders as data, or a list of folders and cases, and a new
    folder as out; it may hold cases, training_data, training, model, segmenter, sampler, steps, jumps,
    guidance, texture, band_mm, seeds, draws, kinds, pass_rate, resamples, montages, classifiers,
    sheets and device. Finished studies are kept in out: stopped, the same command goes on.

    Classifiers try to tell synthetic scars from real ones, patients held out. For people, out/reader-test
    holds numbered sheets and a form; out/reader-key holds the answers, which --score compares with.
    """
    when_stopped = "finished studies are kept, the same command goes on"
    with reporting("evaluate", events, when_stopped) as report:
        from claimslicer.evaluation.config import EvaluationConfig

        settings = EvaluationConfig.from_yaml(config)
        if score:
            _score(settings, score, report)
            return
        import numpy as np

        from claimslicer.evaluation.page import SUMMARY_FILE, write_page
        from claimslicer.evaluation.reader import choose_sheets, write_reader_test
        from claimslicer.evaluation.run import evaluate as run
        from claimslicer.evaluation.summary import summarise
        from claimslicer.evaluation.tables import as_text, headline, tables_of
        from claimslicer.evaluation.tell import tell
        from claimslicer.evaluation.twosample import shown

        records = run(settings, report.events)
        summary = summarise(records, pass_rate=settings.pass_rate, resamples=settings.resamples)
        telling = tell(settings, records, report.events)
        page = write_page(settings, records, summary, telling)
        sheets = choose_sheets(telling.samples, settings.sheets, np.random.default_rng(0))
        form = write_reader_test(settings.out, sheets)
        for table in [*tables_of(summary), *shown.tables_of(telling.told, telling.samples)]:
            report.say(as_text(table) + "\n")
        report.say(f"{headline(summary)} {shown.verdict(telling.told)} {telling.note}".strip() + "\n")
        report.wrote(settings.out / SUMMARY_FILE, page, form)


def _score(settings: EvaluationConfig, forms: list[Path], report: Report) -> None:
    """Say how often each reader was right, and write it down."""
    from claimslicer.evaluation.reader import read_forms, scores_table
    from claimslicer.evaluation.tables import as_text
    from claimslicer.figures.report import write_table

    table = scores_table(read_forms(settings.out, forms))
    report.say(as_text(table))
    report.wrote(write_table(settings.out, table))
