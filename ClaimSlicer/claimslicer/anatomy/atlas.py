"""The atlas route to AHA segments: rigid, then fast-symmetric-forces-demons registration, there and back.

Rigid alignment and demons follow the CLAIM paper. What the paper leaves to chance, the rotation about the
long axis, is set here by the insertion points where they are given: cavity and wall alone say nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from claimslicer.anatomy.coordinates import fit_long_axis
from claimslicer.anatomy.insertions import septal_arc
from claimslicer.anatomy.landmarks import Insertions
from claimslicer.anatomy.stack import ShortAxisStack, make_stack
from claimslicer.anatomy.template import ATLAS_CAVITY, Atlas, StandardView, make_template, read_atlas
from claimslicer.labels import Label, myocardium_mask
from claimslicer.studies.geometry import Geometry

__all__ = ["Atlas", "AtlasRegistration", "make_template", "read_atlas", "register_atlas"]

_GRID_MM = 3.0
_MARGIN_MM = 15.0
_CLAMP_MM = 25.0
_COARSE, _FINE = 2, 1
_ITERATIONS = 30
_FIELD_SIGMA_VOXELS = 1.5


@dataclass(frozen=True)
class AtlasRegistration:
    """An atlas laid over a subject.

    ``segments`` ``(z, y, x)`` uint8 is AHA 1–17 for each myocardial voxel of the subject, 0 outside.
    ``to_atlas`` takes the subject's LPS points to the atlas's, ``to_subject`` goes back. ``rotation`` says
    what set the angle about the long axis: the insertions, or the chance of how the image is turned.
    """

    atlas: Atlas
    geometry: Geometry
    segments: np.ndarray
    to_atlas: sitk.Transform
    to_subject: sitk.Transform
    rotation: Literal["insertions", "chance"]

    def mask_to_subject(self, mask: np.ndarray) -> np.ndarray:
        """Carry a label map on the atlas's grid to the subject's, nearest neighbour."""
        return _carry(mask, self.atlas.geometry, self.geometry, self.to_atlas)

    def mask_to_atlas(self, mask: np.ndarray) -> np.ndarray:
        """Carry a label map on the subject's grid to the atlas's, nearest neighbour."""
        return _carry(mask, self.geometry, self.atlas.geometry, self.to_subject)


def register_atlas(
    labels: np.ndarray,
    geometry: Geometry,
    atlas: Atlas | None = None,
    insertions: Insertions | None = None,
    *,
    apex_first: bool | None = None,
) -> AtlasRegistration:
    """Register ``atlas`` (by default :func:`make_template`) to ``labels`` ``(z, y, x)`` on ``geometry``.

    Both are compared through their signed distance maps of cavity and of cavity with wall. Without
    ``insertions`` the angle about the long axis is taken from how the image is turned (its rows running to
    the viewer's right), as good as chance. Raises :class:`AnatomyError` as ``build_frame`` does.
    """
    atlas = atlas or make_template()
    stack = make_stack(labels, geometry, apex_first)
    axis = fit_long_axis(stack)
    if insertions is None:
        septum = -np.asarray(stack.geometry.direction).reshape(3, 3)[:, 0]
    else:
        start, arc = septal_arc(stack, axis, insertions, mirrored=False)
        septum = np.array(axis.point_at(np.zeros(3), start + arc / 2.0, 1.0))
    view = atlas.standard_view()

    fixed, moving = _distance_map(stack), _distance_map(view.stack)
    rigid = _register_rigid(fixed, moving, _align(StandardView(stack, axis, septum), view))
    field, inverse_field = _register_demons(fixed, moving, rigid)
    to_atlas = sitk.CompositeTransform([rigid, field])
    to_subject = sitk.CompositeTransform([inverse_field, rigid.GetInverse()])

    only_segments = np.where(atlas.labels == ATLAS_CAVITY, 0, atlas.labels).astype(np.uint8)
    carried = _carry(only_segments, atlas.geometry, geometry, to_atlas)
    segments = _spread(carried, myocardium_mask(labels), geometry)
    rotation: Literal["insertions", "chance"] = "chance" if insertions is None else "insertions"
    return AtlasRegistration(atlas, geometry, segments, to_atlas, to_subject, rotation)


def _distance_map(stack: ShortAxisStack) -> sitk.Image:
    """Return the sum of the signed distance maps of cavity and of cavity with wall on an isotropic grid, mm.

    The sum rises steadily from the middle of the cavity through the wall to the outside, so that one image
    carries both surfaces, as demons need.
    """
    margin = [int(np.ceil(_MARGIN_MM / s)) for s in stack.geometry.spacing_zyx]
    padded = np.pad(stack.labels, [(m, m) for m in margin])
    origin = stack.geometry.index_to_physical(-np.array(margin, float))
    grid = Geometry(
        shape=padded.shape,
        spacing=stack.geometry.spacing,
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=stack.geometry.direction,
    )
    cavity = padded == Label.CAVITY
    total = np.zeros(padded.shape)
    for inside in (cavity, cavity | myocardium_mask(padded)):
        out, into = (ndimage.distance_transform_edt(m, sampling=grid.spacing_zyx) for m in (~inside, inside))
        total += np.clip(out - into, -_CLAMP_MM, _CLAMP_MM)
    return _isotropic(grid.to_sitk(total.astype(np.float32)), _GRID_MM)


def _isotropic(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Resample ``image`` linearly to ``spacing_mm`` in all directions."""
    size = [max(int(n * s / spacing_mm), 2) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    direction, edge = image.GetDirection(), float(sitk.GetArrayViewFromImage(image).max())
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), [spacing_mm] * 3, direction, edge
    )


def _align(subject: StandardView, atlas: StandardView) -> sitk.VersorRigid3DTransform:
    """Return the rigid transform from subject to atlas that brings long axes, middles and septa together."""
    transform = sitk.VersorRigid3DTransform()
    transform.SetCenter(subject.middle.tolist())
    transform.SetMatrix((atlas.basis @ subject.basis.T).ravel().tolist(), 1e-6)
    transform.SetTranslation((atlas.middle - subject.middle).tolist())
    return transform


def _register_rigid(fixed: sitk.Image, moving: sitk.Image, initial: sitk.Transform) -> sitk.Transform:
    """Improve ``initial`` by least squares of the distance maps."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.2)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(learningRate=2.0, minStep=0.02, numberOfIterations=60)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([_COARSE, _FINE])
    method.SetSmoothingSigmasPerLevel([0.0, 0.0])
    transform = sitk.VersorRigid3DTransform(initial)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    return transform


def _register_demons(
    fixed: sitk.Image, moving: sitk.Image, rigid: sitk.Transform
) -> tuple[sitk.DisplacementFieldTransform, sitk.DisplacementFieldTransform]:
    """Return the displacement of the subject's points before ``rigid``, and its inverse."""
    edge = float(sitk.GetArrayViewFromImage(moving).max())
    moved = sitk.Resample(moving, fixed, rigid, sitk.sitkLinear, edge)
    field = None
    for factor in (_COARSE, _FINE):
        small, small_moved = (_isotropic(image, _GRID_MM * factor) for image in (fixed, moved))
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(_ITERATIONS)
        demons.SetStandardDeviations(_FIELD_SIGMA_VOXELS)
        demons.SetSmoothDisplacementField(True)
        field = (
            demons.Execute(small, small_moved)
            if field is None
            else demons.Execute(small, small_moved, sitk.Resample(field, small, sitk.Transform()))
        )
    inverse = sitk.InvertDisplacementField(
        field, maximumNumberOfIterations=30, enforceBoundaryCondition=False
    )
    return sitk.DisplacementFieldTransform(field), sitk.DisplacementFieldTransform(inverse)


def _carry(mask: np.ndarray, source: Geometry, target: Geometry, transform: sitk.Transform) -> np.ndarray:
    """Resample ``mask`` from ``source`` to ``target``; ``transform`` takes target points to source points."""
    moved = sitk.Resample(
        source.to_sitk(mask),
        target.to_sitk(np.zeros(target.shape, np.uint8)),
        transform,
        sitk.sitkNearestNeighbor,
        0,
    )
    return sitk.GetArrayFromImage(moved).astype(mask.dtype)


def _spread(segments: np.ndarray, wall: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Give each voxel of ``wall`` the nearest of ``segments``."""
    nearest = ndimage.distance_transform_edt(
        segments == 0, sampling=geometry.spacing_zyx, return_distances=False, return_indices=True
    )
    return np.where(wall, segments[tuple(nearest)], 0).astype(np.uint8)
