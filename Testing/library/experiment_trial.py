"""The data and the settings of an experiment on tiny phantoms."""

from pathlib import Path

from training_cohort import write_cohort

CASES = {"Case_P001": True, "Case_P002": True, "Case_N001": False, "Case_N002": False, "Case_P005": True}
"""Case and whether it has a scar; P005 is a published test case."""
SETTINGS = """
data: data
out: OUT
folds: 2
tests: {elsewhere: other}
seeds: 1
arms: [P, P+P'+N'' ours, P+N' claim joint]
steps: 4
joint_steps: 2
generator_steps: 2
synthetic_share: 0.5
painting: {num_inference_steps: 1}
segmentation: {batch_size: 2, warmup_steps: 1}
synthesis: {batch_size: 2, warmup_steps: 1, context_widths: [4, 8], widths: [4, 8]}
joint: {synthetic_studies: 1, num_inference_steps: 1, warmup_steps: 1}
checkpoint_every: 1
resamples: 100
threads: 1
device: cpu
"""


def write_data(root: Path) -> Path:
    """Write the data, and another folder with test cases, into ``root`` and return it."""
    write_cohort(root / "data", CASES)
    write_cohort(root / "other", {"Case_X": False, "Case_Y": False, "Case_Z": True})
    return root
