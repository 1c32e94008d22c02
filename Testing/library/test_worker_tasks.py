"""The worker's tasks, called as functions: what they answer is what the library computes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from claimslicer.anatomy import Insertions, build_frame
from claimslicer.errors import AnatomyError, Cancelled, FrameMissing, SpecificationError, StudyError
from claimslicer.labels import ScarLabel, infarct_mask, labels_with_scar, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar, random_spec
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.worker.context import KEPT_FRAMES, Context
from claimslicer.worker.messages import ARRAY, pack, study_from, study_values, unpack
from claimslicer.worker.serve import is_out_of_memory
from claimslicer.worker.tasks import TASKS, find_task


@pytest.fixture(scope="module")
def study():
    return make_phantom(PhantomSettings(scar=PhantomScar(volume_ml=9.0))).study


@pytest.fixture(scope="module")
def frame(study):
    return build_frame(study.labels, study.geometry, image=study.image)


@pytest.fixture
def context():
    return Context()


def call(context: Context, task: str, exchange: Path, /, **arguments):
    """Ask as a panel does: both ways through JSON and files."""
    exchange.mkdir(exist_ok=True)
    arguments = unpack(json.loads(json.dumps(pack(arguments, exchange, "argument"))), exchange)
    result = find_task(task)(context, arguments)
    return unpack(json.loads(json.dumps(pack(result, exchange, "result"))), exchange)


def test_a_study_comes_back_from_its_values(study, tmp_path):
    values = unpack(json.loads(json.dumps(pack(study_values(study), tmp_path, "a"))), tmp_path)
    back = study_from(values)
    assert back.geometry == study.geometry
    assert (back.name, back.synthetic, back.metadata) == (study.name, study.synthetic, study.metadata)
    assert back.image.dtype == study.image.dtype
    np.testing.assert_array_equal(back.image, study.image)
    np.testing.assert_array_equal(back.labels, study.labels)


def test_pack_takes_plain_values_and_refuses_objects(tmp_path):
    values = {3: (np.float32(1.5), np.int64(2)), "none": None, "turned": np.arange(6).reshape(2, 3).T}
    packed = pack(values, tmp_path, "a")
    assert packed == {"3": [1.5, 2], "none": None, "turned": {ARRAY: "a0.npy"}}
    np.testing.assert_array_equal(unpack(packed, tmp_path)["turned"], values["turned"])
    with pytest.raises(ValueError, match="Object arrays"):
        pack({"array": np.array([None])}, tmp_path, "b")


def test_every_task_is_there():
    for name in TASKS:
        assert callable(find_task(name))


def test_frame_tells_what_the_panels_show(context, study, frame, tmp_path):
    answer = call(context, "frame", tmp_path, study=study_values(study), insertions=None, rule="fixed")
    np.testing.assert_array_equal(answer["segments"], frame.segments)
    assert answer["insertions"] == {
        "anterior": list(frame.insertions.anterior),
        "inferior": list(frame.insertions.inferior),
        "source": frame.insertions.source,
        "confidence": frame.insertions.confidence,
    }
    assert answer["apex_first"] is frame.apex_first
    ml = study.geometry.voxel_volume_ml
    assert answer["segment_ml"]["5"] == pytest.approx((frame.segments == 5).sum() * ml)
    assert answer["lv_ml"] == pytest.approx(frame.myocardium.sum() * ml)
    infarct = infarct_mask(study.labels)
    assert answer["infarct_ml"] == pytest.approx(infarct.sum() * ml)
    for k, existing in answer["existing_ml"].items():
        assert existing == pytest.approx((infarct & (frame.segments == int(k))).sum() * ml)


def test_frame_is_kept_by_its_content(context, study, frame, tmp_path):
    values = study_values(study)
    asked = {"study": values, "insertions": None, "rule": "fixed"}
    key = call(context, "frame", tmp_path, **asked)["key"]
    kept = context.frames[key]
    named = {**values, "name": "another name"}
    assert call(context, "frame", tmp_path, **{**asked, "study": named})["key"] == key
    assert context.frames[key] is kept
    assert call(context, "frame", tmp_path, **{**asked, "rule": "septal"})["key"] != key
    changed = {**values, "labels": np.where(study.labels == 3, 2, study.labels)}
    assert call(context, "frame", tmp_path, **{**asked, "study": changed})["key"] != key


def test_points_that_move_need_no_second_study(context, study, frame, tmp_path):
    first = call(context, "frame", tmp_path, study=study_values(study), insertions=None, rule="fixed")
    turned = {**first["insertions"], "anterior": [v + 4.0 for v in first["insertions"]["anterior"]]}
    by_key = call(context, "frame", tmp_path, key=first["key"], insertions=turned, rule="fixed")
    again = call(context, "frame", tmp_path, study=study_values(study), insertions=turned, rule="fixed")
    expected = build_frame(
        study.labels,
        study.geometry,
        insertions=Insertions(tuple(turned["anterior"]), tuple(turned["inferior"])),
    )
    assert by_key["key"] == again["key"] != first["key"]
    assert by_key["insertions"]["source"] == "given"
    np.testing.assert_array_equal(by_key["segments"], expected.segments)


def test_the_oldest_frames_make_room(context, study, tmp_path):
    answer = call(context, "frame", tmp_path, study=study_values(study), insertions=None, rule="fixed")
    keys = [answer["key"]]
    for step in range(KEPT_FRAMES):
        point = {**answer["insertions"]}
        point["anterior"] = [point["anterior"][0] + 0.1 * (step + 1), *point["anterior"][1:]]
        keys.append(call(context, "frame", tmp_path, key=keys[-1], insertions=point, rule="fixed")["key"])
    assert keys[0] not in context.frames
    with pytest.raises(FrameMissing, match="again"):
        call(context, "scar", tmp_path, key=keys[0], spec={"segments": [5], "volume_ml": 1.0})
    assert all(key in context.frames for key in keys[1:])


def test_scar_is_the_librarys_beside_the_existing(context, study, frame, tmp_path):
    key = call(context, "frame", tmp_path, study=study_values(study), insertions=None, rule="fixed")["key"]
    spec = ScarSpec(segments=(4, 5, 10, 11), volume_ml=6.0, mvo_fraction=0.2, seed=7)
    expected = generate_scar(spec, frame, scar_of_labels(study.labels))
    answer = call(context, "scar", tmp_path, key=key, spec=spec.to_dict())
    np.testing.assert_array_equal(answer["labels"], expected.labels)
    np.testing.assert_array_equal(answer["added"], expected.added)
    np.testing.assert_array_equal(answer["intensity"], expected.intensity)
    assert (answer["labels"][infarct_mask(study.labels)] == ScarLabel.SCAR).all()
    assert answer["volume_ml"] == expected.volume_ml
    assert answer["mvo_ml"] == expected.mvo_volume_ml > 0
    assert answer["total_ml"] == expected.total_volume_ml
    assert sum(answer["segment_ml"].values()) == pytest.approx(answer["volume_ml"])
    assert f"{answer['volume_ml']:.1f} ml" in answer["sentence"]
    with pytest.raises(SpecificationError):
        call(context, "scar", tmp_path, key=key, spec={**spec.to_dict(), "volume_ml": 500.0})


def test_random_spec_follows_its_seed(context, study, frame, tmp_path):
    key = call(context, "frame", tmp_path, study=study_values(study), insertions=None, rule="fixed")["key"]
    expected = random_spec(frame, np.random.default_rng(3), existing=scar_of_labels(study.labels))
    assert ScarSpec.from_dict(call(context, "random_spec", tmp_path, key=key, seed=3)["spec"]) == expected
    assert ScarSpec.from_dict(call(context, "random_spec", tmp_path, key=key, seed=4)["spec"]) != expected


@pytest.mark.parametrize("task", ["frame", "synthesize", "quantify", "report"])
def test_a_study_without_labels_is_refused(context, study, tmp_path, task):
    bare = study_values(dataclasses.replace(study, labels=None))
    rest = {"scar": study.labels, "seeds": [1], "folder": str(tmp_path / "report"), "rule": "fixed"}
    with pytest.raises(StudyError, match="without labels"):
        call(context, task, tmp_path, study=bare, insertions=None, **rest)


class Recorded:
    """Progress as it came; cancels after ``limit`` reports."""

    def __init__(self, limit: int = 1000) -> None:
        self.seen: list[tuple[float, str]] = []
        self._limit = limit

    def progress(self, stage, fraction, message=""):
        self.seen.append((fraction, message))
        if len(self.seen) > self._limit:
            raise Cancelled("Stopped.")

    def emit(self, kind, **values):
        raise AssertionError("no task emits")


def test_synthesize_paints_a_variant_for_each_seed(study, frame, tmp_path):
    from claimslicer.synthesis import synthesize

    mask = generate_scar(ScarSpec(segments=(4, 5), volume_ml=4.0), frame, scar_of_labels(study.labels))
    values = {"study": study_values(study), "scar": mask.labels, "intensity": mask.intensity}
    context = Context(Recorded())
    answer = call(
        context, "synthesize", tmp_path, **values, seeds=[5, 6], num_inference_steps=2, device="cpu"
    )
    expected = synthesize(
        study,
        study.labels,
        mask.labels,
        intensity=mask.intensity,
        seed=6,
        num_inference_steps=2,
        device="cpu",
    )
    np.testing.assert_array_equal(answer["images"][1], expected.image)
    np.testing.assert_array_equal(answer["differences"][1], expected.difference)
    assert answer["recipes"][1] == json.loads(json.dumps(expected.recipe))
    assert not np.array_equal(answer["images"][0], answer["images"][1])
    fractions = [fraction for fraction, _ in context.events.seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert any(message == "2 of 2 steps" for _, message in context.events.seen)
    with pytest.raises(Cancelled):
        call(Context(Recorded(1)), "synthesize", tmp_path, **values, seeds=[5], device="cpu")


def test_segment_answers_labels_and_uncertainty(study, tmp_path):
    from claimslicer.segmentation import segment

    # Three slices take a third of the time.
    geometry = dataclasses.replace(study.geometry, shape=(3, *study.geometry.shape[1:]))
    study = dataclasses.replace(study, image=study.image[4:7], labels=study.labels[4:7], geometry=geometry)
    context = Context(Recorded())
    answer = call(context, "segment", tmp_path, study=study_values(study), model=None, device="cpu")
    expected = segment(study, device="cpu")
    np.testing.assert_array_equal(answer["labels"], expected.labels)
    np.testing.assert_array_equal(answer["uncertainty"], expected.uncertainty)
    assert answer["recipe"] == json.loads(json.dumps(expected.recipe))
    assert answer["warning"] == expected.warning == ""
    assert context.events.seen[0] == (0.0, "loading the networks")


def test_quantify_and_report_say_what_the_command_says(context, study, frame, tmp_path):
    from claimslicer.figures.page import quantification_page
    from claimslicer.quantification import quantify

    reference = labels_with_scar(study.labels, np.zeros_like(study.labels))
    asked = {"study": study_values(study), "insertions": None, "rule": "fixed"}
    alone = call(context, "quantify", tmp_path, **asked, reference=None)
    expected = quantify(study.labels, study.geometry, frame)
    assert alone["totals"] == expected.totals()
    assert alone["comparison"] is None
    eight = alone["segments"]["8"]
    assert eight["infarct_ml"] == expected.segments[7].infarct_ml
    assert eight["infarct_g"] == pytest.approx(1.05 * eight["infarct_ml"])
    assert eight["transmurality"] == expected.segments[7].transmurality
    compared = call(context, "quantify", tmp_path, **asked, reference=reference)
    difference = compared["comparison"]["segment_difference_ml"]
    assert sum(difference.values()) == pytest.approx(expected.infarct_ml)

    answer = call(context, "report", tmp_path, **asked, reference=reference, folder=str(tmp_path / "report"))
    written = {str(path) for path in (tmp_path / "report").iterdir()}
    assert set(answer["files"]) == written
    assert answer["files"][0].endswith("report.html")
    recorded = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    page = quantification_page(study, study.labels, frame, reference)
    assert recorded["agreement"] == json.loads(json.dumps(page.data["agreement"]))


def test_wrong_points_are_refused_by_name(context, study, tmp_path):
    far = {"anterior": [900.0, 0.0, 0.0], "inferior": [0.0, 900.0, 0.0]}
    with pytest.raises(AnatomyError, match="anterior insertion point"):
        call(context, "frame", tmp_path, study=study_values(study), insertions=far, rule="fixed")


GEOMETRY = """
import sys
import numpy as np
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_values
from claimslicer.worker.tasks import find_task
context, study = Context(), make_phantom(PhantomSettings()).study
frame = find_task("frame")(context, {"study": study_values(study), "insertions": None, "rule": "fixed"})
spec = find_task("random_spec")(context, {"key": frame["key"], "seed": 1})["spec"]
find_task("scar")(context, {"key": frame["key"], "spec": spec})
find_task("surface")(context, {"key": frame["key"]})
print(*(name for name in sys.modules))
"""


def test_geometry_tasks_stay_light():
    pytest.importorskip("vtkmodules")
    done = subprocess.run([sys.executable, "-c", GEOMETRY], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "claimslicer.smile.generate" in loaded
    assert not loaded & {"torch", "monai", "skimage", "matplotlib", "yaml", "typer", "SimpleITK"}


def test_memory_that_torch_did_not_get_is_known():
    import torch

    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 58)
    assert is_out_of_memory(refused.value)
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert not is_out_of_memory(RuntimeError("shapes differ"))
