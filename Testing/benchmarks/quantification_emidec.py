"""Measured volumes against EMIDEC's table, and thresholds against the expert contours.

Run as ``python Testing/benchmarks/quantification_emidec.py FOLDER`` with the folder that holds the studies
``Case_*`` and ``volumes.csv``. Prints concordance and limits of agreement of each volume, and the Dice of
n-SD, FWHM (FWHM+: above the remote level) and Otsu for infarct (labels 3 and 4) over the patients with
infarct, each with a 95 % interval.
Slice distances in the rebuilt studies are a nominal 10 mm, so volumes in ml carry that error.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from claimslicer.anatomy import build_frame
from claimslicer.errors import ClaimError
from claimslicer.labels import infarct_mask, myocardium_mask
from claimslicer.quantification import (
    bland_altman,
    bootstrap_interval,
    concordance,
    fwhm,
    n_sd,
    otsu,
    quantify,
    remote_region,
)
from claimslicer.studies import Study, read_study

VOLUMES = {"myo": "myocardium_ml", "inf": "infarct_ml", "pmo": "mvo_ml"}


def threshold_dice(study: Study) -> dict[str, float]:
    """Dice of each threshold's infarct with the expert's."""
    truth, wall = infarct_mask(study.labels), myocardium_mask(study.labels)
    frame = build_frame(study.labels, study.geometry, image=study.image)
    remote = remote_region(study.image, frame)
    found = {f"{n} SD": n_sd(study.image, wall, remote, n).mask for n in (2, 3, 4, 5, 6)}
    found["FWHM"] = fwhm(study.image, wall, remote).mask
    level = float(study.image[remote].mean())
    found["FWHM+"] = fwhm(study.image, wall, remote, baseline=level).mask
    found["Otsu"] = otsu(study.image, wall).mask
    return {name: 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) for name, mask in found.items()}


def main() -> None:
    """Read every study once and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with (folder / "volumes.csv").open(encoding="utf-8", newline="") as stream:
        published = {int(row["case"]): row for row in csv.DictReader(stream)}

    measured: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    dice: dict[str, list[float]] = {}
    for path in sorted(folder.glob("Case_*")):
        study = read_study(path)
        totals = quantify(study.labels, study.geometry).totals()
        row = published[int(path.name[-3:])]
        measured.append(totals | {"share": totals["infarct_percent"]})
        theirs.append(
            {VOLUMES[name]: float(row[name]) for name in VOLUMES}
            | {"share": 100 * float(row["inf"]) / float(row["myo"])}
        )
        if totals["infarct_ml"] > 0:
            try:
                for name, value in threshold_dice(study).items():
                    dice.setdefault(name, []).append(value)
            except ClaimError as error:
                print(f"{path.name}: {error}")

    print(f"{len(measured)} studies    CCC    correlation    bias [95 % limits]")
    for name in (*VOLUMES.values(), "share"):
        a, b = [m[name] for m in measured], [t[name] for t in theirs]
        limits = bland_altman(a, b)
        print(
            f"{name:15} {concordance(a, b):7.3f} {np.corrcoef(a, b)[0, 1]:10.3f}    "
            f"{limits.bias:+.2f} [{limits.lower:+.2f}, {limits.upper:+.2f}]"
        )
    print("\nthreshold   Dice of infarct [95 % interval]   patients")
    for name, values in dice.items():
        interval = bootstrap_interval(values, np.random.default_rng(0))
        print(
            f"{name:9} {interval.estimate:6.3f} [{interval.low:.3f}, {interval.high:.3f}] {interval.count:8d}"
        )


if __name__ == "__main__":
    main()
