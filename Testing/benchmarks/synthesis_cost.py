"""What painting one ten-slice study costs: our generator and the published configuration, side by side.

    python Testing/benchmarks/synthesis_cost.py [--data EMIDEC] [--device cuda --bf16 --compile] [--quick]

The study has scar in all of its ten slices: Case_P047 of EMIDEC, or the phantom where no data is given. Our
rows are whole runs of ``synthesize_variants``, from the study to the painted images. The published network
has random weights and is timed over some evaluations of its sampler, from which the row is extrapolated; its
reading, scaling and writing count nothing. Each row runs in a process of its own, whose high-water mark of
resident memory (on a GPU: of torch's memory there) is the peak. A multiplication with its addition counts as
two operations.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from claimslicer.devices import choose_device
from claimslicer.labels import Label, ScarLabel, myocardium_mask
from claimslicer.studies import Study, read_study
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.synthesis import synthesize_variants
from claimslicer.synthesis.model import load_generator
from claimslicer.synthesis.samplers import (
    Jumps,
    SamplerName,
    network_evaluations,
    sample,
    with_known_background,
)
from published_network import HISTOGRAM_VALUES, SIDE, PublishedSize, flop_per_slice, published_denoiser
from torch.utils.flop_counter import FlopCounterMode

SLICES = 10
CASE = "Case_P047"


@dataclass(frozen=True)
class Row:
    """One configuration; ``published`` says whose network."""

    published: bool
    sampler: SamplerName
    steps: int
    jumps: Jumps = 1
    variants: int = 1

    @property
    def evaluations(self) -> int:
        return network_evaluations(self.sampler, self.steps, self.jumps)

    @property
    def name(self) -> str:
        network = "published size" if self.published else "ours"
        jumps = f", jumps {self.jumps}/{self.jumps}" if self.jumps != 1 else ""
        variants = f", {self.variants} variants" if self.variants > 1 else ""
        return f"{network}, {self.sampler} {self.steps}{jumps}{variants}"


OURS = (
    *(Row(False, "dpm", steps) for steps in (8, 16)),
    *(Row(False, "flow", steps) for steps in (8, 16)),
    Row(False, "dpm", 8, variants=8),
)
RESAMPLED = tuple(Row(published, "repaint", 300, jumps) for published in (False, True) for jumps in (1, 2, 5))
PUBLISHED = RESAMPLED[-1]
"""The configuration of the released scripts: every ratio is to it."""


@dataclass(frozen=True)
class Settings:
    """How to measure; ``timed`` evaluations of the published network."""

    data: Path | None
    model: str | None
    device: str
    bf16: bool
    compiled: bool
    repeats: int
    timed: int


@dataclass(frozen=True)
class Cost:
    """Operations, seconds and bytes of one study."""

    flop: float
    seconds: float
    peak: int


def ten_slices(data: Path | None) -> tuple[Study, np.ndarray, np.ndarray]:
    """Return a study, its labels and a scar that fills a quarter of the wall in each of ten slices."""
    if data is None:
        phantom = make_phantom(PhantomSettings(n_slices=SLICES + 2, slice_spacing=8.0, seed=0))
        study, labels = phantom.study, phantom.study.labels
    else:
        study = read_study(data / CASE)
        labels = study.labels
    scar = np.zeros(labels.shape, np.uint8)
    walls = [z for z in range(len(labels)) if (labels[z] == Label.CAVITY).any()][:SLICES]
    for z in walls:
        y, x = np.nonzero(myocardium_mask(labels[z]))
        quarter = (y > y.mean()) & (x > x.mean())
        scar[z, y[quarter], x[quarter]] = ScarLabel.SCAR
    painted = int((scar != ScarLabel.NONE).any((1, 2)).sum())
    if painted != SLICES:
        raise SystemExit(f"{study.name} has scar in {painted} slices, not {SLICES}.")
    return study, labels, scar


def measure(row: Row, settings: Settings) -> Cost:
    """Return what ``row`` costs; in a process of its own."""
    return published_cost(row, settings) if row.published else our_cost(row, settings)


def our_cost(row: Row, settings: Settings) -> Cost:
    study, labels, scar = ten_slices(settings.data)
    device = choose_device(settings.device)

    def paint(sampler: SamplerName, steps: int, jumps: Jumps = 1) -> None:
        options: dict[str, Any] = {"model": settings.model, "device": settings.device}
        options |= {"sampler": sampler, "num_inference_steps": steps, "jumps": jumps}
        with precision(settings, device):
            seeds = list(range(row.variants))
            synthesize_variants(study, labels, scar, seeds=seeds, repaint_existing=True, **options)

    counted = []
    for steps in (1, 2):  # the context is read once, the rest is the same at every evaluation
        with FlopCounterMode(display=False) as counter:
            paint("dpm", steps)
        counted.append(counter.get_total_flops())
    once, twice = counted
    if settings.compiled:
        network = load_generator(settings.model, settings.device).network
        network.context.compile()
        network.denoise.compile()
        paint("dpm", 2)
    repeats = settings.repeats if row.evaluations < 100 else 1
    seconds = statistics.median(seconds_of(lambda: paint(row.sampler, row.steps, row.jumps), repeats))
    return Cost(once + (row.evaluations - 1) * (twice - once), seconds, peak_memory(device))


def published_cost(row: Row, settings: Settings) -> Cost:
    device = choose_device(settings.device)
    torch.manual_seed(0)
    network = PublishedSize().eval().requires_grad_(False).to(device)
    flop = flop_per_slice(network) * SLICES * row.evaluations
    if settings.compiled:
        network.compile()
    generator = torch.Generator(device).manual_seed(0)
    noise, known = (torch.randn(SLICES, SIDE, SIDE, generator=generator, device=device) for _ in range(2))
    hole = torch.zeros_like(noise, dtype=torch.bool)
    hole[:, SIDE // 2 :, SIDE // 2 :] = True
    histogram = torch.full((1, HISTOGRAM_VALUES), 1 / HISTOGRAM_VALUES)
    denoise = published_denoiser(network, histogram, device)
    inpainting = with_known_background(denoise, known, hole, generator)

    def evaluate(times: int) -> None:
        with torch.inference_mode(), precision(settings, device):
            sample("repaint", inpainting, noise, times, generator)
        if device.type == "cuda":
            torch.cuda.synchronize()

    evaluate(1)
    (seconds,) = seconds_of(lambda: evaluate(settings.timed), 1)
    return Cost(flop, seconds / settings.timed * row.evaluations, peak_memory(device))


@contextlib.contextmanager
def precision(settings: Settings, device: torch.device) -> Iterator[None]:
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16):
        yield


def seconds_of(action: Callable[[], None], repeats: int) -> list[float]:
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return found


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process has had resident, or torch has had on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the parent's memory, which exec inherits
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = getattr(psutil.Process().memory_info(), "peak_wset", None)
    if peak is not None:
        return int(peak)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_all(rows: tuple[Row, ...], settings: Settings) -> dict[Row, Cost]:
    """Measure each row in its own process; the published network once, as its evaluations cost the same."""
    costs: dict[Row, Cost] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for row in (*(row for row in rows if not row.published), PUBLISHED):
            costs[row] = pool.submit(measure, row, settings).result()
            print(f"measured: {row.name}, {costs[row].seconds:.2f} s", flush=True)
    reference = costs.pop(PUBLISHED)
    for row in rows:
        if row.published:
            share = row.evaluations / PUBLISHED.evaluations
            costs[row] = Cost(reference.flop * share, reference.seconds * share, reference.peak)
    return costs


def print_table(costs: dict[Row, Cost], timed: int) -> None:
    reference = costs[PUBLISHED]
    print("\nratios are to the last row; TFLOP, seconds and GB are of one study")
    print(f"{'configuration':34} evaluations    TFLOP  arithmetic   seconds  wall time  peak GB")
    for row, cost in costs.items():
        mark = "*" if row.published else " "
        arithmetic, wall = (
            f"1/{ratio:.0f}" for ratio in (reference.flop / cost.flop, reference.seconds / cost.seconds)
        )
        print(
            f"{row.name:34} {row.evaluations:11d} {cost.flop / 1e12:8.3f} {arithmetic:>11} "
            f"{cost.seconds:8.2f}{mark} {wall:>10} {cost.peak / 1e9:8.2f}"
        )
    print(f"* extrapolated from {timed} evaluations of all {SLICES} slices")
    for row, cost in costs.items():
        alone = next((c for r, c in costs.items() if r.variants == 1 and r.name in row.name), None)
        if row.variants > 1 and alone is not None:
            print(f"{row.variants} variants take {cost.seconds / alone.seconds:.1f} × the time of one")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of EMIDEC's case folders; without it, the phantom")
    parser.add_argument("--model", help="weights by name or path")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 where torch's autocast has it")
    parser.add_argument("--compile", action="store_true", help="compile the networks")
    parser.add_argument("--evaluations", type=int, default=20, help="of the published network, to be timed")
    parser.add_argument("--quick", action="store_true", help="try the script: few rows, 2 evaluations timed")
    options = parser.parse_args()
    study, _, _ = ten_slices(options.data)
    timed = 2 if options.quick else options.evaluations
    settings = Settings(
        options.data,
        options.model,
        options.device,
        options.bf16,
        options.compile,
        repeats=1 if options.quick else 5,
        timed=timed,
    )
    device = choose_device(options.device)
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} cores"
    how = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{study.name}: {SLICES} slices with scar in each; {device.type}, {place}, {how}")
    rows = (*OURS, *(row for row in RESAMPLED if row.published or not options.quick))
    print_table(measure_all(rows, settings), timed)


if __name__ == "__main__":
    main()
