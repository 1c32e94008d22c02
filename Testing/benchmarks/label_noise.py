"""What wrong scar borders in the training labels cost the segmenter, with and without the KL loss.

    python Testing/benchmarks/label_noise.py --out FOLDER [--data EMIDEC | --phantoms 8] [--steps 3600]
        [--studies N] [--seeds 3] [--noises clean eroded dilated jittered] [--losses plain kl]

The infarct of every training study is eroded, dilated or jittered (moved in its plane, each slice for itself)
and stays inside the wall; validation labels are clean. Each noise is trained with and without KL, all else
alike, several seeds at the same steps. Without KL: 0.6 Dice + 0.4 cross-entropy. With: half of the
cross-entropy's weight is given to KL, which is the published mixture. Borders move by whole pixels of
1.25–2 mm; 2 mm leave the eroded infarcts of EMIDEC 44 % of their volume and the dilated ones 134 %.

Every training goes on from its checkpoint when the command is given again, and what has finished isn't done
again: more seeds, noises or losses may be asked for later. Writes label_noise.csv (Dice of each patient) and
label_noise.md (the table, also of the share of the clean labels' Dice that is kept), renewed after each
training.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from claimslicer.events import SILENT, JsonEvents
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.outputs import write_text
from claimslicer.quantification import bootstrap_interval, dice
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import CachedStudy, Cohort, read_case_folders
from claimslicer.training.engine.loop import train
from claimslicer.training.settings.config import SegmentationConfig
from claimslicer.training.trainers.segmentation import SegmentationTrainer
from scipy import ndimage

LOSSES: dict[str, dict[str, float]] = {
    "plain": {"dice_weight": 0.6, "cross_entropy_weight": 0.4},
    "kl": {"dice_weight": 0.6, "cross_entropy_weight": 0.2, "kl_weight": 0.2, "kl_sigma": 1.0},
}
TITLES = {"plain": "without KL", "kl": "with KL"}
Row = dict[str, str | float]
Change = Callable[[np.ndarray, np.ndarray, tuple[float, float], float, np.random.Generator], np.ndarray]


def eroded(
    infarct: np.ndarray, wall: np.ndarray, spacing: tuple[float, float], mm: float, _: np.random.Generator
) -> np.ndarray:
    """Take ``mm`` off every border of one slice's infarct."""
    return ndimage.distance_transform_edt(infarct, sampling=spacing) > mm


def dilated(
    infarct: np.ndarray, wall: np.ndarray, spacing: tuple[float, float], mm: float, _: np.random.Generator
) -> np.ndarray:
    """Add ``mm`` to every border of one slice's infarct, within the wall."""
    if not infarct.any():
        return infarct
    return wall & (ndimage.distance_transform_edt(~infarct, sampling=spacing) <= mm)


def jittered(
    infarct: np.ndarray, wall: np.ndarray, spacing: tuple[float, float], mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Move one slice's infarct by a normal draw of SD ``mm`` on each axis, and keep it within the wall."""
    shift = rng.normal(0, mm, 2) / spacing
    return wall & (ndimage.shift(infarct.astype(float), shift, order=1) > 0.5)


NOISES: dict[str, Change | None] = {"clean": None, "eroded": eroded, "dilated": dilated, "jittered": jittered}


def with_noise(study: CachedStudy, noise: str, mm: float, rng: np.random.Generator) -> CachedStudy:
    """Return ``study`` with another infarct in its labels; MVO stays where infarct stays."""
    change = NOISES[noise]
    if change is None:
        return study
    labels = study.labels.copy()
    for plane, before in zip(labels, study.labels, strict=True):
        wall = myocardium_mask(before)
        infarct = change(infarct_mask(before), wall, study.spacing_zyx[1:], mm, rng)
        plane[wall] = Label.MYOCARDIUM
        plane[infarct] = Label.INFARCT
        plane[infarct & (before == Label.MVO)] = Label.MVO
    return dataclasses.replace(study, labels=labels)


def noisy_cohort(cohort: Cohort, noise: str, mm: float, seed: int) -> Cohort:
    """Return ``cohort`` with noise in the training studies' labels."""
    return Cohort(
        tuple(
            with_noise(study, noise, mm, np.random.default_rng([seed, number]))
            if study.part == "training"
            else study
            for number, study in enumerate(cohort.studies)
        )
    )


def fewer(cohort: Cohort, count: int) -> Cohort:
    """Return ``cohort`` with so many training studies, evenly from the list; 0 leaves all."""
    training = cohort.part("training")
    if not 0 < count < len(training):
        return cohort
    kept = {training[number * len(training) // count].name for number in range(count)}
    return Cohort(tuple(study for study in cohort.studies if study.part != "training" or study.name in kept))


def phantoms(count: int) -> Cohort:
    """Return a cohort of phantoms, one in four held back."""
    studies = []
    for seed in range(count):
        study = make_phantom(PhantomSettings(seed=seed, n_slices=5, scar=PhantomScar())).study
        labels = np.where(study.labels == Label.RIGHT_VENTRICLE, 0, study.labels).astype(np.uint8)
        part = "validation" if seed % 4 == 3 else "training"
        studies.append(CachedStudy(f"phantom {seed}", part, study.image, labels, study.geometry.spacing_zyx))
    return Cohort(tuple(studies))


def one_training(
    cohort: Cohort, out: Path, noise: str, loss: str, seed: int, options: argparse.Namespace
) -> dict[str, float]:
    """Train, or take what was trained before, and return each validation patient's infarct Dice."""
    folder = out / f"{noise}-{loss}-{seed}"
    result = folder / "result.json"
    config = SegmentationConfig(
        cache=out / "none.npz",
        out=folder,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=seed,
        weight_decay=0.05,
        class_weights=(0.5, 1.0, 1.0, 1.5, 2.0),
        augmentation=options.augmentation,
        device=options.device,
        threads=options.threads,
        warmup_steps=min(100, options.steps // 4),
        validate_every=options.steps + 1,
        checkpoint_every=min(200, options.steps),
        **LOSSES[loss],
    )
    fingerprint = f"{config.fingerprint()} {options.noise_mm} {len(cohort.studies)}"
    if result.exists():
        known = json.loads(result.read_text(encoding="utf-8"))
        if known["settings"] == fingerprint:
            return known["infarct"]
        sys.exit(f"'{folder}' was made with other settings; give another --out.")
    trainer = SegmentationTrainer(config, noisy_cohort(cohort, noise, options.noise_mm, seed))
    begun, start = any(folder.glob("checkpoint*")), time.process_time()
    average = train(trainer, resume=True, events=JsonEvents(sys.stderr) if options.verbose else SILENT)
    if not begun:
        print(f"{(time.process_time() - start) / options.steps:.2f} s of processor time a step", flush=True)
    scores = trainer.scores(average)
    infarct = {name: own["infarct"] for name, own in scores.items() if "infarct" in own}
    write_text(result, json.dumps({"settings": fingerprint, "infarct": infarct}, indent=1))
    (folder / "checkpoint.safetensors").unlink()
    return infarct


def strength(cohort: Cohort, noise: str, mm: float) -> tuple[float, float]:
    """Return the mean Dice of the noisy infarct against the clean one, and of volume kept, over patients."""
    overlap, kept = [], []
    pairs = zip(noisy_cohort(cohort, noise, mm, 0).studies, cohort.studies, strict=True)
    for noisy, clean in pairs:
        if clean.part == "training" and clean.has_infarct:
            a, b = infarct_mask(noisy.labels), infarct_mask(clean.labels)
            overlap.append(dice(a, b))
            kept.append(a.sum() / b.sum())
    return float(np.mean(overlap)), float(np.mean(kept))


def tables(rows: list[Row], cohort: Cohort, options: argparse.Namespace) -> str:
    """Return the markdown table; intervals are 95 % bootstrap intervals over patients, seeds averaged.

    A row waits for all its losses and seeds.
    """
    by_training: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        patients = by_training.setdefault((str(row["noise"]), str(row["loss"])), {})
        patients.setdefault(str(row["patient"]), []).append(float(row["infarct"]))
    found = {key: np.array(list(patients.values())) for key, patients in by_training.items()}
    found = {key: values for key, values in found.items() if values.shape[1] == options.seeds}
    losses, titles = options.losses, [TITLES[loss] for loss in options.losses]
    both = len(losses) == len(LOSSES)
    head = ["training labels", "their Dice (volume)", *titles, *["gain of KL"] * both]
    head += [f"÷ clean, {title}" for title in titles] + ["SD of seeds"]
    text = [
        f"Infarct Dice (3 ∪ 4) on clean labels, {options.steps} steps of {options.batch_size}, "
        f"{options.seeds} seeds, noise of {options.noise_mm} mm, {len(cohort.part('training'))} studies.",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
    ]
    for noise in options.noises:
        if any((noise, loss) not in found for loss in losses):
            continue
        values = [found[noise, loss] for loss in losses]
        overlap, kept = strength(cohort, noise, options.noise_mm)
        cells = [noise, f"{overlap:.2f} ({kept:.2f})", *(_cell(own.mean(1)) for own in values)]
        if both:
            cells.append(_cell((found[noise, "kl"] - found[noise, "plain"]).mean(1), "+"))
        for loss, own in zip(losses, values, strict=True):
            clean = found.get(("clean", loss))
            cells.append("" if clean is None else f"{own.mean() / clean.mean():.3f}")
        spread = [own.mean(0).std(ddof=1) for own in values] if options.seeds > 1 else [np.nan]
        text.append(f"| {' | '.join([*cells, f'{max(spread):.3f}'])} |")
    return "\n".join(text) + "\n"


def _cell(values: np.ndarray, sign: str = "") -> str:
    interval = bootstrap_interval(values, np.random.default_rng(0))
    numbers = (f"{number:{sign}.3f}" for number in (interval.estimate, interval.low, interval.high))
    return "{} ({} to {})".format(*numbers)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    repository = Path(__file__).resolve().parents[2]
    parser.add_argument("--data", type=Path, default=repository.parent / "shared" / "data" / "emidec")
    parser.add_argument("--phantoms", type=int, default=0, help="so many phantoms in place of the data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--studies", type=int, default=0, help="so many training studies; 0: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=list(NOISES))
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--noise-mm", type=float, default=2.0)
    parser.add_argument("--augmentation", choices=("standard", "wide"), default="standard")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="training's events to stderr")
    return parser.parse_args()


def write_rows(file: Path, rows: list[Row]) -> None:
    """Write the rows as a table, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())


def main() -> None:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    whole = phantoms(options.phantoms) if options.phantoms else Cohort(tuple(read_case_folders(options.data)))
    cohort = fewer(whole, options.studies)
    if sum(study.has_infarct for study in cohort.part("validation")) < 2:
        sys.exit("Intervals need two validation patients with an infarct: give 8 phantoms, or more data.")
    rows: list[Row] = []
    for seed in range(options.seeds):  # whole seeds come out early
        for noise, loss in itertools.product(options.noises, options.losses):
            infarct = one_training(cohort, options.out, noise, loss, seed, options)
            one = {"noise": noise, "loss": loss, "seed": seed}
            rows += [
                {**one, "patient": patient, "infarct": round(value, 4)} for patient, value in infarct.items()
            ]
            print(f"{noise}, {TITLES[loss]}, seed {seed}: {np.mean(list(infarct.values())):.3f}", flush=True)
            write_rows(options.out / "label_noise.csv", rows)
            write_text(options.out / "label_noise.md", tables(rows, cohort, options))
    print((options.out / "label_noise.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
