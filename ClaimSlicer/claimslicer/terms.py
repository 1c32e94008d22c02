"""SNOMED CT codes of what labels mean: DICOM and Slicer know segments by them, whatever their names.

The wall segments are DICOM PS3.16's context group 3717; the scheme 99CLAIM is this project's own, for what
has no public code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from claimslicer.labels import Label, ScarLabel


@dataclass(frozen=True)
class Code:
    """A coded concept: its value, its meaning in words, and the scheme that the value belongs to."""

    value: str
    meaning: str
    scheme: str = "SCT"


@dataclass(frozen=True)
class Term:
    """What a segment is: its category, its type and, where the type doesn't say it, where it lies."""

    category: Code
    type: Code
    region: Code | None = None


TISSUE = Code("85756007", "Tissue")
STRUCTURE = Code("123037004", "Anatomical Structure")
LEFT_VENTRICLE = Code("87878005", "Left ventricle")
RIGHT_VENTRICLE = Code("53085002", "Right ventricle")
BLOOD = Code("87612001", "Blood")
SCAR = Term(TISSUE, Code("12402003", "Scar tissue"), LEFT_VENTRICLE)
MVO = Term(TISSUE, Code("MVO", "Microvascular obstruction", "99CLAIM"), LEFT_VENTRICLE)

LABEL_TERMS: Mapping[Label, Term] = MappingProxyType(
    {
        Label.CAVITY: Term(TISSUE, BLOOD, LEFT_VENTRICLE),
        Label.MYOCARDIUM: Term(STRUCTURE, Code("74281007", "Myocardium"), LEFT_VENTRICLE),
        Label.INFARCT: SCAR,
        Label.MVO: MVO,
        Label.RIGHT_VENTRICLE: Term(TISSUE, BLOOD, RIGHT_VENTRICLE),
    }
)
LABEL_NAMES: Mapping[Label, tuple[str, ...]] = MappingProxyType(
    {
        Label.CAVITY: ("Cavity", "lv", "lv cavity", "lv blood pool", "blood pool"),
        Label.MYOCARDIUM: ("Myocardium", "lv myocardium", "myo", "lv wall"),
        Label.INFARCT: ("Infarct", "scar", "scar tissue", "mi"),
        Label.MVO: ("MVO", "no-reflow", "no reflow", "microvascular obstruction"),
        Label.RIGHT_VENTRICLE: ("Right ventricle", "rv", "rv cavity", "rv blood pool"),
    }
)
"""Each label's name, and others that are understood whatever their case."""
SCAR_TERMS: Mapping[ScarLabel, Term] = MappingProxyType({ScarLabel.SCAR: SCAR, ScarLabel.MVO: MVO})

_WALL_CODES = {
    1: ("264850008", "left ventricle basal anterior segment"),
    2: ("396482007", "left ventricle basal anteroseptal segment"),
    3: ("396646008", "left ventricle basal inferoseptal segment"),
    4: ("264846001", "left ventricle basal inferior segment"),
    5: ("396652009", "left ventricle basal inferolateral segment"),
    6: ("396654005", "left ventricle basal anterolateral segment"),
    7: ("264848000", "left ventricle mid anterior segment"),
    8: ("396647004", "left ventricle mid anteroseptal segment"),
    9: ("396649001", "left ventricle mid inferoseptal segment"),
    10: ("264847005", "left ventricle mid inferior segment"),
    11: ("396655006", "left ventricle mid inferolateral segment"),
    12: ("396656007", "left ventricle mid anterolateral segment"),
    13: ("264844003", "left ventricle apical anterior segment"),
    14: ("264845002", "left ventricle apical septal segment"),
    15: ("264849008", "left ventricle apical inferior segment"),
    16: ("264853005", "left ventricle apical lateral segment"),
    17: ("128564006", "Apex of left ventricle"),
}
SEGMENT_TERMS: Mapping[int, Term] = MappingProxyType(
    {number: Term(STRUCTURE, Code(*code)) for number, code in _WALL_CODES.items()}
)
"""The AHA segments by number."""
