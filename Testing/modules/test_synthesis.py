"""The module Scar Synthesis with the real worker and network: painted, compared, failed, reopened."""

from __future__ import annotations

import errno
import json
import time

import numpy as np
import psutil
import pytest
import slicer
from claimslicer.labels import Label, infarct_mask
from claimslicer.models.registry import DEFAULT_MODEL
from claimslicer.smile import ScarSpec
from claimslicer.smile.lesion import border_zone
from claimslicer.studies import read_study
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.synthesis.samplers import SAMPLERS
from claimslicer.synthesis.texture import ANY, PRESETS, texture_of_study
from PySide6 import QtCore, QtTest

LEFT = QtCore.Qt.MouseButton.LeftButton
CONTROL = QtCore.Qt.KeyboardModifier.ControlModifier


def wait_for(condition, seconds: float = 120.0) -> None:
    """Let Qt work until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        slicer.app.processEvents()
        time.sleep(0.005)


def click(widget, **where) -> None:
    """Click a widget as the user does, in its middle."""
    assert widget.enabled, f"{widget.objectName} is off"
    QtTest.QTest.mouseClick(widget, LEFT, **where)


@pytest.fixture
def panel(open_panel, phantom):
    """The panel with the phantom and a small scar mask in its wall, at two steps."""
    from ClaimSlicerLib.mrml import add_segmentation, volume_study
    from ClaimSlicerLib.segments import SCAR_STYLES

    panel = open_panel("SynthesisModule")
    labels = volume_study(*phantom).labels
    scar = (labels == Label.MYOCARDIUM).astype(np.uint8)
    scar[:4], scar[5:], scar[:, :, : scar.shape[2] // 2] = 0, 0, 0
    panel.ui.volumeSelector.setCurrentNode(phantom[0])
    panel.ui.labelsSelector.setCurrentNode(phantom[1])
    assert not panel.ui.applyButton.enabled
    assert "scar" in panel.ui.applyButton.toolTip
    panel.ui.scarSelector.setCurrentNode(add_segmentation(scar, phantom[0], "my scar", SCAR_STYLES))
    panel.ui.stepsBox.value = 2
    slicer.app.layoutManager().viewport().show()
    panel.parent.show()
    return panel


def paint(panel, count: int = 1) -> list:
    """Press the button, wait for the end, and return the new variants."""
    from SynthesisModuleLib.variants import variants

    before = [variant.node for variant in variants()]
    panel.ui.variantsBox.value = count
    click(panel.ui.applyButton)
    assert panel.job.running
    assert not panel.ui.applyButton.enabled
    wait_for(lambda: not panel.job.running)
    assert panel.ui.applyButton.enabled
    return [variant.node for variant in variants() if variant.node not in before]


def rows(panel) -> list[list[str]]:
    table = panel.ui.variantsTable
    return [
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def choose_row(panel, row: int, modifier=QtCore.Qt.KeyboardModifier.NoModifier) -> None:
    table = panel.ui.variantsTable
    place = table.visualItemRect(table.item(row, 0)).center()
    QtTest.QTest.mouseClick(table.viewport(), LEFT, modifier, place)


def opacity() -> float:
    from ClaimSlicerLib import views

    return views.shown_opacity()


def test_painting_adds_marked_variants_and_shows_them(panel, phantom, dialogs):
    from ClaimSlicerLib import views
    from ClaimSlicerLib.mrml import scar_mask
    from ClaimSlicerLib.synthetic import SYNTHETIC_ATTRIBUTE, recipe_of

    seen = []
    shown = panel.job._progress
    panel.job._progress = lambda *event: (seen.append(event), shown(*event))
    panel.ui.seedBox.value = 7
    panel.ui.textureSelector.currentIndex = 3
    original = slicer.util.arrayFromVolume(phantom[0]).copy()
    nodes = paint(panel, 2)
    assert dialogs.errors() == []
    fractions = [fraction for fraction, _message in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert any("2 of 2 steps" in message for _fraction, message in seen)
    mask = scar_mask(panel.parameters.scar, phantom[0]) > 0
    for seed, node in zip((7, 8), nodes, strict=True):
        image = slicer.util.arrayFromVolume(node)
        assert image.dtype == original.dtype
        assert (image != original)[mask].mean() > 0.5
        assert not (image != original)[~mask].any()
        assert node.GetAttribute(SYNTHETIC_ATTRIBUTE) == "1"
        assert "synthetic" in node.GetName()
        recipe = recipe_of(node)
        assert (recipe["seed"], recipe["settings"]["texture"]) == (seed, "bright")
        assert recipe["weights"]["name"] == DEFAULT_MODEL
        assert node.GetDisplayNode().GetWindow() == phantom[0].GetDisplayNode().GetWindow()
    assert not np.array_equal(*(slicer.util.arrayFromVolume(node) for node in nodes))
    assert np.array_equal(slicer.util.arrayFromVolume(phantom[0]), original)
    assert [row[:3] for row in rows(panel)] == [
        [node.GetName(), seed, "bright"] for node, seed in zip(nodes, "78", strict=True)
    ]
    settings = recipe_of(nodes[0])["settings"]
    level = slicer.util.arrayFromVolume(nodes[0])[mask].mean()
    assert float(rows(panel)[0][3]) == pytest.approx(
        (level - settings["remote_mean"]) / settings["remote_sd"], abs=0.05
    )
    assert views.comparing() is views.Arrangement.WITH_DIFFERENCE
    assert (panel.parameters.against, panel.parameters.shown) == (phantom[0], nodes[0])
    assert nodes[1].GetName() in panel.ui.resultLabel.text


def test_a_soft_border_changes_less_at_the_rim(panel, phantom):
    from ClaimSlicerLib.mrml import scar_mask, volume_study

    (soft,) = paint(panel)
    click(panel.ui.advancedBox)
    click(panel.ui.borderCheck, pos=QtCore.QPoint(8, panel.ui.borderCheck.height // 2))
    assert not panel.parameters.softBorder
    (hard,) = paint(panel)
    study = volume_study(*phantom)
    scar = scar_mask(panel.parameters.scar, phantom[0])
    share = border_zone(scar, study.labels, study.geometry, ScarSpec.border_zone_mm)
    assert ((share > 0) & (share < 1)).any()
    changes = [slicer.util.arrayFromVolume(node) - study.image.astype(float) for node in (soft, hard)]
    np.testing.assert_allclose(changes[0], share * changes[1], atol=1.01)


def test_a_halo_changes_the_wall_beside_the_mask_and_says_so(panel, phantom):
    from ClaimSlicerLib.difference import difference_node
    from ClaimSlicerLib.mrml import add_segmentation, scar_mask, volume_study
    from ClaimSlicerLib.segments import SCAR_STYLES
    from SynthesisModuleLib.variants import variants

    scar = scar_mask(panel.parameters.scar, phantom[0])
    scar[:, : int(np.argwhere(scar)[:, 1].mean())] = 0
    panel.ui.scarSelector.setCurrentNode(add_segmentation(scar, phantom[0], "half of it", SCAR_STYLES))
    click(panel.ui.advancedBox)
    click(panel.ui.borderCheck, pos=QtCore.QPoint(8, panel.ui.borderCheck.height // 2))
    assert "3 mm" in panel.ui.haloCheck.toolTip
    paint(panel)
    click(panel.ui.haloCheck, pos=QtCore.QPoint(8, panel.ui.haloCheck.height // 2))
    assert panel.parameters.halo
    assert not panel.parameters.softBorder
    (node,) = paint(panel)
    study = volume_study(*phantom)
    changed = slicer.util.arrayFromVolume(node) != study.image
    beside = changed & (scar == 0)
    assert beside.any()
    assert (study.labels[beside] == Label.MYOCARDIUM).all()
    assert (slicer.util.arrayFromVolume(difference_node())[beside] != 0).all()
    plain, blushed = (variant.tip() for variant in variants())
    assert "only voxels of the mask" in plain
    assert "of the wall up to 3 mm beside it" in blushed


def test_a_scar_looks_as_in_another_study(panel, phantom, dialogs):
    from ClaimSlicerLib.mrml import add_segmentation, add_volume, volume_study
    from ClaimSlicerLib.segments import LABEL_STYLES
    from ClaimSlicerLib.synthetic import recipe_of

    ui, Texture = panel.ui, type(panel.parameters.texture)  # noqa: N806
    rows_of_it = (ui.fromVolumeLabel, ui.fromVolumeSelector, ui.fromLabelsLabel, ui.fromLabelsSelector)
    assert not any(widget.visible for widget in rows_of_it)
    ui.textureSelector.currentIndex = ui.textureSelector.findText("As in another study")
    assert panel.parameters.texture is Texture.STUDY
    assert all(widget.visible for widget in rows_of_it)
    click(ui.scarBox)
    click(ui.scarBox)
    assert all(widget.visible for widget in rows_of_it)
    assert "texture is taken from" in ui.applyButton.toolTip
    like = make_phantom(PhantomSettings(seed=6, scar=PhantomScar(volume_ml=9.0))).study
    volume = add_volume(like.image, like.geometry, "the other", synthetic=False)
    ui.fromVolumeSelector.setCurrentNode(volume)
    assert "labels that show the scar" in ui.applyButton.toolTip
    scarless = np.where(infarct_mask(like.labels), Label.MYOCARDIUM, like.labels)
    ui.fromLabelsSelector.setCurrentNode(add_segmentation(scarless, volume, "no scar", LABEL_STYLES))
    click(ui.applyButton)
    wait_for(lambda: not panel.job.running)
    assert "0 voxels of scar" in dialogs.errors()[0]
    ui.fromLabelsSelector.setCurrentNode(add_segmentation(like.labels, volume, "its labels", LABEL_STYLES))
    (node,) = paint(panel)
    assert len(dialogs.errors()) == 1
    told = recipe_of(node)["settings"]["texture"]
    wanted = texture_of_study(volume_study(volume, panel.parameters.textureLabels))
    assert told["source"]["name"] == rows(panel)[0][2] == "the other"
    assert told["quantiles"] == pytest.approx(wanted.quantiles)
    ui.textureSelector.currentIndex = 0
    assert not any(widget.visible for widget in rows_of_it)


def test_the_same_seed_gives_the_same_image(panel):
    first, second = (slicer.util.arrayFromVolume(paint(panel)[0]) for _ in range(2))
    assert np.array_equal(first, second)
    seed = panel.ui.seedBox.value
    click(panel.ui.newSeedButton)
    assert panel.ui.seedBox.value != seed


def test_cancel_leaves_the_scene_and_the_next_run_works(panel, dialogs):
    panel.ui.stepsBox.value = 300
    panel.parameters.sampler = type(panel.parameters.sampler).REPAINT
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(panel.ui.applyButton)
    wait_for(lambda: panel.ui.progressBar.value > 0)
    click(panel.ui.cancelButton)
    wait_for(lambda: not panel.job.running, 5)
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert "Stopped" in panel.ui.resultLabel.text
    assert dialogs.errors() == []
    panel.ui.stepsBox.value = 2
    panel.parameters.sampler = type(panel.parameters.sampler).DPM
    assert len(paint(panel)) == 1


def test_a_killed_worker_is_told_and_the_next_run_starts_another(panel, dialogs):
    from ClaimSlicerLib.worker import model_worker

    panel.ui.stepsBox.value = 300
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(panel.ui.applyButton)
    wait_for(lambda: panel.ui.progressBar.value > 0)
    process = psutil.Process(int(model_worker().process.processId()))
    for child in [*process.children(recursive=True), process]:
        child.kill()
    wait_for(lambda: not panel.job.running, 30)
    assert len(dialogs.errors()) == 1
    assert "killed" in dialogs.errors()[0]
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    panel.ui.stepsBox.value = 2
    assert len(paint(panel)) == 1


def test_what_cannot_be_painted_is_said(panel, phantom, dialogs):
    from ClaimSlicerLib.mrml import add_segmentation
    from ClaimSlicerLib.segments import AHA_STYLES, SCAR_STYLES

    cavity = np.zeros(slicer.util.arrayFromVolume(phantom[0]).shape, np.uint8)
    outside = add_segmentation(cavity + 1, phantom[0], "everywhere", SCAR_STYLES)
    other = add_segmentation(cavity, phantom[0], "other", AHA_STYLES)
    before = slicer.mrmlScene.GetNumberOfNodes()
    mask = panel.parameters.scar
    for scar, model, sentence in (
        (outside, DEFAULT_MODEL, "outside the myocardium"),
        (other, DEFAULT_MODEL, "name I know"),
        (mask, "unheard of", "no synthesis model 'unheard of'"),
    ):
        panel.parameters.scar, panel.parameters.model = scar, model
        panel.ui.applyButton.click()
        wait_for(lambda: not panel.job.running)
        assert sentence in dialogs.errors()[-1]
        assert "\n" not in panel.ui.resultLabel.text
    assert len(dialogs.errors()) == 3
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_full_disk_is_said(panel, dialogs, monkeypatch):
    from ClaimSlicerLib import worker

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = slicer.mrmlScene.GetNumberOfNodes()
    with monkeypatch.context() as patched:
        patched.setattr(worker, "pack", full)
        click(panel.ui.applyButton)
        wait_for(lambda: not panel.job.running)
    assert len(dialogs.errors()) == 1
    assert "space" in dialogs.errors()[0].lower()
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_volume_removed_meanwhile_is_missed_in_a_sentence(panel, phantom, dialogs):
    click(panel.ui.applyButton)
    slicer.mrmlScene.RemoveNode(phantom[0])
    wait_for(lambda: not panel.job.running)
    assert len(dialogs.errors()) == 1
    assert "removed from the scene" in dialogs.errors()[0]
    assert rows(panel) == []


def test_closing_the_scene_ends_job_and_comparison(panel, dialogs):
    from ClaimSlicerLib import views

    layout = slicer.app.layoutManager().layout
    paint(panel)
    click(panel.ui.flickerButton)
    panel.ui.stepsBox.value = 300
    click(panel.ui.applyButton)
    wait_for(lambda: panel.ui.progressBar.value > 0)
    slicer.mrmlScene.Clear()
    wait_for(lambda: not panel.job.running, 5)
    assert views.comparing() is None
    assert slicer.app.layoutManager().layout == layout
    assert not panel.comparison.flicker.running
    assert rows(panel) == []
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert dialogs.errors() == []


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
        sidecar = json.loads((tmp_path / "mine_synthetic.json").read_text(encoding="utf-8"))
        assert (sidecar["synthetic"], sidecar["command"], sidecar["seed"]) == (True, "synthesize", 0)
    dialogs.shown.clear()
    (tmp_path / "file").touch()
    dialogs.paths.append(tmp_path / "file" / "image.nrrd")
    click(panel.ui.exportButton)
    wait_for(lambda: not panel.job.running)
    assert len(dialogs.errors()) == 1


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

    panel.ui.seedBox.value = 41
    panel.ui.textureSelector.currentIndex = 1
    panel.ui.samplerSelector.currentIndex = 1
    images = [slicer.util.arrayFromVolume(node).copy() for node in paint(panel, 2)]
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
    choose_row(panel, 1)
    click(panel.ui.compareButton)
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


def test_the_boxes_offer_what_the_library_has(panel):
    module = __import__("SynthesisModule")
    assert {member.value for member in module.Texture} == {None, *PRESETS, ANY, "study"}
    assert {member.value for member in module.Sampler} == set(SAMPLERS) == set(module.STEPS)
    assert panel.parameters.model == DEFAULT_MODEL
    panel.ui.samplerSelector.setFocus()
    for steps in (16, 16, 300):
        QtTest.QTest.keyClick(panel.ui.samplerSelector, QtCore.Qt.Key.Key_Down)
        assert panel.parameters.steps == steps
    assert panel.parameters.sampler is module.Sampler.REPAINT
    texts = [panel.ui.modelSelector.itemText(index) for index in range(panel.ui.modelSelector.count)]
    assert texts[0].startswith(DEFAULT_MODEL)


def test_devices_are_asked_from_the_worker(panel):
    asked = []
    panel.devices.offer, offer = lambda options: (asked.append(options), offer(options)), panel.devices.offer
    click(panel.ui.advancedBox)
    wait_for(lambda: asked)
    assert [option[0] for option in asked[0]][:2] == ["auto", "cpu"]


def test_the_panel_fits_380_pixels(panel):
    click(panel.ui.advancedBox)
    panel.ui.textureSelector.currentIndex = panel.ui.textureSelector.findText("As in another study")
    assert panel.parent.minimumSizeHint.width() <= 380
    panel.ui.textureSelector.currentIndex = 0
    paint(panel, 2)
    assert panel.parent.minimumSizeHint.width() <= 380
