"""The worker's tasks for the synthesis panel: border zones made again, scar levels, devices, image files."""

from __future__ import annotations

import numpy as np
import pytest
from claimslicer.anatomy import build_frame
from claimslicer.labels import Label, ScarLabel, myocardium_mask, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.smile.lesion import border_zone
from claimslicer.studies import read_study
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.studies.provenance import make_recipe
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_values
from claimslicer.worker.tasks import find_task


@pytest.fixture(scope="module")
def study():
    return make_phantom(PhantomSettings()).study


@pytest.fixture(scope="module")
def mask(study):
    spec = ScarSpec(segments=(7, 8), volume_ml=4.0, border_zone_mm=3.0, seed=2)
    frame = build_frame(study.labels, study.geometry, image=study.image, rule="septal")
    return generate_scar(spec, frame, scar_of_labels(study.labels))


def test_the_border_zone_of_a_mask_is_that_of_the_scar_it_came_from(study, mask):
    assert ((mask.intensity > 0) & (mask.intensity < 1)).any()
    again = border_zone(mask.labels, study.labels, study.geometry, mask.spec.border_zone_mm)
    np.testing.assert_allclose(again, mask.intensity, atol=1e-6)


def test_an_edited_mask_has_its_rim_where_it_was_cut(study, mask):
    slices = np.flatnonzero(mask.labels.any((1, 2)))
    edited = mask.labels.copy()
    edited[:, :, : int(np.argwhere(edited)[:, 2].mean())] = ScarLabel.NONE
    rim = border_zone(edited, study.labels, study.geometry, 3.0)
    whole = border_zone(mask.labels, study.labels, study.geometry, 3.0)
    assert len(slices) > 1
    assert (rim[edited > 0] <= whole[edited > 0]).all()
    assert (rim[edited > 0] < whole[edited > 0]).any()
    assert not rim[edited == 0].any()


def test_without_width_the_edge_is_hard_and_old_scar_has_no_rim(study, mask):
    hard = border_zone(mask.labels, study.labels, study.geometry, 0.0)
    np.testing.assert_array_equal(hard, mask.labels > 0)
    labels = np.where(mask.labels > 0, Label.INFARCT, study.labels)
    everything = np.where(myocardium_mask(labels), ScarLabel.SCAR, ScarLabel.NONE)
    soft = border_zone(everything, labels, study.geometry, 3.0)
    np.testing.assert_array_equal(soft, everything > 0)


def test_synthesis_paints_the_border_and_tells_the_scar_level(study, mask):
    asked = {
        "study": study_values(study),
        "scar": mask.labels,
        "seeds": [1],
        "num_inference_steps": 1,
        "device": "cpu",
        "texture": "bright",
    }
    synthesize = find_task("synthesize")
    hard = synthesize(Context(), asked)
    soft = synthesize(Context(), {**asked, "border_zone_mm": 3.0})
    at = (mask.intensity > 0) & (mask.intensity < 1)
    assert np.abs(soft["differences"][0][at]).mean() < np.abs(hard["differences"][0][at]).mean()
    settings = hard["recipes"][0]["settings"]
    mean = hard["images"][0][mask.labels > 0].mean()
    expected = (mean - settings["remote_mean"]) / settings["remote_sd"]
    assert hard["scar_levels"] == [pytest.approx(expected)]
    assert hard["scar_levels"][0] > 2.0


def test_devices_are_those_that_torch_has():
    names = [device["name"] for device in find_task("devices")(Context(), {})["devices"]]
    assert "cpu" in names
    assert "memory" not in names


def test_an_image_is_written_with_its_marks(study, tmp_path):
    recipe = make_recipe("synthesize", study, {"texture": "faint"}, seed=4)
    asked = {"study": study_values(study), "file": str(tmp_path / "image.nii.gz"), "recipe": recipe}
    written = find_task("write_image")(Context(), asked)["file"]
    assert written.endswith("image_synthetic.nii.gz")
    back = read_study(written)
    assert back.synthetic
    np.testing.assert_array_equal(back.image, study.image)
    assert '"texture": "faint"' in (tmp_path / "image_synthetic.json").read_text(encoding="utf-8")
