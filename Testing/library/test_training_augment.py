"""Augmentation of training batches, losses as settings, and fine-tuning from given weights."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from claimslicer.errors import ModelError, SpecificationError
from claimslicer.events import SILENT
from claimslicer.models.registry import resolve, save_model
from claimslicer.models.states import compact_state
from claimslicer.segmentation.losses import segmentation_loss
from claimslicer.segmentation.model import load_segmenter
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.training.data.cache import CachedStudy, Cohort, write_cache
from claimslicer.training.data.perturb import RandGhosting, draw_stretch, perturb_intensities, wide_transforms
from claimslicer.training.engine.loop import train
from claimslicer.training.outcome.shipping import with_origins
from claimslicer.training.runs.kinds import preset_description, preset_text
from claimslicer.training.settings.config import SegmentationConfig
from claimslicer.training.trainers.segmentation import SegmentationTrainer, train_segmentation
from safetensors.torch import load_file

SMALL = {"batch_size": 2, "checkpoint_every": 100, "validate_every": 100, "warmup_steps": 2}


def cached(seed: int) -> CachedStudy:
    study = make_phantom(PhantomSettings(seed=seed, n_slices=4, scar=PhantomScar())).study
    labels = np.where(study.labels == 5, 0, study.labels).astype(np.uint8)
    return CachedStudy(f"phantom {seed}", "training", study.image, labels, study.geometry.spacing_zyx)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return Cohort((cached(1), cached(2)))


@pytest.fixture(scope="module")
def images(cohort) -> torch.Tensor:
    """Forty times the same normalised slice, so that what differs is the augmentation's work."""
    near = cohort.studies[0].image[:3, 20:84, 20:84].astype(np.float32)
    return torch.from_numpy((near - near.mean()) / near.std())[None].repeat(40, 1, 1, 1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("augmentation", ["standard", "wide"])
def test_all_draws_come_from_the_generator(images, augmentation):
    torch.manual_seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    once = perturb_intensities(images, generator(3), augmentation)
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    torch.manual_seed(2)
    np.random.seed(2)
    assert torch.equal(perturb_intensities(images, generator(3), augmentation), once)
    assert not torch.equal(perturb_intensities(images, generator(4), augmentation), once)


@pytest.mark.parametrize("augmentation", ["standard", "wide"])
def test_samples_differ_and_the_heart_stays_where_it_is(images, augmentation):
    changed = perturb_intensities(images, generator(), augmentation)
    assert changed.shape == images.shape and changed.dtype == torch.float32 and type(changed) is torch.Tensor
    assert torch.isfinite(changed).all()
    assert len({round(float(image.sum()), 3) for image in changed}) > 35
    similar = [
        np.corrcoef(image.flatten(), before.flatten())[0, 1]
        for image, before in zip(changed, images, strict=True)
    ]
    assert np.mean(similar) < 0.995 and min(similar) > 0.6


def test_wide_is_wider_than_standard(images):
    def spread(augmentation: str) -> float:
        centred = perturb_intensities(images, generator(5), augmentation)
        return float((centred - centred.mean((1, 2, 3), keepdim=True)).std(0).mean())

    assert spread("wide") > spread("standard")
    rng = np.random.default_rng(0)
    stretches = {name: [draw_stretch(rng, name) for _ in range(2000)] for name in ("standard", "wide")}
    assert 0.70 < min(stretches["wide"]) < 0.72 and 1.40 < max(stretches["wide"]) < 1.42
    assert np.std(np.log(stretches["standard"])) == pytest.approx(0.12, rel=0.05)


@pytest.mark.parametrize("number", range(len(wide_transforms().transforms)))
def test_every_part_of_the_wide_chain_acts_sometimes_and_not_always(number, images):
    part = wide_transforms().transforms[number]
    unit = (images[0] - images.min()) / (images.max() - images.min())
    changed = []
    for seed in range(60):
        part.set_random_state(seed=seed)
        result = np.asarray(part(unit))
        assert np.isfinite(result).all()
        changed.append(np.abs(result - unit.numpy()).max() > 1e-4)
    assert 2 <= sum(changed) <= 40


def test_a_ghost_lies_where_k_space_says_and_is_as_strong():
    image = torch.zeros((1, 48, 48))
    image[:, 20:24, 6:10] = 1.0
    ghost = RandGhosting(prob=1.0)
    ghost.axis, ghost.every, ghost.strength = 2, 3, 0.6
    ghost._do_transform = True
    result = ghost(image, randomize=False)[0]
    kept = 0.6 * 4 / 48  # of the rows' mean, whose line of k-space is left alone
    for shift in (16, 32):
        assert result[20:24, 6 + shift : 10 + shift].mean().item() == pytest.approx(0.6 / 3 - kept, abs=1e-5)
    assert result[20:24, 6:10].mean().item() == pytest.approx(1 - 0.6 / 3 + kept, abs=1e-5)
    assert result[:18].abs().max() < 1e-6  # nothing along the other axis
    flat = torch.full((1, 48, 48), 0.7)
    torch.testing.assert_close(ghost(flat, randomize=False), flat)


def test_the_losses_are_settings_and_the_locator_keeps_its_own(cohort, tmp_path):
    def losses(**given) -> list[float]:
        config = SegmentationConfig(cache=tmp_path / "c", out=tmp_path / "o", steps=4, **SMALL, **given)
        trainer = SegmentationTrainer(config, cohort)
        with torch.no_grad():
            return [float(trainer.loss(step, np.random.default_rng(7), generator(7))) for step in (0, 1)]

    plain, with_kl = losses(), losses(kl_weight=0.5, kl_sigma=2.0)
    assert plain[0] == with_kl[0] and with_kl[1] > plain[1]
    assert losses(cross_entropy_weight=0.0)[1] + losses(dice_weight=0.0)[1] == pytest.approx(plain[1])


def test_deep_supervision_trains_every_parameter_and_ships_the_same_model(cohort, tmp_path):
    write_cache(tmp_path / "c", cohort.studies)
    plain = SegmentationConfig(cache=tmp_path / "c", out=tmp_path / "plain", steps=2, **SMALL)
    deep = dataclasses.replace(plain, out=tmp_path / "deep", deep_supervision=True)
    trainers = [SegmentationTrainer(config, cohort) for config in (plain, deep)]
    for step in (0, 1):  # locator, labeller
        losses = [trainer.loss(step, np.random.default_rng(7), generator(7)) for trainer in trainers]
        assert (losses[0] == losses[1]) == (step == 0)
        losses[1].backward()
    trained, heads = trainers[1].model, trainers[1].model.heads
    assert len(heads.levels) == 2, "of the levels of 2 and 4 mm"
    assert all(parameter.grad is not None for parameter in trained.parameters())
    assert all(torch.count_nonzero(parameter.grad) for parameter in heads.parameters())
    grouped = [id(one) for group in trainers[1].parameter_groups() for one in group["params"]]
    assert sorted(grouped) == sorted(map(id, trained.parameters()))

    weights = train_segmentation(deep, resume=False)
    wanted = {key: value.shape for key, value in compact_state(trainers[0].model).items()}
    assert {key: value.shape for key, value in load_file(weights).items()} == wanted
    model = load_segmenter(weights, "cpu")
    assert model.settings == trainers[0].settings and model.networks.heads is None
    assert resolve(weights, "segmentation").card.training.keys() - plain.to_dict() == {"deep_supervision"}
    again = dataclasses.replace(deep, out=tmp_path / "again", initial_weights=str(weights))
    assert not any(weight.any() for weight in SegmentationTrainer(again, cohort).model.heads.parameters())


def test_each_level_has_half_the_weight_of_the_one_above(cohort, tmp_path):
    config = SegmentationConfig(cache=tmp_path, out=tmp_path, deep_supervision=True, **SMALL)
    trainer = SegmentationTrainer(config, cohort)
    seen: list[torch.Tensor] = []
    levels = trainer._labeller_loss.loss
    levels.register_forward_hook(lambda module, given, value: seen.append(value))
    with torch.no_grad():
        loss = trainer.loss(1, np.random.default_rng(7), generator(7))
    assert len({value.item() for value in seen}) == 3
    torch.testing.assert_close(loss, (4 * seen[0] + 2 * seen[1] + seen[2]) / 7)


def test_a_run_with_everything_on_is_resumed_exactly(cohort, tmp_path):
    def run(folder: str, *stops: int | None) -> dict[str, torch.Tensor]:
        config = SegmentationConfig(
            cache=tmp_path / "c",
            out=tmp_path / folder,
            steps=4,
            kl_weight=0.5,
            augmentation="wide",
            deep_supervision=True,
            initial_weights="emidec",
            **SMALL,
        )
        for stop in stops:
            average = train(
                SegmentationTrainer(config, cohort), resume=True, events=SILENT, stop_after_steps=stop
            )
        return average.state_dict()

    whole, parts = run("whole", None), run("parts", 1, 2, None)
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, atol=0, rtol=0, msg=key)


def finetuning(tmp_path, **given) -> SegmentationConfig:
    file = tmp_path / "finetune.yaml"
    text = preset_text("segmentation", "finetune") + "cache: c.npz\nout: run\n"
    file.write_text(text, encoding="utf-8")
    return dataclasses.replace(SegmentationConfig.from_yaml(file), **given)


def test_the_preset_goes_on_from_the_shipped_weights_gently(tmp_path):
    config = finetuning(tmp_path)
    assert config.initial_weights == "emidec" and config.learning_rate < 1e-3 and config.steps <= 400
    assert config.steps % config.validate_every == 0
    assert preset_description("segmentation", "finetune").endswith(".")


@pytest.mark.parametrize("seed", [0, 4])
def test_weights_start_equal_each_seed_with_its_labeller(cohort, tmp_path, seed):
    trainer = SegmentationTrainer(finetuning(tmp_path, seed=seed), cohort)
    shipped = load_segmenter("emidec", "cpu")
    labeller = shipped.networks.labellers[seed % shipped.settings.members]
    for ours, theirs in (
        (trainer.model.labellers[0], labeller),
        (trainer.model.locator, shipped.networks.locator),
    ):
        for key, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[key], value)
    assert all(parameter.requires_grad for parameter in trainer.model.parameters())


def test_a_few_steps_on_two_studies_lower_the_loss_and_leave_the_shipped_weights(cohort, tmp_path):
    config = finetuning(  # a higher rate than the preset's, for fewer steps
        tmp_path, steps=20, batch_size=4, warmup_steps=2, learning_rate=5e-4, validate_every=100
    )
    trainer = SegmentationTrainer(config, cohort)

    def loss() -> float:
        with torch.no_grad():
            draws = [trainer.loss(1, np.random.default_rng(k), generator(k)) for k in range(6)]
        return float(torch.stack(draws).mean())

    before = loss()
    scratch = SegmentationTrainer(dataclasses.replace(config, initial_weights=""), cohort)
    with torch.no_grad():
        unlearnt = float(scratch.loss(1, np.random.default_rng(0), generator(0)))
    shipped = load_segmenter("emidec", "cpu").networks.locator.state_dict()
    kept = {key: value.clone() for key, value in shipped.items()}
    train(trainer, resume=False, events=SILENT)
    assert before < unlearnt
    # Half of the loss stays: no phantom has MVO, and a class that isn't there has no overlap.
    assert loss() < 0.97 * before
    assert all(torch.equal(value, kept[key]) for key, value in shipped.items())


def test_a_fine_tuned_models_card_names_data_and_terms_of_its_origin(tmp_path):
    weights = resolve("emidec", "segmentation").weights
    config = finetuning(tmp_path, initial_weights=str(weights), data="our clinic", terms="ours")
    told = with_origins(config, {"initial_weights": "segmentation"})
    origin = resolve("emidec", "segmentation").card
    assert told.data.startswith("our clinic; begun from 'emidec'") and origin.data["description"] in told.data
    assert told.terms == f"{origin.terms}; ours" and told.initial_weights == "emidec"
    assert not told.real_only, "the shipped labellers saw synthetic studies"
    untold = {"initial_weights": "", "data": "", "terms": "", "real_only": True}
    assert dataclasses.replace(told, **untold) == dataclasses.replace(config, **untold)
    scratch = dataclasses.replace(config, initial_weights="")
    assert with_origins(scratch, {"initial_weights": "segmentation"}) == scratch


def test_weights_that_dont_fit_are_refused(cohort, tmp_path, monkeypatch):
    monkeypatch.setenv("CLAIM_MODELS", str(tmp_path / "none"))
    with pytest.raises(ModelError, match="no segmentation model 'nobody'"):
        SegmentationTrainer(finetuning(tmp_path, initial_weights="nobody"), cohort)
    model = resolve("emidec", "segmentation")
    fields = json.loads(model.card_file.read_text(encoding="utf-8"))
    other = load_segmenter("emidec", "cpu").settings
    fields["network"] = dataclasses.replace(
        other, labeller=dataclasses.replace(other.labeller, pixel_mm=1.25)
    ).to_dict()
    for unwanted in ("name", "sha256", "format_version", "made_with"):
        fields.pop(unwanted)
    weights = save_model(tmp_path / "finer", "finer", model.load_state(), fields)
    with pytest.raises(ModelError, match="of another size"):
        SegmentationTrainer(finetuning(tmp_path, initial_weights=str(weights)), cohort)


def test_a_path_is_taken_from_the_files_folder_and_a_name_is_not(tmp_path):
    (tmp_path / "emidec").mkdir()
    for given, wanted in (
        ("emidec", "emidec"),
        ("../models/mine", str((tmp_path.parent / "models" / "mine").resolve())),
        ("mine.safetensors", str((tmp_path / "mine.safetensors").resolve())),
    ):
        (tmp_path / "a.yaml").write_text(f"cache: a\nout: b\ninitial_weights: {given}\n", encoding="utf-8")
        assert SegmentationConfig.from_yaml(tmp_path / "a.yaml").initial_weights == wanted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"augmentation": "wild"}, "standard or wide"),
        ({"kl_weight": -1.0}, "'kl_weight'"),
        ({"dice_weight": 0.0, "cross_entropy_weight": 0.0}, "not all 0"),
        ({"kl_sigma": 50.0}, "'kl_sigma'"),
    ],
)
def test_wrong_settings_are_refused(given, said, tmp_path):
    with pytest.raises(SpecificationError, match=said):
        SegmentationConfig(cache=tmp_path, out=tmp_path, **given)


def test_the_defaults_are_the_loss_that_there_was(tmp_path):
    config = SegmentationConfig(cache=tmp_path, out=tmp_path)
    loss = segmentation_loss(
        config.class_weights,
        dice=config.dice_weight,
        cross_entropy=config.cross_entropy_weight,
        kl=config.kl_weight,
    )
    assert loss.weights == {"dice": 1.0, "cross_entropy": 1.0}
