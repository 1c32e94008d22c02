"""The architectures that our trainer can train: shapes, gradients, nnU-Net's own planning, cards."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from claimslicer.errors import ModelError, SpecificationError
from claimslicer.models.registry import resolve
from claimslicer.models.states import compact_state, restore_state
from claimslicer.segmentation.network import (
    ARCHITECTURES,
    LevelHeads,
    Segmenter,
    SegmenterSettings,
    UNetSettings,
    build_unet,
)
from claimslicer.training.data.cache import read_cache, read_case_folders, write_cache
from claimslicer.training.settings.config import SegmentationConfig
from claimslicer.training.trainers.segmentation import SegmentationTrainer
from training_cohort import write_cohort

SMALL = UNetSettings((4, 8, 16), 32, 1.5, 5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_labels_pixels_and_every_parameter_learns(architecture):
    if architecture != "dynunet":
        pytest.importorskip("nnunetv2", reason="nnU-Net isn't installed (extra 'nnunet')")
    network = build_unet(replace(SMALL, architecture=architecture))
    logits = network(torch.randn(2, 3, 32, 48))
    assert logits.shape == (2, 5, 32, 48)
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_heads_see_every_level_but_the_coarsest_and_leave_the_network_as_it_is(architecture):
    if architecture != "dynunet":
        pytest.importorskip("nnunetv2", reason="nnU-Net isn't installed (extra 'nnunet')")
    network = build_unet(replace(SMALL, architecture=architecture, widths=(4, 8, 12, 16)))
    image, names = torch.randn(2, 3, 32, 48), list(network.state_dict())
    alone = network(image)
    heads = LevelHeads(network, 5)
    fine, coarse = heads(network, image)
    assert torch.equal(fine, alone) and list(network.state_dict()) == names
    assert coarse.shape == (2, 5, 16, 24) and not coarse.any()
    coarse[:, 1].mean().backward()
    assert all(torch.count_nonzero(parameter.grad) for parameter in heads.parameters())
    torch.nn.init.normal_(heads.levels[0].weight)
    heads(network, image)[1].square().mean().backward()
    learnt = [name for name, weight in network.named_parameters() if weight.grad is not None]
    finest = ("upsamples.2", "output_block", "decoder.stages.2", "decoder.seg_layers")
    assert not any(name.startswith(finest) for name in learnt)
    assert any(name.startswith(("upsamples.1", "decoder.stages.1")) for name in learnt)
    assert not any(module._forward_hooks for module in network.modules())


def test_nnunets_rules_plan_the_levels():
    plans = pytest.importorskip("nnunetv2.experiment_planning.experiment_planners.network_topology")
    for settings in (SegmenterSettings().of("nnunet").labeller, SegmenterSettings().of("nnunet").locator):
        _, strides, _, patch, _ = plans.get_pool_and_conv_props(
            [settings.pixel_mm] * 2, settings.patch_shape, 4, len(settings.widths) - 1
        )
        assert tuple(patch) == settings.patch_shape, "no padding is needed"
        network = build_unet(settings)
        assert [tuple(stride) for stride in network.encoder.strides] == list(strides)
        assert list(network.encoder.output_channels) == list(settings.widths)
    shallow = build_unet(replace(SMALL, architecture="nnunet", widths=(4, 8, 16, 16, 16, 16)))
    assert len(shallow.encoder.strides) == 4, "a patch of 32 pixels is halved three times, to 4"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_come_back_from_a_card(architecture):
    if architecture != "dynunet":
        pytest.importorskip("nnunetv2", reason="nnU-Net isn't installed (extra 'nnunet')")
    settings = SegmenterSettings(SMALL, SMALL, members=2).of(architecture)
    settings = SegmenterSettings.from_dict(json.loads(json.dumps(settings.to_dict())))
    first, second = Segmenter(settings), Segmenter(settings)
    restore_state(second, compact_state(first))
    image = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(
        second.labellers[1](image), first.labellers[1](image), rtol=0, atol=0.02, msg="half precision"
    )


def test_cards_from_before_the_choice_are_of_the_first_architecture():
    card = resolve(None, "segmentation").card.network
    old = {key: value for key, value in card["labeller"].items() if key != "architecture"}
    settings = SegmenterSettings.from_dict({**card, "labeller": old, "locator": card["locator"]})
    assert settings.labeller.architecture == "dynunet"


def test_unknown_architectures_and_a_missing_nnunet_are_said(monkeypatch):
    with pytest.raises(SpecificationError, match="nnunet-residual"):
        SegmenterSettings().of("transformer")
    monkeypatch.setitem(sys.modules, "dynamic_network_architectures.architectures.unet", None)
    with pytest.raises(ModelError, match=r"claim-slicer\[nnunet\]"):
        build_unet(replace(SMALL, architecture="nnunet"))


def test_our_trainer_trains_nnunets_network(tmp_path):
    """One line in the settings; a step on a phantom reaches every parameter of the labeller."""
    pytest.importorskip("nnunetv2", reason="nnU-Net isn't installed (extra 'nnunet')")
    cache, config = tmp_path / "cohort.npz", tmp_path / "run.yaml"
    write_cache(cache, read_case_folders(write_cohort(tmp_path / "cases")))
    config.write_text("cache: cohort.npz\nout: run\nbatch_size: 2\narchitecture: nnunet\n", encoding="utf-8")
    trainer = SegmentationTrainer(SegmentationConfig.from_yaml(config), read_cache(cache))
    loss = trainer.loss(1, np.random.default_rng(0), torch.Generator().manual_seed(0))
    loss.backward()
    labeller = trainer.model.labellers[0]
    assert type(labeller).__name__ == "PlainConvUNet"
    assert all(torch.count_nonzero(weight.grad) for weight in labeller.parameters() if weight.ndim > 1)
    assert set(trainer.validate(trainer.model)) == {"dice_myocardium", "dice_infarct", "dice_scar"}
