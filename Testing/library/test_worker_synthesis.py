"""The worker's tasks for the synthesis panel: border zones made again, scar levels, devices, image files."""

from __future__ import annotations

import numpy as np
import pytest
from claimslicer.anatomy import build_frame
from claimslicer.labels import ScarLabel, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.studies import read_study
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.studies.provenance import make_recipe
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_values
from claimslicer.worker.tasks import find_task
from claimslicer.worker.tasks.synthesis import border_zone


@pytest.fixture(scope="module")
def study():
    return make_phantom(PhantomSettings()).study


@pytest.fixture(scope="module")
def mask(study):
    spec = ScarSpec(segments=(7, 8), volume_ml=4.0, border_zone_mm=3.0, seed=2)
    frame = build_frame(study.labels, study.geometry, image=study.image, rule="septal")
    return generate_scar(spec, frame, scar_of_labels(study.labels))


def specification(mask) -> dict:
    return {"spec": mask.spec.to_dict(), "insertions": None, "rule": "septal"}


def test_the_border_zone_is_made_again_from_what_smile_asked(study, mask):
    assert ((mask.intensity > 0) & (mask.intensity < 1)).any()
    again = border_zone(study, mask.labels, specification(mask))
    np.testing.assert_array_equal(again, mask.intensity)


def test_a_scar_that_was_edited_has_no_border_zone(study, mask):
    edited = mask.labels.copy()
    edited[tuple(np.argwhere(edited == ScarLabel.SCAR)[0])] = ScarLabel.NONE
    assert border_zone(study, edited, specification(mask)) is None


def test_synthesis_tells_border_and_scar_level(study, mask):
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
    soft = synthesize(Context(), {**asked, "specification": specification(mask)})
    assert (hard["border"], soft["border"]) == (False, True)
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
