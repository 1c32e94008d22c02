"""A tiny cohort of phantoms as case folders, for the tests of training."""

from pathlib import Path

from claimslicer.labels import Label
from claimslicer.studies import write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom

CASES = {"Case_P001": True, "Case_N002": False, "Case_P004": True, "Case_P005": True}
"""Case and whether it has a scar. By EMIDEC's split, P004 is held back and P005 is a published test case."""


def write_cohort(folder: Path, cases: dict[str, bool] = CASES) -> Path:
    """Write the case folders and return ``folder``."""
    for seed, (case, has_scar) in enumerate(cases.items()):
        scar = PhantomScar() if has_scar else None
        study = make_phantom(PhantomSettings(seed=seed, n_slices=3, scar=scar)).study
        labels = study.labels.copy()
        labels[labels == Label.RIGHT_VENTRICLE] = Label.BACKGROUND
        write_volume(folder / case / "Images" / f"{case}.nii.gz", study.image, study.geometry)
        write_volume(folder / case / "Contours" / f"{case}.nii.gz", labels, study.geometry)
    return folder
