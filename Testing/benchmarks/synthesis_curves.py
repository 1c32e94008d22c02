"""How good a scar is after how many network evaluations: the ODE samplers' curves, and the published sampler.

    python Testing/benchmarks/synthesis_curves.py --out FOLDER [--data EMIDEC] [--resampled] [--quick]

The infarcts of patients that the generator was not trained on are painted anew, by every sampler with the
same seeds and so the same noise and textures. Distances are Wasserstein distances between studies of real
patients and as many repainted ones, as in ``claim-slicer evaluate``; *real* is what two halves of the real
patients differ by, and *converged* how far a scar is from that of 128 steps of the same noise (root mean
square, in remote SDs; RePaint draws noise of its own and has no such limit). Texture is matched after
sampling, so grey levels and CNR hardly depend on the sampler; grain and edge do. Without ``--data``, four
phantoms. Prints the table, and writes curves.csv and curves.png. ``--resampled`` adds RePaint with jumps (598
and 1480 evaluations).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from claimslicer.evaluation.cohort import LEVELS, Against, Distance, RealScars, by_patient
from claimslicer.evaluation.measures import measure_scar
from claimslicer.evaluation.record import ScarRecord
from claimslicer.figures.style import heading, new_figure, save_png
from claimslicer.labels import Label, scar_of_labels
from claimslicer.outputs import make_folder
from claimslicer.studies import Study, read_study
from claimslicer.studies.phantom import make_phantom, phantom_cohort
from claimslicer.synthesis import synthesize_variants
from claimslicer.synthesis.normalisation import remote_scale
from claimslicer.synthesis.samplers import Jumps, SamplerName, network_evaluations
from claimslicer.training.data.splits import EMIDEC_VALIDATION

YARDSTICKS = {LEVELS: "grey levels", "cnr": "CNR", "edge": "edge", "texture_mm": "grain (mm)"}
ODE_SAMPLERS: tuple[SamplerName, ...] = ("ddim", "dpm", "flow")
STEPS = (1, 2, 4, 8, 16, 32)
CONVERGED_STEPS = 128
DRAWS = 500
"""Random halves, and bootstrap samples."""
COLOURS = {"ddim": "#0072B2", "dpm": "#D55E00", "flow": "#009E73", "repaint": "#CC79A7"}


@dataclass(frozen=True)
class Run:
    """One sampler at one number of steps."""

    sampler: SamplerName
    steps: int
    jumps: Jumps = 1

    @property
    def evaluations(self) -> int:
        return network_evaluations(self.sampler, self.steps, self.jumps)


@dataclass(frozen=True)
class Point:
    """What came out: a distance on each yardstick; ``converged`` in remote SDs, NaN without a limit."""

    run: Run
    distances: dict[str, Distance]
    converged: float


def scarred_studies(data: Path | None) -> list[Study]:
    """Return the validation patients with an infarct, or four phantoms."""
    if data is None:
        cohort = phantom_cohort(4, seed=1, scar_share=1.0)
        studies = [make_phantom(settings).study for settings in cohort]
    else:
        studies = [read_study(data / case) for case in sorted(EMIDEC_VALIDATION)]
    return [study for study in studies if (study.labels == Label.INFARCT).any()]


def painted(study: Study, run: Run, seeds: range, model: str | None) -> list[np.ndarray]:
    """Return the study with its own infarct painted anew, once for each seed."""
    options = {"sampler": run.sampler, "num_inference_steps": run.steps, "jumps": run.jumps}
    scar = scar_of_labels(study.labels)
    results = synthesize_variants(
        study, study.labels, scar, seeds=seeds, repaint_existing=True, model=model, **options
    )
    return [result.image for result in results]


def record(kind: str, study: Study, draw: int, image: np.ndarray) -> ScarRecord:
    """Measure the study's infarct in ``image``; what a segmenter would say is left open."""
    measures, quantiles = measure_scar(image, study.labels, study.geometry.spacing_zyx[1:])
    unknown = float("nan")
    return ScarRecord(
        kind,
        study.name,
        draw,
        measures,
        dice=unknown,
        asked_ml=unknown,
        found_ml=unknown,
        no_heart=False,
        nearest=unknown,
        seconds=unknown,
        evaluations=0,
        changed_outside=0,
        quantiles=quantiles,
    )


def measure(
    run: Run, studies: list[Study], converged: list[list[np.ndarray]], real: RealScars, model: str | None
) -> Point:
    """Paint every study with ``run`` and compare with the real scars, and with the ODE's ``converged``."""
    records, errors = [], []
    for study, limits in zip(studies, converged, strict=True):
        images = painted(study, run, range(len(limits)), model)
        records += [record(run.sampler, study, seed, image) for seed, image in enumerate(images)]
        if run.sampler != "repaint":
            errors += [difference(study, *pair) for pair in zip(images, limits, strict=True)]
    against = Against(real, by_patient(records), DRAWS)
    distances = {yardstick: against.distance(yardstick) for yardstick in YARDSTICKS}
    return Point(run, distances, float(np.mean(errors)) if errors else float("nan"))


def difference(study: Study, image: np.ndarray, limit: np.ndarray) -> float:
    """Return the root mean square difference inside the infarct, in SDs of the study's remote wall."""
    inside = study.labels == Label.INFARCT
    found = image[inside].astype(np.float64) - limit[inside]
    return float(np.sqrt((found**2).mean()) / remote_scale(study.image, study.labels).sd)


def print_table(points: list[Point]) -> None:
    first = points[0].distances
    print(f"{'sampler':12} evaluations" + "".join(f"{title:>16}" for title in YARDSTICKS.values()), end="")
    print("   converged (SD)")
    nulls = "".join(f"{first[y].null:10.2f} (1.0)" for y in YARDSTICKS)
    print(f"{'real':12} {'':11}{nulls}")
    for point in points:
        cells = "".join(_cell(point.distances[y]) for y in YARDSTICKS)
        converged = "" if np.isnan(point.converged) else f"{point.converged:.2f}"
        print(f"{point.run.sampler:12} {point.run.evaluations:11}{cells}   {converged:>14}")
    print("in brackets: times the real patients' own; ! where 95 % of real halves lie nearer")


def _cell(distance: Distance) -> str:
    return f"{distance.halves:9.2f}{'!' if distance.fails else ' '}({distance.ratio:.1f})".rjust(16)


def write_csv(points: list[Point], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        names = [f"{y}{part}" for y in YARDSTICKS for part in ("", " null", " null 95 %")]
        writer.writerow(["sampler", "steps", "evaluations", *names, "converged"])
        for point in points:
            found = point.distances.values()
            values = [v for d in found for v in (d.halves, d.null, d.null_high)] + [point.converged]
            run = point.run
            writer.writerow([run.sampler, run.steps, run.evaluations, *(f"{v:.4f}" for v in values)])


def draw(points: list[Point], studies: int, path: Path) -> None:
    figure = new_figure(15, 4.2, synthetic=True)
    heading(
        figure,
        "Quality against network evaluations",
        f"{studies} studies' infarcts painted anew; grey: what two halves of the real patients differ by",
    )
    panels = figure.subplots(1, len(YARDSTICKS) + 1, sharex=True)
    figure.subplots_adjust(left=0.05, right=0.98, top=0.76, bottom=0.14, wspace=0.28)
    for axes, (yardstick, title) in zip(panels, YARDSTICKS.items(), strict=False):
        null = points[0].distances[yardstick]
        axes.axhspan(0, null.null_high, color="#E8E8E8")
        axes.axhline(null.null, color="#767676", linestyle="--", linewidth=1)
        _lines(axes, points, lambda point, y=yardstick: point.distances[y].halves)
        axes.set(title=f"{title}: distance to real", xlabel="network evaluations")
    _lines(panels[-1], points, lambda point: point.converged)
    panels[-1].set(title="distance to converged (SD)", xlabel="network evaluations")
    ticks = [t for t in (1, 2, 4, 8, 16, 32, 300, 1480) if t <= max(p.run.evaluations for p in points)]
    panels[0].set_xticks(ticks, [str(t) for t in ticks])
    panels[0].minorticks_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=4, frameon=False)
    save_png(figure, path, synthetic=True)


def _lines(axes, points: list[Point], value: Callable[[Point], float]) -> None:
    for sampler, colour in COLOURS.items():
        some = [(p.run.evaluations, value(p)) for p in points if p.run.sampler == sampler]
        axes.plot(*zip(*some, strict=True), marker="o", markersize=4, color=colour, label=sampler)
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of EMIDEC's case folders; without it, phantoms")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", help="weights by name or path")
    parser.add_argument("--seeds", type=int, default=2, help="variants of each infarct")
    parser.add_argument("--resampled", action="store_true", help="RePaint with jumps 2/2 and 5/5 as well")
    parser.add_argument("--quick", action="store_true", help="try the script: few steps, one seed")
    options = parser.parse_args()
    out = make_folder(options.out)
    steps, slow, seeds = (STEPS[:3], 20, range(1)) if options.quick else (STEPS, 300, range(options.seeds))
    jumps: tuple[Jumps, ...] = (1, 2, 5) if options.resampled else (1,)
    runs = [Run(sampler, count) for sampler in ODE_SAMPLERS for count in steps]
    runs += [Run("repaint", slow, jump) for jump in jumps]
    studies = scarred_studies(options.data)
    real = RealScars.of([record("real", s, 0, s.image) for s in studies], DRAWS, np.random.default_rng(0))
    limit = Run("dpm", CONVERGED_STEPS)
    converged = [painted(study, limit, seeds, options.model) for study in studies]
    points = [measure(run, studies, converged, real, options.model) for run in runs]
    print(f"{len(studies)} studies, {len(seeds)} variants each")
    print_table(points)
    write_csv(points, out / "curves.csv")
    draw(points, len(studies), out / "curves.png")


if __name__ == "__main__":
    main()
