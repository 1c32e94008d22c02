"""The worker's tasks around models, sample studies and the doctor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from claimslicer.errors import Cancelled, ModelError, SpecificationError
from claimslicer.models.registry import list_models, save_model
from claimslicer.studies.phantom.samples import SAMPLES
from claimslicer.worker.context import Context
from claimslicer.worker.messages import study_from
from claimslicer.worker.tasks import find_task

FIELDS = {key: {} for key in ("network", "preprocessing", "data", "split", "training", "figures")}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of the user's own models that holds one."""
    folder = tmp_path / "models"
    monkeypatch.setenv("CLAIM_MODELS", str(folder))
    card = {**FIELDS, "kind": "synthesis", "version": "1", "terms": "CC0"}
    save_model(folder / "mine", "mine", {"weight": torch.ones(3)}, card)
    return folder


def names() -> set[str]:
    return {model.name for model in list_models()}


def test_models_go_out_in_and_away(own, tmp_path):
    context, archive = Context(), tmp_path / "mine.zip"
    assert find_task("export_model")(context, {"name": "mine", "archive": str(archive)}) == {
        "archive": str(archive)
    }
    find_task("remove_model")(context, {"name": "mine"})
    assert names() == {"emidec"}
    assert list(own.iterdir()) == []
    assert find_task("import_model")(context, {"source": str(archive)}) == {"name": "mine"}
    assert names() == {"emidec", "mine"}


@pytest.mark.parametrize("name", ["emidec", "another", "..", ""])
def test_only_ones_own_are_removed(own, name):
    with pytest.raises(ModelError, match="none of your own"):
        find_task("remove_model")(Context(), {"name": name})
    assert names() == {"emidec", "mine"}


def test_damage_is_found(own):
    weights = own / "mine" / "synthesis.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    problems = find_task("verify_models")(Context(), {})["problems"]
    assert "not those on their card" in problems.pop(str(weights))
    assert set(problems.values()) == {""}
    assert len(problems) == 2


def test_verifying_can_be_stopped(own):
    class Stop:
        def progress(self, *_):
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        find_task("verify_models")(Context(events=Stop()), {})


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name):
    study = study_from(find_task("sample")(Context(), {"name": name})["study"])
    assert study.synthetic
    scar = np.isin(study.labels, (3, 4)).sum() * study.geometry.voxel_volume_ml
    wanted = SAMPLES[name].settings.scar
    assert scar == pytest.approx(wanted.volume_ml if wanted else 0.0, abs=0.05)


def test_an_unknown_sample():
    with pytest.raises(SpecificationError, match="normal"):
        find_task("sample")(Context(), {"name": "zebra"})


def test_the_doctor_answers_in_plain_values():
    findings = find_task("doctor")(Context(), {})["findings"]
    assert {"area", "name", "state", "text", "requirement"} == set(findings[0])
    assert {finding["area"] for finding in findings} == {"packages", "devices", "weights"}
