"""Whether the segmenter's probabilities mean what they say, on patients it was not trained on.

    python Testing/benchmarks/segmentation_calibration.py --out FOLDER [--data EMIDEC] [--model M]

Expected calibration error of each class, of the infarct (3 ∪ 4) and of the confidence, over the voxels of the
left ventricle (the prediction's and the reference's), as the model is and with a temperature. The temperature
for each patient is fitted on the others. Intervals are 95 % bootstrap intervals over patients. Writes
calibration.csv, calibration.json (curves over all voxels, and the temperature fitted on all patients) and
calibration.png.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from claimslicer.outputs import write_text
from claimslicer.quantification import Calibration, bootstrap_interval, calibrate, fit_temperature
from claimslicer.quantification.calibration import CURVES, left_ventricles, total, voxels, with_temperature
from claimslicer.segmentation import segment
from claimslicer.studies import read_study
from claimslicer.training.splits import EMIDEC_VALIDATION

NAMES = (*CURVES, "classwise")
Studies = dict[str, tuple[np.ndarray, np.ndarray]]
"""Probabilities (5, voxels of the left ventricles, 1, 1) and labels of each case."""


def predict(data: Path, model: str | None) -> Studies:
    """Segment every validation study."""
    found = {}
    for case in sorted(EMIDEC_VALIDATION):
        study = read_study(data / case)
        probabilities = segment(study, model=model).probabilities
        found[case] = voxels(probabilities, study.labels, left_ventricles(probabilities, study.labels))
        print(case, found[case][1].size, flush=True)
    return found


def calibrations(studies: Studies, temperatures: dict[str, float]) -> dict[str, Calibration]:
    """Return each case's calibration with its temperature."""
    results = {}
    for case, (columns, labels) in studies.items():
        scaled = with_temperature(columns, temperatures[case])
        flat = scaled[:, :, None, None], labels[:, None, None]
        results[case] = calibrate(*flat, domain=np.ones(flat[1].shape, bool))
    return results


def error(calibration: Calibration, name: str) -> float:
    """Return one curve's expected calibration error, or the classes' mean."""
    return calibration.classwise_error if name == "classwise" else calibration[name].error


def print_table(before: dict[str, Calibration], after: dict[str, Calibration]) -> None:
    rng = np.random.default_rng(0)
    print(f"{'ECE':11} {'all voxels':>17} {'mean over patients, as it is':>32} {'with temperature':>32}")
    for name in NAMES:
        pooled = [error(total(list(each.values())), name) for each in (before, after)]
        cells = []
        for each in (before, after):
            interval = bootstrap_interval([error(calibration, name) for calibration in each.values()], rng)
            cells.append(f"{interval.estimate:.4f} ({interval.low:.4f}–{interval.high:.4f})")
        print(f"{name:11} {pooled[0]:8.4f} {pooled[1]:8.4f} {cells[0]:>32} {cells[1]:>32}")


def draw(before: Calibration, after: Calibration, path: Path) -> None:
    """Draw reliability curves of infarct and confidence."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.5))
    for panel, name in zip(panels, ("infarct", "confidence"), strict=True):
        panel.plot([0, 1], [0, 1], color="0.7", lw=1)
        for calibration, label in ((before, "as it is"), (after, "with temperature")):
            predicted, frequency, _ = calibration[name].points().T
            panel.plot(predicted, frequency, "o-", ms=4, label=f"{label}, ECE {calibration[name].error:.3f}")
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
    studies = predict(options.data, options.model)
    others = {
        case: fit_temperature([pair for other, pair in studies.items() if other != case]) for case in studies
    }
    overall = fit_temperature(studies.values())
    before = calibrations(studies, dict.fromkeys(studies, 1.0))
    after = calibrations(studies, others)
    print_table(before, after)
    print(
        f"temperature {overall:.3f}; without one patient {min(others.values()):.3f}–"
        f"{max(others.values()):.3f}"
    )
    rows = [
        {"case": case, "temperature": round(others[case], 4)}
        | {f"ece_{name}": round(error(before[case], name), 5) for name in (*CURVES, "classwise")}
        | {
            f"ece_{name}_with_temperature": round(error(after[case], name), 5)
            for name in (*CURVES, "classwise")
        }
        for case in studies
    ]
    with (options.out / "calibration.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    pooled = [total(list(each.values())) for each in (before, after)]
    summary = {
        "temperature": overall,
        "as_it_is": pooled[0].to_dict(),
        "with_temperature": pooled[1].to_dict(),
    }
    write_text(options.out / "calibration.json", json.dumps(summary, indent=1))
    draw(*pooled, options.out / "calibration.png")


if __name__ == "__main__":
    main()
