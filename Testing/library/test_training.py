"""Training: the cache, the settings, exact resume, and that something is learnt."""

import dataclasses
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from claimslicer.errors import Cancelled, ModelError, SpecificationError, StudyError
from claimslicer.events import SILENT, JsonEvents
from claimslicer.models.registry import resolve
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import CachedStudy, Cohort, read_cache, write_cache
from claimslicer.training.data.splits import EMIDEC_TEST, EMIDEC_VALIDATION, emidec_part
from claimslicer.training.engine.loop import train
from claimslicer.training.settings.config import SegmentationConfig, SynthesisConfig
from claimslicer.training.trainers.segmentation import SegmentationTrainer, train_segmentation
from claimslicer.training.trainers.synthesis import SynthesisTrainer, train_synthesis


def cached(seed: int, part: str) -> CachedStudy:
    study = make_phantom(PhantomSettings(seed=seed, n_slices=4, scar=PhantomScar())).study
    labels = np.where(study.labels == 5, 0, study.labels).astype(np.uint8)
    return CachedStudy(f"phantom {seed}", part, study.image, labels, study.geometry.spacing_zyx)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return Cohort((cached(1, "training"), cached(2, "training"), cached(3, "validation")))


@pytest.fixture
def cache(cohort, tmp_path) -> Path:
    write_cache(tmp_path / "cohort.npz", cohort.studies)
    return tmp_path / "cohort.npz"


SMALL = {"batch_size": 2, "checkpoint_every": 2, "validate_every": 100, "warmup_steps": 2}


def test_a_cache_comes_back_as_it_was_written(cohort, cache):
    for before, after in zip(cohort.studies, read_cache(cache).studies, strict=True):
        assert (before.name, before.part, before.spacing_zyx) == (after.name, after.part, after.spacing_zyx)
        assert after.image.dtype == before.image.dtype
        np.testing.assert_array_equal(before.image, after.image)
        np.testing.assert_array_equal(before.labels, after.labels)


def test_a_damaged_cache_is_refused(cache):
    cache.write_bytes(cache.read_bytes()[:5000])
    with pytest.raises(StudyError, match="not a complete training cache"):
        read_cache(cache)
    with pytest.raises(StudyError, match="no training cache"):
        read_cache(cache.with_name("other.npz"))


@pytest.mark.parametrize(
    ("trainer", "config"),
    [(SegmentationTrainer, SegmentationConfig), (SynthesisTrainer, SynthesisConfig)],
)
def test_a_resumed_run_ends_with_the_same_weights(trainer, config, cohort, cache, tmp_path):
    def run(folder: str, *stops: int | None) -> torch.nn.Module:
        settings = config(cache=cache, out=tmp_path / folder, steps=6, seed=1, **SMALL)
        for stop in stops:
            average = train(trainer(settings, cohort), resume=True, events=SILENT, stop_after_steps=stop)
        return average

    whole, parts = run("whole", None), run("parts", 1, 3, None)
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[key], value, atol=0, rtol=0, msg=key)


class Interrupted(SynthesisTrainer):
    """Gets as many Ctrl-C in the middle of its third step as ``presses``."""

    presses = 0

    def loss(self, step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        for _ in range(self.presses if step == 2 else 0):
            signal.raise_signal(signal.SIGINT)
        return super().loss(step, rng, noise)


@pytest.fixture
def ctrl_c_acts() -> Iterator[None]:
    """Have Ctrl-C as in a terminal: a shell lets programs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_acts")
def test_ctrl_c_ends_the_step_and_loses_nothing(cohort, cache, tmp_path):
    def run(folder: str, presses: int) -> torch.nn.Module:
        settings = SynthesisConfig(
            cache=cache, out=tmp_path / folder, steps=5, seed=1, **SMALL | {"checkpoint_every": 100}
        )
        trainer = Interrupted(settings, cohort)
        trainer.presses = presses
        return train(trainer, resume=True, events=SILENT)

    whole = run("whole", 0)
    with pytest.raises(Cancelled, match="Paused after 3 of 5 steps"):
        run("parts", 1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for key, value in run("parts", 0).state_dict().items():
        torch.testing.assert_close(whole.state_dict()[key], value, atol=0, rtol=0, msg=key)
    with pytest.raises(KeyboardInterrupt):
        run("hurried", 2)
    assert not (tmp_path / "hurried" / "checkpoint.safetensors").exists()


@pytest.mark.usefixtures("ctrl_c_acts")
def test_ctrl_c_in_the_last_step_is_heeded_too(cohort, cache, tmp_path):
    settings = SynthesisConfig(cache=cache, out=tmp_path / "run", steps=3, **SMALL)
    trainer = Interrupted(settings, cohort)
    trainer.presses = 1
    with pytest.raises(Cancelled, match="Paused after 3 of 3 steps"):
        train(trainer, resume=False, events=SILENT)
    assert train(SynthesisTrainer(settings, cohort), resume=True, events=SILENT)


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings(cohort, cache, tmp_path):
    settings = SynthesisConfig(cache=cache, out=tmp_path / "run", steps=2, **SMALL)
    train(SynthesisTrainer(settings, cohort), resume=False, events=SILENT)
    with pytest.raises(ModelError, match="already holds a run"):
        train(SynthesisTrainer(settings, cohort), resume=False, events=SILENT)
    other = dataclasses.replace(settings, learning_rate=5e-4)
    with pytest.raises(ModelError, match=r"other settings \(learning_rate .*, now 0.0005\)"):
        train(SynthesisTrainer(other, cohort), resume=True, events=SILENT)


def test_a_damaged_checkpoint_is_named(cohort, cache, tmp_path):
    settings = SynthesisConfig(cache=cache, out=tmp_path / "run", steps=2, **SMALL)
    train(SynthesisTrainer(settings, cohort), resume=False, events=SILENT)
    file = tmp_path / "run" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="can't be read"):
        train(SynthesisTrainer(settings, cohort), resume=True, events=SILENT)


def test_the_generator_learns(cohort, cache, tmp_path):
    settings = SynthesisConfig(
        cache=cache, out=tmp_path / "run", steps=60, **{**SMALL, "batch_size": 8, "checkpoint_every": 60}
    )
    trainer = SynthesisTrainer(settings, cohort)
    before = trainer.validate(trainer.model)["loss"]
    assert trainer.validate(train(trainer, resume=False, events=SILENT))["loss"] < 0.8 * before


@pytest.mark.parametrize(
    ("function", "config", "kind"),
    [
        (train_segmentation, SegmentationConfig, "segmentation"),
        (train_synthesis, SynthesisConfig, "synthesis"),
    ],
)
def test_training_ends_with_a_model_that_loads(function, config, kind, cache, tmp_path):
    stream = io.StringIO()
    settings = config(cache=cache, out=tmp_path / "mine", steps=2, terms="mine alone", **SMALL)
    weights = function(settings, resume=False, events=JsonEvents(stream))
    model = resolve(weights, kind)
    assert model.load_state()
    assert model.card.terms == "mine alone"
    assert model.card.split["validation"] == ["phantom 3"]
    kinds = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert "checkpoint" in kinds
    assert "progress" in kinds


def test_a_cohort_without_infarct_is_refused(cohort, cache, tmp_path):
    healthy = Cohort(tuple(dataclasses.replace(s, labels=np.minimum(s.labels, 2)) for s in cohort.studies))
    for trainer, config in ((SegmentationTrainer, SegmentationConfig), (SynthesisTrainer, SynthesisConfig)):
        with pytest.raises(StudyError, match="infarct"):
            trainer(config(cache=cache, out=tmp_path), healthy)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: 5\nout: run", "'cache' is missing"),
        ("cache: a\nout: b\nspeed: 9", "Unknown setting 'speed'"),
        ("cache: a\nout: b\nsteps: 0", "'steps' must be at least 1"),
        ("cache: a\nout: b\nsteps: many", "'steps' can't be 'many'"),
        ("cache: a\nout: b\nclass_weights: [1, 2]", "five positive"),
        ("cache: a\nout: b\nclass_weights: many", "'class_weights' must be a list of numbers"),
        ("cache: a\nout: b\nlearning_rate: 2.0", "^'learning_rate' must be above 0 and below 1.$"),
        ("cache: a\nout: b\nkl_weight: -1.0", "^'kl_weight' must be 0 or more.$"),
        ("cache: a\nout: b\ndeep_supervision: 1", "^The training setting 'deep_supervision' can't be 1.$"),
        ("cache: 3\nout: b", "'cache' in .* must be a path"),
        ("[1, 2]", "'setting: value'"),
        ("a: b: c", "can't be read as YAML"),
    ],
)
def test_wrong_settings_are_refused(text, said, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecificationError, match=said):
        SegmentationConfig.from_yaml(path)


def test_relative_paths_are_taken_from_the_file(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "cache: data/a.npz\nout: here\nclass_weights: [1, 1, 1, 2, 2]", encoding="utf-8"
    )
    config = SegmentationConfig.from_yaml(tmp_path / "run.yaml")
    assert config.cache == (tmp_path / "data" / "a.npz").resolve()
    assert config.class_weights == (1, 1, 1, 2, 2)


def test_no_patient_is_in_two_parts():
    assert not EMIDEC_TEST & EMIDEC_VALIDATION
    assert {emidec_part(case) for case in EMIDEC_TEST} == {"test"}
    assert emidec_part("Case_P001") == "training"
