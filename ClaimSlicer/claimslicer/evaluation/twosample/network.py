"""The second classifier: a small convolutional network on the pictures round the scar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from claimslicer.evaluation.twosample.samples import SliceSample

PATCH = 32
"""Width of a patch in the study's own pixels, so that the grain is seen as it is."""
PATCHES = 6
"""Patches of a slice that are looked at."""
STEPS = 200
BATCH = 32
RATE = 1e-2
GREY_PLANES = 2
"""Grey levels and their fine part; the masks come after, the infarct first."""


class PatchNetwork:
    """Sees patches centred on pixels of the scar: grey levels, their fine part, and the masks.

    A slice's score is the mean over :data:`PATCHES` patches. Training mirrors and turns the patches.
    """

    def __init__(self, samples: Sequence[SliceSample], seed: int = 0) -> None:
        self.seed = seed
        # Twins are cut alike: where patches lie depends on the mask alone.
        self.patches = torch.from_numpy(np.stack([_patches(sample) for sample in samples]))

    def scores(self, train: np.ndarray, synthetic: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Return how synthetic samples ``test`` look after training on ``train`` (both indices)."""
        generator = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = _Network(self.patches.shape[2])
        self._train(network, train, synthetic, generator)
        with torch.inference_mode():
            batch = self.patches[test]
            values = network(batch.flatten(0, 1)).view(len(test), -1)
        return torch.sigmoid(values).mean(1).double().numpy()

    def _train(
        self, network: nn.Module, train: np.ndarray, synthetic: np.ndarray, generator: torch.Generator
    ) -> None:
        truth = torch.from_numpy(synthetic.astype(np.float32))
        kinds = [torch.from_numpy(train[synthetic[train] == kind]) for kind in (False, True)]
        optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
        network.train()
        for _ in range(STEPS):
            halves = [own[torch.randint(len(own), (BATCH // 2,), generator=generator)] for own in kinds]
            index = torch.cat(halves)
            which = torch.randint(self.patches.shape[1], (len(index),), generator=generator)
            batch = _turned(self.patches[index, which], generator)
            loss = nn.functional.binary_cross_entropy_with_logits(network(batch), truth[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        network.eval()


class _Network(nn.Module):
    """Three convolutions; what is decided on is the mean of their features over the infarct and its rim."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((channels, 16, 1), (16, 24, 2), (24, 32, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]
            layers.append(nn.LeakyReLU(0.1))
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(32, 1))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the logit (n) of each of ``patches`` (n, channels, y, x) being synthetic."""
        infarct = patches[:, GREY_PLANES : GREY_PLANES + 1]
        near = nn.functional.max_pool2d(infarct, 5, 1, 2)
        weight = nn.functional.avg_pool2d(near, 4)
        features = (self.body(patches) * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1e-3)
        return self.head(features).squeeze(1)


def _turned(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    turns, mirror = (int(torch.randint(n, (1,), generator=generator)) for n in (4, 2))
    batch = torch.rot90(batch, turns, (-2, -1))
    return batch.flip(-1) if mirror else batch


def _patches(sample: SliceSample) -> np.ndarray:
    """Return :data:`PATCHES` patches (n, channels, y, x), float32, centred on pixels of the infarct."""
    half = PATCH // 2
    grey = np.clip(sample.picture, -2.0, 4.0)
    padded = np.pad(grey, half, mode="reflect" if min(grey.shape) > half else "edge")
    fine = padded - _blurred(padded)
    scale = max(float(np.median(np.abs(fine))), 1e-4)
    masks = [np.pad(mask, half).astype(np.float32) for mask in sample.masks]
    planes = np.stack([padded, np.clip(0.5 * fine / scale, -6, 6), *masks]).astype(np.float32)
    rows, columns = np.nonzero(sample.masks[0])
    mask_rng = np.random.default_rng(len(rows) * 1009 + int(rows.sum()) + 7 * int(columns.sum()))
    chosen = mask_rng.integers(len(rows), size=PATCHES)
    return np.stack([planes[:, rows[i] : rows[i] + PATCH, columns[i] : columns[i] + PATCH] for i in chosen])


def _blurred(array: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(array, 1.0)
