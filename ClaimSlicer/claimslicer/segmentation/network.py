"""The segmenter's two networks: one finds the LV in the whole slice, one labels it at full resolution."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from monai.networks.nets import DynUNet
from torch import nn


@dataclass(frozen=True)
class UNetSettings:
    """A 2-D U-Net on three neighbouring slices: widths per level and the patch that it sees."""

    widths: tuple[int, ...]
    patch_size: int
    pixel_mm: float
    classes: int


@dataclass(frozen=True)
class SegmenterSettings:
    """The networks. The locator sees 384 mm at 3 mm, the labeller 120 mm at 1.5 mm round the LV centre.

    ``members`` labellers of the same make vote by their mean probability.
    """

    locator: UNetSettings = field(default_factory=lambda: UNetSettings((8, 16, 32, 64, 64), 128, 3.0, 2))
    labeller: UNetSettings = field(default_factory=lambda: UNetSettings((16, 32, 64, 128, 128), 80, 1.5, 5))
    members: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SegmenterSettings:
        """Read what :meth:`to_dict` wrote."""
        networks = {
            key: UNetSettings(**{**values[key], "widths": tuple(values[key]["widths"])})
            for key in ("locator", "labeller")
        }
        return cls(**networks, members=values["members"])


def build_unet(settings: UNetSettings) -> nn.Module:
    """Return MONAI's ``DynUNet`` (nnU-Net's topology): ``(n, 3, h, w)`` to logits ``(n, classes, h, w)``."""
    levels = len(settings.widths)
    return DynUNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=settings.classes,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(settings.widths),
        norm_name=("instance", {"affine": True}),
        act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
    )


class Segmenter(nn.Module):
    """A locator and one or more labellers, each a network of its own: this module has no forward pass."""

    def __init__(self, settings: SegmenterSettings) -> None:
        super().__init__()
        self.locator = build_unet(settings.locator)
        self.labellers = nn.ModuleList(build_unet(settings.labeller) for _ in range(settings.members))
