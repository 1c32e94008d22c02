"""The segmenter's two networks: one finds the LV in the whole slice, one labels it at full resolution."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import nn

from claimslicer.errors import ModelError, SpecificationError
from claimslicer.polar import WRAP

ARCHITECTURES = ("dynunet", "nnunet", "nnunet-residual")
"""MONAI's ``DynUNet``, or nnU-Net's plain or residual-encoder U-Net as nnU-Net's own rules plan it."""


@dataclass(frozen=True)
class UNetSettings:
    """A 2-D U-Net on three neighbouring slices: widths per level and the patch that it sees.

    That is a square of ``patch_size`` pixels of ``pixel_mm``; or, with ``rays``, so many rays and
    ``patch_size`` rings ``pixel_mm`` apart, see :class:`claimslicer.polar.PolarGrid`. nnU-Net's architectures
    take from ``widths`` the first, the widest and the largest number of levels. With ``phase`` the network is
    told whether the infarct is acute or chronic, see
    :func:`claimslicer.segmentation.preprocessing.with_phases`. Raises SpecificationError for an unknown
    ``architecture``.
    """

    widths: tuple[int, ...]
    patch_size: int
    pixel_mm: float
    classes: int
    architecture: str = "dynunet"
    rays: int = 0
    phase: bool = False

    @property
    def channels(self) -> int:
        """What the network sees of each pixel: three slices, and the phase."""
        return 3 + self.phase

    @property
    def patch_shape(self) -> tuple[int, int]:
        """Rows and columns of what the network sees."""
        return (self.patch_size, self.rays + 2 * WRAP if self.rays else self.patch_size)

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise SpecificationError(f"'architecture' must be one of {', '.join(ARCHITECTURES)}.")


@dataclass(frozen=True)
class SegmenterSettings:
    """The networks. The locator sees 384 mm at 6 mm, the labeller 48 mm round the LV centre of each slice.

    ``members`` labellers of the same make vote by their mean probability.
    """

    locator: UNetSettings = field(default_factory=lambda: UNetSettings((8, 16, 32, 64, 64), 64, 6.0, 2))
    labeller: UNetSettings = field(
        default_factory=lambda: UNetSettings((16, 32, 64, 128, 128), 48, 1.0, 5, rays=96)
    )
    members: int = 1

    def of(self, architecture: str, *, phase: bool = False) -> SegmenterSettings:
        """Return the same networks in another architecture, with a labeller that knows phases or doesn't.

        Raises SpecificationError for an unknown architecture.
        """
        locator = replace(self.locator, architecture=architecture)
        labeller = replace(self.labeller, architecture=architecture, phase=phase)
        return replace(self, locator=locator, labeller=labeller)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SegmenterSettings:
        """Read what :meth:`to_dict` wrote. Raises ModelError for the card of a model of nnU-Net."""
        if "framework" in values:
            raise ModelError(
                "A model of nnU-Net can segment here, but can't be trained further or put into an ensemble."
            )
        networks = {
            key: UNetSettings(**{**values[key], "widths": tuple(values[key]["widths"])})
            for key in ("locator", "labeller")
        }
        return cls(**networks, members=values["members"])


def build_unet(settings: UNetSettings) -> nn.Module:
    """Return the network: ``(n, channels, h, w)`` to logits ``(n, classes, h, w)``.

    ``h`` and ``w`` are multiples of 2 to the number of levels less one. Raises ModelError without nnunetv2
    where one of its architectures is asked for.
    """
    return _dynunet(settings) if settings.architecture == "dynunet" else _planned_unet(settings)


def _planned_unet(settings: UNetSettings) -> nn.Module:
    """Return nnU-Net's network, with the strides and kernels that its planner gives pixel and patch size."""
    try:
        from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
        from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
    except ImportError as error:
        raise ModelError(
            f"The architecture {settings.architecture!r} needs nnU-Net: pip install 'claim-slicer[nnunet]'."
        ) from error
    smallest_edge = 4  # of the coarsest level, as in nnU-Net's planner
    _, strides, kernels, _, _ = get_pool_and_conv_props(
        [settings.pixel_mm] * 2, settings.patch_shape, smallest_edge, len(settings.widths) - 1
    )
    stages = len(strides)
    widest = max(settings.widths)
    residual = settings.architecture == "nnunet-residual"
    depth = {"n_blocks_per_stage": (1, 3, 4, 6, 6, 6, 6, 6)[:stages]} if residual else {"n_conv_per_stage": 2}
    network = (ResidualEncoderUNet if residual else PlainConvUNet)(
        input_channels=settings.channels,
        num_classes=settings.classes,
        n_stages=stages,
        features_per_stage=[min(settings.widths[0] * 2**stage, widest) for stage in range(stages)],
        conv_op=nn.Conv2d,
        kernel_sizes=kernels,
        strides=strides,
        **depth,
        n_conv_per_stage_decoder=1 if residual else 2,
        conv_bias=True,
        norm_op=nn.InstanceNorm2d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )
    network.apply(network.initialize)
    # Unused, its own heads of the coarser levels would be parameters without gradient: see LevelHeads.
    heads = network.decoder.seg_layers
    for level in range(len(heads) - 1):
        heads[level] = nn.Identity()
    return network


def _dynunet(settings: UNetSettings) -> nn.Module:
    """MONAI's network in nnU-Net's topology."""
    from monai.networks.nets import DynUNet  # takes seconds, which training the generator needn't wait for

    levels = len(settings.widths)
    return DynUNet(
        spatial_dims=2,
        in_channels=settings.channels,
        out_channels=settings.classes,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(settings.widths),
        norm_name=("instance", {"affine": True}),
        act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
    )


class LevelHeads(nn.Module):
    """Logits of the coarser levels of a U-Net's decoder, for deep supervision: a 1 × 1 convolution each.

    They lie beside the network, which is the same with them and without. The coarsest level has none: its
    labels hardly show a scar. They begin at zero, so that one trained already isn't disturbed by new ones.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        _, widths = _supervised_levels(network)
        self.levels = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, network: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
        """Return what ``network`` returns, and after it the coarser levels' logits, the finest first."""
        features: list[torch.Tensor] = []
        with ExitStack() as hooks:
            for level in _supervised_levels(network)[0]:
                hooks.enter_context(level.register_forward_hook(lambda *call: features.append(call[-1])))
            logits = network(images)
        # A decoder comes to its finest level last.
        return [logits, *(head(own) for head, own in zip(self.levels, reversed(features), strict=True))]


def _supervised_levels(network: Any) -> tuple[list[nn.Module], list[int]]:
    """Return the decoder's levels between the finest and the coarsest, and their widths, finest first."""
    if hasattr(network, "upsamples"):  # DynUNet
        decoder, widths = network.upsamples, network.filters
    else:
        decoder, widths = network.decoder.stages, network.encoder.output_channels
    return list(decoder)[-2:0:-1], list(widths)[1:-2]


class Segmenter(nn.Module):
    """A locator and one or more labellers, each a network of its own: this module has no forward pass.

    With ``deep_supervision`` there are ``heads`` for the first labeller, which only training uses.
    """

    def __init__(self, settings: SegmenterSettings, *, deep_supervision: bool = False) -> None:
        super().__init__()
        self.locator = build_unet(settings.locator)
        self.labellers = nn.ModuleList(build_unet(settings.labeller) for _ in range(settings.members))
        self.heads = LevelHeads(self.labellers[0], settings.labeller.classes) if deep_supervision else None
