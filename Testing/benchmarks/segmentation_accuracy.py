"""The segmenter on patients that it was not trained on, its left ventricle found by itself.

    python Testing/benchmarks/segmentation_accuracy.py --out FOLDER [--data EMIDEC] [--model M | --folds F]

With --folds every patient is segmented by the model that didn't see it: the folder holds fold-0, fold-1 and
so on, each a model with the file held_out.txt, one case's name a line. Cases that a model has segmented
already are taken from accuracy.csv when the command is given again: folds may be scored as they come.

A study in which no left ventricle is found counts as one where nothing is. Dice by both conventions:
EMIDEC's, where an empty prediction of an empty case scores 1, and without such cases. Intervals are 95 %
bootstrap intervals over patients. Prints the table and writes accuracy.csv.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from claimslicer.errors import StudyError
from claimslicer.labels import infarct_mask
from claimslicer.models.registry import resolve
from claimslicer.outputs import write_text
from claimslicer.quantification import bland_altman, bootstrap_interval, compare, concordance
from claimslicer.segmentation import segment
from claimslicer.studies import read_study
from claimslicer.training.data.splits import EMIDEC_TEST, EMIDEC_VALIDATION

REGIONS = ("cavity", "myocardium", "infarct", "mi", "mvo")


Row = dict[str, float | str]
Models = dict[str, str | None]
"""Which model segments each case; None stands for the shipped one."""


def fold_models(folder: Path) -> Models:
    """Return for each held-out case its fold's model; ends the program where a case is in none or in two."""
    folds = sorted(folder.glob("fold-*"), key=lambda fold: int(fold.name.removeprefix("fold-")))
    if not folds:
        sys.exit(f"'{folder}' holds no fold-0: give the folder of a cross-validation.")
    models: Models = {}
    for fold in folds:
        try:
            cases = (fold / "held_out.txt").read_text(encoding="utf-8").split()
        except OSError as error:
            sys.exit(f"'{error.filename}' can't be read: it names the fold's cases, one a line.")
        if twice := models.keys() & cases:
            sys.exit(f"{', '.join(sorted(twice))} is held out by {fold.name} and another fold.")
        trained_on = set(resolve(fold, "segmentation").card.split.get("training", []))
        if seen := trained_on & set(cases):
            sys.exit(f"The model of {fold.name} was trained on {', '.join(sorted(seen))}, by its card.")
        models |= dict.fromkeys(cases, str(fold))
    if tested := models.keys() & EMIDEC_TEST:
        sys.exit(f"{', '.join(sorted(tested))} is a published test case: leave it out.")
    return models


def evaluate(data: Path, case: str, model: str | None) -> Row:
    """Segment one study and compare it with its labels."""
    study = read_study(data / case)
    start = time.perf_counter()
    try:
        found = segment(study, model=model).labels
    except StudyError as error:
        print(error, flush=True)
        found = np.zeros(study.image.shape, np.uint8)
    seconds = time.perf_counter() - start
    comparison = compare(found, study.labels, study.geometry)
    ml = study.geometry.voxel_volume_ml
    row: Row = {
        "case": case,
        "weights": resolve(model, "segmentation").card.sha256[:12],
        "seconds": round(seconds, 2),
        "infarct_ml": round(float(infarct_mask(found).sum() * ml), 2),
        "reference_ml": round(float(infarct_mask(study.labels).sum() * ml), 2),
    }
    for region in REGIONS:
        row[f"dice_{region}"] = round(comparison[region].dice, 4)
        row[f"dice_non_empty_{region}"] = round(comparison[region].dice_non_empty, 4)
        row[f"hd95_{region}"] = round(comparison[region].hd95_mm, 2)
    return row


def evaluate_all(data: Path, models: Models, file: Path, *, go_on: bool) -> list[Row]:
    """Evaluate every case, or where ``go_on`` those that ``file`` lacks; it grows with each case."""
    rows: dict[str, Row] = {}
    if go_on and file.exists():
        with file.open(newline="", encoding="utf-8") as stream:
            known = {str(row["case"]): row for row in csv.DictReader(stream)}
        weights = {model: resolve(model, "segmentation").card.sha256[:12] for model in set(models.values())}
        rows = {case: row for case, row in known.items() if row["weights"] == weights.get(models.get(case))}
    for case in sorted(models):
        if case not in rows:
            rows[case] = evaluate(data, case, models[case])
            write_rows(file, list(rows.values()))
    return [rows[case] for case in sorted(models)]


def write_rows(file: Path, rows: list[Row]) -> None:
    """Write the rows as a table, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())


def print_table(rows: list[Row]) -> None:
    """Print means and intervals, those of normals apart."""
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
    for region in ("myocardium", "infarct"):
        values = np.array([float(row[f"hd95_{region}"]) for row in patients])
        interval = bootstrap_interval(values[~np.isnan(values)], rng)
        print(f"HD95 of {region}, P: {interval.estimate:.1f} ({interval.low:.1f}–{interval.high:.1f}) mm")
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
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model")
    which.add_argument("--folds", type=Path, help="folder of a cross-validation: fold-0, fold-1, …")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    models = fold_models(options.folds) if options.folds else dict.fromkeys(EMIDEC_VALIDATION, options.model)
    file = options.out / "accuracy.csv"
    print_table(evaluate_all(options.data, models, file, go_on=options.folds is not None))


if __name__ == "__main__":
    main()
