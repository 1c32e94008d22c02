"""A study to try the panels on, made by the library's phantom; the self-tests use it."""

from __future__ import annotations

import functools

import slicer
from claimslicer.studies import Study

from ClaimSlicerLib.mrml import add_segmentation, add_volume
from ClaimSlicerLib.segments import LABEL_STYLES


def add_phantom() -> tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLSegmentationNode]:
    """Add the phantom's image and its labels, the right ventricle included, to the scene."""
    study = phantom_study()
    volume = add_volume(study.image, study.geometry, "LGE phantom (synthetic)", synthetic=True)
    return volume, add_segmentation(study.labels, volume, "LGE phantom labels", LABEL_STYLES)


@functools.cache
def phantom_study() -> Study:
    """Return the phantom of the default settings; making it takes seconds, so it is kept."""
    from claimslicer.studies.phantom import PhantomSettings, make_phantom

    return make_phantom(PhantomSettings()).study
