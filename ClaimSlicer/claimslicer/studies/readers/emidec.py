"""EMIDEC: ``Case_P001/{Images,Contours}/Case_P001.nii[.gz]`` and the clinical text ``Case P001.txt`` beside.

Lalande et al., Data 2020, 5(4), 89.
"""

from __future__ import annotations

from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.readers.layout import CaseFiles, only_one, volume_named, volumes_in
from claimslicer.studies.study import FIRST_SLICE
from claimslicer.studies.synthetic import split_suffix


def find(path: Path) -> CaseFiles | None:
    """Find the case of a case folder, or of an image file in its ``Images`` folder."""
    case = path if path.is_dir() else path.parent.parent
    images = case / "Images"
    if not images.is_dir() or (path.is_file() and not path.parent.samefile(images)):
        return None
    if path.is_dir():
        files = volumes_in(images)
        if not files:
            raise StudyError(f"{images} holds no image; copy the case folder again.")
        image = only_one(files, images)
    else:
        image = path
    return CaseFiles(
        name=case.name,
        image=image,
        labels=volume_named([case / "Contours"], split_suffix(image)[0]),
        convention="EMIDEC",
        metadata={"layout": "EMIDEC", FIRST_SLICE: "apex", **_clinical(case)},
    )


def _clinical(case: Path) -> dict[str, str]:
    """Return the pairs ``name : value`` of the text file that lies beside or in the case folder."""
    names = {f"{case.name}.txt", f"{case.name.replace('_', ' ')}.txt"}
    text = next(
        (folder / name for folder in (case.parent, case) for name in names if (folder / name).is_file()), None
    )
    if text is None:
        return {}
    # cp1252 leaves five bytes without meaning; a damaged line is no reason to refuse the images.
    lines = text.read_text(encoding="cp1252", errors="replace").replace("\xa0", " ").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}
