"""``claim-slicer train``: training from one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.arguments import ModelOption, SeedOption
from claimslicer.cli.reporting import EventsOption, reporting

app = typer.Typer(help="Train the generator or the segmenter.", no_args_is_help=True)
ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="All settings of the run.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")]
WHEN_STOPPED = "the last checkpoint is kept, go on with --resume"


@app.command()
def synthesis(config: ConfigArgument, resume: ResumeOption = False, events: EventsOption = None) -> None:
    """Train the generator."""
    with reporting("train synthesis", events, WHEN_STOPPED) as report:
        from claimslicer.training.config import SynthesisConfig
        from claimslicer.training.synthesis import train_synthesis

        settings = SynthesisConfig.from_yaml(config)
        report.wrote(train_synthesis(settings, resume=resume, events=report.events))


@app.command()
def segmentation(config: ConfigArgument, resume: ResumeOption = False, events: EventsOption = None) -> None:
    """Train the segmenter."""
    with reporting("train segmentation", events, WHEN_STOPPED) as report:
        from claimslicer.training.config import SegmentationConfig
        from claimslicer.training.segmentation import train_segmentation

        settings = SegmentationConfig.from_yaml(config)
        report.wrote(train_segmentation(settings, resume=resume, events=report.events))


@app.command()
def cache(
    cases: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of labelled case folders.")],
    out: Annotated[Path, typer.Option("--out", help="Cache (.npz) to write.", show_default=False)],
    synthetic: Annotated[
        int, typer.Option("--synthetic", min=0, help="Synthetic children to add to each training study.")
    ] = 0,
    model: ModelOption = None,
    seed: SeedOption = 0,
    events: EventsOption = None,
) -> None:
    """Read a cohort once and keep it in one file, as training wants it."""
    with reporting("train cache", events) as report:
        from claimslicer.outputs import check_output
        from claimslicer.training.augment import synthetic_children
        from claimslicer.training.cache import Cohort, read_case_folders, write_cache

        check_output(out)
        cohort = Cohort(tuple(read_case_folders(cases, report.events)))
        children = synthetic_children(cohort, synthetic, seed=seed, model=model, events=report.events)
        write_cache(out, [*cohort.studies, *children])
        report.wrote(out)


@app.command()
def ensemble(
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="Segmenters: name, folder or file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new model.", show_default=False)],
    events: EventsOption = None,
) -> None:
    """Put several trained segmenters into one model, which averages what they say."""
    with reporting("train ensemble", events) as report:
        from claimslicer.outputs import make_folder
        from claimslicer.training.ensemble import combine_segmenters

        report.wrote(combine_segmenters(models, make_folder(out), out.resolve().name))
