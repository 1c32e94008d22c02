"""Whose study an export belongs to: the source's, or a made-up patient's."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from claimslicer.errors import SpecificationError

if TYPE_CHECKING:
    from pydicom import Dataset

Profile = Literal["new", "source"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
"""``new``: a made-up patient and study, of the source's only age, sex, size and weight. ``source``: the
patient and study of the source, with all that names them."""

_PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
    "FrameOfReferenceUID",
)
_NAMES_NOBODY = ("PatientSex", "PatientAge", "PatientSize", "PatientWeight", "PositionReferenceIndicator")
_EMPTY_IF_MISSING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
)
UID_ROOT = "1.2.826.0.1.3680043.8.498."
"""pydicom's root, free for all; UIDs below it are made from hashes."""


def uid(*parts: object) -> str:
    """Return the UID that belongs to ``parts``: the same for the same, and for nothing else."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=UID_ROOT, entropy_srcs=["claim-slicer", *map(str, parts)]))


@dataclass(frozen=True)
class Identity:
    """Attributes of patient, study and frame of reference, by keyword; all that an export shares."""

    profile: Profile
    attributes: Mapping[str, Any]

    @property
    def study(self) -> str:
        """The study's UID."""
        return str(self.attributes["StudyInstanceUID"])

    def apply(self, dataset: Dataset) -> None:
        """Set the attributes in ``dataset``, in place of whatever it had of them."""
        for keyword in (*_PATIENT_AND_STUDY, *_NAMES_NOBODY):
            if keyword in dataset:
                del dataset[keyword]
        for keyword, value in self.attributes.items():
            setattr(dataset, keyword, value)


def choose_identity(
    profile: str | None, source: Dataset | None, *, synthetic: bool, forced: bool, content: str
) -> Identity:
    """Return the identity of an export of what ``content`` (a hash) stands for.

    Without a ``profile`` what is real stays in its patient's study, and what is synthetic gets a study of its
    own. Raises SpecificationError for synthetic data under the source's identity unless ``forced``.
    """
    if profile is None:
        profile = "new" if synthetic or source is None else "source"
    if profile not in PROFILES:
        raise SpecificationError(f"There is no identity '{profile}': choose {' or '.join(PROFILES)}.")
    if profile == "source" and source is None:
        raise SpecificationError("The source's identity needs a source: give --source DICOM_FOLDER.")
    if profile == "source" and synthetic and not forced:
        raise SpecificationError(
            "Synthetic data don't go under a patient's identity: leave out --identity source, or insist with "
            "--force; they are marked as synthetic all the same."
        )
    kept = {} if source is None else _kept(source, (*_NAMES_NOBODY, "StudyDescription"))
    if profile == "source":
        assert source is not None
        attributes = _kept(source, (*_PATIENT_AND_STUDY, *_NAMES_NOBODY))
    else:
        number = uid("patient", content)[-8:]
        word = "SYNTHETIC" if synthetic else "ANONYMOUS"
        kept.pop("StudyDescription", None)
        attributes = {**kept, "PatientName": f"{word}^CLAIM {number}", "PatientID": f"{word[:3]}-{number}"}
        now = datetime.datetime.now()
        attributes |= {"StudyDate": now.strftime("%Y%m%d"), "StudyTime": now.strftime("%H%M%S")}
        attributes |= {"StudyID": "1", "StudyDescription": f"{word} study by claim-slicer, research only"}
    attributes.setdefault("StudyInstanceUID", uid("study", content))
    attributes.setdefault("FrameOfReferenceUID", uid("frame of reference", content))
    return Identity(
        "source" if profile == "source" else "new", {**dict.fromkeys(_EMPTY_IF_MISSING, ""), **attributes}
    )


def _kept(source: Dataset, keywords: tuple[str, ...]) -> dict[str, Any]:
    """Return values of ``source`` that are there and valid; a date of zeros says nothing."""
    found = {}
    for keyword in keywords:
        value = source.get(keyword)
        if value is None or str(value) == "":
            continue
        if keyword.endswith("Date") and not _is_date(str(value)):
            continue
        if keyword == "PatientSex" and str(value) not in ("M", "F", "O"):
            continue
        if keyword == "PatientAge" and not re.fullmatch(r"\d{3}[DWMY]", str(value)):
            continue
        found[keyword] = value
    return found


def _is_date(text: str) -> bool:
    try:
        datetime.datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True
