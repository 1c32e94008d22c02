"""Training the generator on real scars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from claimslicer.devices import choose_device
from claimslicer.errors import ModelError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, ScarLabel, myocardium_mask, scar_of_labels
from claimslicer.models.card import ModelKind
from claimslicer.models.states import compact_state
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.synthesis.conditioning import (
    SURROUNDINGS_SOFTNESS,
    Surroundings,
    condition_vector,
    context_input,
    from_network,
    halo_mask,
    noisy_input,
    surroundings,
    to_network,
)
from claimslicer.synthesis.denoising import slice_denoiser
from claimslicer.synthesis.diffusion import add_noise, clean_estimate, masked_loss, training_target
from claimslicer.synthesis.model import bank_state, encoder_state, load_generator
from claimslicer.synthesis.network import Generator
from claimslicer.synthesis.normalisation import remote_scale
from claimslicer.synthesis.samplers import dpm_solver
from claimslicer.synthesis.settings import GeneratorSettings
from claimslicer.synthesis.text import CaptionEmbeddings, read_captions
from claimslicer.synthesis.texture import MINIMUM_VOXELS, Texture, TextureBank, measure_texture
from claimslicer.training.data.cache import CachedStudy, Cohort, read_cache
from claimslicer.training.engine.loop import train
from claimslicer.training.outcome.shipping import ship, with_origins
from claimslicer.training.progress.samples import PaintedSlice
from claimslicer.training.settings.config import SynthesisConfig
from claimslicer.training.trainers.feedback import Estimates, Place, Reward

PATCH_SIZE = 64
"""Pixels; the largest left ventricle of EMIDEC is 63 pixels wide."""

SAMPLE_STEPS = 8
"""Network evaluations for a sample picture, as inpainting takes by default."""


@dataclass(frozen=True)
class _Prepared:
    """A study with scar, ready for cutting; ``units`` is the image in remote SDs."""

    name: str
    units: torch.Tensor
    around: Surroundings
    texture: Texture
    blood: float
    centre_yx: tuple[float, float]
    spacing_yx: tuple[float, float]
    scar_slices: np.ndarray
    text: np.ndarray
    """The caption's embedding (d,); empty where the network is to know no text."""

    def grid(
        self, shift: np.ndarray | tuple[int, int] = (0, 0), turns: int = 0, flip: bool = False
    ) -> PatchGrid:
        """Return a patch on the study's own pixels: cutting it interpolates nothing."""
        centre = (self.centre_yx[0] + shift[0], self.centre_yx[1] + shift[1])
        size = (PATCH_SIZE, PATCH_SIZE)
        return PatchGrid(centre, self.spacing_yx, size, self.spacing_yx[0], turns * np.pi / 2, flip)


@dataclass(frozen=True)
class _Example:
    """One slice as the network meets it: inputs, target and where the loss counts."""

    context: torch.Tensor
    noisy: torch.Tensor
    condition: torch.Tensor
    target: torch.Tensor
    paint: torch.Tensor
    place: Place


def _prepare(study: CachedStudy, captions: CaptionEmbeddings | None) -> _Prepared | None:
    """Return None for a study with too little scar to learn from."""
    scar = scar_of_labels(study.labels)
    if (scar == ScarLabel.SCAR).sum() < MINIMUM_VOXELS:
        return None
    units = remote_scale(study.image, study.labels).forward(study.image)
    spacing = (study.spacing_zyx[1], study.spacing_zyx[2])
    _, rows, columns = np.nonzero(myocardium_mask(study.labels))
    # An even patch has its centre between pixels; only there does cutting not interpolate.
    centre = (float(np.floor(rows.mean()) + 0.5), float(np.floor(columns.mean()) + 0.5))
    return _Prepared(
        study.name,
        torch.from_numpy(units),
        surroundings(units, study.labels, scar, halo_mask(study.labels, scar, spacing)),
        measure_texture(units, study.labels),
        float(np.median(units[study.labels == Label.CAVITY])),
        centre,
        spacing,
        np.flatnonzero((scar != ScarLabel.NONE).any((1, 2))),
        np.zeros(0) if captions is None else captions.of([study.name])[0],
    )


def train_synthesis(config: SynthesisConfig, *, resume: bool, events: Events = SILENT) -> Path:
    """Train, or go on training, and return the weights' file, which has its card beside it."""
    cohort = read_cache(config.cache)
    trainer = SynthesisTrainer(config, cohort)
    average = train(trainer, resume=resume, events=events)
    state = compact_state(average) | trainer.extras()
    network = trainer.settings.to_dict()
    learnt_from: dict[str, ModelKind] = {"initial_weights": "synthesis"}
    if config.reward_weight:
        learnt_from["reward_model"] = "segmentation"
    told = with_origins(config, learnt_from)
    return ship(state, "synthesis", network, told, cohort, trainer.validate(average))


def begin_from(model: nn.Module, weights: str, settings: GeneratorSettings) -> None:
    """Load into ``model`` the generator of that name or path, to go on from.

    Raises ModelError where its network isn't the one of ``settings``.
    """
    found = load_generator(weights, "cpu")
    if found.settings != settings:
        raise ModelError(
            f"The network of '{weights}' is another than the one to train: give its settings, begin from "
            "another model, or without 'initial_weights'."
        )
    model.load_state_dict(found.network.state_dict())


class SynthesisTrainer:
    """See :class:`claimslicer.training.engine.loop.Trainer`."""

    def __init__(self, config: SynthesisConfig, cohort: Cohort) -> None:
        self.config = config
        self.captions = read_captions(Path(config.captions)) if config.captions else None
        width = 0 if self.captions is None else self.captions.width
        self.settings = replace(config.network(), text_features=width)
        self.device = choose_device(config.device)
        torch.manual_seed(config.seed)
        self.model: nn.Module = Generator(self.settings).to(self.device)
        if config.initial_weights:
            begin_from(self.model, config.initial_weights, self.settings)
        real = [study for study in cohort.part("training") if not study.synthetic]
        self._training = _usable(real, self.captions)
        self._validation = _usable(cohort.part("validation"), self.captions)
        if not self._training:
            raise StudyError(
                "No training study has an infarct; the generator can't learn what one looks like."
            )
        self.terms: dict[str, float] = {}
        self._reward = None
        if config.reward_weight:
            self._reward = Reward(config.reward_model, real, config.reward_time, self.device)

    def texture_bank(self) -> TextureBank:
        """Return the training patients' textures, to be shipped with the weights."""
        return TextureBank.learnt(
            [item.texture for item in self._training], [item.blood for item in self._training]
        )

    def extras(self) -> dict[str, torch.Tensor]:
        """Return what is shipped beside the weights: the textures, and which text encoder they know."""
        encoder = {} if self.captions is None else encoder_state(self.captions.encoder)
        return bank_state(self.texture_bank()) | encoder

    def loss(self, step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        """Return the masked loss of a fresh batch, and the segmenter's at low noise where that is wanted."""
        loss, estimates = self.loss_and_estimates(rng, noise)
        if self._reward is None:
            return loss
        reward = self._reward.loss(estimates)
        self.terms = {"diffusion": float(loss.detach()), "reward": float(reward.detach())}
        return loss + self.config.reward_weight * reward

    def loss_and_estimates(
        self, rng: np.random.Generator, noise: torch.Generator
    ) -> tuple[torch.Tensor, Estimates]:
        """Return the masked loss of a fresh batch and its one-step estimates, from one forward pass.

        Diffusion times are spread evenly over the batch.
        """
        count = self.config.batch_size
        times = (torch.rand(1, generator=noise) + torch.arange(count) / count) % 1.0
        items = [self._training[i] for i in rng.integers(len(self._training), size=count)]
        return self._batch(self.model, items, times, rng, noise)

    def _batch(
        self,
        model: nn.Module,
        items: list[_Prepared],
        times: torch.Tensor,
        rng: np.random.Generator,
        noise: torch.Generator,
    ) -> tuple[torch.Tensor, Estimates]:
        examples = [self._draw(item, time, rng, noise) for item, time in zip(items, times, strict=True)]
        batch = {
            name: torch.stack([getattr(example, name) for example in examples]).to(self.device)
            for name in ("context", "noisy", "condition", "target", "paint")
        }
        times = times.to(self.device)
        predicted = model(batch["context"], batch["noisy"], times, batch["condition"])[:, 0]
        balanced = self.config.balanced_loss
        loss = masked_loss(predicted, batch["target"], batch["paint"], balanced=balanced)
        clean = clean_estimate(self.settings.prediction, batch["noisy"][:, 1], predicted, times)
        return loss, Estimates(clean, batch["paint"], times, [example.place for example in examples])

    def _draw(
        self, item: _Prepared, time: torch.Tensor, rng: np.random.Generator, noise: torch.Generator
    ) -> _Example:
        """Cut one example. Flips, quarter turns and whole-pixel shifts leave the texture as it is."""
        index = int(rng.choice(item.scar_slices))
        order = neighbour_index(len(item.units), index)[:: rng.choice((1, -1))]  # either end may come first
        grid = item.grid(rng.integers(-4, 5, 2), int(rng.integers(4)), bool(rng.integers(2)))
        around = item.around.slices(order).cut(grid)
        if rng.random() >= self.config.halo_share:
            around = replace(around, paint=around.scar)
        gain, blood_gain = np.exp(rng.normal(0.0, (self.config.gain_spread, self.config.blood_spread)))
        units = grid.sample(item.units[order]) * float(gain)
        units = torch.where(around.cavity > 0, units * float(blood_gain), units)
        clean = torch.asinh(units / SURROUNDINGS_SOFTNESS) * (1 - around.paint)
        around = replace(around, clean=clean)
        values = to_network(units.numpy())
        epsilon = torch.randn(values.shape, generator=noise)
        at = time.expand(len(values))
        noisy = add_noise(values, epsilon, at)
        present = rng.random() >= self.config.condition_dropout
        texture = item.texture.scaled(float(gain)) if present and self.settings.histogram else None
        text = item.text
        if len(text) and not (present and rng.random() >= self.config.caption_dropout):
            text = np.zeros_like(text)
        return _Example(
            context_input(around, [1], self.settings)[0],
            noisy_input(noisy, around, [1], self.settings)[0],
            condition_vector(texture, grid.pixel_mm, item.blood * float(gain * blood_gain), text),
            training_target(self.settings.prediction, values, epsilon, at)[1],
            around.paint[1],
            Place(item.name, index, grid, float(gain)),
        )

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss on every validation study at eight diffusion times, with fixed noise."""
        rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
        times = torch.linspace(0.06, 0.94, 8)
        losses = [
            float(self._batch(model, [item] * len(times), times, rng, noise)[0]) for item in self._validation
        ]
        return {"loss": round(float(np.mean(losses)), 5)} if losses else {}

    @torch.no_grad()
    def sample(self, model: nn.Module) -> PaintedSlice:
        """Return the slice with most scar of one patient, its scar painted anew in its own texture."""
        item = (self._validation or self._training)[0]
        grid = item.grid()
        around, original = item.around.cut(grid), grid.sample(item.units)
        noise = torch.Generator().manual_seed(0)
        start = torch.randn((1, *original.shape), generator=noise)
        condition = condition_vector(item.texture, grid.pixel_mm, item.blood, item.text)
        assert isinstance(model, Generator)
        known = to_network(original.numpy())
        denoise = slice_denoiser(model, self.device, around, condition[None], known=known, generator=noise)
        painted = from_network(dpm_solver(denoise, start, SAMPLE_STEPS))[0]
        z = int(around.scar.sum((1, 2)).argmax())
        inside = around.paint[z].numpy() > 0
        before = original[z].numpy()
        return PaintedSlice(item.name, before, np.where(inside, painted[z], before), inside)


def _usable(studies: list[CachedStudy], captions: CaptionEmbeddings | None) -> list[_Prepared]:
    return [item for study in studies if (item := _prepare(study, captions)) is not None]
