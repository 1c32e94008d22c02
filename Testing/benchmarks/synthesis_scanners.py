"""Is a scar as good in a study of another scanner? The same hearts, made to look as if from others.

    python Testing/benchmarks/synthesis_scanners.py [--data EMIDEC] [--model M] [--band MM]

Hearts that the generator was not trained on get one random scar each, in the study as it is and in copies:
other pixel sizes, grey-level scales and curves, finer noise, slices from the base. Every copy has its own
frame and mask from the same specification and seed. *Paired* is the mean absolute difference to the same
heart's own scar. Without ``--data``, phantoms. Prints the table.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from claimslicer.anatomy import build_frame
from claimslicer.evaluation.measures import measure_scar
from claimslicer.labels import infarct_mask, labels_with_scar
from claimslicer.smile import generate_scar, random_spec
from claimslicer.studies import Study, read_study
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.phantom import make_phantom, phantom_cohort
from claimslicer.studies.study import FIRST_SLICE
from claimslicer.synthesis import synthesize
from claimslicer.training.data.splits import EMIDEC_VALIDATION

SHOWN = ("cnr", "spread", "edge", "texture_mm", "slice_mean")


def with_pixels(study: Study, mm: float) -> Study:
    """Resample in plane to ``mm``: the image by B-splines, the labels to the nearest voxel."""
    image = study.geometry.to_sitk(study.image.astype(np.float32))
    spacing = (mm, mm, image.GetSpacing()[2])
    size = [
        round(n * old / new) for n, old, new in zip(image.GetSize(), image.GetSpacing(), spacing, strict=True)
    ]
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(image)
    resampler.SetOutputSpacing(spacing)
    resampler.SetSize(size)
    resampler.SetInterpolator(sitk.sitkBSpline)
    pixels = resampler.Execute(image)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    labels = sitk.GetArrayFromImage(resampler.Execute(study.geometry.to_sitk(study.labels)))
    array = np.maximum(sitk.GetArrayFromImage(pixels), 0)
    return dataclasses.replace(study, image=array, labels=labels, geometry=Geometry.of_sitk(pixels))


def with_grey_levels(study: Study, curve: Callable[[np.ndarray], np.ndarray]) -> Study:
    """Put the grey levels, as shares of the largest, through ``curve``."""
    top = float(study.image.max())
    return dataclasses.replace(study, image=curve(study.image / top).astype(np.float32))


def from_the_base(study: Study) -> Study:
    """Turn the order of the slices round, in the array alone: the heart is mirrored in space as well."""
    first = "base" if study.apex_first else "apex"
    flipped = {"image": study.image[::-1].copy(), "labels": study.labels[::-1].copy()}
    return dataclasses.replace(study, **flipped, metadata={**study.metadata, FIRST_SLICE: first})


def noisier(study: Study) -> Study:
    """Add white noise of half the remote myocardium's SD."""
    from claimslicer.synthesis.normalisation import remote_scale

    sd = 0.5 * remote_scale(study.image, study.labels).sd
    noise = np.random.default_rng(0).normal(0, sd, study.image.shape)
    return dataclasses.replace(study, image=np.maximum(study.image + noise, 0).astype(np.float32))


SCANNERS: dict[str, Callable[[Study], Study]] = {
    "as it is": lambda study: study,
    "0.7 mm": lambda study: with_pixels(study, 0.7),
    "1.0 mm": lambda study: with_pixels(study, 1.0),
    "2.0 mm": lambda study: with_pixels(study, 2.0),
    "12 bit": lambda study: with_grey_levels(study, lambda x: 4000 * x + 90),
    "gamma 0.7": lambda study: with_grey_levels(study, lambda x: 255 * x**0.7),
    "gamma 1.4": lambda study: with_grey_levels(study, lambda x: 255 * x**1.4),
    "more noise": noisier,
    "from the base": from_the_base,
}


def hearts(data: Path | None) -> list[Study]:
    """Return validation hearts without infarct, or four phantoms."""
    if data is None:
        return [make_phantom(settings).study for settings in phantom_cohort(4, seed=1, scar_share=0.0)]
    studies = [read_study(data / case) for case in sorted(EMIDEC_VALIDATION)]
    return [study for study in studies if not infarct_mask(study.labels).any()]


def measured(study: Study, seed: int, model: str | None, band_mm: float) -> dict[str, float]:
    """Author one random scar and measure it."""
    frame = build_frame(study.labels, study.geometry, image=study.image, apex_first=study.apex_first)
    mask = generate_scar(random_spec(frame, np.random.default_rng(seed)), frame)
    result = synthesize(study, study.labels, mask.labels, seed=seed, model=model, band_mm=band_mm)
    pixel = (study.geometry.spacing[1], study.geometry.spacing[0])
    measures, _ = measure_scar(result.image, labels_with_scar(study.labels, mask.labels), pixel)
    return {name: getattr(measures, name) for name in SHOWN}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--band", type=float, default=4.0)
    options = parser.parse_args()
    studies = hearts(options.data)
    print(f"{len(studies)} hearts, medians; in brackets paired with the study as it is")
    print(f"{'scanner':14}" + "".join(f"{name:>18}" for name in SHOWN))
    own: list[dict[str, float]] = []
    for name, change in SCANNERS.items():
        rows = [
            measured(change(study), seed, options.model, options.band) for seed, study in enumerate(studies)
        ]
        own = own or rows
        cells = []
        for key in SHOWN:
            off = np.nanmean([abs(row[key] - mine[key]) for row, mine in zip(rows, own, strict=True)])
            cells.append(f"{np.nanmedian([row[key] for row in rows]):.2f} ({off:.2f})")
        print(f"{name:14}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
