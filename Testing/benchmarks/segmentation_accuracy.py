"""The segmenter on patients that it was not trained on, its left ventricle found by itself.

    python Testing/benchmarks/segmentation_accuracy.py --out FOLDER [--data EMIDEC] [--model M]

Dice by both conventions: EMIDEC's, where an empty prediction of an empty case scores 1, and without such
cases. Intervals are 95 % bootstrap intervals over patients. Prints the table and writes accuracy.csv.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import psutil
from claimslicer.labels import infarct_mask
from claimslicer.quantification import bland_altman, bootstrap_interval, compare, concordance
from claimslicer.segmentation import segment
from claimslicer.studies import read_study
from claimslicer.training.splits import EMIDEC_VALIDATION

REGIONS = ("cavity", "myocardium", "infarct", "mi", "mvo")


def evaluate(data: Path, model: str | None) -> list[dict[str, float | str]]:
    """Segment every validation study; one row each."""
    rows: list[dict[str, float | str]] = []
    for case in sorted(EMIDEC_VALIDATION):
        study = read_study(data / case)
        start = time.perf_counter()
        found = segment(study, model=model).labels
        seconds = time.perf_counter() - start
        comparison = compare(found, study.labels, study.geometry)
        ml = study.geometry.voxel_volume_ml
        row: dict[str, float | str] = {
            "case": case,
            "seconds": round(seconds, 2),
            "infarct_ml": round(float(infarct_mask(found).sum() * ml), 2),
            "reference_ml": round(float(infarct_mask(study.labels).sum() * ml), 2),
        }
        for region in REGIONS:
            row[f"dice_{region}"] = round(comparison[region].dice, 4)
            row[f"dice_non_empty_{region}"] = round(comparison[region].dice_non_empty, 4)
        row["hd95_infarct"] = round(comparison["infarct"].hd95_mm, 2)
        rows.append(row)
    return rows


def print_table(rows: list[dict[str, float | str]]) -> None:
    patients = [row for row in rows if str(row["case"]).startswith("Case_P")]
    normals = [row for row in rows if not str(row["case"]).startswith("Case_P")]
    rng = np.random.default_rng(0)
    print(
        f"{'region':11} {'P, EMIDEC convention':>24} {'P, non-empty only':>24} {'P and N, EMIDEC conv.':>24}"
    )
    for region in REGIONS:
        cells = []
        for some, key in ((patients, "dice"), (patients, "dice_non_empty"), (rows, "dice")):
            values = np.array([float(row[f"{key}_{region}"]) for row in some])
            interval = bootstrap_interval(values[~np.isnan(values)], rng)
            cells.append(f"{interval.estimate:.3f} ({interval.low:.3f}–{interval.high:.3f})")
        print(f"{region:11} {cells[0]:>24} {cells[1]:>24} {cells[2]:>24}")
    found, reference = ([float(row[key]) for row in patients] for key in ("infarct_ml", "reference_ml"))
    agreement = bland_altman(found, reference)
    print(
        f"infarct volume, {len(patients)} patients: bias {agreement.bias:+.1f} ml, limits of agreement "
        f"{agreement.lower:+.1f} to {agreement.upper:+.1f} ml, CCC {concordance(found, reference):.2f}"
    )
    clean = [row for row in normals if float(row["infarct_ml"]) <= 1.0]
    volumes = ", ".join(str(row["infarct_ml"]) for row in normals)
    print(f"normals without infarct over 1 ml: {len(clean)} of {len(normals)} ({volumes} ml)")
    peak = getattr(psutil.Process().memory_info(), "peak_wset", None)
    if peak is None:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds = [float(row["seconds"]) for row in rows]
    print(f"seconds a study: median {np.median(seconds):.1f}, most {max(seconds):.1f}")
    print(f"peak memory {peak / 1e9:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    repository = Path(__file__).resolve().parents[2]
    parser.add_argument("--data", type=Path, default=repository.parent / "shared" / "data" / "emidec")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = evaluate(options.data, options.model)
    with (options.out / "accuracy.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print_table(rows)


if __name__ == "__main__":
    main()
