"""ACDC: ``patient001/patient001_frame01[_gt].nii.gz`` and ``Info.cfg``, which names the ED and ES frames.

Bernard et al., IEEE TMI 2018, 37(11), 2514–2525. The images are cine, not late enhancement: the anatomy can
be used, the grey levels say nothing about scar.
"""

from __future__ import annotations

import re
from pathlib import Path

from claimslicer.studies.readers.layout import CaseFiles, only_one, volume_named, volumes_in
from claimslicer.studies.study import NOTES
from claimslicer.studies.synthetic import split_suffix

_FRAME = re.compile(r"patient\d+_frame(\d+)")


def find(path: Path) -> CaseFiles | None:
    """Find the end-diastolic frame of a case folder, or a given frame; LGE is taken in diastole as well."""
    if path.is_dir():
        frames = {file: _frame_number(file) for file in volumes_in(path)}
        numbered = {file: number for file, number in frames.items() if number is not None}
        if not numbered:
            return None
        end_diastole = _info(path).get("ED", "")
        chosen = [file for file, number in numbered.items() if str(number) == end_diastole]
        image = only_one(chosen or list(numbered), path)
    elif _frame_number(path) is not None:
        image = path
    else:
        return None
    info = _info(image.parent)
    phases = [phase for phase in ("ED", "ES") if info.get(phase) == str(_frame_number(image))]
    stem = split_suffix(image)[0]
    return CaseFiles(
        name=stem,
        image=image,
        labels=volume_named([image.parent], f"{stem}_gt"),
        convention="ACDC",
        metadata={
            "layout": "ACDC",
            "modality": "cine",
            NOTES: "This is a cine image, not late enhancement: use its anatomy only.",
            **{f"Info.cfg {name}": value for name, value in info.items()},
            **({"phase": phases[0]} if phases else {}),
        },
    )


def _frame_number(path: Path) -> int | None:
    match = _FRAME.fullmatch(split_suffix(path)[0])
    return int(match.group(1)) if match else None


def _info(folder: Path) -> dict[str, str]:
    file = folder / "Info.cfg"
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}
