"""NRRD and MetaImage files, through SimpleITK."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from claimslicer.errors import StudyError
from claimslicer.studies.geometry import Geometry
from claimslicer.studies.readers import segmentation
from claimslicer.studies.readers.headers import check_header
from claimslicer.studies.readers.sizes import check_lengths, check_size
from claimslicer.studies.readers.volume import Volume, refuse_many
from claimslicer.studies.synthetic import HEADER_KEY

FORMATS = {".nrrd": "NRRD", ".nhdr": "NRRD", ".mha": "MetaImage", ".mhd": "MetaImage"}


def read(path: Path) -> Volume:
    """Read ``path``; StudyError where it is damaged or holds anything but one 3-D volume.

    A segmentation of Slicer (``.seg.nrrd``) becomes a label map of the internal table.
    """
    import SimpleITK as sitk

    check_header(path)
    try:
        with plain_path(path) as file:
            reader = sitk.ImageFileReader()
            reader.SetFileName(str(file))
            reader.ReadImageInformation()
            check_size(reader.GetSize(), 8 * reader.GetNumberOfComponents(), path)
            image = reader.Execute()
    except (RuntimeError, MemoryError) as error:
        raise StudyError(
            f"{path} is damaged or not of the type that its name says; export it again."
        ) from error
    # A key that is no text, in a damaged header, can't be asked for.
    keys = [key for key in image.GetMetaDataKeys() if key.isascii()]
    form = FORMATS[path.suffix.lower()]
    if segmentation.is_one(keys) and image.GetDimension() == 3:
        header = {key: image.GetMetaData(key) for key in keys}
        labels = segmentation.to_labels(sitk.GetArrayFromImage(image), header, path)
        metadata = {"format": f"{form} segmentation", segmentation.IS_INTERNAL: "yes"}
        return Volume(labels, _geometry(image, path), synthetic=HEADER_KEY in keys, metadata=metadata)
    values = image.GetNumberOfComponentsPerPixel()
    if values > 1:
        raise StudyError(f"{path} holds {values} values at each voxel; save one volume of grey values.")
    if image.GetDimension() == 4:
        if image.GetSize()[3] != 1:
            raise refuse_many(path, image.GetSize()[3])
        image = image[:, :, :, 0]
    if image.GetDimension() == 2:
        raise StudyError(f"{path} holds a single slice; give a whole short-axis stack.")
    return Volume(
        image=sitk.GetArrayFromImage(image),
        geometry=_geometry(image, path),
        synthetic=HEADER_KEY in keys,
        metadata={"format": form},
    )


def _geometry(image, path: Path) -> Geometry:
    geometry = Geometry.of_sitk(image)
    check_lengths(geometry.shape, geometry.spacing, path)
    return geometry


@contextmanager
def plain_path(path: Path, *, windows: bool = os.name == "nt") -> Iterator[Path]:
    """Give a path to ``path`` that ITK can open: on Windows some of its formats take ASCII alone."""
    if not windows or str(path).isascii():
        yield path
        return
    # The folder of a user with an umlaut isn't plain either; the drive's public one always is.
    public = os.environ.get("PUBLIC") if not str(Path.home()).isascii() else None
    with TemporaryDirectory(prefix="claim-", dir=public) as folder:
        copy = Path(folder) / ("volume" + "".join(path.suffixes[-2:]).encode("ascii", "ignore").decode())
        shutil.copyfile(path, copy)
        if path.suffix.lower() in (".nhdr", ".mhd"):
            for beside in path.parent.glob(f"{path.stem}.*"):
                if beside != path and beside.name.isascii():
                    shutil.copyfile(beside, Path(folder) / beside.name)
        yield copy
