"""Every signal method against the readers' infarct on EMIDEC, and on phantoms of known contrast.

Run as ``python Testing/benchmarks/quantification_methods.py FOLDER`` with the studies ``Case_*``.
Within the readers' walls, on the patients with infarct (labels 3 and 4): Dice with its 95 % interval over
patients, bias and limits of the volume in ml and in % of LV mass, and CCC. The remote region is found without
the readers' infarct. Then the error of each method's volume on a two-class phantom at CNR 3, 5 and 8, and
the seconds that all of a report's numbers take.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from claimslicer.anatomy import build_frame
from claimslicer.errors import ClaimError
from claimslicer.labels import Label, infarct_mask
from claimslicer.quantification import bland_altman, bootstrap_interval, concordance, dice
from claimslicer.quantification.image_kind import image_levels
from claimslicer.quantification.methods import METHODS, MethodSettings, find_infarct
from claimslicer.quantification.report_numbers import report_numbers
from claimslicer.studies import read_study


def table(rows: list[tuple[dict[str, tuple[float, float]], float, float]]) -> None:
    """Print a line a method; a row holds (Dice, ml) by method, the readers' ml, the wall's."""
    truth = np.array([row[1] for row in rows])
    wall = np.array([row[2] for row in rows])
    print(
        f"{len(rows)} patients\n{'method':16} Dice [95 %]            bias ml [limits]          % LV     CCC"
    )
    for name in METHODS:
        found = [(row[0].get(name, (np.nan, np.nan))) for row in rows]
        overlap, ml = np.array(found).T
        known = ~np.isnan(ml)
        interval = bootstrap_interval(overlap[known], np.random.default_rng(0))
        limits = bland_altman(ml[known], truth[known])
        per_wall = 100 / wall[known]
        share = bland_altman(ml[known] * per_wall, truth[known] * per_wall)
        print(
            f"{name:16} {interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]  "
            f"{limits.bias:+6.1f} [{limits.lower:+6.1f}, {limits.upper:+6.1f}]  {share.bias:+5.1f} "
            f"[{share.lower:+5.1f}, {share.upper:+5.1f}]  {concordance(ml[known], truth[known]):.2f}"
        )


def studies(folder: Path, per_slice: bool) -> None:
    """Measure every patient with infarct."""
    rows, seconds = [], []
    for path in sorted(folder.glob("Case_P*")):
        study = read_study(path)
        assert study.labels is not None
        truth = infarct_mask(study.labels)
        if not truth.any():
            continue
        frame = build_frame(study.labels, study.geometry, image=study.image)
        levels = image_levels(study.image)
        try:
            found = find_infarct(study.image, frame, levels, MethodSettings(per_slice=per_slice))
        except ClaimError as error:
            print(f"{path.name}: {error}")
            continue
        ml = study.geometry.voxel_volume_ml
        measured = {k: (dice(r.mask, truth), r.voxels * ml) for k, r in found.items() if not r.problem}
        rows.append((measured, truth.sum() * ml, frame.myocardium.sum() * ml))
        if not per_slice:
            begin = time.perf_counter()
            report_numbers(study.image, study.labels, frame)
            seconds.append(time.perf_counter() - begin)
    print("\nThreshold per slice:" if per_slice else "Threshold per study:")
    table(rows)
    if seconds:
        print(f"all methods and numbers: median {np.median(seconds):.2f} s, slowest {max(seconds):.2f} s")


def phantoms() -> None:
    """Print each method's error of volume in % at CNR 3, 5 and 8; muscle is nulled, noise of 1 SD."""
    ring = np.hypot(*(np.indices((64, 64)) - 32.0)) * 1.4
    labels = np.repeat(np.where(ring < 20, 1, np.where(ring < 32, 2, 0))[None], 9, 0).astype(np.uint8)
    labels[0] = np.where(ring < 22, 2, 0)
    from claimslicer.anatomy import Insertions
    from claimslicer.studies import Geometry

    geometry = Geometry(labels.shape, (1.4, 1.4, 8.0))
    points = Insertions((22.4, 11.2, 32.0), (22.4, 78.4, 32.0))
    frame = build_frame(labels, geometry, insertions=points, apex_first=True)
    band = np.abs((frame.circumferential - 300.0 + 180) % 360 - 180) < 50
    band[[0, 1, 7, 8]] = False
    labels[band & (frame.transmural <= 0.7)] = Label.INFARCT
    truth = labels == Label.INFARCT
    errors: dict[str, list[float]] = {name: [] for name in METHODS}
    print(f"\n{'error of volume':16} CNR 3   CNR 5   CNR 8")
    for cnr in (3, 5, 8):
        each: dict[str, list[float]] = {name: [] for name in METHODS}
        for seed in range(5):
            rng = np.random.default_rng(seed)
            image = np.where(truth, cnr * 10.0, np.where(labels == 1, 90.0, 0.0)) + 30.0
            image = np.where(labels > 0, image + rng.normal(0, 10, image.shape), 0.0)
            levels = image_levels(np.abs(image), "magnitude")
            for name, result in find_infarct(image, frame, levels).items():
                each[name].append(100 * (result.voxels - truth.sum()) / truth.sum())
        for name, values in each.items():
            errors[name].append(float(np.mean(values)))
    for name, values in errors.items():
        print(f"{name:16}" + "".join(f"{value:+7.0f} %" for value in values))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    studies(folder, False)
    studies(folder, True)
    phantoms()


if __name__ == "__main__":
    main()
