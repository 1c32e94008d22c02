"""Training the generator on real scars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from claimslicer.devices import choose_device
from claimslicer.errors import ModelError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, ScarLabel, myocardium_mask, scar_of_labels
from claimslicer.models.card import ModelKind
from claimslicer.models.states import compact_state
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.synthesis.band import band_mask
from claimslicer.synthesis.conditioning import (
    Surroundings,
    condition_vector,
    context_input,
    from_network,
    noisy_input,
    surroundings,
    to_network,
)
from claimslicer.synthesis.denoising import slice_denoiser
from claimslicer.synthesis.diffusion import add_noise, clean_estimate, masked_loss, training_target
from claimslicer.synthesis.levels import slice_levels
from claimslicer.synthesis.model import bank_state, encoder_state, load_generator
from claimslicer.synthesis.network import Generator
from claimslicer.synthesis.samplers import dpm_solver
from claimslicer.synthesis.settings import SAMPLING_STEPS, GeneratorSettings
from claimslicer.synthesis.text import CaptionEmbeddings, read_captions
from claimslicer.synthesis.texture import MINIMUM_VOXELS, Texture, TextureBank, measure_texture
from claimslicer.training.data.cache import CachedStudy, Cohort, read_cache
from claimslicer.training.data.scanner import Scanner, bend, draw_curve
from claimslicer.training.engine.loop import train
from claimslicer.training.outcome.shipping import ship, with_origins
from claimslicer.training.progress.samples import PaintedSlice
from claimslicer.training.settings.config import SynthesisConfig
from claimslicer.training.trainers.feedback import Estimates, Place, Reward

PATCH_SIZE = 64
"""Pixels; the largest left ventricle of EMIDEC is 63 pixels wide."""


MARGIN = 8
"""Pixels round a patch that another scanner's filter sees beyond it."""

BANDS_MM = (2.0, 7.0)
"""Widths of the band, drawn evenly."""

CORE_LEVEL = 0.8
"""The scar's quantile that counts as showing wholly."""


@dataclass(frozen=True)
class _Prepared:
    """A study with scar, ready for cutting; all stacks are ``(z, y, x)``: ``units`` is the image in ``u``,
    ``intensity`` how much of the scar shows, the others are 0/1."""

    name: str
    units: torch.Tensor
    scar: torch.Tensor
    mvo: torch.Tensor
    wall: torch.Tensor
    cavity: torch.Tensor
    intensity: torch.Tensor
    texture: Texture
    merged_texture: Texture
    """That of scar and MVO together."""
    remote_sd: float
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

    def around_scar(self, z: int, rng: np.random.Generator) -> np.ndarray:
        """Return a shift ``(2,)``, in pixels, from the heart's centre towards the scar of slice ``z``."""
        rows, columns = np.nonzero(self.scar[z].numpy())
        towards = np.array([rows.mean(), columns.mean()]) - np.asarray(self.centre_yx)
        return np.asarray(towards * rng.uniform(0.5, 1.0))

    def masks(self, order: list[int], grid: PatchGrid) -> list[np.ndarray]:
        """Cut scar, MVO, wall and cavity, bool each; between pixels their borders are smooth."""
        stack = torch.cat([part[order] for part in (self.scar, self.mvo, self.wall, self.cavity)])
        cut = grid.sample(stack).numpy() >= 0.5
        return list(cut.reshape(4, len(order), *cut.shape[1:]))


@dataclass(frozen=True)
class _Example:
    """One slice as the network meets it: inputs, target and where the loss counts."""

    context: torch.Tensor
    noisy: torch.Tensor
    condition: torch.Tensor
    target: torch.Tensor
    paint: torch.Tensor
    place: Place | None


def _prepare(study: CachedStudy, captions: CaptionEmbeddings | None) -> _Prepared | None:
    """Return None for a study with too little scar to learn from."""
    scar = scar_of_labels(study.labels)
    if (scar == ScarLabel.SCAR).sum() < MINIMUM_VOXELS:
        return None
    levels = slice_levels(study.image, study.labels)
    units = levels.forward(study.image)
    spacing = (study.spacing_zyx[1], study.spacing_zyx[2])
    wall = myocardium_mask(study.labels)
    _, rows, columns = np.nonzero(wall)
    # An even patch has its centre between pixels; only there does cutting not interpolate.
    centre = (float(np.floor(rows.mean()) + 0.5), float(np.floor(columns.mean()) + 0.5))
    inside = scar != ScarLabel.NONE
    mvo, cavity = scar == ScarLabel.MVO, study.labels == Label.CAVITY
    masks = [torch.from_numpy(mask.astype(np.float32)) for mask in (inside, mvo, wall, cavity)]
    return _Prepared(
        study.name,
        torch.from_numpy(units),
        masks[0],
        masks[1],
        masks[2],
        masks[3],
        torch.from_numpy(shown_intensity(units, inside, spacing)),
        measure_texture(units, study.labels),
        measure_texture(units, np.where(inside, Label.INFARCT, study.labels)),
        levels.remote_sd,
        centre,
        spacing,
        np.flatnonzero(inside.any((1, 2))),
        np.zeros(0) if captions is None else captions.of([study.name])[0],
    )


def shown_intensity(units: np.ndarray, scar: np.ndarray, spacing_yx: tuple[float, float]) -> np.ndarray:
    """Return how much of a real scar shows where, 0–1 and 0 outside, float32: its smoothed grey level.

    ``units`` and ``scar`` (bool) are ``(z, y, x)``. It is to the network what SMILE's border zone is.
    """
    sigma = (0.0, 1.5 / spacing_yx[0], 1.5 / spacing_yx[1])
    weight = np.maximum(ndimage.gaussian_filter(scar.astype(np.float32), sigma), 1e-3)
    smooth = ndimage.gaussian_filter(np.where(scar, units, 0.0), sigma) / weight
    core = max(float(np.quantile(smooth[scar], CORE_LEVEL)), 1e-3)
    return np.where(scar, np.clip(smooth / core, 0.05, 1.0), 0.0).astype(np.float32)


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
            [item.texture for item in self._training], [item.remote_sd for item in self._training]
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
        with torch.autocast(self.device.type, enabled=False):  # examples are exact in mixed precision, too
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
        """Cut one example: as the study is, or as another scanner would have shown it."""
        index = int(rng.choice(item.scar_slices))
        order = neighbour_index(len(item.units), index)[:: rng.choice((1, -1))]  # either end may come first
        if rng.random() < self.config.merged_mvo_share:
            item = replace(item, texture=item.merged_texture, mvo=torch.zeros_like(item.mvo))
        grid, units, texture, curve = self._shown(item, order, rng, noise)
        around = self._around(item, order, grid, units, rng)
        values = to_network(units)
        epsilon = torch.randn(values.shape, generator=noise)
        at = time.expand(len(values))
        noisy = add_noise(values, epsilon, at)
        present = rng.random() >= self.config.condition_dropout
        text = item.text
        if len(text) and not (present and rng.random() >= self.config.caption_dropout):
            text = np.zeros_like(text)
        told = texture if present and self.settings.histogram else None
        return _Example(
            context_input(around, [1], self.settings)[0],
            noisy_input(noisy, around, [1], self.settings)[0],
            condition_vector(told, grid.pixel_mm, around.grain(1), text),
            training_target(self.settings.prediction, values, epsilon, at)[1],
            around.paint[1],
            None if curve is None else Place(item.name, index, grid, curve),
        )

    def _shown(
        self, item: _Prepared, order: list[int], rng: np.random.Generator, noise: torch.Generator
    ) -> tuple[PatchGrid, np.ndarray, Texture, float | None]:
        """Return where a patch lies, its slices in ``u``, the texture that the study has so, and the curve
        that its grey levels were bent by (None: another scanner's).

        On the study's own pixels, flips, quarter turns and whole-pixel shifts leave the texture as it is.
        """
        at = item.around_scar(order[1], rng)
        if rng.random() >= self.config.scanner_share:
            shift = np.round(at + rng.integers(-4, 5, 2))
            grid = item.grid(shift, int(rng.integers(4)), bool(rng.integers(2)))
            curve = draw_curve(rng) if rng.random() < 0.5 else 0.0
            units = bend(grid.sample(item.units[order]), curve)
            return grid, units.numpy(), _bent(item.texture, curve), curve
        scanner = Scanner.draw(rng)
        row, column = item.centre_yx
        shift = at + rng.uniform(-6.0, 6.0, 2) / np.asarray(item.spacing_yx)
        stretch = float(np.exp(rng.normal(0.0, 0.1)))
        wide = PatchGrid(
            (row + shift[0], column + shift[1]),
            item.spacing_yx,
            (PATCH_SIZE + 2 * MARGIN, PATCH_SIZE + 2 * MARGIN),
            scanner.pixel_mm,
            float(rng.uniform(0, 2 * np.pi)),
            bool(rng.integers(2)),
            stretch,
        )
        seen = scanner.image(wide.sample(item.units[order], "bicubic"), noise)
        inner = slice(MARGIN, MARGIN + PATCH_SIZE)
        grid = replace(wide, size=(PATCH_SIZE, PATCH_SIZE))
        texture = _noised(_bent(item.texture, scanner.curve), scanner.noise_sd)
        return grid, seen[:, inner, inner].numpy(), texture, None

    def _around(
        self, item: _Prepared, order: list[int], grid: PatchGrid, units: np.ndarray, rng: np.random.Generator
    ) -> Surroundings:
        """Return the patch with a scar, or a part of it, and a band of some width taken out."""
        scar, mvo, wall, cavity = item.masks(order, grid)
        labels = np.where(cavity, Label.CAVITY, np.where(wall, Label.MYOCARDIUM, Label.BACKGROUND))
        new, kept = scar, None
        if rng.random() < self.config.part_share and scar[1].any():
            centre = np.argwhere(scar[1])[rng.integers(scar[1].sum())]
            rows, columns = np.indices(scar.shape[1:])
            away = np.hypot(rows - centre[0], columns - centre[1]) * grid.pixel_mm
            new = scar & (away <= rng.uniform(6.0, 20.0))
            kept = scar & ~new
            labels = np.where(kept & mvo, Label.MVO, labels)
        mask = np.where(new & mvo, ScarLabel.MVO, np.where(new, ScarLabel.SCAR, ScarLabel.NONE))
        strict = rng.random() < self.config.strict_share
        pixels = (grid.pixel_mm, grid.pixel_mm)
        band = band_mask(mask, pixels, 0.0 if strict else float(rng.uniform(*BANDS_MM)))
        told = rng.random() < self.config.intensity_share
        intensity = grid.sample(item.intensity[order]).numpy() if told else None
        return surroundings(units, labels, mask, band, kept=kept, intensity=intensity)

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
        grid, order = item.grid(), list(range(len(item.units)))
        original = grid.sample(item.units).numpy()
        scar, mvo, wall, cavity = item.masks(order, grid)
        labels = np.where(cavity, Label.CAVITY, np.where(wall, Label.MYOCARDIUM, Label.BACKGROUND))
        mask = np.where(mvo, ScarLabel.MVO, np.where(scar, ScarLabel.SCAR, ScarLabel.NONE))
        around = surroundings(original, labels, mask, band_mask(mask, (grid.pixel_mm, grid.pixel_mm)))
        noise = torch.Generator().manual_seed(0)
        start = torch.randn((1, *original.shape), generator=noise)
        vectors = [condition_vector(item.texture, grid.pixel_mm, around.grain(z), item.text) for z in order]
        assert isinstance(model, Generator)
        conditions, known = torch.stack(vectors)[None], to_network(original)
        denoise = slice_denoiser(model, self.device, around, conditions, known=known, generator=noise)
        painted = from_network(dpm_solver(denoise, start, SAMPLING_STEPS))[0]
        z = int(scar.sum((1, 2)).argmax())
        inside = around.paint[z].numpy() > 0
        return PaintedSlice(item.name, original[z], np.where(inside, painted[z], original[z]), inside)


def _bent(texture: Texture, curve: float) -> Texture:
    """Return the texture of the same scar after :func:`bend`, which keeps the order of grey levels."""
    quantiles = bend(torch.from_numpy(texture.quantiles), curve).numpy()
    return Texture(quantiles, texture.mvo_contrast * quantiles.mean() / max(texture.quantiles.mean(), 0.05))


def _noised(texture: Texture, noise_sd: float) -> Texture:
    """Return the texture of the same scar with noise: as much wider."""
    middle, spread = texture.median, max(float(texture.quantiles.std()), 1e-3)
    wider = float(np.hypot(1.0, noise_sd / spread))
    return Texture(middle + (texture.quantiles - middle) * wider, texture.mvo_contrast)


def _usable(studies: list[CachedStudy], captions: CaptionEmbeddings | None) -> list[_Prepared]:
    return [item for study in studies if (item := _prepare(study, captions)) is not None]
