"""``claim-slicer demo``: the whole path on the embedded study, a phantom heart without scar."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claimslicer.cli.arguments import DeviceOption, SeedOption
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.outputs import make_folder

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.anatomy import LVFrame
    from claimslicer.events import Events
    from claimslicer.figures.report import Report
    from claimslicer.segmentation import SegmentationResult
    from claimslicer.smile import ScarMask
    from claimslicer.studies import Study
    from claimslicer.synthesis import SynthesisResult

SEGMENTS = (7, 8, 13, 14)
VOLUME_ML = 10.0
MVO_FRACTION = 0.12
TEXTURE, GUIDANCE = "bright", 2.0
"""A scar that is seen at first sight: brighter than the blood beside it."""
TRANSMURALITY = (0.0, 0.75)
SLICES = 8
"""From the base down to where the cavity still shows, as clinical stacks are labelled: a ninth slice would
show wall alone, as none of the 85 EMIDEC studies does."""


@dataclass(frozen=True)
class _Run:
    """What the demo made."""

    study: Study
    labels: np.ndarray
    frame: LVFrame
    scar: ScarMask
    synthesis: SynthesisResult
    segmentation: SegmentationResult


def demo(
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path("claim-demo"),
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    events: EventsOption = None,
) -> None:
    """Show the main job on an embedded study: mask, inpainting, segmentation, bull's-eyes, report."""
    with reporting("demo", events) as report:
        started = time.monotonic()
        make_folder(out)
        page = _write(_run(seed, device, report.events), out)
        report.say(f"Done in {time.monotonic() - started:.0f} s. Open the report: {page.resolve()}")


def _run(seed: int, device: str, events: Events) -> _Run:
    from claimslicer.anatomy import build_frame
    from claimslicer.models.registry import resolve
    from claimslicer.segmentation import segment
    from claimslicer.smile import ScarSpec, generate_scar
    from claimslicer.studies.phantom import PhantomSettings, make_phantom
    from claimslicer.synthesis import synthesize

    for kind in ("synthesis", "segmentation"):  # before any work
        resolve(None, kind)
    events.progress("study", 0.0, "a phantom heart")
    study = make_phantom(PhantomSettings(seed=seed, n_slices=SLICES, scar=None)).study
    labels = study.labels
    assert labels is not None  # a phantom knows its labels
    events.progress("study", 1.0)
    events.progress("anatomy", 0.0, "AHA segments")
    frame = build_frame(labels, study.geometry, image=study.image)
    events.progress("anatomy", 1.0)
    events.progress("scar mask", 0.0)
    spec = ScarSpec(
        segments=SEGMENTS,
        volume_ml=VOLUME_ML,
        transmurality=TRANSMURALITY,
        mvo_fraction=MVO_FRACTION,
        seed=seed,
    )
    scar = generate_scar(spec, frame)
    events.progress("scar mask", 1.0)
    painted = synthesize(
        study,
        labels,
        scar.labels,
        texture=TEXTURE,
        guidance=GUIDANCE,
        seed=seed + 1,  # the phantom and the mask have their own
        device=device,
        events=events,
    )
    found = segment(_painted_study(study, painted.image), device=device, events=events)
    return _Run(study, labels, frame, scar, painted, found)


def _painted_study(study: Study, image: np.ndarray) -> Study:
    from dataclasses import replace

    return replace(study, name=f"{study.name}-with-scar", image=image, labels=None, synthetic=True)


def _write(run: _Run, out: Path) -> Path:
    """Write every volume and the report; return the report's path."""
    from claimslicer.figures.report import write_report
    from claimslicer.studies import make_recipe, write_volume

    page = _page(run)
    study, grid = run.study, run.study.geometry
    specification = run.scar.spec
    smile = make_recipe("smile", study, specification.to_dict(), seed=specification.seed)
    volumes: dict[str, tuple[np.ndarray, Any]] = {
        "study": (study.image, make_recipe("demo", study)),
        "labels": (run.labels, make_recipe("demo", study)),
        "aha": (run.frame.segments, make_recipe("anatomy", study, {"rule": run.frame.rule})),
        "scar": (run.scar.labels, smile),
        "image": (run.synthesis.image, run.synthesis.recipe),
        "difference": (run.synthesis.difference, run.synthesis.recipe),
        "band": (run.synthesis.band, run.synthesis.recipe),
        "segmentation": (run.segmentation.labels, run.segmentation.recipe),
        "uncertainty": (run.segmentation.uncertainty, run.segmentation.recipe),
    }
    for name, (array, recipe) in volumes.items():
        write_volume(out / f"{name}.nii.gz", array, grid, recipe=recipe, synthetic=True)
    return write_report(out, page)


def _page(run: _Run) -> Report:
    """Return the report: the painted scar, and the segmentation measured against the asked scar."""
    from dataclasses import replace

    from claimslicer.figures.page import quantification_page
    from claimslicer.figures.sections import synthesis_section
    from claimslicer.labels import labels_with_scar

    painted = _painted_study(run.study, run.synthesis.image)
    asked = labels_with_scar(run.labels, run.scar.labels)
    measured = quantification_page(painted, run.segmentation.labels, run.frame, asked)
    synthesis = synthesis_section(
        run.study.image,
        run.synthesis.image,
        run.scar.labels,
        run.study.geometry,
        title="The painted scar",
        heart=run.frame.myocardium | run.frame.cavity,
        apex_first=run.frame.apex_first,
    )
    return replace(measured, sections=[synthesis, *measured.sections], recipe=run.synthesis.recipe)
