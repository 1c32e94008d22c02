"""Joint training of tiny networks on tiny phantoms; ``joint_trial.py CONFIG.yaml`` is a process of it."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from claimslicer.segmentation.network import SegmenterSettings, UNetSettings
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import CachedStudy, Cohort, write_cache
from claimslicer.training.settings.joint_config import JointConfig
from claimslicer.training.trainers import segmentation

SEGMENTER = SegmenterSettings(
    UNetSettings((4, 8, 8), 32, 12.0, 2), UNetSettings((4, 8, 8, 8), 16, 3.0, 5, rays=16), members=1
)
GENERATOR = {"context_widths": (4, 8), "widths": (4, 8)}
TINY: dict[str, Any] = {
    "pretrain_segmenter_steps": 2,
    "generator_steps": 2,
    "joint_steps": 2,
    "batch_size": 2,
    "synthetic_studies": 1,
    "warmup_steps": 1,
    "num_inference_steps": 1,
    "feedback_time": 0.6,
    "feedback_weight": 1.0,
    "feedback_ramp_steps": 0,
    "checkpoint_every": 1,
    "validate_every": 1000,
    "threads": 1,
    "device": "cpu",
    "segmentation": {"batch_size": 2, "warmup_steps": 1, "deep_supervision": True},
    "synthesis": {"batch_size": 2, "warmup_steps": 1, "scanner_share": 0.0, **GENERATOR},
}


def cached(seed: int, part: str, *, scar: bool = True) -> CachedStudy:
    """Return a phantom as it lies in a cache."""
    settings = PhantomSettings(seed=seed, n_slices=3, scar=PhantomScar() if scar else None)
    study = make_phantom(settings).study
    labels = np.where(study.labels == 5, 0, study.labels).astype(np.uint8)
    return CachedStudy(f"phantom {seed}", part, study.image, labels, study.geometry.spacing_zyx)


def tiny_cohort() -> Cohort:
    """Return a heart with scar and one without to train on, and one to validate on."""
    return Cohort((cached(1, "training"), cached(2, "training", scar=False), cached(3, "validation")))


def as_yaml(values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` as YAML may hold them: lists for tuples."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def tiny_config(folder: Path, **settings: Any) -> JointConfig:
    """Return settings of a run in ``folder/run`` on the tiny cohort, which is written once."""
    cache = folder / "cohort.npz"
    if not cache.exists():
        write_cache(cache, tiny_cohort().studies)
    return JointConfig(**{"cache": cache, "out": folder / "run", **TINY, **settings})


def write_yaml(folder: Path, **settings: Any) -> Path:
    """Write such a run's settings to a file, and return it."""
    tiny_config(folder)
    values = {**TINY, "cache": "cohort.npz", "out": "run", **settings}
    values["synthesis"] = as_yaml(TINY["synthesis"])
    (folder / "joint.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder / "joint.yaml"


def go_on(config: Path) -> None:
    """Train as ``config`` says, from wherever the run stands: what a process does."""
    from claimslicer.training.trainers.joint_run import train_joint

    segmentation.SegmenterSettings = lambda: SEGMENTER
    train_joint(JointConfig.from_yaml(config), resume=True)


if __name__ == "__main__":
    go_on(Path(sys.argv[1]))
