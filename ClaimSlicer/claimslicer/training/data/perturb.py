"""Grey levels as other scanners and other days would have them; geometry and labels stay.

``standard`` is what the shipped segmenters were trained with. ``wide`` is for images from elsewhere:
contrast, gamma, bias field, blur, low resolution, ghosting, Gibbs ringing and Rician noise, most of them
MONAI's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.transforms.transform import RandomizableTransform

if TYPE_CHECKING:
    from monai.transforms import Compose

STRETCH = {"standard": (0.0, 0.12), "wide": (0.35, 0.0)}
"""Of the logarithm of the heart's apparent size: half-width of a uniform draw, SD of a normal one."""


def perturb_intensities(
    images: torch.Tensor, noise: torch.Generator, augmentation: str = "standard"
) -> torch.Tensor:
    """Return normalised ``images`` ``(n, 3, h, w)`` with other grey levels, drawn for each from ``noise``.

    ``augmentation`` is standard or wide.
    """
    return _wide(images, noise) if augmentation == "wide" else _standard(images, noise)


def draw_stretch(rng: np.random.Generator, augmentation: str) -> float:
    """Return by how much the heart is to look larger (> 1) or smaller."""
    half_width, sd = STRETCH[augmentation]
    return float(np.exp(rng.normal(0, sd) if sd else rng.uniform(-half_width, half_width)))


def _standard(images: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    """Gain, offset, gamma, bias field, noise and blur."""
    count = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand((count, 1, 1, 1), generator=noise)

    low, span = _range(images)
    images = ((images - low) / span) ** torch.exp(uniform(-0.35, 0.35)) * span + low
    coarse = torch.randn((count, 1, 3, 3), generator=noise) * 0.12
    field = torch.nn.functional.interpolate(coarse, images.shape[-2:], mode="bicubic", align_corners=True)
    images = images * torch.exp(field + uniform(-0.2, 0.2)) + uniform(-0.25, 0.25)
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = torch.lerp(images, blurred, uniform(-0.6, 0.8).clamp_min(0))
    return images + torch.randn(images.shape, generator=noise) * uniform(-0.1, 0.2).clamp_min(0)


def _wide(images: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    """Scanners' effects are on magnitudes, so they are had on [0, 1] and taken back to the sample's range."""
    low, span = _range(images)
    seeds = torch.randint(2**31, (len(images),), generator=noise).tolist()
    transforms = wide_transforms()
    changed = []
    for image, seed in zip((images - low) / span, seeds, strict=True):
        transforms.set_random_state(seed=seed)
        changed.append(torch.as_tensor(np.asarray(transforms(image)), dtype=images.dtype))
    return torch.stack(changed) * span + low


@lru_cache(maxsize=1)
def wide_transforms() -> Compose:
    """Return the chain for one ``(3, h, w)`` image in [0, 1], in the order in which a scan has them."""
    from monai import transforms

    return transforms.Compose(
        [
            transforms.RandScaleIntensityFixedMean(prob=0.3, factors=(-0.35, 0.5)),
            transforms.RandAdjustContrast(prob=0.35, gamma=(0.6, 1.7)),
            transforms.RandBiasField(prob=0.3, degree=3, coeff_range=(-0.25, 0.25)),
            transforms.RandSimulateLowResolution(
                prob=0.25, downsample_mode="area", upsample_mode="bilinear", zoom_range=(0.5, 1.0)
            ),
            transforms.RandGaussianSmooth(prob=0.2, sigma_x=(0.4, 1.2), sigma_y=(0.4, 1.2)),
            RandGhosting(prob=0.2),
            transforms.RandGibbsNoise(prob=0.15, alpha=(0.2, 0.6)),
            transforms.RandRicianNoise(prob=0.35, std=0.08),
            transforms.RandScaleIntensity(prob=0.3, factors=0.2),
            transforms.RandShiftIntensity(prob=0.3, offsets=0.06),
        ]
    )


class RandGhosting(RandomizableTransform):
    """Copies of the image along one axis, as breathing leaves them: every few lines of k-space are weaker.

    Weakening each ``every``-th line by ``strength`` takes ``strength / every`` of the image away and puts as
    much to every multiple of ``extent / every`` pixels. Lines near the centre of k-space are left alone, so
    that brightness stays.
    """

    CENTRE = 0.02

    def __init__(
        self,
        prob: float = 0.1,
        every: tuple[int, ...] = (2, 3, 4),
        strength: tuple[float, float] = (0.2, 0.7),
    ) -> None:
        super().__init__(prob)
        self.choices, self.strengths = every, strength
        self.axis, self.every, self.strength = 1, every[0], strength[0]

    def randomize(self, data: Any = None) -> None:
        """Draw axis, distance of the weak lines, and how weak they are."""
        super().randomize(None)
        if self._do_transform:
            self.axis = int(self.R.randint(1, 3))
            self.every = int(self.R.choice(self.choices))
            self.strength = float(self.R.uniform(*self.strengths))

    def __call__(self, img: torch.Tensor, randomize: bool = True) -> torch.Tensor:
        """Return the magnitude image ``(channels, h, w)`` with ghosts, or as it was."""
        if randomize:
            self.randomize()
        if not self._do_transform:
            return img
        extent = img.shape[self.axis]
        weak = (torch.arange(extent) % self.every == 0) & (torch.fft.fftfreq(extent).abs() > self.CENTRE)
        lines = torch.fft.fft(img, dim=self.axis)
        shape = [-1 if axis == self.axis else 1 for axis in range(img.ndim)]
        return torch.fft.ifft(lines * (1 - self.strength * weak).reshape(shape), dim=self.axis).abs()


def _range(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each sample's lowest value, and how far the highest lies above it."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return low, (high - low).clamp_min(1e-6)
