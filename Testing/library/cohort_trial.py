"""A small folder of phantoms that cohorts are made from, and what tests ask of a plan."""

from pathlib import Path

from claimslicer.cohorts.config import CohortConfig
from claimslicer.cohorts.plan import Job, find_parents, plan
from claimslicer.studies import write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from training_cohort import CASES


def write_source(folder: Path) -> Path:
    """Write small phantoms, the normal one's first slice being its base, and return ``folder``."""
    for seed, (case, has_scar) in enumerate(sorted(CASES.items())):
        settings = PhantomSettings(
            seed=seed,
            matrix=(96, 96),
            n_slices=5,
            slice_spacing=16.0,
            offset_mm=(0.0, 0.0),
            through_slice_samples=2,
            apex_first=has_scar,
            scar=PhantomScar(volume_ml=4.0) if has_scar else None,
        )
        study = make_phantom(settings).study
        write_volume(folder / case / "Images" / f"{case}.nii.gz", study.image, study.geometry)
        write_volume(folder / case / "Contours" / f"{case}.nii.gz", study.labels, study.geometry)
    (folder / "Case_N002.txt").write_text("first slice : base\n")
    return folder


def jobs_of(config: CohortConfig) -> dict[str, Job]:
    """Return the planned studies by name."""
    return {job.name: job for job in plan(config, find_parents(config)[0])}
