"""DICOM files of the kinds that hospitals send, written for a test."""

from pathlib import Path

import numpy as np
from claimslicer.studies import Geometry, Study
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation

SHAPE = (6, 12, 10)
OBLIQUE = Rotation.from_euler("xyz", [30, -40, 15], degrees=True).as_matrix()
GEOMETRY = Geometry(SHAPE, (1.5, 1.25, 9.0), (-80.0, 20.0, 35.0), tuple(OBLIQUE.ravel().tolist()))
STUDY_UID = generate_uid()
SHORT_AXIS = "LGE_sax_psir"


def pixels(seed: int = 0, dtype: str = "uint16") -> np.ndarray:
    """Return stored values, every slice another."""
    return np.random.default_rng(seed).integers(0, 4000, SHAPE).astype(dtype)


def blank(description: str, number: int, image_type: str, series: str | None = None) -> Dataset:
    """Return a data set of an MR image with nothing geometric in it."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = MRImageStorage
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.StudyInstanceUID = STUDY_UID
    header.SeriesInstanceUID = series or generate_uid()
    header.SeriesNumber = number
    header.SeriesDescription = description
    header.ImageType = image_type.split("\\")
    header.Modality = "MR"
    header.PatientName = "Name^Of the patient"
    header.Manufacturer = "Maker"
    header.InversionTime = 300
    return header


def set_pixels(header: Dataset, image: np.ndarray) -> None:
    """Put ``image`` into ``header`` as 16-bit grey values."""
    header.Rows, header.Columns = image.shape[-2:]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, int(image.dtype == np.int16)
    header.PixelData = image.tobytes()


def write_stack(
    folder: Path,
    image: np.ndarray,
    geometry: Geometry = GEOMETRY,
    *,
    description: str = SHORT_AXIS,
    number: int = 1,
    image_type: str = "ORIGINAL\\PRIMARY\\M\\ND",
    split: bool = False,
    scaling: tuple[float, float] | list[tuple[float, float]] | None = None,
    synthetic: bool = False,
) -> list[Path]:
    """Write one classic DICOM file a slice under names in random order; return them by slice.

    With ``split``, each slice is a series of its own whose description is numbered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matrix = np.array(geometry.direction).reshape(3, 3)
    series = generate_uid()
    names = np.random.default_rng(number).permutation(len(image))
    files = []
    for index, piece in enumerate(image):
        title = f"{description}_{index + 1}" if split else description
        header = blank(title, number + index if split else number, image_type, None if split else series)
        header.PixelSpacing = [geometry.spacing[1], geometry.spacing[0]]
        header.ImageOrientationPatient = [f"{cosine:.10g}" for cosine in matrix[:, :2].T.ravel()]
        header.ImagePositionPatient = [f"{mm:.8g}" for mm in geometry.index_to_physical((index, 0, 0))]
        header.InstanceNumber = int(names[index])
        if synthetic:
            header.SyntheticData = "YES"
        if scaling is not None:
            pair = scaling[index] if isinstance(scaling, list) else scaling
            header.RescaleSlope, header.RescaleIntercept = pair
        set_pixels(header, piece)
        files.append(folder / f"{number:03d}-{names[index]:02d}.IMA")
        header.save_as(files[-1], enforce_file_format=True)
    return files


def same(study: Study, image: np.ndarray, geometry: Geometry = GEOMETRY) -> bool:
    """Say whether ``study`` holds ``image`` on ``geometry``, exactly and to 0.01 mm."""
    return np.array_equal(study.image, image) and study.geometry.is_close(geometry, 0.01)
