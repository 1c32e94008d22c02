"""How cohorts scale: time on one worker and on two, and memory over a thousand studies.

    python Testing/benchmarks/cohort_scaling.py [--studies 1000] [--scaling 60] [--workers 1 2] [--steps 8]

The sources are phantoms, made on the spot. Only on a machine with nothing else to do are the times worth
something. A run's time counts from the moment each worker has made its first study, so that starting the
workers, which a cohort of thousands doesn't feel, is told apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from claimslicer.cohorts.config import CohortConfig, Source
from claimslicer.cohorts.run import make_cohort
from claimslicer.studies import write_volume
from claimslicer.studies.phantom import make_phantom, phantom_cohort

MB = 1e6


@dataclass
class Log:
    """Notes time and memory whenever a study was made; receives what ``Events`` does."""

    begun: float = field(default_factory=time.perf_counter)
    seconds: list[float] = field(default_factory=list)
    client_mb: list[float] = field(default_factory=list)
    workers_mb: list[float] = field(default_factory=list)
    """Of the largest worker."""

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """Drop it."""

    def emit(self, kind: str, **values: Any) -> None:
        """Note a study's end."""
        if kind != "metrics":
            return
        self.seconds.append(time.perf_counter() - self.begun)
        me = psutil.Process()
        self.client_mb.append(me.memory_info().rss / MB)
        self.workers_mb.append(max(_rss(child) for child in me.children(recursive=True)) / MB)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def write_sources(folder: Path, hearts: int) -> Path:
    """Write phantoms, two in three with a scar, as case folders."""
    for number, settings in enumerate(phantom_cohort(hearts, seed=1)):
        study, case = make_phantom(settings).study, f"Case_{number:03d}"
        write_volume(folder / case / "Images" / f"{case}.nii.gz", study.image, study.geometry)
        write_volume(folder / case / "Contours" / f"{case}.nii.gz", study.labels, study.geometry)
    return folder


def run(source: Path, out: Path, studies: int, workers: int, steps: int) -> Log:
    """Make a cohort and return what was noted."""
    sources = (Source(source, parts=("training", "validation")),)
    log = Log()
    config = CohortConfig(
        out=out, sources=sources, count=studies, workers=workers, steps=steps, device="cpu", seed=workers
    )
    result = make_cohort(config, events=log)
    assert len(result.made) + len(result.passed_over) == studies
    return log


def seconds_per_study(log: Log, workers: int) -> float:
    """Return the time of one study once every worker is at it."""
    first = 2 * workers - 1
    return (log.seconds[-1] - log.seconds[first]) / (len(log.seconds) - 1 - first)


def growth(values: list[float]) -> tuple[float, float, float]:
    """Return the median of the second and of the last tenth of a run, and the slope per 1,000 studies."""
    tenth = max(1, len(values) // 10)
    later = np.array(values[tenth:])
    slope = float(np.polyfit(np.arange(len(later)), later, 1)[0]) * 1000
    return float(np.median(later[:tenth])), float(np.median(later[-tenth:])), slope


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="of the memory's run; 0 leaves it out")
    parser.add_argument("--scaling", type=int, default=60, help="studies of each timed run")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--hearts", type=int, default=12)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--json", type=Path, help="where to write all that was noted")
    options = parser.parse_args()
    notes: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="claim-scaling-") as scratch:
        source = write_sources(Path(scratch) / "source", options.hearts)
        print("| workers | start s | s per study | studies per hour | efficiency |\n|" + 5 * "---|")
        single = 0.0
        for count in options.workers:
            log = run(source, Path(scratch) / f"scaling-{count}", options.scaling, count, options.steps)
            each = seconds_per_study(log, count)
            single = single or each * count
            row = (
                f"{log.seconds[0]:.1f}",
                f"{each:.2f}",
                f"{3600 / each:.0f}",
                f"{single / count / each:.0%}",
            )
            print(f"| {count} | {' | '.join(row)} |")
            notes[f"workers_{count}"] = log.__dict__
        if options.studies:
            log = run(source, Path(scratch) / "memory", options.studies, max(options.workers), options.steps)
            notes["memory"] = log.__dict__
            print("\n| memory | after 10 % MB | at the end MB | slope MB per 1,000 studies |\n|" + 4 * "---|")
            for name, values in (("client", log.client_mb), ("largest worker", log.workers_mb)):
                early, late, slope = growth(values)
                print(f"| {name} | {early:.0f} | {late:.0f} | {slope:+.0f} |")
    if options.json is not None:
        options.json.write_text(json.dumps(notes), encoding="utf-8")


if __name__ == "__main__":
    main()
