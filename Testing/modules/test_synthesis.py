"""The module Scar Synthesis with the real worker and network: painted, cancelled, failed."""

from __future__ import annotations

import errno

import numpy as np
import psutil
import pytest
import slicer
from claimslicer.labels import Label, infarct_mask
from claimslicer.models.registry import DEFAULT_MODEL
from claimslicer.smile import ScarSpec
from claimslicer.smile.lesion import border_zone
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.synthesis.samplers import SAMPLERS
from claimslicer.synthesis.settings import BAND_MM
from claimslicer.synthesis.texture import ANY, PRESETS, TYPICAL, texture_of_study
from PySide6 import QtCore, QtTest
from synthesis_trial import click, open_with_a_scar, paint, rows, wait_for


@pytest.fixture
def panel(open_panel, phantom):
    return open_with_a_scar(open_panel, phantom)


def test_painting_adds_marked_variants_and_shows_them(panel, phantom, dialogs):
    from ClaimSlicerLib import views
    from ClaimSlicerLib.band import band_array
    from ClaimSlicerLib.mrml import scar_mask
    from ClaimSlicerLib.synthetic import SYNTHETIC_ATTRIBUTE, recipe_of

    seen = []
    shown = panel.job._progress
    panel.job._progress = lambda *event: (seen.append(event), shown(*event))
    panel.ui.seedBox.value = 7
    panel.ui.textureSelector.currentIndex = panel.ui.textureSelector.findText("Bright")
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
        assert not (image != original)[band_array(node) == 0].any()
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


def test_a_soft_border_shows_less_at_the_rim(panel, phantom):
    """The network is told how much of the scar shows where, and paints its rim darker."""
    from ClaimSlicerLib.mrml import scar_mask, volume_study

    panel.ui.textureSelector.currentIndex = panel.ui.textureSelector.findText("Bright")
    panel.ui.stepsBox.value = 8
    hard = paint(panel, 2)
    click(panel.ui.advancedBox)
    click(panel.ui.borderCheck, pos=QtCore.QPoint(8, panel.ui.borderCheck.height // 2))
    assert panel.parameters.softBorder
    soft = paint(panel, 2)
    study = volume_study(*phantom)
    scar = scar_mask(panel.parameters.scar, phantom[0])
    share = border_zone(scar, study.labels, study.geometry, ScarSpec.border_zone_mm)
    rim = (share > 0) & (share < 0.6)
    assert rim.any()
    levels = [
        np.mean([slicer.util.arrayFromVolume(node)[rim].mean() for node in pair]) for pair in (soft, hard)
    ]
    assert levels[0] < levels[1]


def test_a_band_is_painted_unless_only_the_mask_is_asked_for(panel, phantom):
    from ClaimSlicerLib.band import band_array, band_of
    from ClaimSlicerLib.difference import difference_node
    from ClaimSlicerLib.made import VOLUME_ROLE
    from ClaimSlicerLib.mrml import scar_mask, volume_study
    from ClaimSlicerLib.synthetic import is_synthetic
    from SynthesisModuleLib.variants import variants

    ui = panel.ui
    click(ui.advancedBox)
    assert ui.bandCheck.checked and panel.parameters.band
    assert f"{BAND_MM:g} mm" in ui.bandCheck.toolTip
    (banded,) = paint(panel)
    shown = slicer.util.arrayFromVolume(difference_node()) != 0
    click(ui.bandCheck, pos=QtCore.QPoint(8, ui.bandCheck.height // 2))
    assert not panel.parameters.band
    (strict,) = paint(panel)
    study, scar = volume_study(*phantom), scar_mask(panel.parameters.scar, phantom[0]) > 0
    for node, has_band in ((banded, True), (strict, False)):
        band = band_array(node)
        changed = slicer.util.arrayFromVolume(node) != study.image
        assert not changed[band == 0].any()
        assert changed[band == 1].mean() > 0.5
        assert (band == 2).any() == has_band
        assert set(np.unique(band[scar])) <= {0, 1} and not scar[band == 2].any()
        painted = band_of(node)
        assert is_synthetic(painted) and painted.GetNodeReference(VOLUME_ROLE) is node
        display = painted.GetDisplayNode()
        assert not (display.GetVisibility() or display.GetVisibility2DFill() or display.GetVisibility3D())
    beside = band_array(banded) == 2
    changed = slicer.util.arrayFromVolume(banded) != study.image
    assert changed[beside].mean() > 0.5 and shown[beside & changed].all()
    assert {Label.CAVITY, Label.MYOCARDIUM} <= set(np.unique(study.labels[beside]).tolist())
    with_band, without = (variant.tip() for variant in variants())
    assert f"wall, blood and fat up to {BAND_MM:g} mm beside it" in with_band
    assert "only voxels of the mask" in without


def test_what_is_no_scar_mask_is_said_of_a_band(panel, phantom, dialogs):
    """Its segments' names are not those of a mask: choosing it by mistake ends in a sentence."""
    from ClaimSlicerLib.band import band_of

    (node,) = paint(panel)
    panel.ui.scarSelector.setCurrentNode(band_of(node))
    click(panel.ui.applyButton)
    assert "name I know" in dialogs.errors()[-1]


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


def test_the_boxes_offer_what_the_library_has(panel):
    module = __import__("SynthesisModule")
    assert {member.value for member in module.Texture} == {None, TYPICAL, *PRESETS, ANY, "study"}
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
