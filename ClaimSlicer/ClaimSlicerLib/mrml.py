"""MRML nodes to ``(z, y, x)`` arrays with a Geometry, and back. Main thread only.

MRML speaks RAS and the library LPS; this is the one place where the two meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from claimslicer.anatomy import Insertions
from claimslicer.errors import AnatomyError, StudyError
from claimslicer.labels import ScarLabel
from claimslicer.studies import Geometry, Study
from claimslicer.studies.conventions import to_internal
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ClaimSlicerLib.segments import LABEL_STYLES, SCAR_STYLES, SegmentStyle
from ClaimSlicerLib.synthetic import is_synthetic, mark_synthetic
from ClaimSlicerLib.terminology import terminology_entry

BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def volume_geometry(node: slicer.vtkMRMLVolumeNode) -> Geometry:
    """Return the grid of a volume node in LPS.

    Raises :class:`StudyError` for a volume without voxels, under a transform, or with axes that aren't
    at right angles.
    """
    if node.GetImageData() is None:
        raise StudyError(f"The volume {node.GetName()} holds no image: load or choose another one.")
    _refuse_transform(node)
    to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    matrix = slicer.util.arrayFromVTKMatrix(to_ras)
    axes = _RAS_TO_LPS @ matrix[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    direction = axes / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise StudyError(
            f"The axes of the volume {node.GetName()} aren't at right angles: resample it in the module "
            "Resample Scalar/Vector/DWI Volume first."
        )
    return Geometry(
        shape=tuple(reversed(node.GetImageData().GetDimensions())),
        spacing=tuple(spacing.tolist()),
        origin=tuple((_RAS_TO_LPS @ matrix[:3, 3]).tolist()),
        direction=tuple(direction.ravel().tolist()),
    )


def _refuse_transform(node: slicer.vtkMRMLTransformableNode) -> None:
    if node.GetParentTransformNode() is not None:
        raise StudyError(f"{node.GetName()} is under a transform: harden it in the module Transforms first.")


def ijk_to_ras(geometry: Geometry) -> np.ndarray:
    """Return the 4×4 matrix that takes an (i, j, k) index on ``geometry`` to RAS millimetres."""
    matrix = np.eye(4)
    matrix[:3, :3] = _RAS_TO_LPS @ geometry.matrix
    matrix[:3, 3] = _RAS_TO_LPS @ np.asarray(geometry.origin)
    return matrix


def volume_study(node: slicer.vtkMRMLScalarVolumeNode, labels: slicer.vtkMRMLNode | None = None) -> Study:
    """Return a copy of a volume node as a study, with ``labels`` from a segmentation or label map node.

    Raises :class:`StudyError` when either can't be used.
    """
    geometry = volume_geometry(node)
    return Study(
        name=node.GetName(),
        image=slicer.util.arrayFromVolume(node).copy(),
        geometry=geometry,
        labels=None if labels is None else study_labels(labels, node),
        synthetic=is_synthetic(node),
    )


def study_labels(node: slicer.vtkMRMLNode, volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Return a node's labels on the grid of ``volume``: uint8 values of :class:`claimslicer.labels.Label`.

    A label map's values are mapped as a file's are; a segmentation's segments are known by their names.
    """
    if node.IsA("vtkMRMLSegmentationNode"):
        return to_internal(named_segments(node, volume, LABEL_STYLES), node.GetName(), "EMIDEC")
    return to_internal(_label_map(node, volume), node.GetName())


def scar_mask(node: slicer.vtkMRMLNode, volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Return a node's scar mask on the grid of ``volume``: uint8 values of ScarLabel."""
    if node.IsA("vtkMRMLSegmentationNode"):
        return named_segments(node, volume, SCAR_STYLES)
    scar = _label_map(node, volume)
    if not np.isin(scar, list(ScarLabel)).all():
        raise StudyError(f"{node.GetName()} is no scar mask: its values must be 0, 1 (scar) and 2 (MVO).")
    return scar.astype(np.uint8)


def _label_map(node: slicer.vtkMRMLNode, volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    if not volume_geometry(node).is_close(volume_geometry(volume)):
        raise StudyError(
            f"The label map {node.GetName()} lies on another grid than {volume.GetName()}: choose the volume "
            "it was drawn on."
        )
    return slicer.util.arrayFromVolume(node).copy()


def named_segments(
    node: slicer.vtkMRMLSegmentationNode,
    volume: slicer.vtkMRMLScalarVolumeNode,
    styles: Sequence[SegmentStyle],
) -> np.ndarray:
    """Return the segments whose names are known, uint8 ``(z, y, x)``, each with its style's value.

    A later style wins. Raises StudyError when there is none, or the segmentation can't be used.
    """
    _refuse_transform(node)
    segmentation = node.GetSegmentation()
    if not segmentation.ContainsRepresentation(BINARY_LABELMAP):
        raise StudyError(
            f"The segmentation {node.GetName()} has no binary label map: create one in the module "
            "Segmentations, under Representations."
        )
    segments = [segmentation.GetSegment(key) for key in segmentation.GetSegmentIDs()]
    result = np.zeros(volume_geometry(volume).shape, np.uint8)
    # Segments that don't overlap share a layer, and resampling one takes 20 ms.
    layers: dict[slicer.vtkOrientedImageData, np.ndarray] = {}
    found = False
    for style in styles:
        for segment in segments:
            if style.is_called(segment.GetName()):
                found = True
                layer = segment.GetRepresentation(BINARY_LABELMAP)
                if layer not in layers:
                    layers[layer] = _on_grid(layer, volume)
                result[layers[layer] == segment.GetLabelValue()] = style.value
    if not found:
        wanted = ", ".join(style.name for style in styles)
        raise StudyError(
            f"No segment of {node.GetName()} has a name I know: rename its segments to {wanted}."
        )
    return result


def _on_grid(layer: slicer.vtkOrientedImageData, volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Return a segmentation's layer of label values on the grid of ``volume``; the scene isn't touched.

    ``slicer.util.arrayFromSegmentBinaryLabelmap`` would do, but leaves display nodes behind.
    """
    shape = volume_geometry(volume).shape
    if layer.IsEmpty():
        return np.zeros(shape, np.uint8)
    grid = slicer.vtkSlicerSegmentationsModuleLogic.CreateOrientedImageDataFromVolumeNode(volume)
    grid.UnRegister(None)
    resample = slicer.vtkOrientedImageDataResample
    if not (resample.DoGeometriesMatch(layer, grid) and resample.DoExtentsMatch(layer, grid)):
        image = slicer.vtkOrientedImageData()
        resample.ResampleOrientedImageToReferenceOrientedImage(layer, grid, image)
        layer = image
    return vtk_to_numpy(layer.GetPointData().GetScalars()).reshape(shape)


def add_segmentation(
    array: np.ndarray,
    volume: slicer.vtkMRMLScalarVolumeNode,
    name: str,
    styles: Sequence[SegmentStyle],
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation node that holds label map ``array`` ``(z, y, x)``, drawn on the grid of ``volume``.

    Every style becomes a segment, also where ``array`` doesn't have its value.
    """
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name)
    )
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    if is_synthetic(volume):
        mark_synthetic(node)
    update_segmentation(node, array, volume, styles)
    return node


def update_segmentation(
    node: slicer.vtkMRMLSegmentationNode,
    array: np.ndarray,
    volume: slicer.vtkMRMLScalarVolumeNode,
    styles: Sequence[SegmentStyle],
) -> None:
    """Let one of our segmentation nodes hold another label map ``array`` ``(z, y, x)`` on ``volume``'s grid.

    Names and colours that the user has given the segments stay; a segment that is gone comes back.
    """
    segmentation = node.GetSegmentation()
    image = _oriented_image(array, volume)
    present = [segmentation.GetSegment(style.name) for style in styles]
    layers = {segment.GetRepresentation(BINARY_LABELMAP) for segment in present if segment is not None}
    if None not in present and len(layers) == 1 and None not in layers:
        layer = layers.pop()
        layer.DeepCopy(image)
        # Copying tells nobody: the first is for what is made of the labels, the second for the slice views.
        layer.Modified()
        segmentation.InvokeEvent(segmentation.RepresentationModified)
        return
    for style, known in zip(styles, present, strict=True):
        segment = known or _new_segment(style)
        segment.SetLabelValue(style.value)
        segment.AddRepresentation(BINARY_LABELMAP, image)
        if known is None:
            segmentation.AddSegment(segment, style.name)


def _new_segment(style: SegmentStyle) -> slicer.vtkSegment:
    segment = slicer.vtkSegment()
    segment.SetName(style.name)
    segment.SetColor(*style.colour)
    segment.SetTag(segment.GetTerminologyEntryTagName(), terminology_entry(style.term))
    return segment


def _oriented_image(array: np.ndarray, volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkOrientedImageData:
    """Return label map ``array`` ``(z, y, x)`` on the grid of ``volume``.

    All segments share it, as the Segment Editor makes it: the label value tells them apart.
    """
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*reversed(array.shape))
    scalars = numpy_to_vtk(np.ascontiguousarray(array, np.uint8).ravel(), deep=True)
    scalars.SetName("labels")
    image.GetPointData().SetScalars(scalars)
    to_ras = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(to_ras)
    image.SetImageToWorldMatrix(to_ras)
    return image


def add_volume(
    array: np.ndarray, geometry: Geometry, name: str, *, synthetic: bool
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a scalar volume node with ``array`` ``(z, y, x)``; a generated one is marked as such."""
    node = slicer.util.addVolumeFromArray(
        array, ijkToRAS=ijk_to_ras(geometry), name=slicer.mrmlScene.GenerateUniqueName(name)
    )
    if synthetic:
        mark_synthetic(node)
    node.CreateDefaultDisplayNodes()
    return node


def show_like(node: slicer.vtkMRMLScalarVolumeNode, other: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Give ``node`` the window and level of ``other``, so that the two can be compared by eye."""
    if other.GetDisplayNode() is None:
        return
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(other.GetDisplayNode().GetWindow(), other.GetDisplayNode().GetLevel())


def insertion_points(node: slicer.vtkMRMLMarkupsNode) -> Insertions:
    """Return the RV insertions of a point list: the anterior one first, then the inferior."""
    points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
    if len(points) != 2:
        raise AnatomyError(
            f"The point list {node.GetName()} has {len(points)} points: it must hold two, first the anterior "
            "and then the inferior RV insertion."
        )
    anterior, inferior = (tuple((_RAS_TO_LPS @ point).tolist()) for point in points)
    return Insertions(anterior=anterior, inferior=inferior)
