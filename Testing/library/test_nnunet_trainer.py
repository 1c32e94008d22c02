"""Our trainer of nnU-Net, in pieces: how it is found, its folds, its augmentation."""

import numpy as np
import pytest
import torch
from claimslicer.errors import SpecificationError
from claimslicer.segmentation.losses import DeepSupervision, segmentation_loss
from claimslicer.training.nnunet.discovery import TRAINERS

pytest.importorskip("nnunetv2", reason="nnU-Net isn't installed (extra 'nnunet')")

from claimslicer.training.nnunet.trainer import (
    Ghosting,
    InFullPrecision,
    artefacts,
    nnUNetTrainerCLAIM,
    nnUNetTrainerCLAIM_KL,
)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class


@pytest.mark.parametrize("name", ["nnUNetTrainerCLAIM", "nnUNetTrainerCLAIM_KL", "nnUNetTrainerCLAIM_trial"])
def test_nnunets_search_finds_our_trainers_in_their_folder(name):
    """As it is called for each folder in ``nnUNet_extTrainer``."""
    found = recursive_find_python_class(
        str(TRAINERS), name, None, base_folder=str(TRAINERS), cleanup_imports_from_base_folder=True
    )
    assert issubclass(found, nnUNetTrainerCLAIM)
    assert found.__module__ == "claimslicer.training.nnunet.trainer"  # importable in spawned workers


@pytest.mark.parametrize("fold", [0, "all"])
def test_a_fold_that_nnunet_draws_at_random_is_refused(monkeypatch, fold):
    trainer = object.__new__(nnUNetTrainerCLAIM)
    trainer.fold = fold
    patients = {"A": "A", "B": "B", "B_synthetic_0001": "B"}
    trainer.dataset_json = {"claim_slicer": {"patients": patients}}
    monkeypatch.setattr(nnUNetTrainer, "do_split", lambda _: (["A", "B_synthetic_0001"], ["B"]))
    if fold == "all":
        assert trainer.do_split()[1] == ["B"]
    else:
        with pytest.raises(SpecificationError, match="B for one"):
            trainer.do_split()
    monkeypatch.setattr(nnUNetTrainer, "do_split", lambda _: (["A"], ["B"]))
    assert trainer.do_split() == (["A"], ["B"])


@pytest.mark.parametrize("shape", [(40, 48), (6, 40, 48)])
def test_augmented_patches_keep_their_shape_and_labels(shape):
    torch.manual_seed(0)
    np.random.seed(0)
    transform = nnUNetTrainerCLAIM.get_training_transforms(
        np.array(shape), (-np.pi, np.pi), [[1.0] * len(shape), [0.5] * len(shape)], (0, 1), len(shape) == 3
    )
    labels = torch.zeros((1, *shape), dtype=torch.int16)
    labels[..., 10:30, 10:30] = 3
    spread = []
    for _ in range(25):
        out = transform(image=torch.randn((1, *shape)), segmentation=labels.clone())
        assert out["image"].shape == (1, *shape)
        assert torch.isfinite(out["image"]).all()
        assert [tuple(level.shape[1:]) for level in out["segmentation"]] == [
            shape,
            tuple(extent // 2 for extent in shape),
        ]
        assert set(out["segmentation"][0].unique().tolist()) <= {0, 3}
        spread.append((out["segmentation"][0] == 3).float().mean().item())
    assert max(spread) / min(spread) > 2.5, "hearts come in many sizes"


def test_ghosts_are_shifted_copies_that_keep_the_mean():
    image = torch.zeros((1, 32, 32))
    image[:, 12:20, 12:20] = 1.0
    torch.manual_seed(1)
    ghosted = Ghosting((0.5, 0.5))(image=image)["image"]
    assert ghosted.mean() == pytest.approx(image.mean().item(), abs=1e-5)
    outside = ghosted[image == 0]
    assert outside.abs().max() > 0.05
    assert (ghosted - image).abs().max() < 0.5


@pytest.mark.parametrize("shape", [(1, 24, 24), (1, 4, 24, 24)])
def test_every_artefact_changes_a_patch_but_not_its_shape(shape):
    torch.manual_seed(0)
    np.random.seed(0)
    image = torch.randn(shape)
    for step in artefacts(24):
        changed = step.transform(image=image.clone())["image"]
        assert changed.shape == shape
        assert torch.isfinite(changed).all()
        assert not torch.equal(changed, image), step


def test_mixed_precision_leaves_the_loss_alone():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 16, 16), torch.randint(0, 5, (2, 1, 16, 16))
    loss = segmentation_loss(kl=1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss(logits, labels)
        kept = InFullPrecision(loss, "cpu")(logits, labels)
        levels = InFullPrecision(DeepSupervision(loss), "cpu")([logits, logits], labels)
    expected = loss(logits, labels)
    assert not torch.equal(rounded, expected)
    assert torch.equal(kept, expected)
    assert torch.equal(levels, expected)


def test_the_variants_weigh_their_losses_as_stated():
    assert (nnUNetTrainerCLAIM.dice, nnUNetTrainerCLAIM.cross_entropy, nnUNetTrainerCLAIM.kl) == (1, 1, 0)
    assert (nnUNetTrainerCLAIM_KL.dice, nnUNetTrainerCLAIM_KL.cross_entropy, nnUNetTrainerCLAIM_KL.kl) == (
        0.6,
        0.2,
        0.2,
    )
