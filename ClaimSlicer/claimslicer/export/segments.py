"""Labels as DICOM SEG, each segment with its code, through highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from claimslicer import __version__
from claimslicer.export.identity import Identity, uid
from claimslicer.export.marks import MANUFACTURER, MODEL, describe, mark
from claimslicer.labels import Label
from claimslicer.studies.geometry import Geometry
from claimslicer.terms import LABEL_NAMES, LABEL_TERMS, Code

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset
    from pydicom.sr.coding import Code as DicomCode

ALWAYS = (Label.CAVITY, Label.MYOCARDIUM, Label.INFARCT, Label.MVO)
"""Segments that are written even where they are empty: no infarct is a finding as well."""


@dataclass(frozen=True)
class Labels:
    """A label map to be exported, uint8 ``(z, y, x)`` of :class:`~claimslicer.labels.Label`.

    ``model`` names the network that made it, "" where a person may have; ``content`` is its hash.
    """

    array: np.ndarray
    geometry: Geometry
    name: str
    synthetic: bool
    content: str
    model: str = ""
    always: tuple[Label, ...] = ALWAYS


def dicom_code(code: Code) -> DicomCode:
    """Return a code as pydicom has it."""
    from pydicom.sr.coding import Code as DicomCode

    return DicomCode(code.value, code.scheme, code.meaning)


def segments_of(labels: Labels) -> list[Label]:
    """Return the labels that become segments 1, 2, …, in order."""
    return [label for label in LABEL_NAMES if label in labels.always or (labels.array == label).any()]


def segmentation(labels: Labels, images: Sequence[Dataset], identity: Identity, number: int) -> Segmentation:
    """Return the DICOM SEG of ``labels``; ``images`` are the slices that they were drawn on, or the one file.

    Every frame is written, empty ones too, so that another program sees the whole grid.
    """
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
    from highdicom.seg import Segmentation

    present = segments_of(labels)
    masks = np.stack([labels.array == label for label in present], axis=-1).astype(np.uint8)
    columns = np.asarray(labels.geometry.direction).reshape(3, 3)
    spacing = labels.geometry.spacing
    origins = [
        labels.geometry.index_to_physical(np.array([index, 0, 0])) for index in range(len(labels.array))
    ]
    series = uid("series", identity.study, labels.content, "segmentation")
    dataset = Segmentation(
        source_images=list(images),
        pixel_array=masks,
        segmentation_type="BINARY",
        segment_descriptions=[
            _description(position, label, labels) for position, label in enumerate(present, start=1)
        ],
        series_instance_uid=series,
        series_number=number,
        sop_instance_uid=uid("instance", series, 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=__version__,
        device_serial_number="0",
        content_label="LGE_LABELS",
        content_description=describe(labels.name, synthetic=labels.synthetic),
        pixel_measures=PixelMeasuresSequence(
            pixel_spacing=(spacing[1], spacing[0]),
            slice_thickness=spacing[2],
            spacing_between_slices=spacing[2],
        ),
        plane_orientation=PlaneOrientationSequence("PATIENT", columns[:, :2].T.ravel().tolist()),
        plane_positions=[PlanePositionSequence("PATIENT", origin.tolist()) for origin in origins],
        omit_empty_frames=False,
        series_description=describe(f"{labels.name} labels", synthetic=labels.synthetic),
    )
    mark(dataset, synthetic=labels.synthetic)
    return dataset


def _description(position: int, label: Label, labels: Labels) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    term = LABEL_TERMS[label]
    algorithm = None
    if labels.model:
        algorithm = AlgorithmIdentificationSequence(
            name=labels.model[:64], family=codes.DCM.ArtificialIntelligence, version=__version__
        )
    return SegmentDescription(
        segment_number=position,
        segment_label=LABEL_NAMES[label][0],
        segmented_property_category=dicom_code(term.category),
        segmented_property_type=dicom_code(term.type),
        algorithm_type="AUTOMATIC" if labels.model else "MANUAL",
        algorithm_identification=algorithm,
        tracking_id=f"{labels.name} {LABEL_NAMES[label][0]}"[:64],
        tracking_uid=uid("segment", labels.content, int(label)),
        anatomic_regions=None if term.region is None else [dicom_code(term.region)],
    )
