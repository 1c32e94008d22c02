"""The module CLAIM: its button puts the AHA-17 model of a study into the scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from claimslicer.anatomy import build_frame
from scipy.spatial.transform import Rotation


def aha_labels(node, volume) -> np.ndarray:
    """The segments of an AHA-17 node as numbers, read back through Slicer."""
    result = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    for key in node.GetSegmentation().GetSegmentIDs():
        result[slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume) > 0] = int(key.split()[0])
    return result


def test_the_button_adds_the_model(open_panel, phantom):
    volume, labels = phantom
    panel = open_panel("ClaimSlicer")
    assert not panel.ui.applyButton.enabled
    panel.ui.volumeSelector.setCurrentNode(volume)
    assert "segmentation" in panel.ui.applyButton.toolTip
    panel.ui.labelsSelector.setCurrentNode(labels)
    assert panel.ui.applyButton.enabled
    panel.ui.applyButton.click()

    node = slicer.util.getNode("AHA-17*")
    from ClaimSlicerLib.mrml import volume_study

    study = volume_study(volume, labels)
    expected = build_frame(study.labels, study.geometry, image=study.image)
    assert np.array_equal(aha_labels(node, volume), expected.segments)
    segment = node.GetSegmentation().GetSegment("1 basal anterior")
    assert segment.GetName() == "1 basal anterior"
    colours = {
        node.GetSegmentation().GetSegment(k).GetColor() for k in node.GetSegmentation().GetSegmentIDs()
    }
    assert len(colours) == 17
    text = panel.ui.resultLabel.text
    assert ("apex first" if expected.apex_first else "base first") in text
    assert "from the right ventricle's label" in text


def test_marked_insertions_are_used(open_panel, phantom):
    volume, labels = phantom
    panel = open_panel("ClaimSlicer")
    model = panel.logic.make_aha_model(volume, labels)
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "insertions")
    # Both turned by 60° round the cavity turn the model by one segment.
    geometry = model.frame.geometry
    centre = geometry.index_to_physical(np.argwhere(model.frame.cavity)).mean(axis=0)
    normal = np.asarray(geometry.direction).reshape(3, 3)[:, 2]
    turn = Rotation.from_rotvec(np.radians(60) * normal)
    for point in (model.frame.insertions.anterior, model.frame.insertions.inferior):
        left, posterior, superior = centre + turn.apply(np.asarray(point) - centre)
        points.AddControlPoint(-left, -posterior, superior)
    panel.ui.volumeSelector.setCurrentNode(volume)
    panel.ui.labelsSelector.setCurrentNode(labels)
    panel.ui.insertionsSelector.setCurrentNode(points)
    panel.ui.applyButton.click()
    assert "as marked" in panel.ui.resultLabel.text
    turned = slicer.util.getNode("AHA-17*_1")
    first, second = (aha_labels(node, volume) for node in (model.node, turned))
    assert np.array_equal(first > 0, second > 0)
    assert (first != second)[first > 0].mean() > 0.7


def test_a_refusal_is_shown_and_adds_nothing(open_panel, phantom, messages):
    volume, labels = phantom
    labels.GetSegmentation().RemoveSegment("Cavity")
    panel = open_panel("ClaimSlicer")
    panel.ui.volumeSelector.setCurrentNode(volume)
    panel.ui.labelsSelector.setCurrentNode(labels)
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.applyButton.click()
    assert len(messages()) == 1
    assert "The AHA-17 model could not be made." in messages()[0]
    assert "cavity" in messages()[0]
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert panel.ui.resultLabel.text == ""


@pytest.mark.parametrize("name", ["ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule"])
def test_the_modules_own_test_passes(scene, name):
    from host import application

    case = getattr(application.load(name), f"{name}Test")()
    result = case.run()
    assert result.testsRun == 1
    assert not result.failures, result.failures
    assert not result.errors, result.errors
