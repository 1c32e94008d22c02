"""Angular error of the RV insertions found in the image, against those marked by eye on EMIDEC studies.

Usage: python Testing/benchmarks/insertion_error.py [--data DIR] [--noise N]

With --noise, Gaussian noise of N times the blood–wall contrast is added first. Failures become common, which
shows whether the confidence tells them.
"""

from __future__ import annotations

import argparse
import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from claimslicer.anatomy.detection import detect_insertions
from claimslicer.studies import Geometry, read_study

REPOSITORY = Path(__file__).resolve().parents[2]
MARKS = REPOSITORY / "Testing" / "library" / "data" / "insertions_emidec.csv"


@dataclass(frozen=True)
class Outcome:
    """Signed errors in degrees (counter-clockwise on the screen), and what is known about the study."""

    case: str
    part: str
    sure: int
    anterior: float
    inferior: float
    confidence: float

    @property
    def worst(self) -> float:
        """The larger of the two errors, without sign."""
        return max(abs(self.anterior), abs(self.inferior))


def screen_angle(point: tuple[float, float, float], geometry: Geometry, centre: tuple[float, float]) -> float:
    """Return the angle of an LPS point round ``centre`` (x, y in voxels): 0 right, 90 up, as displayed."""
    _, y, x = geometry.physical_to_index(np.array(point))
    return float(
        np.degrees(np.arctan2((centre[1] - y) * geometry.spacing[1], (x - centre[0]) * geometry.spacing[0]))
    )


def evaluate(row: dict[str, str], data: Path, noise: float, rng: np.random.Generator) -> Outcome:
    """Detect the insertions of one marked study and compare. EMIDEC stacks start at the apex."""
    study = read_study(data / "emidec" / row["case"])
    image, labels, geometry = study.image, study.labels, study.geometry
    contrast = np.percentile(image[labels == 1], 75) - np.percentile(image[labels >= 2], 25)
    image = image + noise * contrast * rng.normal(size=image.shape)
    found = detect_insertions(image, labels, geometry, apex_first=True)
    # Marked on copies of other pixel sizes, round the ventricle's centre.
    centre_y, centre_x = np.argwhere(np.isin(labels[int(row["slice"])], (1, 2, 3, 4))).mean(axis=0)
    centre = float(centre_x), float(centre_y)
    errors = [
        (screen_angle(point, geometry, centre) - float(row[column]) + 180.0) % 360.0 - 180.0
        for point, column in ((found.anterior, "anterior_deg"), (found.inferior, "inferior_deg"))
    ]
    return Outcome(row["case"], row["part"], int(row["sure"]), errors[0], errors[1], found.confidence)


def summary(outcomes: list[Outcome]) -> str:
    """Return median and 90th percentile over single insertions."""
    errors = np.abs([e for o in outcomes for e in (o.anterior, o.inferior)])
    return (
        f"{len(outcomes):3d} studies  median {np.median(errors):4.1f}°  "
        f"90th percentile {np.percentile(errors, 90):4.1f}°  over 25°: {(errors > 25).sum()} of {len(errors)}"
    )


def area_under_curve(outcomes: list[Outcome], wrong_deg: float) -> float:
    """Return how often a study with a larger error has the lower confidence (0.5 is chance)."""
    wrong = [o.confidence for o in outcomes if o.worst > wrong_deg]
    right = [o.confidence for o in outcomes if o.worst <= wrong_deg]
    if not wrong or not right:
        return float("nan")
    below = np.subtract.outer(right, wrong)
    return float(((below > 0) + 0.5 * (below == 0)).mean())


def reader_error(rows: list[dict[str, str]]) -> np.ndarray:
    """Return the absolute differences in degrees between the two readings of the studies marked twice."""
    pairs = [(r[f"{n}_deg"], r[f"{n}_again_deg"]) for r in rows for n in ("anterior", "inferior")]
    return np.array([abs((float(a) - float(b) + 180) % 360 - 180) for a, b in pairs if b])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("CLAIM_DATA", REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds emidec/")
    parser.add_argument("--noise", type=float, default=0.0, help="added noise in units of the contrast")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)

    with MARKS.open(encoding="utf-8", newline="") as file:
        marked = list(csv.DictReader(file))
    rows = [row for row in marked if (arguments.data / "emidec" / row["case"]).is_dir()]
    print(f"{len(rows)} of {len(marked)} marked studies are there.")
    outcomes = sorted(
        (evaluate(row, arguments.data, arguments.noise, rng) for row in rows), key=lambda o: o.confidence
    )
    print("study      part      sure  anterior  inferior  confidence")
    for o in outcomes:
        print(
            f"{o.case}  {o.part:9s} {o.sure}     "
            f"{o.anterior:+6.1f}    {o.inferior:+6.1f}    {o.confidence:.2f}"
        )
    print()
    for part in ("tuned", "held-out", "later"):
        print(f"{part:16s}", summary([o for o in outcomes if o.part == part]))
    unseen = [o for o in outcomes if o.part != "tuned"]
    print(f"{'not tuned on':16s}", summary(unseen))
    print(f"{'  sure 2 or 3':16s}", summary([o for o in unseen if o.sure >= 2]))
    for low, high in ((0.0, 0.7), (0.7, 0.9), (0.9, 0.97), (0.97, 1.01)):
        group = [o for o in outcomes if low <= o.confidence < high]
        print(f"confidence < {min(high, 1.0):.2f}", summary(group) if group else "none")
    for wrong in (25.0, 35.0):
        print(
            f"area under the curve for an error over {wrong:.0f}°: {area_under_curve(outcomes, wrong):.2f} "
            f"({sum(o.worst > wrong for o in outcomes)} such studies)"
        )
    twice = reader_error(rows)
    print(
        f"the reader against himself: median {np.median(twice):.1f}°, "
        f"90th percentile {np.percentile(twice, 90):.1f}° ({len(twice)} insertions)"
    )


if __name__ == "__main__":
    main()
