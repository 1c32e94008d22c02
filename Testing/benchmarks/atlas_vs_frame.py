"""Print agreement and time of the atlas route against the LV frame, side by side.

Run ``python Testing/benchmarks/atlas_vs_frame.py``; real studies come from $CLAIM_DATA or ../shared/data.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path

import numpy as np

LIBRARY_TESTS = Path(__file__).resolve().parents[1] / "library"
sys.path.insert(0, str(LIBRARY_TESTS))

from analytic_heart import HeartShape, make_heart  # noqa: E402
from claimslicer.anatomy import Insertions, build_frame  # noqa: E402
from claimslicer.anatomy.atlas import Atlas, make_template, register_atlas  # noqa: E402
from claimslicer.studies import Geometry, read_study  # noqa: E402
from test_anatomy_emidec import BASE_FIRST, MARKED, marked_points  # noqa: E402

HEADER = (
    f"{'study':<22}{'frame s':>9}{'atlas s':>9}{'frame=truth':>13}{'atlas=truth':>13}{'atlas=frame':>13}"
    f"{'by chance':>11}"
)


def compare(
    name: str,
    labels: np.ndarray,
    geometry: Geometry,
    insertions: Insertions,
    template: Atlas,
    truth: np.ndarray | None = None,
) -> None:
    """Print one line: seconds, and the share of wall voxels that get the same segment."""
    start = time.perf_counter()
    frame = build_frame(labels, geometry, insertions=insertions)
    between = time.perf_counter()
    atlas = register_atlas(labels, geometry, template, insertions)
    end = time.perf_counter()
    chance = register_atlas(labels, geometry, template)
    wall = frame.myocardium

    def share(first: np.ndarray, second: np.ndarray | None) -> str:
        return "-" if second is None else f"{(first == second)[wall].mean():.3f}"

    print(
        f"{name:<22}{between - start:>9.3f}{end - between:>9.2f}{share(frame.segments, truth):>13}"
        f"{share(atlas.segments, truth):>13}{share(atlas.segments, frame.segments):>13}"
        f"{share(chance.segments, frame.segments):>11}",
        flush=True,
    )


def main() -> None:
    """Compare on closed-form hearts, then on studies whose insertions were marked by eye."""
    template = make_template()
    print(HEADER)
    for name, shape in {
        "closed form": HeartShape(),
        "closed form, turned": HeartShape(turn_deg=40.0),
        "closed form, small": HeartShape(radius=25.0, wall=7.0, length=68.0),
    }.items():
        heart = make_heart(9, (1.5, 1.5, 9.0), shape)
        compare(name, heart.labels, heart.geometry, heart.insertions, template, heart.segments)
    data = Path(os.environ.get("CLAIM_DATA", LIBRARY_TESTS.parents[2] / "shared" / "data")) / "emidec"
    if not data.is_dir():
        print(f"no real studies: {data} is not there (set CLAIM_DATA)")
        return
    with MARKED.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["case"] not in BASE_FIRST]
    for row in rows[::6]:
        study = read_study(data / row["case"])
        compare(row["case"], study.labels, study.geometry, marked_points(row, study.geometry), template)


if __name__ == "__main__":
    main()
