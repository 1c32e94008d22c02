"""Scars that a generator has hardly seen: are they plausible?

    python Testing/benchmarks/synthesis_extremes.py --out FOLDER [--data EMIDEC] [--model M] [--band MM]

A scar in the thin apical wall, one through the whole wall, one of three voxels, one in every segment, a new
scar in a heart that is full of scar, and that heart's whole infarct painted anew. Prints each scar's
measures, and writes extremes.png to be looked at: original, mask, synthetic and difference in the slice with
most scar. Without ``--data``, phantoms.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from claimslicer.anatomy import build_frame
from claimslicer.evaluation.measures import measure_scar
from claimslicer.figures import style
from claimslicer.labels import (
    Label,
    ScarLabel,
    infarct_mask,
    labels_with_scar,
    myocardium_mask,
    scar_of_labels,
)
from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.studies import Study, read_study
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.synthesis import synthesize
from claimslicer.training.data.splits import EMIDEC_VALIDATION


@dataclass(frozen=True)
class Extreme:
    """A study and the scar to be painted into it."""

    name: str
    study: Study
    scar: np.ndarray


def hearts(data: Path | None) -> tuple[Study, Study]:
    """Return a heart without infarct and the one with the largest share of infarct in its wall."""
    if data is None:
        full = PhantomSettings(seed=2, scar=PhantomScar(volume_ml=45.0))
        return make_phantom(PhantomSettings(seed=1, scar=None)).study, make_phantom(full).study
    studies = [read_study(data / case) for case in sorted(EMIDEC_VALIDATION)]
    shares = [infarct_mask(s.labels).sum() / myocardium_mask(s.labels).sum() for s in studies]
    return studies[0], studies[int(np.argmax(shares))]


def extremes(healthy: Study, full: Study) -> list[Extreme]:
    """Make the masks."""
    frame = build_frame(healthy.labels, healthy.geometry, image=healthy.image)
    wall = myocardium_mask(healthy.labels)
    apical = ScarSpec(segments=(13, 14), percent=60.0, seed=1)
    whole = ScarSpec(segments=(7, 8, 12), percent=95.0, border_zone_mm=0.0, seed=1)
    everywhere = ScarSpec(segments=tuple(frame.segment_ml()), percent=35.0, seed=1)
    three = np.zeros(wall.shape, np.uint8)
    z = len(three) // 2
    row, column = np.argwhere(wall[z])[len(np.argwhere(wall[z])) // 3]
    line = np.flatnonzero(wall[z, row] & (np.abs(np.arange(wall.shape[2]) - column) < 4))[:3]
    three[z, row, line] = ScarLabel.SCAR
    full_frame = build_frame(full.labels, full.geometry, image=full.image)
    half = ScarSpec(segments=tuple(full_frame.segment_ml()), percent=50.0, seed=1)
    more = generate_scar(half, full_frame, scar_of_labels(full.labels))
    return [
        Extreme("thin apical wall", healthy, generate_scar(apical, frame).labels),
        Extreme("full wall", healthy, generate_scar(whole, frame).labels),
        Extreme("three voxels", healthy, three),
        Extreme("every segment", healthy, generate_scar(everywhere, frame).labels),
        Extreme("more in a full heart", full, more.labels * more.added),
        Extreme("full heart painted anew", full, scar_of_labels(full.labels)),
    ]


def painted(extreme: Extreme, model: str | None, band_mm: float) -> np.ndarray:
    """Paint, and print what came out."""
    study, scar = extreme.study, extreme.scar
    anew = extreme.name.endswith("anew")
    result = synthesize(
        study, study.labels, scar, seed=1, model=model, band_mm=band_mm, repaint_existing=anew
    )
    old = study.labels if not anew else np.where(infarct_mask(study.labels), Label.MYOCARDIUM, study.labels)
    labels = labels_with_scar(old, np.maximum(scar, 0 if anew else scar_of_labels(study.labels)))
    pixel = (study.geometry.spacing[1], study.geometry.spacing[0])
    measures, _ = measure_scar(result.image, labels, pixel)
    ml = float((scar > 0).sum()) * study.geometry.voxel_volume_ml
    print(
        f"{extreme.name:25} {study.name:10} {ml:6.1f} ml  CNR {measures.cnr:5.2f}  "
        f"spread {measures.spread:4.2f}  edge {measures.edge:5.2f}  grain {measures.texture_mm:4.1f} mm"
    )
    return result.image


def draw(extremes: list[Extreme], images: list[np.ndarray], path: Path) -> None:
    """Draw original, mask, synthetic and difference of each."""
    rows = ("Original", "Mask", "Synthetic", "Difference")
    figure = style.new_figure(2.1 * len(extremes), 9.2, synthetic=True)
    style.heading(figure, "Scars of unusual extent", "The slice with most scar")
    panels = figure.subplots(
        len(rows),
        len(extremes),
        squeeze=False,
        gridspec_kw={"top": 0.9, "bottom": 0.01, "left": 0.03, "right": 0.99, "wspace": 0.03, "hspace": 0.03},
    )
    for column, (extreme, image) in enumerate(zip(extremes, images, strict=True)):
        study, scar = extreme.study, extreme.scar
        z = int((scar > 0).sum((1, 2)).argmax())
        _, y, x = np.nonzero(myocardium_mask(study.labels))
        box = np.s_[z, max(y.min() - 12, 0) : y.max() + 12, max(x.min() - 12, 0) : x.max() + 12]
        low, high = np.quantile(study.image[box], (0.01, 0.995))
        difference = image.astype(float) - study.image
        limit = max(float(np.abs(difference).max()), 1e-6)
        for row, picture in enumerate((study.image, study.image, image)):
            panels[row, column].imshow(picture[box], cmap="gray", vmin=low, vmax=high)
        panels[3, column].imshow(difference[box], cmap=style.DIFFERENCE_MAP, vmin=-limit, vmax=limit)
        for value, colour in ((ScarLabel.SCAR, style.INFARCT), (ScarLabel.MVO, style.MVO)):
            if (scar[box] == value).any():
                panels[1, column].contour(scar[box] == value, [0.5], colors=[colour], linewidths=1.0)
        panels[0, column].set_title(extreme.name, fontsize=9, pad=3)
        for row, name in enumerate(rows):
            style.bare(panels[row, column])
            if column == 0:
                panels[row, 0].set_ylabel(name, fontsize=9)
    style.save_png(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--band", type=float, default=4.0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cases = extremes(*hearts(options.data))
    images = [painted(case, options.model, options.band) for case in cases]
    draw(cases, images, options.out / "extremes.png")


if __name__ == "__main__":
    main()
