"""The worker's tasks for the synthesis panel: border zones made again, scar levels, devices, image files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from claimslicer.anatomy import build_frame
from claimslicer.errors import Cancelled, SpecificationError
from claimslicer.labels import Label, ScarLabel, myocardium_mask, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.smile.lesion import border_zone
from claimslicer.studies import read_study
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.studies.provenance import make_recipe, to_json
from claimslicer.synthesis.texture import texture_of_study
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


class Steps:
    """Keeps what is reported, and stops the work at the step ``last``."""

    def __init__(self, last: int = 1000) -> None:
        self.fractions: list[float] = []
        self._last = last

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)
        if len(self.fractions) > self._last:
            raise Cancelled("Stopped.")

    def emit(self, kind: str, **values: object) -> None:
        raise AssertionError(kind)


@pytest.fixture
def asked(study, mask):
    """A request for two variants at three steps."""
    values = {"study": study_values(study), "scar": mask.labels, "seeds": [4, 5]}
    return {**values, "num_inference_steps": 3, "device": "cpu"}


def test_variants_come_in_one_go_and_each_as_alone(asked):
    """Progress is told at each evaluation of the network, not for each variant again."""
    synthesize, steps = find_task("synthesize"), Steps()
    both = synthesize(Context(steps), asked)
    assert [recipe["seed"] for recipe in both["recipes"]] == [4, 5]
    assert steps.fractions == sorted(steps.fractions)
    assert [fraction for fraction in steps.fractions if 0 < fraction < 1] == pytest.approx(
        [1 / 3, 2 / 3, 0.99]
    )
    alone = synthesize(Context(), {**asked, "seeds": [5]})
    np.testing.assert_array_equal(both["images"][1], alone["images"][0])
    assert (both["images"][0] != both["images"][1]).any()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_can_be_stopped_at_each_evaluation(asked, count):
    steps = Steps(last=count)
    with pytest.raises(Cancelled):
        find_task("synthesize")(Context(steps), asked)
    assert len(steps.fractions) == count + 1


def test_what_is_asked_reaches_the_network_and_the_recipe(asked, study):
    """Jumps, guidance, band and another study's texture; the texture as JSON makes the same image."""
    synthesize = find_task("synthesize")
    more = {"sampler": "repaint", "jumps": [2, 2], "guidance": 2.0, "band_mm": 3.0}
    asked = {**asked, **more, "seeds": [4], "texture_study": study_values(study)}
    result = synthesize(Context(), asked)
    settings = result["recipes"][0]["settings"]
    assert {name: settings[name] for name in more} == more
    assert settings["texture"]["source"]["name"] == study.name
    np.testing.assert_array_equal(settings["texture"]["quantiles"], texture_of_study(study).quantiles)
    outside = (result["differences"][0] != 0) & (asked["scar"] == 0)
    assert outside.any()
    assert (result["bands"][0][outside] == 2).all()
    del asked["texture_study"]
    told = json.loads(json.dumps(settings["texture"]))
    again = synthesize(Context(), {**asked, "texture": told})
    np.testing.assert_array_equal(again["images"][0], result["images"][0])


def test_a_texture_that_lost_its_numbers_is_refused(asked, study):
    told = to_json(texture_of_study(study))
    for spoilt in ({}, {**told, "quantiles": told["quantiles"][:-1]}, {**told, "unit": "remote SDs"}):
        with pytest.raises(SpecificationError, match="measure it"):
            find_task("synthesize")(Context(), {**asked, "texture": spoilt})


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
    assert "band" not in {part for path in tmp_path.iterdir() for part in path.name.split("_")}
    band = (study.labels > 0).astype(np.uint8)
    both = find_task("write_image")(Context(), {**asked, "band": band})
    assert (both["file"], both["band"]) == (written, str(tmp_path / "image_band_synthetic.nii.gz"))
    beside = read_study(both["band"])
    assert beside.synthetic
    np.testing.assert_array_equal(beside.image, band)
    assert '"texture": "faint"' in (tmp_path / "image_synthetic.json").read_text(encoding="utf-8")
