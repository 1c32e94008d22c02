"""The marks of everything exported: research only, by this program, and synthetic where it is.

DICOM's own: Synthetic Data (0008,001C), Content Qualification (0018,9004), Derivation Description, and a
Contributing Equipment item with the purpose (109100, DCM, "Synthesizing Equipment").
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from claimslicer import __version__
from claimslicer.studies.synthetic import HEADER_TEXT

if TYPE_CHECKING:
    from pydicom import Dataset

MANUFACTURER = "CLAIM for 3D Slicer"
MODEL = "claim-slicer"
TITLE = "SYNTHETIC"
"""Begins the description of every synthetic series."""
RESEARCH = "Research use only, not for diagnosis."


def describe(text: str, *, synthetic: bool) -> str:
    """Return a series description (at most 64 characters) that says so where it is synthetic."""
    return (f"{TITLE} {text}" if synthetic else text)[:64]


def mark(dataset: Dataset, *, synthetic: bool, derivation: str = "") -> None:
    """Put the marks into ``dataset``, as its last change."""
    from pydicom.dataset import Dataset as NewDataset

    dataset.ContentQualification = "RESEARCH"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL
    dataset.SoftwareVersions = __version__
    if derivation:
        dataset.DerivationDescription = f"{HEADER_TEXT}. {derivation}" if synthetic else derivation
    if not synthetic:
        return
    dataset.SyntheticData = "YES"
    purpose = NewDataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109100", "DCM"
    purpose.CodeMeaning = "Synthesizing Equipment"
    equipment = NewDataset()
    equipment.PurposeOfReferenceCodeSequence = [purpose]
    equipment.Manufacturer = MANUFACTURER
    equipment.ManufacturerModelName = MODEL
    equipment.SoftwareVersions = __version__
    equipment.ContributionDateTime = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
    equipment.ContributionDescription = HEADER_TEXT
    dataset.ContributingEquipmentSequence = [equipment]


def is_marked(dataset: Dataset) -> bool:
    """Say whether ``dataset`` is marked as synthetic."""
    return str(dataset.get("SyntheticData", "NO")) == "YES"
