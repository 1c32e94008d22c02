"""DICOM SEG as a label map: segments by their codes, else their names, placed by their planes."""

from __future__ import annotations

from collections import ChainMap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.labels import Label
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.readers.segmentation import IS_INTERNAL, ON_TOP, label_of
from claimslicer.studies.readers.sizes import check_lengths, check_size
from claimslicer.studies.readers.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

SEG_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"


def is_one(path: Path) -> bool:
    """Say whether ``path`` is a DICOM segmentation."""
    try:
        with path.open("rb") as stream:
            if stream.read(132)[128:] != b"DICM":
                return False
        from pydicom import dcmread

        header = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        return str(header.get("SOPClassUID", "")) == SEG_STORAGE
    except Exception:  # whatever is wrong with it, it is no segmentation
        return False


def read(path: Path) -> Volume:
    """Return the label map of the segmentation ``path``; frames that were left out are empty.

    StudyError where it is damaged, its segments mean nothing known, or its planes don't lie on one grid.
    """
    from pydicom import dcmread

    try:
        dataset = dcmread(path)
        shape = (int(dataset.Rows), int(dataset.Columns))
        check_size((int(dataset.NumberOfFrames), *shape), 1, path)
        meanings = {int(item.SegmentNumber): _meaning(item, path) for item in dataset.SegmentSequence}
        frames = np.asarray(dataset.pixel_array).reshape(-1, *shape)
        planes = [_plane(dataset, index) for index in range(len(frames))]
    except StudyError:
        raise
    except Exception as error:
        raise StudyError(f"{path} is a damaged DICOM segmentation; export it again.") from error
    geometry, slots = _grid([plane for _, plane in planes], shape, path)
    labels = np.zeros(geometry.shape, np.uint8)
    for label in ON_TOP:
        for frame, (segment, _), slot in zip(frames, planes, slots, strict=True):
            if meanings.get(segment) == label:
                labels[slot][frame > 0] = label
    return Volume(
        labels,
        geometry,
        synthetic=str(dataset.get("SyntheticData", "NO")) == "YES",
        metadata={"format": "DICOM SEG", IS_INTERNAL: "yes"},
    )


def _meaning(item: Dataset, path: Path) -> Label:
    def code(sequence: str) -> str:
        found = item.get(sequence)
        return "" if not found else f"{found[0].CodingSchemeDesignator}^{found[0].CodeValue}^"

    kind, region = code("SegmentedPropertyTypeCodeSequence"), code("AnatomicRegionSequence")
    tags = f"TerminologyEntry:~~{kind}~~~{region}~"
    label = label_of(str(item.SegmentLabel), tags)
    if label is None:
        raise StudyError(
            f"I don't know what “{item.SegmentLabel}” in {path} means; give it a code or name I know."
        )
    return label


def _plane(dataset: Dataset, index: int) -> tuple[int, dict[str, Any]]:
    """Return a frame's segment number, and its position, orientation and pixel measures."""
    frame = dataset.PerFrameFunctionalGroupsSequence[index]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    values = ChainMap(
        *(
            {item.keyword: item.value for item in element.value[0]}
            for group in (frame, shared)
            for element in group
            if element.VR == "SQ" and element.value
        )
    )
    plane = {
        "position": np.array(values["ImagePositionPatient"], float),
        "axes": np.array(values["ImageOrientationPatient"], float).reshape(2, 3),
        "spacing": [float(mm) for mm in values["PixelSpacing"]],
        "apart": float(values.get("SpacingBetweenSlices") or values.get("SliceThickness") or 0),
    }
    return int(values["ReferencedSegmentNumber"]), plane


def _grid(planes: list[dict[str, Any]], shape: tuple[int, int], path: Path) -> tuple[Geometry, list[int]]:
    """Return the grid on which all planes lie, and each plane's slice in it."""
    first = planes[0]
    normal = np.cross(first["axes"][0], first["axes"][1])
    heights = np.array([plane["position"] @ normal for plane in planes])
    distinct = np.unique(np.round(heights, 2))
    apart = float(np.diff(distinct).min()) if len(distinct) > 1 else first["apart"]
    if apart <= 0:
        raise StudyError(f"{path} doesn't say how far its slices are apart; export it again.")
    if (
        first["apart"] > 0
        and abs(round(apart / first["apart"]) * first["apart"] - apart) < 0.05 * first["apart"]
    ):
        apart = first["apart"] if apart >= first["apart"] else apart
    at = (heights - heights.min()) / apart
    slots = np.rint(at).astype(int)
    if np.abs(at - slots).max() > 0.05 or any(np.abs(p["axes"] - first["axes"]).max() > 1e-3 for p in planes):
        raise StudyError(f"The slices of {path} lie on no straight grid; export it with its image's slices.")
    lowest = planes[int(np.argmin(heights))]
    direction = np.column_stack([first["axes"][0], first["axes"][1], normal])
    x, y, z = (float(mm) for mm in lowest["position"])
    geometry = Geometry(
        shape=(int(slots.max()) + 1, *shape),
        spacing=(first["spacing"][1], first["spacing"][0], apart),
        origin=(x, y, z),
        direction=tuple(direction.ravel().tolist()),
    )
    check_size(geometry.shape, 1, path)
    check_lengths(geometry.shape, geometry.spacing, path)
    return geometry, slots.tolist()
