"""Random scar masks against real ones: SMILE's draw and the CLAIM paper's recipe, in a table and a figure.

    python Testing/benchmarks/smile_vs_real.py --out /tmp/smile [--data ../shared/data/emidec] [--draws 3]

Each patient's infarct is compared with scars drawn for the same ventricle, the real infarct taken away.
Writes smile_vs_real.csv (one row a mask), smile_vs_real.md (the table), smile_vs_real.png and
smile_examples.png.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.anatomy.aha import TERRITORIES
from claimslicer.errors import ClaimError
from claimslicer.labels import infarct_mask, labels_with_scar, scar_of_labels
from claimslicer.quantification import quantify, wall_chords
from claimslicer.smile import ScarSpec, generate_scar, paper_spec, random_spec
from claimslicer.studies import Study, read_study
from scipy import ndimage, stats

TOUCHED = 0.05
"""A segment is touched when so much of its wall is infarct."""
SOURCES = {"real": "black", "SMILE": "tab:red", "paper's recipe": "tab:blue"}
Draw = Callable[[LVFrame, np.random.Generator], ScarSpec]


@dataclass(frozen=True)
class Measures:
    """What one mask is compared by; each is a panel of the figure."""

    volume_ml: float
    percent_of_lv: float
    segments_touched: float
    fill_of_touched: float
    transmurality: float
    deepest_chords: float
    share_of_circumference: float
    share_of_slices: float
    components: float
    mvo_percent: float
    main_territory: float


def measure(labels: np.ndarray, frame: LVFrame) -> Measures:
    """Measure the infarct of ``labels`` (z, y, x), MVO included; transmurality over chords that hold any."""
    infarct = infarct_mask(labels)
    numbers = quantify(labels, frame.geometry, frame)
    touched = [s for s in numbers.segments if s.infarct_ml > TOUCHED * s.volume_ml]
    chords = wall_chords(infarct, frame)
    scarred = chords.transmurality[chords.transmurality > 0]
    slices = np.flatnonzero(frame.myocardium.any(axis=(1, 2)))
    _, components = ndimage.label(infarct, np.ones((3, 3, 3)))
    by_territory = [sum(numbers.segments[k - 1].infarct_ml for k in part) for part in TERRITORIES.values()]
    return Measures(
        volume_ml=numbers.infarct_ml,
        percent_of_lv=numbers.infarct_percent,
        segments_touched=len(touched),
        fill_of_touched=sum(s.infarct_ml for s in touched) / max(sum(s.volume_ml for s in touched), 1e-9),
        transmurality=float(scarred.mean()),
        deepest_chords=float(np.percentile(scarred, 90)),
        share_of_circumference=len(scarred) / len(chords.transmurality),
        share_of_slices=float(infarct[slices].any(axis=(1, 2)).mean()),
        components=components,
        mvo_percent=100 * numbers.mvo_ml / numbers.infarct_ml,
        main_territory=max(by_territory) / numbers.infarct_ml,
    )


def draw_masks(
    study: Study, frame: LVFrame, draw: Draw, count: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return ``count`` label maps of ``study`` whose scar is drawn instead of real."""
    return [
        labels_with_scar(study.labels, generate_scar(draw(frame, rng), frame).labels) for _ in range(count)
    ]


def collect(
    data: Path, draws: int
) -> tuple[dict[str, list[Measures]], list[tuple[Study, dict[str, np.ndarray]]]]:
    """Measure every patient's infarct and the drawn ones; keep one mask of each kind for the pictures."""
    measures: dict[str, list[Measures]] = {source: [] for source in SOURCES}
    pictures = []
    rng = np.random.default_rng(2026)
    for folder in sorted(data.glob("Case_P*")):
        study = read_study(folder)
        try:
            frame = build_frame(study.labels, study.geometry, image=study.image)
        except ClaimError as error:
            print(f"{study.name}: left out. {error}")
            continue
        masks = {
            "real": [study.labels],
            "SMILE": draw_masks(study, frame, random_spec, draws, rng),
            "paper's recipe": draw_masks(study, frame, paper_spec, draws, rng),
        }
        for source, label_maps in masks.items():
            measures[source] += [measure(labels, frame) for labels in label_maps]
        pictures.append((study, {source: label_maps[0] for source, label_maps in masks.items()}))
    return measures, pictures


def table(measures: dict[str, list[Measures]]) -> str:
    """Return the table: mean ± SD, quartiles, and the Kolmogorov–Smirnov distance to the real masks."""
    lines = [
        "| measure | " + " | ".join(SOURCES) + " | KS SMILE | KS paper's recipe |",
        "|---" * (len(SOURCES) + 3) + "|",
    ]
    for name in asdict(measures["real"][0]):
        values = {source: [getattr(m, name) for m in measures[source]] for source in SOURCES}
        cells = [_summary(np.array(v)) for v in values.values()]
        distances = [f"{stats.ks_2samp(values['real'], values[s]).statistic:.2f}" for s in list(SOURCES)[1:]]
        lines.append(f"| {name} | " + " | ".join(cells + distances) + " |")
    with_mvo = [f"{np.mean([m.mvo_percent > 0 for m in measures[s]]):.2f}" for s in SOURCES]
    lines.append("| share with MVO | " + " | ".join(with_mvo) + " | | |")
    counts = ", ".join(f"{len(measures[s])} {s}" for s in SOURCES)
    return (
        "\n".join([*lines, "", f"Masks: {counts}. Mean ± SD (lower quartile, median, upper quartile)."])
        + "\n"
    )


def _summary(values: np.ndarray) -> str:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{values.mean():.2f} ± {values.std():.2f} ({low:.2f}, {middle:.2f}, {high:.2f})"


def plot_distributions(measures: dict[str, list[Measures]], path: Path) -> None:
    """Draw the cumulative distribution of every measure."""
    names = list(asdict(measures["real"][0]))
    figure, axes = plt.subplots(3, 4, figsize=(15, 10))
    for axis, name in zip(axes.flat, names, strict=False):
        for source, colour in SOURCES.items():
            axis.ecdf([getattr(m, name) for m in measures[source]], color=colour, label=source)
        axis.set_title(name.replace("_", " "))
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_examples(pictures: list[tuple[Study, dict[str, np.ndarray]]], path: Path, cases: int = 4) -> None:
    """Draw the slices of a few patients with the contours of the real and the drawn scars."""
    chosen = pictures[:: max(len(pictures) // cases, 1)][:cases]
    columns = 8
    figure, axes = plt.subplots(3 * len(chosen), columns, figsize=(2 * columns, 6.4 * len(chosen)))
    for axis in axes.flat:
        axis.axis("off")
    for row, (study, masks) in enumerate(chosen):
        slices = np.flatnonzero((study.labels > 1).any(axis=(1, 2)))
        slices = slices[np.linspace(0, len(slices) - 1, min(columns, len(slices))).round().astype(int)]
        for line, (source, labels) in enumerate(masks.items()):
            axes[3 * row + line, 0].set_title(f"{study.name}: {source}", loc="left")
            for axis, z in zip(axes[3 * row + line], slices, strict=False):
                _plot_slice(axis, study, labels, int(z))
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def _plot_slice(axis: plt.Axes, study: Study, labels: np.ndarray, z: int) -> None:
    spacing_x, spacing_y, _ = study.geometry.spacing
    rows, columns = (np.flatnonzero((study.labels > 0).any(axis=a)) for a in ((0, 2), (0, 1)))
    window = np.s_[max(rows[0] - 8, 0) : rows[-1] + 9, max(columns[0] - 8, 0) : columns[-1] + 9]
    axis.imshow(study.image[z][window], cmap="gray", aspect=spacing_y / spacing_x)
    scar = scar_of_labels(labels)[z][window]
    outlines = ((labels[z][window] > 1, "lime", 0.6), (scar > 0, "red", 1.2), (scar == 2, "cyan", 1.0))
    for mask, colour, width in outlines:
        if mask.any():
            axis.contour(mask, [0.5], colors=colour, linewidths=width)


def main() -> None:
    """Run the comparison and write its files."""
    repository = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=repository.parent / "shared" / "data" / "emidec")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3, help="drawn masks per patient and source")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    measures, pictures = collect(arguments.data, arguments.draws)
    text = table(measures)
    print(text)
    (arguments.out / "smile_vs_real.md").write_text(text, encoding="utf-8")
    with (arguments.out / "smile_vs_real.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["source", *asdict(measures["real"][0])])
        writer.writerows([source, *asdict(m).values()] for source in SOURCES for m in measures[source])
    plot_distributions(measures, arguments.out / "smile_vs_real.png")
    plot_examples(pictures, arguments.out / "smile_examples.png")


if __name__ == "__main__":
    main()
