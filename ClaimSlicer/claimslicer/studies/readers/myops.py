"""MyoPS 2020: ``myops_training_101_{C0,DE,T2}.nii.gz`` (cine, LGE, T2) and ``myops_training_101_gd.nii.gz``.

The organisers keep the label maps in a folder of their own whose name ends in ``_gd``, beside that of the
images; copies with all files of a case in one folder are common too.
"""

from __future__ import annotations

from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.readers.layout import CaseFiles, only_one, volume_named, volumes_in
from claimslicer.studies.synthetic import split_suffix

LGE = "_DE"
OTHER_SEQUENCES = {"_C0": "the cine (bSSFP) image", "_T2": "the T2 image"}


def find(path: Path) -> CaseFiles | None:
    """Find the late-enhancement image of a case folder, or of any of the files of a case."""
    if path.is_dir():
        files = [file for file in volumes_in(path) if split_suffix(file)[0].endswith(LGE)]
        if not files:
            return None
        image = only_one(files, path)
    else:
        image = path
    stem = split_suffix(image)[0]
    for ending, sequence in OTHER_SEQUENCES.items():
        if stem.startswith("myops_") and stem.endswith(ending):
            wanted = f"{stem.removesuffix(ending)}{LGE}{split_suffix(image)[1]}"
            raise StudyError(f"{path} is {sequence} of its case; give the late-enhancement one, {wanted}.")
    if not stem.endswith(LGE):
        return None
    case = stem.removesuffix(LGE)
    label_folders = [image.parent, *sorted(image.parent.parent.glob("*_gd"))]
    return CaseFiles(
        name=case,
        image=image,
        labels=volume_named(label_folders, f"{case}_gd"),
        convention="MyoPS",
        metadata={"layout": "MyoPS", "note": "oedema (1220) is read as myocardium"},
    )
