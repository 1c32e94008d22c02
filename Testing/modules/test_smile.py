"""The module SMILE: its button puts the scar that was asked for into the scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from claimslicer.errors import SpecificationError
from claimslicer.labels import ScarLabel, myocardium_mask


@pytest.fixture
def panel(open_panel, phantom):
    panel = open_panel("SMILEModule")
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    panel.ui.labelsSelector.setCurrentNode(phantom[1])
    return panel


def scar_in_scene(panel, phantom, name="Scar for*") -> np.ndarray:
    from ClaimSlicerLib.mrml import scar_mask

    return scar_mask(slicer.util.getNode(name), phantom[0])


def test_the_button_adds_the_scar(panel, phantom):
    from ClaimSlicerLib.mrml import volume_study

    panel.ui.segmentsEdit.text = "5 6, 11-12"
    panel.ui.volumeMlSlider.value = 5.0
    panel.ui.mvoSlider.value = 20.0
    panel.ui.patternBox.currentIndex = 0
    panel.ui.seedBox.value = 7
    panel.ui.applyButton.click()

    study = volume_study(*phantom)
    scar = scar_in_scene(panel, phantom)
    voxel_ml = study.geometry.voxel_volume_ml
    assert abs((scar > 0).sum() * voxel_ml - 5.0) <= voxel_ml
    assert (scar == ScarLabel.MVO).any()
    assert myocardium_mask(study.labels)[scar > 0].all()
    node = slicer.util.getNode("Scar for*")
    assert [node.GetSegmentation().GetSegment(k).GetName() for k in ("Scar", "MVO")] == ["Scar", "MVO"]
    assert "ml" in panel.ui.resultLabel.text


def test_the_state_lives_in_the_scene(panel, phantom, tmp_path):
    panel.ui.segmentsEdit.text = "3"
    panel.ui.patternBox.currentIndex = 1
    panel.ui.seedBox.value = 11
    node = panel.logic.getParameterNode()
    assert node.segments == "3"
    assert node.pattern.value == "mid-wall"
    assert node.volume is phantom[0]
    node.volumeMl = 3.5
    assert panel.ui.volumeMlSlider.value == 3.5
    with pytest.raises(ValueError, match="range"):
        node.volumeMl = 1000.0
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    assert panel.parameters is None or panel.parameters.segments != "3"
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": True})
    panel.exit()
    panel.enter()
    assert panel.ui.segmentsEdit.text == "3"
    assert panel.ui.seedBox.value == 11
    assert panel.ui.volumeMlSlider.value == 3.5


@pytest.mark.parametrize(
    ("segments", "ml", "sentence"),
    [("18", 5.0, "18"), ("one", 5.0, "numbers from 1 to 17"), ("17", 90.0, "ml")],
)
def test_a_refusal_is_shown_and_adds_nothing(panel, messages, segments, ml, sentence):
    panel.ui.segmentsEdit.text = segments
    panel.ui.volumeMlSlider.value = ml
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.applyButton.click()
    assert len(messages()) == 1
    assert sentence in messages()[0]
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_apply_waits_for_what_is_missing(panel):
    panel.ui.segmentsEdit.text = " "
    assert not panel.ui.applyButton.enabled
    panel.ui.segmentsEdit.text = "4"
    assert panel.ui.applyButton.enabled
    panel.ui.labelsSelector.setCurrentNode(None)
    assert not panel.ui.applyButton.enabled


def test_parse_segments(scene):
    from host import application

    parse = application.load("SMILEModule").parse_segments
    assert parse("7, 8;13-16 17") == (7, 8, 13, 14, 15, 16, 17)
    for text in ("", "7,", "a", "7--8", "1.5"):
        with pytest.raises(SpecificationError):
            parse(text)


def test_every_pattern_of_the_library_is_offered(scene):
    from claimslicer.smile.patterns import PATTERNS
    from host import application

    assert {member.value for member in application.load("SMILEModule").Pattern} == set(PATTERNS)
