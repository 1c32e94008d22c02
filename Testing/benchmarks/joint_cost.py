"""What a joint training step costs, against a plain step of each network: FLOPs and processor time.

The target is three times the sum of both plain steps; the released schedule takes about 27 times.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from claimslicer.models.registry import resolve
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import CachedStudy, Cohort, read_cache
from claimslicer.training.settings.config import SegmentationConfig, SynthesisConfig
from claimslicer.training.settings.joint_config import JointConfig
from claimslicer.training.trainers.joint import JointTrainer
from claimslicer.training.trainers.segmentation import SegmentationTrainer
from claimslicer.training.trainers.synthesis import SynthesisTrainer
from torch.utils.flop_counter import FlopCounterMode

TARGET = 3.0
HEARTS = 6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="a training cache; default: phantoms of ten slices")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--steps", type=int, default=3, help="steps timed, after one that warms up")
    arguments = parser.parse_args()
    cohort = phantoms() if arguments.cache is None else few(read_cache(arguments.cache))
    with tempfile.TemporaryDirectory() as folder:
        steps = make_steps(cohort, Path(folder), arguments.batch)
        flops = {name: count_flops(step) for name, step in steps.items()}
        seconds = {name: cpu_seconds(step, arguments.steps) for name, step in steps.items()}
    print(
        f"Batches of {arguments.batch}, {torch.get_num_threads()} threads, medians of {arguments.steps} steps"
    )
    print(f"{'step':24}{'GFLOP':>10}{'CPU s':>10}")
    for name in steps:
        print(f"{name:24}{flops[name] / 1e9:10.1f}{seconds[name]:10.2f}")
    for what, found in (("FLOPs", flops), ("processor time", seconds)):
        ratio = found["joint"] / (found["diffusion alone"] + found["segmentation alone"])
        verdict = "reached" if ratio <= TARGET else "missed"
        print(f"{what}: joint step / sum of plain steps = {ratio:.2f} (target {TARGET:g}: {verdict})")


def make_steps(cohort: Cohort, folder: Path, batch: int) -> dict[str, Callable[[], None]]:
    """Return a full forward and backward pass of each training, on the same studies and networks."""
    place = {"cache": folder, "out": folder, "batch_size": batch}
    known = {field.name for field in dataclasses.fields(SynthesisConfig)}
    card = resolve(None, "synthesis").card.network
    network = {key: value for key, value in card.items() if key in known}
    models = {"initial_segmenter": "emidec", "initial_generator": "emidec"}
    joint = JointConfig(**place, **models, pretrain_segmenter_steps=0, generator_steps=0, synthesis=network)
    trainers = {
        "diffusion alone": SynthesisTrainer(SynthesisConfig(**place, **network), cohort),
        "segmentation alone": SegmentationTrainer(SegmentationConfig(**place), cohort),
        "joint": JointTrainer(joint, cohort, "emidec", "emidec"),
    }

    def step_of(trainer: SynthesisTrainer | SegmentationTrainer | JointTrainer) -> Callable[[], None]:
        numbers = iter(number for number in range(1, 10**6) if number % 7)  # one in seven is the locator's

        def step() -> None:
            number = next(numbers)
            noise = torch.Generator().manual_seed(number)
            trainer.loss(number, np.random.default_rng(number), noise).backward()

        return step

    joint_trainer = trainers["joint"]
    generator = joint_trainer.model.get_submodule("generator")
    steps = {name: step_of(trainer) for name, trainer in trainers.items()}
    steps["(painting in it)"] = lambda: joint_trainer.paint(generator, np.random.default_rng(0))
    return steps


def count_flops(step: Callable[[], None]) -> int:
    """Return what torch counts in one step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def cpu_seconds(step: Callable[[], None], count: int) -> float:
    """Return the median processor time of a step: other programs on the machine don't count."""
    times = []
    for _ in range(count):
        began = time.process_time()
        step()
        times.append(time.process_time() - began)
    return statistics.median(times)


def phantoms() -> Cohort:
    """Return hearts of ten slices, with and without scar."""
    studies = []
    for seed in range(HEARTS):
        scar = PhantomScar() if seed % 2 else None
        study = make_phantom(PhantomSettings(seed=seed, n_slices=10, scar=scar)).study
        labels = np.where(study.labels == 5, 0, study.labels).astype(np.uint8)
        spacing = study.geometry.spacing_zyx
        studies.append(CachedStudy(f"phantom {seed}", "training", study.image, labels, spacing))
    return Cohort(tuple(studies))


def few(cohort: Cohort) -> Cohort:
    """Return some training studies of each kind: the steps' cost is asked for, not what is learnt."""
    real = [study for study in cohort.part("training") if not study.synthetic]
    kinds = ([s for s in real if s.has_infarct], [s for s in real if not s.has_infarct])
    return Cohort(tuple(study for kind in kinds for study in kind[: HEARTS // 2]))


if __name__ == "__main__":
    main()
