"""nnU-Net's trainer with our losses and a wider augmentation, for nnU-Net's own commands (``-tr``).

``claim-slicer nnunet trainers`` says how they find it. Import it only where nnunetv2 is installed.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform, ImageOnlyTransform
from batchgeneratorsv2.transforms.local.brightness_gradient import BrightnessGradientAdditiveTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.noise.rician import RicianNoiseTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from claimslicer.errors import SpecificationError
from claimslicer.segmentation.losses import DeepSupervision, of_this_process, segmentation_loss

_GPU = torch.device("cuda")


class nnUNetTrainerCLAIM(nnUNetTrainer):  # noqa: N801 (nnU-Net's commands ask for it by this name)
    """Soft Dice and weighted cross-entropy, and wider augmentation; else as nnU-Net trains.

    Variants set the class attributes. ``class_weights`` are of background, cavity, myocardium, infarct and
    MVO; a data set with other labels is trained without.
    """

    class_weights: ClassVar[tuple[float, ...]] = (0.5, 1.0, 1.0, 1.5, 2.0)
    dice: ClassVar[float] = 1.0
    cross_entropy: ClassVar[float] = 1.0
    kl: ClassVar[float] = 0.0

    def _build_loss(self) -> nn.Module:
        """Return our loss on nnU-Net's levels of resolution, over all processes where there are several."""
        if self.label_manager.has_regions:
            raise SpecificationError(
                "This trainer's losses are for labels, not for regions: use nnUNetTrainer."
            )
        heads = self.label_manager.num_segmentation_heads
        loss: nn.Module = segmentation_loss(
            self.class_weights if heads == len(self.class_weights) else None,
            dice=self.dice,
            cross_entropy=self.cross_entropy,
            kl=self.kl,
            kl_sigma=self._kl_sigma(),
            ignore_label=self.label_manager.ignore_label,
            summed=_over_processes if self.is_ddp else of_this_process,
        ).to(self.device)
        if self.enable_deep_supervision:
            loss = DeepSupervision(loss, self._level_weights())
        return InFullPrecision(loss) if self.device.type == "cuda" else loss

    def _kl_sigma(self) -> list[float]:
        """Soften labels by a voxel within the slices, not from slice to slice, which lie far apart."""
        axes = len(self.configuration_manager.patch_size)
        return [0.0] * (axes - 2) + [1.0, 1.0]

    def _level_weights(self) -> list[float] | None:
        """nnU-Net's weights; DDP without compilation can't do with a level that has no weight at all."""
        if not self.is_ddp or self._do_i_compile():
            return None
        weights = [0.5**level for level in range(len(self._get_deep_supervision_scales()))]
        return [*weights[:-1], 1e-6]

    def do_split(self) -> tuple[list[str], list[str]]:
        """Return training and validation cases of the fold, which must be one that the export made.

        nnU-Net draws a fold that isn't in the file at random, whereby a synthetic child of a validation
        patient would be trained on.
        """
        training, validation = super().do_split()
        patients = self.dataset_json.get("claim_slicer", {}).get("patients", {})
        shared = {patients.get(name, name) for name in training} & {patients.get(n, n) for n in validation}
        if self.fold != "all" and shared:
            raise SpecificationError(
                f"Fold {self.fold} would train on patients that it validates on, {min(shared)} for one: "
                "export the data set with as many folds as you train."
            )
        return training, validation

    @staticmethod
    def get_training_transforms(patch_size: Any, *arguments: Any, **options: Any) -> BasicTransform:
        """Return nnU-Net's transforms with scaling 0.6–1.6 in half of the patches, and MR's own artefacts."""
        composed = nnUNetTrainer.get_training_transforms(patch_size, *arguments, **options)
        places = [i for i, step in enumerate(composed.transforms) if isinstance(step, SpatialTransform)]
        spatial = composed.transforms[places[0]]
        spatial.p_scaling, spatial.scaling = 0.5, (0.6, 1.6)
        # Artefacts come after nnU-Net's own random steps, and before masking and the labels' levels.
        after = len(composed.transforms) - next(
            i for i, step in enumerate(reversed(composed.transforms)) if isinstance(step, RandomTransform)
        )
        composed.transforms[after:after] = artefacts(max(patch_size))
        return composed


class nnUNetTrainerCLAIM_KL(nnUNetTrainerCLAIM):  # noqa: N801
    """For noisy labels: 0.6 Dice, 0.2 cross-entropy and 0.2 KL divergence from softened labels."""

    dice: ClassVar[float] = 0.6
    cross_entropy: ClassVar[float] = 0.2
    kl: ClassVar[float] = 0.2


class nnUNetTrainerCLAIM_trial(nnUNetTrainerCLAIM_KL):  # noqa: N801
    """One epoch of two steps, to see that data, folders and computer are right."""

    # nnU-Net looks up its own parameters by these names.
    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = _GPU,
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 1, 2, 1


class InFullPrecision(nn.Module):
    """A loss outside of autocast: half precision would round the softened labels and the sums over voxels."""

    def __init__(self, loss: nn.Module, device_type: str = "cuda") -> None:
        super().__init__()
        self.loss = loss
        self.device_type = device_type

    def forward(self, logits: Any, labels: Any) -> torch.Tensor:
        """Return the loss of one network output, or of a list of them."""
        with torch.autocast(self.device_type, enabled=False):
            full = logits.float() if isinstance(logits, torch.Tensor) else [level.float() for level in logits]
            return self.loss(full, labels)


def _over_processes(sums: torch.Tensor) -> torch.Tensor:
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(sums)


def artefacts(extent: int) -> list[BasicTransform]:
    """Return what MR scanners add, each in a share of the patches: coil shading, ghosts, noise, blur.

    ``extent`` is the longest edge of a patch, in voxels. Images have a standard deviation of about 1.
    """
    shading = BrightnessGradientAdditiveTransform(scale=(0.3 * extent, extent), max_strength=(-1.0, 1.0))
    return [
        RandomTransform(shading, apply_probability=0.2),
        RandomTransform(Ghosting(), apply_probability=0.15),
        RandomTransform(RicianNoiseTransform((0.0, 0.2)), apply_probability=0.15),
        RandomTransform(GaussianBlurTransform((0.8, 1.6), p_per_channel=1.0), apply_probability=0.1),
    ]


class Ghosting(ImageOnlyTransform):
    """Weaken every second to fifth phase-encoding line, as breathing and pulsation do: faint shifted copies.

    ``strength`` is the range of what these lines lose; the mean of the image stays.
    """

    def __init__(self, strength: tuple[float, float] = (0.2, 0.8)) -> None:
        super().__init__()
        self.strength = strength

    def get_parameters(self, **data_dict: Any) -> dict[str, Any]:
        """Draw direction (one of the slice's two axes), spacing of the lines and strength."""
        low, high = self.strength
        return {
            "axis": -1 - int(torch.randint(2, ())),
            "period": int(torch.randint(2, 6, ())),
            "loss": low + (high - low) * float(torch.rand(())),
        }

    def _apply_to_image(self, img: torch.Tensor, **params: Any) -> torch.Tensor:
        lines = torch.fft.fft(img, dim=params["axis"]).movedim(params["axis"], -1)
        lines[..., params["period"] :: params["period"]] *= 1 - params["loss"]
        return torch.fft.ifft(lines.movedim(-1, params["axis"]), dim=params["axis"]).real
