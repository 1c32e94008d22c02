"""Training the generator on real scars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from claimslicer.devices import choose_device
from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, ScarLabel, myocardium_mask, scar_of_labels
from claimslicer.models.states import compact_state
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.synthesis.conditioning import (
    Surroundings,
    condition_vector,
    from_network,
    network_input,
    surroundings,
    to_network,
)
from claimslicer.synthesis.diffusion import add_noise, masked_loss, velocity
from claimslicer.synthesis.inpaint import slice_denoiser
from claimslicer.synthesis.model import bank_state
from claimslicer.synthesis.network import Generator, GeneratorSettings
from claimslicer.synthesis.normalisation import remote_scale
from claimslicer.synthesis.samplers import dpm_solver
from claimslicer.synthesis.texture import TextureBank, texture_histogram
from claimslicer.training.cache import CachedStudy, Cohort, read_cache
from claimslicer.training.config import SynthesisConfig
from claimslicer.training.loop import train
from claimslicer.training.samples import PaintedSlice
from claimslicer.training.shipping import ship

PATCH_SIZE = 64
"""Pixels; the largest left ventricle of EMIDEC is 63 pixels wide."""

SAMPLE_STEPS = 8
"""Network evaluations for a sample picture, as inpainting takes by default."""


@dataclass(frozen=True)
class _Prepared:
    """A study with scar, ready for cutting."""

    name: str
    scar: torch.Tensor
    around: Surroundings
    histogram: np.ndarray
    scar_median: float
    blood_median: float
    centre_yx: tuple[float, float]
    spacing_yx: tuple[float, float]
    scar_slices: np.ndarray


def _prepare(study: CachedStudy) -> _Prepared:
    units = remote_scale(study.image, study.labels).forward(study.image)
    scar = scar_of_labels(study.labels)
    values = units[scar == ScarLabel.SCAR]
    _, rows, columns = np.nonzero(myocardium_mask(study.labels))
    # An even patch has its centre between pixels; only there does cutting not interpolate.
    centre = (float(np.floor(rows.mean()) + 0.5), float(np.floor(columns.mean()) + 0.5))
    return _Prepared(
        study.name,
        to_network(units),
        surroundings(units, study.labels, scar),
        texture_histogram(values),
        float(np.median(values)),
        float(np.median(units[study.labels == Label.CAVITY])),
        centre,
        (study.spacing_zyx[1], study.spacing_zyx[2]),
        np.flatnonzero((scar != ScarLabel.NONE).any((1, 2))),
    )


def train_synthesis(config: SynthesisConfig, *, resume: bool, events: Events = SILENT) -> Path:
    """Train, or go on training, and return the weights' file, which has its card beside it."""
    cohort = read_cache(config.cache)
    trainer = SynthesisTrainer(config, cohort)
    average = train(trainer, resume=resume, events=events)
    state = compact_state(average) | bank_state(trainer.texture_bank())
    network = trainer.settings.to_dict()
    return ship(state, "synthesis", network, config, cohort, trainer.validate(average))


class SynthesisTrainer:
    """See :class:`claimslicer.training.loop.Trainer`."""

    def __init__(self, config: SynthesisConfig, cohort: Cohort) -> None:
        self.config = config
        self.settings = GeneratorSettings()
        self.device = choose_device(config.device)
        torch.manual_seed(config.seed)
        self.model: nn.Module = Generator(self.settings).to(self.device)
        self._training = [
            _prepare(study) for study in cohort.part("training") if study.has_infarct and not study.synthetic
        ]
        self._validation = [_prepare(study) for study in cohort.part("validation") if study.has_infarct]
        if not self._training:
            raise StudyError(
                "No training study has an infarct; the generator can't learn what one looks like."
            )

    def texture_bank(self) -> TextureBank:
        """Return the training patients' textures, to be shipped with the weights."""
        return TextureBank(
            np.stack([item.histogram for item in self._training]),
            np.array([item.scar_median for item in self._training]),
            np.array([item.blood_median for item in self._training]),
        )

    def loss(self, step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        """Return the masked loss of a fresh batch; diffusion times are spread evenly over it."""
        count = self.config.batch_size
        times = (torch.rand(1, generator=noise) + torch.arange(count) / count) % 1.0
        items = [self._training[i] for i in rng.integers(len(self._training), size=count)]
        return self._batch_loss(self.model, items, times, rng, noise)

    def _batch_loss(
        self,
        model: nn.Module,
        items: list[_Prepared],
        times: torch.Tensor,
        rng: np.random.Generator,
        noise: torch.Generator,
    ) -> torch.Tensor:
        examples = [self._draw(item, time, rng, noise) for item, time in zip(items, times, strict=True)]
        columns = (torch.stack(column).to(self.device) for column in zip(*examples, strict=True))
        inputs, targets, masks, conditions = columns
        predicted = model(inputs, times.to(self.device), conditions)[:, 0]
        return masked_loss(predicted, targets, masks)

    def _draw(
        self, item: _Prepared, time: torch.Tensor, rng: np.random.Generator, noise: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cut one example: network input, target velocity, scar mask and condition.

        Flips, quarter turns and whole-pixel shifts only: they leave the texture as it is.
        """
        index = int(rng.choice(item.scar_slices))
        order = neighbour_index(len(item.scar), index)[:: rng.choice((1, -1))]  # either end may come first
        shift = rng.integers(-4, 5, 2)
        pixel = item.spacing_yx[0]
        grid = PatchGrid(
            (item.centre_yx[0] + shift[0], item.centre_yx[1] + shift[1]),
            item.spacing_yx,
            (PATCH_SIZE, PATCH_SIZE),
            pixel,
            rotation=float(rng.integers(4)) * np.pi / 2,
            flip=bool(rng.integers(2)),
        )
        clean = grid.sample(item.scar[order])
        around = item.around.slices(order).cut(grid)
        epsilon = torch.randn(clean.shape, generator=noise)
        at = time.expand(len(clean))
        noisy = add_noise(clean, epsilon, at)
        present = rng.random() >= self.config.histogram_dropout
        condition = condition_vector(item.histogram if present else None, pixel)
        target = velocity(clean, epsilon, at)[1]
        return network_input(noisy, around, 1), target, around.scar[1], condition

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss on every validation study at eight diffusion times, with fixed noise."""
        rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
        times = torch.linspace(0.06, 0.94, 8)
        losses = [
            float(self._batch_loss(model, [item] * len(times), times, rng, noise))
            for item in self._validation
        ]
        return {"loss": round(float(np.mean(losses)), 5)} if losses else {}

    @torch.no_grad()
    def sample(self, model: nn.Module) -> PaintedSlice:
        """Return the slice with most scar of one patient, its scar painted anew in its own texture."""
        item = (self._validation or self._training)[0]
        pixel = item.spacing_yx[0]
        grid = PatchGrid(item.centre_yx, item.spacing_yx, (PATCH_SIZE, PATCH_SIZE), pixel)
        around, original = item.around.cut(grid), grid.sample(item.scar)
        start = torch.randn(original.shape, generator=torch.Generator().manual_seed(0))
        condition = condition_vector(item.histogram, pixel)
        painted = dpm_solver(slice_denoiser(model, self.device, around, condition), start, SAMPLE_STEPS)
        z = int(around.scar.sum((1, 2)).argmax())
        inside = around.scar[z].numpy() > 0
        before, after = from_network(original[z]), from_network(painted[z])
        return PaintedSlice(item.name, before, np.where(inside, after, before), inside)
