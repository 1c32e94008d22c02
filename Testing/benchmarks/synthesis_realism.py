"""Synthetic scars against real ones on patients that the generator was not trained on.

    python Testing/benchmarks/synthesis_realism.py --out FOLDER [--data EMIDEC] [--model M]

Two kinds of synthetic scar: *repainted*, a patient's own infarct painted anew, and *authored*, a random SMILE
mask painted into a normal heart. Grey levels are in SDs of the study's own remote myocardium. The null is
what two halves of the real patients differ by. Prints the table, and writes realism.csv, realism.png and
six_results.png.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from claimslicer.anatomy import build_frame
from claimslicer.labels import Label, ScarLabel, labels_with_scar, scar_of_labels
from claimslicer.smile import generate_scar, random_spec
from claimslicer.studies import Study, read_study
from claimslicer.synthesis import synthesize
from claimslicer.synthesis.normalisation import remote_mask, remote_scale
from claimslicer.training.splits import EMIDEC_VALIDATION
from matplotlib.figure import Figure
from scipy import stats


@dataclass(frozen=True)
class Scar:
    """One scar in one image: grey levels (remote SDs), contrast and the step across the mask's edge.

    ``blood`` is the scar's median over the blood pool's, both in remote SDs.
    """

    case: str
    kind: str
    units: np.ndarray
    cnr: float
    ratio: float
    blood: float
    edge: float
    seconds: float
    study: Study
    image: np.ndarray
    labels: np.ndarray

    def row(self) -> dict[str, str]:
        low, median, high = np.quantile(self.units, (0.1, 0.5, 0.9))
        return {
            "case": self.case,
            "kind": self.kind,
            "units_p10": f"{low:.2f}",
            "units_median": f"{median:.2f}",
            "units_p90": f"{high:.2f}",
            "cnr": f"{self.cnr:.2f}",
            "ratio": f"{self.ratio:.3f}",
            "blood": f"{self.blood:.2f}",
            "edge": f"{self.edge:.2f}",
            "seconds": f"{self.seconds:.2f}",
        }


def measured(
    case: str, kind: str, study: Study, image: np.ndarray, labels: np.ndarray, seconds: float = 0.0
) -> Scar:
    """Measure the scar of ``labels`` in ``image``; both (z, y, x)."""
    scale = remote_scale(image, labels)
    units = scale.forward(image)
    scar, remote = labels == Label.INFARCT, image[remote_mask(labels)]
    return Scar(
        case,
        kind,
        units[scar],
        float((image[scar].mean() - remote.mean()) / remote.std()),
        float(image[scar].mean() / remote.mean()),
        float(np.median(units[scar]) / np.median(units[labels == Label.CAVITY])),
        edge_step(units, labels),
        seconds,
        study,
        image,
        labels,
    )


def edge_step(units: np.ndarray, labels: np.ndarray) -> float:
    """Mean in-plane difference between a scar voxel and its healthy neighbour, in remote SDs."""
    scar, healthy = labels == Label.INFARCT, labels == Label.MYOCARDIUM
    steps = []
    for axis in (1, 2):
        for shift in (1, -1):
            pairs = scar & np.roll(healthy, shift, axis)
            steps.append((units - np.roll(units, shift, axis))[pairs])
    return float(np.concatenate(steps).mean())


def painted(
    case: str,
    kind: str,
    study: Study,
    labels: np.ndarray,
    scar: np.ndarray,
    intensity: np.ndarray | None,
    model: str | None,
) -> Scar:
    start = time.perf_counter()
    result = synthesize(study, labels, scar, intensity=intensity, model=model, repaint_existing=True, seed=0)
    seconds = time.perf_counter() - start
    outside = scar == ScarLabel.NONE
    if (
        not np.array_equal(result.image[outside], study.image[outside])
        or result.image.dtype != study.image.dtype
    ):
        raise AssertionError(f"{case}: something changed outside the mask")
    return measured(case, kind, study, result.image, labels_with_scar(labels, scar), seconds)


def collect(data: Path, model: str | None) -> list[Scar]:
    """Measure real and synthetic scars of every validation study."""
    scars = []
    for case in sorted(EMIDEC_VALIDATION):
        study = read_study(data / case)
        labels = study.labels
        if case.startswith("Case_P"):
            scars.append(measured(case, "real", study, study.image, labels))
            scars.append(painted(case, "repainted", study, labels, scar_of_labels(labels), None, model))
        else:
            frame = build_frame(labels, study.geometry, image=study.image)
            spec = random_spec(frame, np.random.default_rng(int(case[-3:])))
            mask = generate_scar(spec, frame)
            scars.append(painted(case, "authored", study, labels, mask.labels, mask.intensity, model))
    return scars


def pooled(scars: list[Scar]) -> np.ndarray:
    """Grey levels of several scars, each patient weighing the same."""
    quantiles = np.linspace(0.0025, 0.9975, 200)
    return np.concatenate([np.quantile(scar.units, quantiles) for scar in scars])


def null_distance(real: list[Scar], draws: int = 500) -> tuple[float, float]:
    """Wasserstein distance between random halves of the real patients: median and 90th percentile."""
    rng = np.random.default_rng(0)
    distances = []
    for _ in range(draws):
        order = rng.permutation(len(real))
        halves = [[real[i] for i in part] for part in np.array_split(order, 2)]
        distances.append(stats.wasserstein_distance(*map(pooled, halves)))
    return float(np.median(distances)), float(np.quantile(distances, 0.9))


def print_table(scars: list[Scar]) -> None:
    real = [scar for scar in scars if scar.kind == "real"]
    median, high = null_distance(real)
    quartiles = {
        name: np.quantile([getattr(s, name) for s in real], (0.25, 0.75)) for name in ("cnr", "edge")
    }
    print(f"two halves of {len(real)} real patients: Wasserstein {median:.2f} SD (90 %: {high:.2f})")
    print("kind        n  median u   CNR  ratio  blood  edge  Wasserstein  CNR in IQR  edge in IQR  s/study")
    for kind in ("real", "repainted", "authored"):
        some = [scar for scar in scars if scar.kind == kind]
        inside = {
            name: np.mean([low <= getattr(scar, name) <= high for scar in some])
            for name, (low, high) in quartiles.items()
        }
        level = np.median([np.median(scar.units) for scar in some])
        cnr, ratio, blood, edge, seconds = (
            np.median([getattr(scar, name) for scar in some])
            for name in ("cnr", "ratio", "blood", "edge", "seconds")
        )
        distance = stats.wasserstein_distance(pooled(real), pooled(some))
        print(
            f"{kind:10} {len(some):2} {level:9.2f} {cnr:5.2f} {ratio:6.2f} {blood:6.2f} {edge:5.2f} "
            f"{distance:12.2f} {inside['cnr']:11.0%} {inside['edge']:12.0%} {seconds:8.2f}"
        )


def draw_distributions(scars: list[Scar], path: Path) -> None:
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {"real": "black", "repainted": "tab:blue", "authored": "tab:red"}
    for kind, colour in colours.items():
        some = [scar for scar in scars if scar.kind == kind]
        left.hist(
            pooled(some), np.linspace(-4, 16, 60), density=True, histtype="step", color=colour, label=kind
        )
    left.set(xlabel="grey level of scar (SDs of remote myocardium)", ylabel="density")
    left.legend()
    real = {s.case: s for s in scars if s.kind == "real"}
    pairs = [(real[s.case].cnr, s.cnr) for s in scars if s.kind == "repainted"]
    right.scatter(*zip(*pairs, strict=True), color="tab:blue")
    right.axline((4, 4), slope=1, color="grey", lw=0.8)
    right.set(xlabel="CNR of the patient's own scar", ylabel="CNR of the scar repainted in its place")
    figure.savefig(path, dpi=110)


def draw_six(scars: list[Scar], path: Path) -> None:
    """Six authored scars: original, mask, synthetic image and difference in the slice with most scar."""
    some = [scar for scar in scars if scar.kind == "authored"][:6]
    figure = Figure(figsize=(2.2 * len(some), 9), layout="constrained")
    rows = figure.subplots(4, len(some))
    for column, scar in enumerate(some):
        inside = scar.labels == Label.INFARCT
        z = int(inside.sum((1, 2)).argmax())
        _, y, x = np.nonzero(np.isin(scar.labels, (2, 3, 4)))
        box = np.s_[z, max(y.min() - 18, 0) : y.max() + 18, max(x.min() - 18, 0) : x.max() + 18]
        low, high = np.quantile(scar.study.image[box], (0.01, 0.995))
        difference = scar.image.astype(float) - scar.study.image
        limit = np.abs(difference).max()
        for axes, picture in zip(
            rows[:, column], (scar.study.image, scar.study.image, scar.image), strict=False
        ):
            axes.imshow(picture[box], cmap="gray", vmin=low, vmax=high)
        for label, colour in ((Label.INFARCT, "red"), (Label.MVO, "yellow")):
            if (scar.labels[box] == label).any():
                rows[1, column].contour(scar.labels[box] == label, [0.5], colors=colour, linewidths=0.8)
        rows[3, column].imshow(difference[box], cmap="RdBu_r", vmin=-limit, vmax=limit)
        rows[0, column].set_title(scar.case, fontsize=9)
        for axes in rows[:, column]:
            axes.set_axis_off()
    for row, name in enumerate(("original", "mask", "SYNTHETIC", "difference")):
        rows[row, 0].text(
            -0.08, 0.5, name, transform=rows[row, 0].transAxes, rotation=90, va="center", ha="right"
        )
    figure.savefig(path, dpi=90)


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
    scars = collect(options.data, options.model)
    rows = [scar.row() for scar in scars]
    with (options.out / "realism.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print_table(scars)
    draw_distributions(scars, options.out / "realism.png")
    draw_six(scars, options.out / "six_results.png")


if __name__ == "__main__":
    main()
