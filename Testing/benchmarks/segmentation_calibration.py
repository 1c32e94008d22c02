"""Whether the segmenter's probabilities mean what they say, on patients it was not trained on.

    python Testing/benchmarks/segmentation_calibration.py --out FOLDER [--data EMIDEC] [--model M]

Expected calibration error of each class, of the infarct (3 ∪ 4) and of the confidence, within 10 mm of the
left ventricle that was found: as the model is, with a temperature, and with a temperature and a bias for each
class, which is what `claim-slicer models calibrate` puts on a card. For each patient these are fitted on the
others; a calibration that the card has already isn't used. Intervals are 95 % bootstrap intervals over
patients. Writes calibration.csv, calibration.json (curves over all voxels, and the scalings fitted on all
patients) and calibration.png.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from claimslicer.outputs import write_text
from claimslicer.quantification import Calibration, Scaling, bootstrap_interval
from claimslicer.quantification.calibration import CURVES, heart_region, total, voxels
from claimslicer.segmentation import segment
from claimslicer.segmentation.model import load_segmenter
from claimslicer.segmentation.nnunet.model import find_nnunet
from claimslicer.segmentation.predict import predict
from claimslicer.studies import Study, read_study
from claimslicer.training.data.splits import EMIDEC_VALIDATION
from claimslicer.training.outcome.calibrate import Voxels, fit_on_patients

NAMES = (*CURVES, "classwise")
Results = dict[str, dict[str, Calibration]]
"""By way of scaling and case."""


def said(study: Study, model: str | None) -> np.ndarray:
    """Return the probabilities (5, z, y, x) that the networks give, not scaled."""
    if find_nnunet(model) is not None:
        return segment(study, model=model).probabilities
    return predict(study, load_segmenter(model, "auto")).probabilities


def read(data: Path, model: str | None) -> dict[str, Voxels]:
    """Segment every validation study."""
    found = {}
    for case in sorted(EMIDEC_VALIDATION):
        study = read_study(data / case)
        probabilities = said(study, model)
        found[case] = voxels(probabilities, study.labels, heart_region(probabilities, study.geometry))
        print(case, found[case][1].size, flush=True)
    return found


def evaluate(patients: dict[str, Voxels]) -> tuple[Results, dict[str, Scaling]]:
    """Return each case's calibration in each way, and the scalings of all cases together."""
    results: Results = {}
    overall = {}
    for way, biases in (("temperature", False), ("and biases", True)):
        fitted = fit_on_patients(patients, biases=biases)
        results.setdefault("as it is", dict(zip(patients, fitted.before, strict=True)))
        results[way] = dict(zip(patients, fitted.after, strict=True))
        overall[way] = fitted.scaling
    return results, overall


def error(calibration: Calibration, name: str) -> float:
    """Return one curve's expected calibration error, or the classes' mean."""
    return calibration.classwise_error if name == "classwise" else calibration[name].error


def print_table(results: Results) -> None:
    print(f"{'ECE':11}" + "".join(f"{way + ': all voxels, patients':>38}" for way in results))
    for name in NAMES:
        cells = []
        for by_case in results.values():
            values = [error(calibration, name) for calibration in by_case.values()]
            interval = bootstrap_interval(values, np.random.default_rng(0))
            patients = f"{interval.estimate:.4f} ({interval.low:.4f}–{interval.high:.4f})"
            cells.append(f"{error(total(list(by_case.values())), name):.4f}, {patients}")
        print(f"{name:11}" + "".join(f"{cell:>38}" for cell in cells))


def draw(pooled: dict[str, Calibration], path: Path) -> None:
    """Draw reliability curves of infarct and confidence."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.5))
    for panel, name in zip(panels, ("infarct", "confidence"), strict=True):
        panel.plot([0, 1], [0, 1], color="0.7", lw=1)
        for way, calibration in pooled.items():
            predicted, frequency, _ = calibration[name].points().T
            panel.plot(predicted, frequency, "o-", ms=4, label=f"{way}, ECE {calibration[name].error:.3f}")
        panel.set(title=name, xlabel="probability", ylabel="frequency", aspect="equal")
        panel.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


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
    results, overall = evaluate(read(options.data, options.model))
    print_table(results)
    for way, scaling in overall.items():
        print(f"{way}: {scaling.temperature:.3f}, {[round(bias, 3) for bias in scaling.biases]}")
    rows = [
        {"way": way, "case": case, **{name: round(error(calibration, name), 5) for name in NAMES}}
        for way, by_case in results.items()
        for case, calibration in by_case.items()
    ]
    with (options.out / "calibration.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    pooled = {way: total(list(by_case.values())) for way, by_case in results.items()}
    scalings = {way: asdict(scaling) for way, scaling in overall.items()}
    curves = {way: calibration.to_dict() for way, calibration in pooled.items()}
    text = json.dumps({"scalings": scalings, "curves": curves}, indent=1)
    write_text(options.out / "calibration.json", text)
    draw(pooled, options.out / "calibration.png")


if __name__ == "__main__":
    main()
