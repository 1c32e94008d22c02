"""MyoPS 2020: ``myops_training_101_{C0,DE,T2}.nii.gz`` (cine, LGE, T2) and ``myops_training_101_gd.nii.gz``.

MyoPS++ and CARE call them ``Case2003_{C0,LGE,T2,gd}.nii.gz``. The organisers keep the label maps in a folder
of their own whose name ends in ``_gd``, beside that of the images; copies with all files of a case in one
folder are common too.
"""

from __future__ import annotations

import re
from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.readers.layout import CaseFiles, only_one, volume_named, volumes_in
from claimslicer.studies.study import NOTES
from claimslicer.studies.synthetic import split_suffix

LGE = ("_DE", "_LGE")
OTHER_SEQUENCES = {"_C0": "the cine (bSSFP) image", "_T2": "the T2 image", "_gd": "the label map"}
_CASE = re.compile(r"(myops_.+|case_?\d+)", re.IGNORECASE)
"""What comes before the ending, where it is one of these collections' names."""


def find(path: Path) -> CaseFiles | None:
    """Find the late-enhancement image of a case folder, or of any of the files of a case."""
    if path.is_dir():
        files = [file for file in volumes_in(path) if _split(file)[1] in LGE]
        if not files:
            return None
        image = only_one(files, path)
    else:
        image = path
    case, ending = _split(image)
    if ending in OTHER_SEQUENCES and _CASE.fullmatch(case):
        files = [image.with_name(f"{case}{lge}{split_suffix(image)[1]}") for lge in LGE]
        wanted = next((file.name for file in files if file.is_file()), f"{case}{LGE[0]} or {case}{LGE[1]}")
        sequence = OTHER_SEQUENCES[ending]
        raise StudyError(f"{path} is {sequence} of its case; give the late-enhancement one, {wanted}.")
    if ending not in LGE:
        return None
    labels = volume_named([image.parent, *sorted(image.parent.parent.glob("*_gd"))], f"{case}_gd")
    note = {} if labels is None else {NOTES: "Oedema (1220) is read as myocardium."}
    return CaseFiles(case, image, labels, "MyoPS", {"layout": "MyoPS", **note})


def _split(path: Path) -> tuple[str, str]:
    """Return a file's stem as the case's name and the ending that names the sequence, "" where none does."""
    stem = split_suffix(path)[0]
    for ending in (*LGE, *OTHER_SEQUENCES):
        if stem.endswith(ending):
            return stem.removesuffix(ending), ending
    return stem, ""
