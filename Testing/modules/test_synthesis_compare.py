"""Variants in module Scar Synthesis: compared, exported, deleted, reopened with the scene."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
from claimslicer.studies import read_study
from PySide6 import QtCore, QtTest
from synthesis_trial import choose_row, click, opacity, open_with_a_scar, paint, rows, wait_for

LEFT = QtCore.Qt.MouseButton.LeftButton
CONTROL = QtCore.Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def panel(open_panel, phantom):
    return open_with_a_scar(open_panel, phantom)


def test_fade_flicker_windows_and_the_way_back(panel, phantom):
    from ClaimSlicerLib import views

    layout = slicer.app.layoutManager().layout
    (node,) = paint(panel)
    slider = panel.ui.fadeSlider
    QtTest.QTest.keyClick(slider, QtCore.Qt.Key.Key_Home)
    assert (panel.parameters.fade, opacity()) == (0, 0.0)
    QtTest.QTest.keyClick(slider, QtCore.Qt.Key.Key_PageUp)
    assert opacity() == panel.parameters.fade / 100 == 0.25
    click(panel.ui.flickerButton)
    wait_for(lambda: opacity() == 1.0, 3)
    wait_for(lambda: opacity() == 0.0, 3)
    click(panel.ui.flickerButton)
    assert opacity() == 0.25
    phantom[0].GetDisplayNode().SetAutoWindowLevel(False)
    phantom[0].GetDisplayNode().SetWindowLevel(77.0, 66.0)
    assert (node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()) == (77.0, 66.0)
    node.GetDisplayNode().SetWindowLevel(55.0, 44.0)
    assert phantom[0].GetDisplayNode().GetLevel() == 44.0
    end = np.abs(
        slicer.util.arrayFromVolume(node).astype(float) - slicer.util.arrayFromVolume(phantom[0])
    ).max()
    assert (panel.ui.lowLabel.text, panel.ui.highLabel.text) == (f"−{end:.4g}", f"+{end:.4g}")
    panel.ui.arrangementSelector.currentIndex = 2
    assert views.comparing() is views.Arrangement.ONE_VIEW
    assert opacity() == 0.25
    shown = phantom[1].GetDisplayNode()
    assert not shown.GetVisibility2D()
    panel.ui.segmentationsCheck.click()
    assert shown.GetVisibility2D()
    click(panel.ui.leaveButton)
    assert views.comparing() is None
    assert slicer.app.layoutManager().layout == layout
    assert not panel.ui.fadeSlider.enabled
    node.GetDisplayNode().SetWindowLevel(10.0, 20.0)
    assert phantom[0].GetDisplayNode().GetLevel() == 44.0


def test_another_layout_from_slicers_menu_ends_the_comparison(panel, phantom):
    paint(panel)
    assert panel.ui.leaveButton.enabled
    click(panel.ui.flickerButton)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    assert not panel.ui.leaveButton.enabled
    assert not panel.comparison.flicker.running
    assert phantom[1].GetDisplayNode().GetVisibility2D()


def test_two_variants_are_compared_and_one_by_a_double_click(panel, phantom):
    first, second = paint(panel, 2)
    choose_row(panel, 0)
    choose_row(panel, 1, CONTROL)
    assert not panel.ui.exportButton.enabled
    click(panel.ui.compareButton)
    assert (panel.parameters.against, panel.parameters.shown) == (first, second)
    assert panel.ui.firstLabel.text == "First"
    table = panel.ui.variantsTable
    place = table.visualItemRect(table.item(1, 0)).center()
    choose_row(panel, 1)
    QtTest.QTest.mouseDClick(table.viewport(), LEFT, QtCore.Qt.KeyboardModifier.NoModifier, place)
    assert (panel.parameters.against, panel.parameters.shown) == (phantom[0], second)
    slicer.mrmlScene.RemoveNode(phantom[0])
    choose_row(panel, 0)


def test_without_its_original_a_variant_can_still_be_exported(panel, phantom, dialogs, tmp_path):
    from ClaimSlicerLib.band import band_array

    (node,) = paint(panel)
    image = slicer.util.arrayFromVolume(node).copy()
    slicer.mrmlScene.RemoveNode(phantom[0])
    choose_row(panel, 0)
    click(panel.ui.compareButton)
    assert "isn't in the scene any more" in dialogs.errors()[-1]
    for name in ("mine.nii.gz", "mine.nrrd"):
        dialogs.paths.append(tmp_path / name)
        click(panel.ui.exportButton)
        wait_for(lambda: not panel.job.running)
        written = tmp_path / name.replace("mine", "mine_synthetic")
        assert str(written) in panel.ui.resultLabel.text
        study = read_study(written)
        assert study.synthetic
        assert np.array_equal(study.image, image)
        for stem in ("mine_synthetic", "mine_band_synthetic"):
            sidecar = json.loads((tmp_path / f"{stem}.json").read_text(encoding="utf-8"))
            assert (sidecar["synthetic"], sidecar["command"], sidecar["seed"]) == (True, "synthesize", 0)
        beside = tmp_path / name.replace("mine", "mine_band_synthetic")
        assert beside.name in panel.ui.resultLabel.text
        assert np.array_equal(read_study(beside).image, band_array(node))
    dialogs.shown.clear()
    (tmp_path / "file").touch()
    dialogs.paths.append(tmp_path / "file" / "image.nrrd")
    click(panel.ui.exportButton)
    wait_for(lambda: not panel.job.running)
    assert len(dialogs.errors()) == 1


def test_a_variant_of_an_earlier_version_is_exported_without_a_band(panel, dialogs, tmp_path):
    from ClaimSlicerLib.band import band_of
    from ClaimSlicerLib.synthetic import RECIPE_ATTRIBUTE, recipe_of
    from SynthesisModuleLib.variants import variants

    (node,) = paint(panel)
    slicer.mrmlScene.RemoveNode(band_of(node))
    recipe = recipe_of(node)
    recipe["settings"] = {**recipe["settings"], "halo_mm": 3.0}
    del recipe["settings"]["band_mm"]
    node.SetAttribute(RECIPE_ATTRIBUTE, json.dumps(recipe))
    assert "the blood's edge up to 3 mm beside it" in variants()[0].tip()
    choose_row(panel, 0)
    dialogs.paths.append(tmp_path / "old.nii.gz")
    click(panel.ui.exportButton)
    wait_for(lambda: not panel.job.running)
    assert dialogs.errors() == []
    assert {path.name for path in tmp_path.iterdir()} == {"old_synthetic.nii.gz", "old_synthetic.json"}


def test_what_was_painted_is_outlined_on_request_and_goes_with_the_comparison(panel):
    from ClaimSlicerLib import views
    from ClaimSlicerLib.band import band_of

    first, second = paint(panel, 2)

    def outlined() -> list[bool]:
        return [bool(band_of(node).GetDisplayNode().GetVisibility()) for node in (first, second)]

    assert not panel.ui.paintedCheck.checked
    assert outlined() == [False, False]
    panel.ui.paintedCheck.click()
    assert outlined() == [True, False]
    assert band_of(first).GetDisplayNode().GetVisibility2D()
    choose_row(panel, 0)
    choose_row(panel, 1, CONTROL)
    click(panel.ui.compareButton)
    assert outlined() == [True, True]
    panel.ui.paintedCheck.click()
    assert outlined() == [False, False]
    panel.ui.paintedCheck.click()
    click(panel.ui.leaveButton)
    assert views.comparing() is None
    assert outlined() == [False, False]


def test_a_band_goes_with_its_variant_however_that_is_removed(panel):
    from ClaimSlicerLib.band import KIND, band_of
    from ClaimSlicerLib.made import made_nodes

    first, second = paint(panel, 2)
    kept = band_of(second)
    slicer.mrmlScene.RemoveNode(first)
    assert made_nodes({KIND}) == [kept]
    from SynthesisModuleLib.variants import remove_variant

    displays = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode")
    remove_variant(second)
    assert made_nodes({KIND}) == []
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode") == displays - 1


def test_a_scene_saved_with_a_halo_opens(panel, tmp_path):
    node = panel.parameters.parameterNode
    node.SetParameter("halo", "true")
    node.UnsetParameter("band")
    panel.ui.seedBox.value = 41
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    slicer.app.processEvents()
    assert panel.ui.seedBox.value == 41
    assert panel.ui.bandCheck.checked and panel.parameters.band
    assert len(paint(panel)) == 1


def test_delete_asks_and_takes_only_the_chosen(panel, phantom, dialogs):
    from ClaimSlicerLib import views
    from PySide6.QtWidgets import QMessageBox

    _first, second = paint(panel, 2)
    second_name, before = second.GetName(), slicer.mrmlScene.GetNumberOfNodes()
    choose_row(panel, 0)
    dialogs.answers.append(QMessageBox.StandardButton.Cancel)
    click(panel.ui.deleteButton)
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    dialogs.answers.append(QMessageBox.StandardButton.Ok)
    click(panel.ui.deleteButton)
    assert [row[0] for row in rows(panel)] == [second_name]
    # The node with its display and storage.
    assert slicer.mrmlScene.GetNumberOfNodes() <= before - 3
    assert phantom[0].GetScene() is not None
    assert views.comparing() is None
    from SynthesisModuleLib.variants import remove_variant

    with pytest.raises(ValueError, match="no variant of ours"):
        remove_variant(phantom[0])


def test_scene_saved_and_reopened_is_as_it_was(panel, phantom, tmp_path):
    from ClaimSlicerLib import views
    from ClaimSlicerLib.band import band_array, band_of

    panel.ui.seedBox.value = 41
    panel.ui.textureSelector.currentIndex = 1
    panel.ui.samplerSelector.currentIndex = 1
    nodes = paint(panel, 2)
    images = [slicer.util.arrayFromVolume(node).copy() for node in nodes]
    bands = [band_array(node) for node in nodes]
    panel.ui.paintedCheck.click()
    panel.parameters.device = "cuda:3"
    panel.ui.fadeSlider.value = 40
    listed = rows(panel)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    assert panel.ui.seedBox.value != 41
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    slicer.app.processEvents()
    assert (panel.ui.seedBox.value, panel.ui.variantsBox.value, panel.ui.stepsBox.value) == (41, 2, 2)
    assert (panel.ui.textureSelector.currentIndex, panel.ui.samplerSelector.currentIndex) == (1, 1)
    assert "cuda:3 (not here)" in panel.ui.deviceSelector.currentText
    assert rows(panel) == listed
    assert views.comparing() is views.Arrangement.WITH_DIFFERENCE
    assert (panel.ui.fadeSlider.value, opacity()) == (40, 0.4)
    assert [node.GetName() for node in panel.variants.chosen()] == [listed[0][0]]
    assert panel.ui.paintedCheck.checked
    assert band_of(panel.parameters.shown).GetDisplayNode().GetVisibility()
    assert np.array_equal(band_array(panel.parameters.shown), bands[0])
    choose_row(panel, 1)
    click(panel.ui.compareButton)
    assert np.array_equal(band_array(panel.parameters.shown), bands[1])
    assert np.array_equal(slicer.util.arrayFromVolume(panel.parameters.shown), images[1])
    assert panel.parameters.against is panel.parameters.volume
    panel.parameters.device = "auto"
    panel.ui.variantsBox.value = 1
    assert len(paint(panel)) == 1


def test_going_on_to_segmentation(panel):
    from ClaimSlicerLib import views

    (node,) = paint(panel)
    click(panel.ui.segmentButton)
    assert views.comparing() is None
    assert slicer.util.selectedModule() == "SegmentationModule"
    assert slicer.util.getModuleLogic("SegmentationModule").getParameterNode().volume is node


def test_a_click_shows_a_variant_and_one_that_loses_its_original_lets_the_views_go(panel, phantom):
    from ClaimSlicerLib import views

    first, _second = paint(panel, 2)
    choose_row(panel, 1)
    assert panel.parameters.shown is _second
    choose_row(panel, 0)
    assert panel.parameters.shown is first
    slicer.mrmlScene.RemoveNode(phantom[0])
    slicer.app.processEvents()
    assert views.comparing() is None
    choose_row(panel, 1)
    assert views.comparing() is None
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == _second.GetID()


def test_another_module_has_the_users_layout_and_the_comparison_comes_back(panel, open_panel):
    from ClaimSlicerLib import views

    paint(panel)
    assert views.comparing() is not None
    open_panel("ClaimSlicer")
    assert views.comparing() is None
    open_panel("SynthesisModule")
    assert views.comparing() is not None
