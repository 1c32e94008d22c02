"""The module SMILE: the scar as a node of the scene, the panel's state in it, and files."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from claimslicer.smile import ScarSpec
from smile_trial import choose, mask, open_with_the_phantom, settling, study


@pytest.fixture
def panel(open_panel, phantom, wait_for):
    return open_with_the_phantom(open_panel, phantom, wait_for)


@pytest.fixture
def settle(panel, wait_for):
    return settling(panel, wait_for)


def test_the_result_is_named_coloured_coded_and_carries_its_specification(panel, settle):
    from ClaimSlicerLib.synthetic import is_synthetic
    from SMILEModuleLib import scar_node

    choose(panel, 7, 8)
    settle()
    node = panel.parameters.scar
    for name in ("Scar", "MVO"):
        segment = node.GetSegmentation().GetSegment(name)
        assert segment.GetName() == name
        assert segment.HasTag("TerminologyEntry")
    assert node.GetName().startswith("Scar for LGE phantom")
    assert is_synthetic(node)
    assert scar_node.specification(node) == panel.scar.made.spec
    assert ScarSpec.from_dict(panel.scar.made.spec.to_dict()).segments == (7, 8)


def test_a_kept_or_edited_scar_is_left_alone(panel, settle):
    from ClaimSlicerLib.mrml import update_segmentation
    from ClaimSlicerLib.segments import SCAR_STYLES

    choose(panel, 10)
    settle()
    first, kept = panel.parameters.scar, mask(panel)
    panel.ui.newScarButton.click()
    panel.ui.volumeSlider.value = 2.0
    settle()
    second = panel.parameters.scar
    assert second is not first
    assert np.array_equal(mask(panel, first), kept)
    edited = mask(panel)
    edited[tuple(np.argwhere(edited == 0)[0])] = 1
    update_segmentation(second, edited, panel.parameters.volume, SCAR_STYLES)
    panel.ui.volumeSlider.value = 1.1
    settle()
    assert panel.parameters.scar is not second
    assert np.array_equal(mask(panel, second), edited)


def test_a_scar_of_the_users_own_is_left_alone(panel, settle):
    from ClaimSlicerLib.mrml import add_segmentation
    from ClaimSlicerLib.segments import SCAR_STYLES

    own = np.zeros(study(panel).labels.shape, np.uint8)
    own[4, 100:104, 100:104] = 1
    node = add_segmentation(own, panel.parameters.volume, "mine", SCAR_STYLES)
    panel.parameters.scar = node
    choose(panel, 10)
    settle()
    assert panel.parameters.scar is not node
    assert np.array_equal(mask(panel, node), own)


def test_the_state_lives_in_the_scene(panel, settle, wait_for, tmp_path):
    choose(panel, 3, 9)
    panel.ui.volumeSlider.value = 3.5
    panel.ui.patternSelector.currentIndex = 1
    panel.ui.depthRange.setValues(10.0, 90.0)
    settle()
    spec, scar = panel.scar.made.spec, mask(panel)
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear()
    assert panel.history.current is None
    slicer.util.loadScene(path)
    panel.exit()
    panel.enter()
    wait_for(lambda: panel.scar is not None)
    assert panel.scar.made.spec == spec
    assert panel.bullseye.selection == {3, 9}
    assert panel.ui.patternSelector.currentText == "Mid-wall"
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    node = panel.parameters.scar
    assert np.array_equal(mask(panel), scar)
    panel.ui.volumeSlider.value = 3.0
    settle()
    assert panel.parameters.scar is node
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_specifications_go_to_files_and_back(panel, settle, dialogs, tmp_path):
    choose(panel, 6)
    panel.ui.volumeSlider.value = 1.5
    settle()
    dialogs.paths.append(tmp_path / "mine")
    panel.ui.saveButton.click()
    assert dialogs.errors() == []
    spec = panel.scar.made.spec
    assert ScarSpec.from_yaml((tmp_path / "mine.yaml").read_text(encoding="utf-8")) == spec
    choose(panel, 1, 2)
    dialogs.paths.append(tmp_path / "mine.yaml")
    panel.ui.loadButton.click()
    settle()
    assert panel.scar.made.spec == spec
    (tmp_path / "bad.yaml").write_text("segments: [99]\nvolume_ml: 3\n", encoding="utf-8")
    dialogs.paths.append(tmp_path / "bad.yaml")
    panel.ui.loadButton.click()
    assert "99" in dialogs.errors()[0]
    assert panel.bullseye.selection == {6}


def test_it_says_what_is_missing_and_survives_nodes_that_leave(panel, settle, phantom):
    choose(panel, 10)
    settle()
    scar = panel.parameters.scar
    slicer.mrmlScene.RemoveNode(scar)
    panel.ui.volumeSlider.value = 2.0
    settle()
    assert panel.parameters.scar is not scar
    slicer.mrmlScene.RemoveNode(phantom[1])
    panel.ui.volumeSlider.value = 3.0
    assert "label map of the left ventricle" in panel.ui.messageLabel.text
    assert not panel.ui.randomButton.enabled
    slicer.mrmlScene.RemoveNode(phantom[0])
    assert "Choose the LGE volume" in panel.ui.messageLabel.text


def test_wrong_labels_are_refused_in_a_sentence(panel, phantom, dialogs):
    from ClaimSlicerLib.mrml import add_segmentation
    from ClaimSlicerLib.segments import SCAR_STYLES

    wrong = add_segmentation(np.zeros(study(panel).labels.shape, np.uint8), phantom[0], "wrong", SCAR_STYLES)
    for key in wrong.GetSegmentation().GetSegmentIDs():
        wrong.GetSegmentation().GetSegment(key).SetName(f"thing {key}")
    panel.ui.labelsSelector.setCurrentNode(wrong)
    assert "rename its segments" in panel.ui.messageLabel.text
    assert panel.author.heart is None
    assert dialogs.errors() == []


def test_closing_the_scene_empties_the_panel(panel, settle):
    choose(panel, 10)
    settle()
    choose(panel, 11)
    slicer.mrmlScene.Clear()
    slicer.app.processEvents()
    assert panel.author.heart is None
    assert panel.parameters is None or panel.parameters.segments == ""
