"""Nodes to arrays and back, with oblique, mirrored and off-centre grids."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
import vtk
from claimslicer.errors import AnatomyError, StudyError
from claimslicer.labels import Label
from claimslicer.studies import Geometry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation


@pytest.fixture
def mrml(scene):
    from host import application

    application.load("ClaimSlicer")
    from ClaimSlicerLib import mrml

    return mrml


def geometry_of(
    angles=(0.0, 0.0, 0.0), mirrored=False, origin=(0.0, 0.0, 0.0), spacing=(1.4, 1.5, 9.0)
) -> Geometry:
    direction = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    if mirrored:
        direction[:, 2] *= -1
    return Geometry((4, 12, 10), spacing, origin, tuple(direction.ravel()))


angle = st.floats(-180, 180)
place = st.floats(-300, 300)
size = st.floats(0.4, 15)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(
    st.tuples(angle, angle, angle), st.booleans(), st.tuples(place, place, place), st.tuples(size, size, size)
)
def test_geometry_survives_the_scene(mrml, angles, mirrored, origin, spacing):
    geometry = geometry_of(angles, mirrored, origin, spacing)
    array = np.arange(np.prod(geometry.shape), dtype=np.int16).reshape(geometry.shape)
    node = mrml.add_volume(array, geometry, "volume", synthetic=False)
    study = mrml.volume_study(node)
    assert np.array_equal(study.image, array)
    assert study.image.dtype == array.dtype
    assert study.geometry.is_close(geometry, tolerance_mm=1e-6)
    slicer.mrmlScene.RemoveNode(node)


@quick
@given(st.tuples(angle, angle, angle), st.booleans(), st.tuples(place, place, place))
def test_a_voxel_lies_where_mrml_says(mrml, angles, mirrored, origin):
    geometry = geometry_of(angles, mirrored, origin)
    node = mrml.add_volume(np.zeros(geometry.shape, np.float32), geometry, "volume", synthetic=False)
    to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    ras = np.array(to_ras.MultiplyPoint((7, 2, 3, 1)))[:3]
    assert np.allclose(geometry.index_to_physical((3, 2, 7)), ras * (-1, -1, 1), atol=1e-6)
    slicer.mrmlScene.RemoveNode(node)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angles", [(0, 0, 0), (35, -50, 110)])
def test_segments_come_back_on_the_volumes_grid(mrml, angles, mirrored):
    from ClaimSlicerLib.segments import LABEL_STYLES

    geometry = geometry_of(angles, mirrored, origin=(-40.0, 70.0, 15.0))
    labels = np.random.default_rng(4).integers(0, 6, geometry.shape).astype(np.uint8)
    volume = mrml.add_volume(labels.astype(np.float32), geometry, "volume", synthetic=False)
    node = mrml.add_segmentation(labels, volume, "labels", LABEL_STYLES)
    assert np.array_equal(mrml.study_labels(node, volume), labels)


def test_a_segmentation_is_rewritten_in_place(mrml):
    from ClaimSlicerLib.segments import SCAR_STYLES

    geometry = geometry_of()
    volume = mrml.add_volume(np.zeros(geometry.shape, np.int16), geometry, "volume", synthetic=False)
    random = np.random.default_rng(1)
    scars = [random.integers(0, 3, geometry.shape).astype(np.uint8) for _ in range(4)]
    node = mrml.add_segmentation(scars[0], volume, "scar", SCAR_STYLES)
    segments = node.GetSegmentation()
    segments.GetSegment("Scar").SetName("Infarct")
    segments.GetSegment("Scar").SetColor(0.1, 0.2, 0.3)
    mrml.update_segmentation(node, scars[1], volume, SCAR_STYLES)
    assert np.array_equal(mrml.scar_mask(node, volume), scars[1])
    assert segments.GetNumberOfLayers() == 1
    segments.RemoveSegment("MVO")
    mrml.update_segmentation(node, scars[2], volume, SCAR_STYLES)
    assert np.array_equal(mrml.scar_mask(node, volume), scars[2])
    # Drawn over each other, segments lie in layers of their own.
    segments.SeparateSegmentLabelmap("MVO")
    assert segments.GetNumberOfLayers() == 2
    mrml.update_segmentation(node, scars[3], volume, SCAR_STYLES)
    assert np.array_equal(mrml.scar_mask(node, volume), scars[3])
    assert segments.GetSegment("Scar").GetName() == "Infarct"
    assert segments.GetSegment("Scar").GetColor() == (0.1, 0.2, 0.3)


def test_segments_are_coded_as_slicer_writes_it(mrml):
    from claimslicer.terms import SCAR
    from ClaimSlicerLib import terminology
    from ClaimSlicerLib.segments import SCAR_STYLES

    geometry = geometry_of()
    volume = mrml.add_volume(np.zeros(geometry.shape, np.int16), geometry, "volume", synthetic=False)
    node = mrml.add_segmentation(np.zeros(geometry.shape, np.uint8), volume, "scar", SCAR_STYLES)
    segment = node.GetSegmentation().GetSegment("Scar")
    assert segment.HasTag(segment.GetTerminologyEntryTagName())
    parts = [(code.value, code.scheme, code.meaning) for code in (SCAR.category, SCAR.type, SCAR.region)]
    none = ("", "", "")
    written = slicer.vtkSlicerTerminologiesModuleLogic.SerializeTerminologyEntry(
        terminology.CONTEXT, *parts[0], *parts[1], *none, terminology.REGIONS, *parts[2], *none
    )
    text = vtk.reference("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), text)
    assert str(text) == written == terminology.terminology_entry(SCAR)


def test_slicer_takes_the_terminology_file(mrml):
    from ClaimSlicerLib import terminology

    assert json.loads(terminology.FILE.read_text(encoding="utf-8")) == terminology.contents()
    terminology.load()
    assert slicer.modules.terminologies.logic().IsTerminologyContextLoaded(terminology.CONTEXT)


def test_segments_are_known_by_usual_names(mrml, phantom):
    volume, node = phantom
    expected = mrml.study_labels(node, volume)
    for old, new in {"Cavity": "LV_Blood_Pool", "Infarct": "scar", "Right ventricle": "RV"}.items():
        node.GetSegmentation().GetSegment(old).SetName(new)
    assert np.array_equal(mrml.study_labels(node, volume), expected)


def test_a_label_map_is_mapped_as_a_file_is(mrml):
    geometry = geometry_of((10, 20, 30))
    myops = np.zeros(geometry.shape, np.int16)
    myops[1:3, 3:9, 3:9] = 200
    myops[1:3, 5:7, 5:7] = 500
    volume = mrml.add_volume(myops, geometry, "volume", synthetic=False)
    node = slicer.util.addVolumeFromArray(
        myops, ijkToRAS=mrml.ijk_to_ras(geometry), name="labels", nodeClassName="vtkMRMLLabelMapVolumeNode"
    )
    labels = mrml.study_labels(node, volume)
    assert (labels == Label.CAVITY).sum() == (myops == 500).sum()
    assert (labels == Label.MYOCARDIUM).sum() == (myops == 200).sum()


def test_what_cannot_be_used_is_refused_in_a_sentence(mrml, phantom):
    volume, labels = phantom
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(StudyError, match="harden"):
        mrml.volume_study(volume)
    volume.SetAndObserveTransformNodeID(None)

    sheared = np.eye(4)
    sheared[0, 1] = 0.4
    node = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5)), ijkToRAS=sheared, name="sheared")
    with pytest.raises(StudyError, match="right angles"):
        mrml.volume_study(node)

    elsewhere = slicer.util.addVolumeFromArray(
        np.ones((3, 4, 5), np.uint8), name="elsewhere", nodeClassName="vtkMRMLLabelMapVolumeNode"
    )
    with pytest.raises(StudyError, match="another grid"):
        mrml.study_labels(elsewhere, volume)

    for key in labels.GetSegmentation().GetSegmentIDs():
        labels.GetSegmentation().GetSegment(key).SetName(f"thing {key[0]}")
    with pytest.raises(StudyError, match="rename its segments"):
        mrml.study_labels(labels, volume)


def test_insertion_points_are_turned_to_lps(mrml):
    markups = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "RV")
    markups.AddControlPoint(10.0, 20.0, 30.0)
    with pytest.raises(AnatomyError, match="must hold two"):
        mrml.insertion_points(markups)
    markups.AddControlPoint(-1.0, 2.0, 3.0)
    points = mrml.insertion_points(markups)
    assert points.anterior == (-10.0, -20.0, 30.0)
    assert points.inferior == (1.0, -2.0, 3.0)
    assert points.source == "given"


def test_synthetic_volumes_say_so(mrml, phantom):
    from ClaimSlicerLib.synthetic import SYNTHETIC_ATTRIBUTE

    volume, labels = phantom
    assert volume.GetAttribute(SYNTHETIC_ATTRIBUTE) == "1"
    assert labels.GetAttribute(SYNTHETIC_ATTRIBUTE) == "1"
    assert mrml.volume_study(volume).synthetic
