"""``claim-slicer train``: training from one YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from claimslicer.cli.arguments import DeviceOption, ModelOption, SeedOption
from claimslicer.cli.reporting import EventsOption, Report, reporting
from claimslicer.errors import ClaimError, OutputError

app = typer.Typer(help="Train the generator, the segmenter, or both together.", no_args_is_help=True)
ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="All settings of the run.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")]
KindArgument = Annotated[str, typer.Argument(metavar="synthesis|segmentation|joint", help="What to train.")]
DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Folder of labelled case folders, or a training cache (.npz).")
]
TextEncoderOption = Annotated[
    Path,
    typer.Option(
        "--text-encoder",
        help="Folder of a BERT-like text encoder: config.json, tokenizer, model.safetensors.",
        show_default=False,
    ),
]
PresetOption = Annotated[
    str, typer.Option("--preset", help="trial, standard, long; for segmentation also finetune.")
]


@app.command()
def synthesis(config: ConfigArgument, resume: ResumeOption = False, events: EventsOption = None) -> None:
    """Train the generator."""
    with _reporting("train synthesis", events) as report:
        from claimslicer.training.engine.processes import launch
        from claimslicer.training.settings.config import SynthesisConfig
        from claimslicer.training.trainers.synthesis import train_synthesis

        settings = SynthesisConfig.from_yaml(config)
        report.when_stopped = partial(_when_stopped, settings.out, "go on with --resume")
        launch(settings)
        _wrote(report, train_synthesis(settings, resume=resume, events=report.events))


@app.command()
def segmentation(config: ConfigArgument, resume: ResumeOption = False, events: EventsOption = None) -> None:
    """Train the segmenter."""
    with _reporting("train segmentation", events) as report:
        from claimslicer.training.engine.processes import launch
        from claimslicer.training.settings.config import SegmentationConfig
        from claimslicer.training.trainers.segmentation import train_segmentation

        settings = SegmentationConfig.from_yaml(config)
        report.when_stopped = partial(_when_stopped, settings.out, "go on with --resume")
        launch(settings)
        _wrote(report, train_segmentation(settings, resume=resume, events=report.events))


@app.command()
def joint(config: ConfigArgument, resume: ResumeOption = False, events: EventsOption = None) -> None:
    """Train the segmenter, the generator, then both together: each learns from the other."""
    with _reporting("train joint", events) as report:
        from claimslicer.training.settings.joint_config import JointConfig
        from claimslicer.training.trainers.joint_run import train_joint

        settings = JointConfig.from_yaml(config)
        report.when_stopped = partial(_when_stopped, settings.out, "go on with --resume")
        _wrote(report, *train_joint(settings, resume=resume, events=report.events))


@contextmanager
def _reporting(command: str, events: str | None) -> Iterator[Report]:
    """Report on a training; of several processes the first does. Too little memory is said in a sentence."""
    from claimslicer.training.engine.processes import is_first_process

    with reporting(command, events if is_first_process() else None) as report:
        try:
            yield report
        except (MemoryError, OSError, RuntimeError) as error:
            from claimslicer.training.runs.execute import known_cause

            if cause := known_cause(error):
                raise ClaimError(cause) from error
            raise


def _when_stopped(out: Path, advice: str) -> str:
    from claimslicer.training.engine.loop import CHECKPOINT_FILE

    if any(out.rglob(CHECKPOINT_FILE)):  # joint training has one in each stage's folder
        return f"the last checkpoint is kept, {advice}"
    return "there is no checkpoint yet, the same command begins again"


def _wrote(report: Report, *paths: Path) -> None:
    from claimslicer.training.engine.processes import is_first_process

    if is_first_process():
        report.wrote(*paths)


@app.command()
def needs(
    kind: KindArgument,
    data: DataArgument,
    preset: PresetOption = "standard",
    device: DeviceOption = "auto",
    runs: Annotated[Path, typer.Option("--runs", help="Folder that the run would be made in.")] = Path(),
    events: EventsOption = None,
) -> None:
    """Say what a training would need, after reading the data and a few steps."""
    with reporting("train needs", events) as report:
        from claimslicer.training.runs.needs import measure_needs

        found = measure_needs(kind, preset, data, runs, device=device, events=report.events)
        report.record("needs", **found.to_dict())
        for name, value in found.table():
            report.say(f"{name}: {value}")
        for sentence in found.obstacles() + found.cautions():
            report.say(sentence)


@app.command()
def prepare(
    kind: KindArgument,
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="The run's new folder.", show_default=False)],
    preset: PresetOption = "standard",
    device: DeviceOption = "auto",
) -> None:
    """Make a run's folder with its settings, for 'train run'; settings may be edited before."""
    from claimslicer.training.runs.run import prepare_run

    run = prepare_run(out.absolute().parent, kind, preset, data, name=out.name, device=device)
    typer.echo(f"Wrote {run.config_file}; start with: claim-slicer train run {run.folder}")


@app.command("run")
def run_folder(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A run's folder.")],
) -> None:
    """Carry a run out, or go on with it: cohort, training, model. A file 'stop' in the folder pauses it."""
    with reporting("train run", None) as report:
        from claimslicer.training.runs.execute import execute
        from claimslicer.training.runs.run import Run

        report.when_stopped = partial(_when_stopped, folder, "the same command goes on")
        report.wrote(*execute(Run(folder.resolve()), report.events))


@app.command()
def cache(
    cases: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of labelled case folders.")],
    out: Annotated[Path, typer.Option("--out", help="Cache (.npz) to write.", show_default=False)],
    synthetic: Annotated[
        int, typer.Option("--synthetic", min=0, help="Synthetic children to add to each training study.")
    ] = 0,
    phases: Annotated[
        Path | None,
        typer.Option(
            "--phases",
            help="CSV file with the columns case and phase: acute, chronic or nothing.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    seed: SeedOption = 0,
    events: EventsOption = None,
) -> None:
    """Read a cohort once and keep it in one file, as training wants it."""
    with reporting("train cache", events) as report:
        from claimslicer.outputs import check_no_input, check_output
        from claimslicer.training.data.augment import synthetic_children
        from claimslicer.training.data.cache import Cohort, read_case_folders, write_cache

        if out.suffix != ".npz":
            raise OutputError(f"Can't write the cache {out}: end its name in .npz.")
        check_no_input(check_output(out), [cases, *([phases] if phases else [])])
        cohort = Cohort(tuple(read_case_folders(cases, report.events, phases=phases)))
        children = synthetic_children(cohort, synthetic, seed=seed, model=model, events=report.events)
        write_cache(out, [*cohort.studies, *children])
        report.say(Cohort((*cohort.studies, *children)).summary())
        report.wrote(out)


@app.command()
def captions(
    cases: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of labelled case folders.")],
    text_encoder: TextEncoderOption,
    out: Annotated[
        Path, typer.Option("--out", help="Embeddings (.safetensors) to write.", show_default=False)
    ],
    events: EventsOption = None,
) -> None:
    """Caption a cohort's scars by rule and embed the captions, for the setting 'captions' of a training."""
    with reporting("train captions", events) as report:
        from claimslicer.outputs import check_output
        from claimslicer.synthesis.text import embed_captions, load_text_encoder, write_captions
        from claimslicer.training.data.captions import cohort_captions

        if out.suffix != ".safetensors":
            raise OutputError(f"Can't write the embeddings {out}: end its name in .safetensors.")
        check_output(out)
        encoder = load_text_encoder(text_encoder)
        report.wrote(write_captions(out, embed_captions(cohort_captions(cases, report.events), encoder)))


@app.command()
def ensemble(
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="Segmenters: name, folder or file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new model.", show_default=False)],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over a model that is there already.")
    ] = False,
    events: EventsOption = None,
) -> None:
    """Put several trained segmenters into one model, which averages what they say."""
    with reporting("train ensemble", events) as report:
        from claimslicer.training.outcome.ensemble import combine_segmenters

        report.wrote(combine_segmenters(models, out, out.resolve().name, overwrite=overwrite))
