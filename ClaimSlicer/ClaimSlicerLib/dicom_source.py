"""Where a volume that Slicer loaded from DICOM lies on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import slicer

INSTANCES = "DICOM.instanceUIDs"
"""Slicer's attribute of a volume: the instances that it was made of."""


def dicom_folder(volume: slicer.vtkMRMLVolumeNode) -> str | None:
    """Return the folder that holds the files of ``volume``; None where it isn't from Slicer's DICOM database.

    A database that copies files may keep a whole patient in one folder: the reader finds the stack again.
    """
    instances = (volume.GetAttribute(INSTANCES) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None:
        return None
    files = [database.fileForInstance(instance) for instance in instances]
    if not all(file and Path(file).is_file() for file in files):
        return None
    return os.path.commonpath([str(Path(file).parent) for file in files])
