"""A volume as an MR series: one classic instance a slice, or one enhanced multi-frame instance."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from claimslicer.export.identity import Identity, uid
from claimslicer.export.marks import describe, mark
from claimslicer.export.stored import Stored
from claimslicer.studies.geometry import Geometry

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

_OF_THE_SCAN = (
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "RepetitionTime",
    "EchoTime",
    "EchoTrainLength",
    "InversionTime",
    "FlipAngle",
    "MagneticFieldStrength",
    "SliceThickness",
    "PatientPosition",
)
"""How the source was acquired: its derived images keep it."""


@dataclass(frozen=True)
class Volume:
    """A volume to be exported. ``name`` goes into the description, ``sources`` are the headers of the slices
    that it was made from, by slice, or none; ``content`` is its hash, from which its UIDs are made.
    """

    stored: Stored
    geometry: Geometry
    name: str
    synthetic: bool
    content: str
    derivation: str
    sources: Sequence[Dataset] = ()


def decimal(number: float) -> str:
    """Return ``number`` as a decimal string (DS): at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    # A value such as -0.0 is written as 0, which every reader takes.
    return format_number_as_ds(float(number) + 0.0)


def classic_series(volume: Volume, identity: Identity, number: int) -> list[Dataset]:
    """Return one MR image a slice, in the order of the volume's slices."""
    from pydicom.uid import MRImageStorage

    series = uid("series", identity.study, volume.content)
    count = volume.geometry.shape[0]
    made = []
    for index in range(count):
        source = volume.sources[index] if volume.sources else None
        dataset = _new(MRImageStorage, uid("instance", series, index), volume, identity, series, number)
        dataset.InstanceNumber = index + 1
        dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
        _plane(dataset, volume.geometry, index)
        _scan(dataset, source, volume.geometry)
        _pixels(dataset, volume.stored, volume.stored.values[index])
        if (volume.stored.slope, volume.stored.intercept) != (1.0, 0.0):
            dataset.RescaleSlope = decimal(volume.stored.slope)
            dataset.RescaleIntercept = decimal(volume.stored.intercept)
            dataset.RescaleType = "US"
        if source is not None:
            dataset.SourceImageSequence = [_reference(source)]
        mark(dataset, synthetic=volume.synthetic, derivation=volume.derivation)
        made.append(dataset)
    return made


def enhanced_series(volume: Volume, identity: Identity, number: int) -> list[Dataset]:
    """Return one enhanced MR image with a frame a slice."""
    from pydicom.uid import EnhancedMRImageStorage

    series = uid("series", identity.study, volume.content, "enhanced")
    dataset = _new(EnhancedMRImageStorage, uid("instance", series, 0), volume, identity, series, number)
    dataset.InstanceNumber = 1
    dataset.ImageType = ["DERIVED", "PRIMARY", "CARDIAC", "NONE"]  # the only second value it may have
    _enhanced_header(dataset, volume.sources[0] if volume.sources else None)
    dataset.NumberOfFrames = volume.geometry.shape[0]
    _pixels(dataset, volume.stored, volume.stored.values)
    del dataset.WindowCenter, dataset.WindowWidth  # said in its functional groups
    if volume.sources:
        dataset.SourceImageEvidenceSequence = [_evidence(volume.sources)]
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(volume)]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame_groups(volume, index) for index in range(volume.geometry.shape[0])
    ]
    _dimensions(dataset)
    mark(dataset, synthetic=volume.synthetic, derivation=volume.derivation)
    del dataset.DerivationDescription  # an enhanced image says it in its functional groups
    return [dataset]


def _new(
    sop_class: UID, instance: str, volume: Volume, identity: Identity, series: str, number: int
) -> Dataset:
    """Return a data set with what every image of the series shares."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(instance)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    identity.apply(dataset)
    now = datetime.datetime.now()
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = series
    dataset.SeriesNumber = number
    dataset.SeriesDescription = describe(volume.name, synthetic=volume.synthetic)
    dataset.SeriesDate = dataset.ContentDate = dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.SeriesTime = dataset.ContentTime = dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.BodyPartExamined = "HEART"
    dataset.DeviceSerialNumber = "0"
    return dataset


def _plane(dataset: Dataset, geometry: Geometry, index: int) -> None:
    columns = np.asarray(geometry.direction).reshape(3, 3)
    dataset.ImagePositionPatient = [decimal(mm) for mm in geometry.index_to_physical(np.array([index, 0, 0]))]
    dataset.ImageOrientationPatient = [decimal(cosine) for cosine in columns[:, :2].T.ravel()]
    dataset.PixelSpacing = [decimal(geometry.spacing[1]), decimal(geometry.spacing[0])]
    dataset.SliceThickness = decimal(geometry.spacing[2])
    dataset.SpacingBetweenSlices = decimal(geometry.spacing[2])


def _scan(dataset: Dataset, source: Dataset | None, geometry: Geometry) -> None:
    for keyword in _OF_THE_SCAN:
        if source is not None and source.get(keyword) not in (None, ""):
            setattr(dataset, keyword, source[keyword].value)
    defaults: dict[str, Any] = {
        "ScanningSequence": "RM",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "EchoTime": "",
        "EchoTrainLength": "",
        "RepetitionTime": "",
        "PatientPosition": "HFS",
    }
    if "InversionTime" in dataset and "ScanningSequence" not in dataset:
        dataset.ScanningSequence = "IR"
    for keyword, value in defaults.items():
        if keyword not in dataset:
            setattr(dataset, keyword, value)
    if "InversionTime" in dataset and "IR" not in str(dataset.ScanningSequence):
        del dataset.InversionTime  # the standard allows it beside inversion recovery alone


def _pixels(dataset: Dataset, stored: Stored, values: np.ndarray) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(stored.values.dtype == np.int16)
    low, high = np.percentile(stored.values, [1, 99.5]) * stored.slope + stored.intercept
    dataset.WindowCenter = decimal(round((low + high) / 2, 3))
    dataset.WindowWidth = decimal(max(round(high - low, 3), 1))
    dataset.PixelData = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OW"


def _reference(source: Dataset) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item


def _evidence(sources: Sequence[Dataset]) -> Dataset:
    """Return where the images lie that an enhanced one was made from: their study and series."""
    instances = {str(source.SOPInstanceUID): _reference(source) for source in sources}
    series = _group(
        SeriesInstanceUID=sources[0].SeriesInstanceUID, ReferencedSOPSequence=list(instances.values())
    )
    return _group(StudyInstanceUID=sources[0].StudyInstanceUID, ReferencedSeriesSequence=[series])


def _enhanced_header(dataset: Dataset, source: Dataset | None) -> None:
    now = datetime.datetime.now()
    dataset.AcquisitionDateTime = now.strftime("%Y%m%d%H%M%S")
    dataset.AcquisitionDuration = 0.0
    dataset.PixelPresentation = "MONOCHROME"
    dataset.VolumetricProperties = "VOLUME"
    dataset.VolumeBasedCalculationTechnique = "NONE"
    dataset.ComplexImageComponent = "MAGNITUDE"
    dataset.AcquisitionContrast = "UNKNOWN"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.AcquisitionContextSequence = []
    dataset.ResonantNucleus = "1H"
    dataset.KSpaceFiltering = "NONE"
    dataset.MagneticFieldStrength = (
        float(source.get("MagneticFieldStrength") or 1.5) if source is not None else 1.5
    )
    dataset.ApplicableSafetyStandardAgency = "IEC"
    dataset.PatientPosition = source.get("PatientPosition", "HFS") if source is not None else "HFS"


def _group(**values: Any) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _shared_groups(volume: Volume) -> Dataset:
    columns = np.asarray(volume.geometry.direction).reshape(3, 3)
    spacing = volume.geometry.spacing
    cosines = [decimal(cosine) for cosine in columns[:, :2].T.ravel()]
    region = _group(CodeValue="80891009", CodingSchemeDesignator="SCT", CodeMeaning="Heart")
    anatomy = _group(AnatomicRegionSequence=[region], FrameLaterality="U")
    low, high = np.percentile(volume.stored.values, [1, 99.5]) * volume.stored.slope + volume.stored.intercept
    return _group(
        PixelMeasuresSequence=[
            _group(
                PixelSpacing=[decimal(spacing[1]), decimal(spacing[0])],
                SliceThickness=decimal(spacing[2]),
                SpacingBetweenSlices=decimal(spacing[2]),
            )
        ],
        PlaneOrientationSequence=[_group(ImageOrientationPatient=cosines)],
        FrameAnatomySequence=[anatomy],
        MRImageFrameTypeSequence=[
            _group(
                FrameType=["DERIVED", "PRIMARY", "CARDIAC", "NONE"],
                PixelPresentation="MONOCHROME",
                VolumetricProperties="VOLUME",
                VolumeBasedCalculationTechnique="NONE",
                ComplexImageComponent="MAGNITUDE",
                AcquisitionContrast="UNKNOWN",
            )
        ],
        PixelValueTransformationSequence=[
            _group(
                RescaleIntercept=decimal(volume.stored.intercept),
                RescaleSlope=decimal(volume.stored.slope),
                RescaleType="US",
            )
        ],
        FrameVOILUTSequence=[
            _group(
                WindowCenter=decimal(round((low + high) / 2, 3)),
                WindowWidth=decimal(max(round(high - low, 3), 1)),
            )
        ],
    )


def _frame_groups(volume: Volume, index: int) -> Dataset:
    position = volume.geometry.index_to_physical(np.array([index, 0, 0]))
    groups = _group(
        FrameContentSequence=[
            _group(DimensionIndexValues=[1, index + 1], StackID="1", InStackPositionNumber=index + 1)
        ],
        PlanePositionSequence=[_group(ImagePositionPatient=[decimal(mm) for mm in position])],
    )
    if volume.sources:
        purpose = _group(
            CodeValue="121322",
            CodingSchemeDesignator="DCM",
            CodeMeaning="Source image for image processing operation",
        )
        code = _group(CodeValue="MADE", CodingSchemeDesignator="99CLAIM", CodeMeaning="Made by claim-slicer")
        source = _reference(volume.sources[index])
        source.PurposeOfReferenceCodeSequence = [purpose]
        groups.DerivationImageSequence = [
            _group(
                DerivationDescription=volume.derivation[:1024],
                DerivationCodeSequence=[code],
                SourceImageSequence=[source],
            )
        ]
    return groups


def _dimensions(dataset: Dataset) -> None:
    organization = uid("dimensions", dataset.SOPInstanceUID)
    dataset.DimensionOrganizationSequence = [_group(DimensionOrganizationUID=organization)]
    dataset.DimensionIndexSequence = [
        _group(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=0x00209111,
            DimensionDescriptionLabel=label,
        )
        for pointer, label in ((0x00209056, "Stack"), (0x00209057, "Position in the stack"))
    ]
