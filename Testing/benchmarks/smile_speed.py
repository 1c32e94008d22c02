"""Time of one scar mask once the frame is there, on shared studies.

python Testing/benchmarks/smile_speed.py [--data ../shared/data/emidec]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.smile import generate_scar, paper_spec, random_spec
from claimslicer.studies import read_study

CASES = ("Case_P066", "Case_P100", "Case_P053", "Case_P094")
"""From the smallest wall of the shared studies to the largest."""
MASKS = 25


def milliseconds(frame: LVFrame, draw) -> np.ndarray:
    """Return wall-clock and processor time (2, MASKS) of several masks in ms, specifications drawn before."""
    rng = np.random.default_rng(0)
    specs = [draw(frame, rng) for _ in range(MASKS)]
    generate_scar(specs[0], frame)
    times = []
    for spec in specs:
        start, start_cpu = time.perf_counter(), time.process_time()
        generate_scar(spec, frame)
        times.append((time.perf_counter() - start, time.process_time() - start_cpu))
    return 1e3 * np.transpose(times)


def main() -> None:
    """Print a table."""
    repository = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=repository.parent / "shared" / "data" / "emidec")
    data = parser.parse_args().data
    print(
        "| study | wall voxels | draw | median ms | 90 % ms | median CPU ms | 90 % CPU ms |\n|" + 7 * "---|"
    )
    for name in CASES:
        study = read_study(data / name)
        frame = build_frame(study.labels, study.geometry, image=study.image)
        for label, draw in (("SMILE", random_spec), ("paper's recipe", paper_spec)):
            times = milliseconds(frame, draw)
            columns = " | ".join(f"{t:.1f}" for t in np.percentile(times, [50, 90], axis=1).T.ravel())
            print(f"| {name} | {frame.myocardium.sum()} | {label} | {columns} |")


if __name__ == "__main__":
    main()
