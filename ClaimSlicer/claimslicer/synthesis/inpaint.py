"""Painting a scar into a study: the scar and a band round it, as one draw. Nothing else changes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from claimslicer.devices import computed_on
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, ScarLabel, infarct_mask, myocardium_mask
from claimslicer.patches import PatchGrid
from claimslicer.studies import Study
from claimslicer.studies.provenance import make_recipe
from claimslicer.synthesis.band import band_mask
from claimslicer.synthesis.conditioning import (
    Surroundings,
    condition_vector,
    from_network,
    surroundings,
    to_network,
)
from claimslicer.synthesis.denoising import slice_denoiser
from claimslicer.synthesis.levels import SliceLevels, slice_levels
from claimslicer.synthesis.model import GeneratorModel, load_generator
from claimslicer.synthesis.result import SynthesisResult, painted_study
from claimslicer.synthesis.samplers import Jumps, SamplerName, check_sampling, network_evaluations, sample
from claimslicer.synthesis.settings import BAND_MM, LARGEST_BAND_MM, SAMPLING_STEPS
from claimslicer.synthesis.text import caption_condition
from claimslicer.synthesis.texture import (
    MINIMUM_VOXELS,
    Texture,
    TextureWish,
    level_asked,
    measure_texture,
)

NATIVE_PIXELS_MM = (0.55, 2.4)
"""Pixel sizes that are painted as they are; finer and coarser ones at these, and brought back."""

UNEQUAL_PIXELS = 1.5
"""Pixels whose sides differ by more than this factor are painted as squares, and brought back."""

RETELLINGS, LEVEL_TOLERANCE = 4, 0.08
"""How often a network is told again of a grey level that was asked for, and how near is near enough."""

MARGIN_MM = 12.0
"""How far the network sees beyond what is painted."""


@dataclass(frozen=True)
class _Sampling:
    """How to get from noise to scar."""

    sampler: SamplerName
    num_inference_steps: int
    jumps: Jumps
    guidance: float

    def __post_init__(self) -> None:
        check_sampling(self.sampler, self.num_inference_steps, self.jumps)
        if not 0 <= self.guidance <= 20:
            raise SpecificationError("The guidance lies between 0 and 20; 1 is none.")

    @property
    def evaluations(self) -> int:
        return network_evaluations(self.sampler, self.num_inference_steps, self.jumps)


def synthesize(
    study: Study,
    labels: np.ndarray,
    scar: np.ndarray,
    *,
    seed: int = 0,
    model: str | Path | GeneratorModel | None = None,
    sampler: SamplerName = "dpm",
    num_inference_steps: int = SAMPLING_STEPS,
    jumps: Jumps = 1,
    texture: TextureWish = None,
    guidance: float = 1.0,
    caption: str | None = None,
    text_encoder: str | Path | None = None,
    band_mm: float = BAND_MM,
    intensity: np.ndarray | None = None,
    repaint_existing: bool = False,
    device: str = "auto",
    events: Events = SILENT,
) -> SynthesisResult:
    """Return ``study`` with ``scar`` painted in, for one seed; see :func:`synthesize_variants`."""
    return synthesize_variants(
        study,
        labels,
        scar,
        seeds=[seed],
        model=model,
        sampler=sampler,
        num_inference_steps=num_inference_steps,
        jumps=jumps,
        texture=texture,
        guidance=guidance,
        caption=caption,
        text_encoder=text_encoder,
        band_mm=band_mm,
        intensity=intensity,
        repaint_existing=repaint_existing,
        device=device,
        events=events,
    )[0]


def synthesize_variants(
    study: Study,
    labels: np.ndarray,
    scar: np.ndarray,
    *,
    seeds: Sequence[int],
    model: str | Path | GeneratorModel | None = None,
    sampler: SamplerName = "dpm",
    num_inference_steps: int = SAMPLING_STEPS,
    jumps: Jumps = 1,
    texture: TextureWish = None,
    guidance: float = 1.0,
    caption: str | None = None,
    text_encoder: str | Path | None = None,
    band_mm: float = BAND_MM,
    intensity: np.ndarray | None = None,
    repaint_existing: bool = False,
    device: str = "auto",
    events: Events = SILENT,
) -> list[SynthesisResult]:
    """Return ``study`` with ``scar`` (:class:`ScarLabel`, ``(z, y, x)``) painted in, once for each seed.

    ``labels`` (internal table) say where the wall and the cavity are, and which scar the study already has;
    that scar stays as it is, also where the mask covers it, unless ``repaint_existing``.
    ``texture`` is what :meth:`TextureBank.choose` takes: without one, the scar is as bright as the heart's
    own scar where it has one, else as a patient's that is drawn by the seed. ``band_mm`` says how far beyond
    the scar wall, blood and fat are painted too, in one draw with it; with 0 the mask alone is.
    ``intensity`` (0–1, same shape) tells how much of the scar is to show where: a border zone. ``sampler``,
    ``num_inference_steps`` and ``jumps`` are those of :func:`claimslicer.synthesis.samplers.sample`;
    ``guidance`` other than 1 strengthens texture and caption. ``caption`` (as
    :func:`claimslicer.smile.caption.caption` writes one) is for weights that know text, ``text_encoder`` the
    folder of the encoder that they were trained with.
    The same arguments give the same images, a variant the same as alone.

    Raises:
        SpecificationError: the mask is empty, holds other values or leaves the myocardium, or an option is
            unknown.
        StudyError: shapes differ, or the study has no usable remote myocardium.
        ModelError: the weights can't be used.
    """
    sampling = _Sampling(sampler, num_inference_steps, jumps, guidance)
    _check(study, labels, scar, intensity, band_mm)
    kept = np.zeros(labels.shape, bool) if repaint_existing else infarct_mask(labels)
    scar = _new_scar(scar, kept)
    generator = load_generator(model, device)
    features = generator.settings.text_features
    text, told = caption_condition(caption, text_encoder, generator.text_encoder, features)
    levels = slice_levels(study.image, labels, away_from=scar != ScarLabel.NONE)
    canvas = _Canvas.of(study, labels, scar, kept, intensity, band_mm, levels, generator.settings.divisor)
    own = _own_texture(study, labels) if texture is None else None  # used without a wish alone
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    textures = [generator.bank.choose(texture, levels.remote_sd, rng, own) for rng in rngs]
    painted = _paint(generator, canvas, textures, text, sampling, seeds, events)
    asked = level_asked(texture)
    for _ in range(RETELLINGS if asked is not None else 0):
        # The network follows a wish not all the way: it is told again, brighter or fainter, same seed.
        gains = [_gain(units, levels, scar, asked or 1.0) for units in painted]
        if max(abs(math.log(gain)) for gain in gains) <= math.log(1 + LEVEL_TOLERANCE):
            break
        textures = [one.scaled(gain) for one, gain in zip(textures, gains, strict=True)]
        painted = _paint(generator, canvas, textures, text, sampling, seeds, events)
    settings = {
        "sampler": sampler,
        "num_inference_steps": num_inference_steps,
        "jumps": jumps,
        "texture": texture.to_dict() if isinstance(texture, Texture) else texture,
        "guidance": guidance,
        "band_mm": band_mm,
        "repaint_existing": repaint_existing,
        "remote_mean": levels.remote.mean,
        "remote_sd": levels.remote.sd,
        "remote_region": levels.remote.region,
        **told,
    }
    masks: dict[str, Any] = {"scar": scar} if intensity is None else {"scar": scar, "intensity": intensity}
    recipe = make_recipe(
        "synthesize",
        study,
        settings,
        weights=generator.weights,
        computed=computed_on(generator.device),
        synthetic=True,
        **masks,
    )
    results = []
    for seed, units in zip(seeds, painted, strict=True):
        image = _blend(study.image, levels.backward(units), canvas.paint)
        difference = image.astype(np.float32) - study.image.astype(np.float32)
        band = np.where(canvas.paint, np.where(scar != ScarLabel.NONE, 1, 2), 0).astype(np.uint8)
        made = painted_study(study, image, labels, scar)
        results.append(SynthesisResult(image, difference, band, recipe | {"seed": int(seed)}, made))
    events.progress("painting", 1.0, "done")
    return results


def _check(
    study: Study, labels: np.ndarray, scar: np.ndarray, intensity: np.ndarray | None, band_mm: float
) -> None:
    if intensity is not None and intensity.shape != scar.shape:
        raise StudyError(f"The scar mask has {scar.shape} voxels and its intensity {intensity.shape}.")
    if intensity is not None and not ((intensity >= 0) & (intensity <= 1)).all():
        raise SpecificationError("The intensity has values outside 0–1: give how much of the scar shows.")
    if not np.isin(scar, [int(value) for value in ScarLabel]).all():
        raise SpecificationError(
            f"The scar mask has values from {np.min(scar):g} to {np.max(scar):g}; give one with 0 for none, "
            "1 for scar and 2 for no-reflow."
        )
    if not np.isin(labels, [int(value) for value in Label]).all():
        raise SpecificationError(
            f"The labels have values from {np.min(labels):g} to {np.max(labels):g}; give 0 background, "
            "1 cavity, 2 myocardium, 3 infarct, 4 no-reflow and 5 right ventricle."
        )
    if not 0 <= band_mm <= LARGEST_BAND_MM:
        raise SpecificationError(
            f"A band of {band_mm:g} mm is not possible; choose 0 to {LARGEST_BAND_MM:g}."
        )
    if not (labels == Label.CAVITY).any():
        raise StudyError("The labels hold no blood pool, which the network looks at; label it too.")
    if study.image.shape != labels.shape or study.image.shape != scar.shape:
        raise StudyError(
            f"The image has {study.image.shape} voxels, the labels {labels.shape} and the scar mask "
            f"{scar.shape}; they must lie on one grid."
        )
    inside = scar != ScarLabel.NONE
    if not inside.any():
        raise SpecificationError("The scar mask is empty; there is nothing to paint.")
    outside = int((inside & ~myocardium_mask(labels)).sum())
    if outside:
        raise SpecificationError(
            f"{outside} of the scar mask's {int(inside.sum())} voxels lie outside the myocardium; "
            "draw the scar inside it, or give the labels that belong to this mask."
        )


def _new_scar(scar: np.ndarray, kept: np.ndarray) -> np.ndarray:
    new = np.where(kept, ScarLabel.NONE, scar)
    if not new.any():
        raise SpecificationError(
            "All of the scar mask is scar already, which is kept as it is; ask for it to be repainted."
        )
    return new


def _gain(units: np.ndarray, levels: SliceLevels, scar: np.ndarray, asked: float) -> float:
    """Return by how much brighter the scar has to be told for its median to be ``asked`` remote SDs."""
    grey = levels.backward(units)[scar == ScarLabel.SCAR]
    if not grey.size:
        return 1.0
    found = (float(np.median(grey)) - levels.remote.mean) / levels.remote.sd
    return float(np.clip(asked / max(found, 0.1), 0.5, 2.0))


def _own_texture(study: Study, labels: np.ndarray) -> Texture | None:
    """Return the texture of the scar that the study has, None where it has too little."""
    if (labels == Label.INFARCT).sum() < MINIMUM_VOXELS:
        return None
    return measure_texture(slice_levels(study.image, labels).forward(study.image), labels)


@dataclass(frozen=True)
class _Canvas:
    """What is painted: ``paint`` (bool) of a study with ``units`` (``u``), both ``(z, y, x)``.

    ``around`` is what the network sees of ``slices``, cut by ``grid``.
    """

    units: np.ndarray
    paint: np.ndarray
    around: Surroundings
    slices: slice
    grid: PatchGrid

    @classmethod
    def of(
        cls,
        study: Study,
        labels: np.ndarray,
        scar: np.ndarray,
        kept: np.ndarray,
        intensity: np.ndarray | None,
        band_mm: float,
        levels: SliceLevels,
        divisor: int,
    ) -> _Canvas:
        units = levels.forward(study.image)
        spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
        band = band_mask(scar, spacing, band_mm)
        paint = ((scar != ScarLabel.NONE) | band) & ~kept
        used = np.flatnonzero(paint.any((1, 2)))
        part = slice(max(int(used[0]) - 1, 0), int(used[-1]) + 2)
        shown = None if intensity is None else intensity[part]
        seen = surroundings(
            units[part], labels[part], scar[part], band[part], kept=kept[part], intensity=shown
        )
        grid = _painting_grid(paint, spacing, divisor)
        return cls(units, paint, seen.cut(grid), part, grid)


def _paint(
    generator: GeneratorModel,
    canvas: _Canvas,
    textures: list[Texture],
    text: np.ndarray,
    sampling: _Sampling,
    seeds: Sequence[int],
    events: Events,
) -> list[np.ndarray]:
    """Return ``canvas.units`` with the painted voxels as the network makes them, once for each seed."""
    part, grid, around = canvas.slices, canvas.grid, canvas.around
    grain = [around.grain(z) for z in range(len(around.scar))]

    def told(texture: Texture | None, words: np.ndarray) -> torch.Tensor:
        return torch.stack([condition_vector(texture, grid.pixel_mm, values, words) for values in grain])

    shown = textures if generator.settings.histogram else [None] * len(textures)
    conditions = torch.stack([told(texture, text) for texture in shown])
    noise = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    start = torch.stack([torch.randn(around.scar.shape, generator=source) for source in noise])
    count = itertools.count(1)

    def evaluated() -> None:
        done, total = next(count), sampling.evaluations
        events.progress("painting", min(done / total, 0.99), f"{done} of {total} steps")

    with torch.inference_mode():
        denoise = slice_denoiser(
            generator.network,
            generator.device,
            around,
            conditions,
            without=told(None, np.zeros_like(text)),
            guidance=sampling.guidance,
            known=to_network(grid.sample(torch.from_numpy(canvas.units[part])).numpy()),
            generator=noise,
            on_evaluation=evaluated,
        )
        values = sample(sampling.sampler, denoise, start, sampling.num_inference_steps, noise, sampling.jumps)
    inside = canvas.paint[part]
    painted = []
    for variant in values:
        back, _ = grid.put_back(variant, canvas.units.shape[1:])
        result = canvas.units.copy()
        result[part][inside] = from_network(back)[inside]
        painted.append(result)
    return painted


def _painting_grid(paint: np.ndarray, spacing_yx: tuple[float, float], divisor: int) -> PatchGrid:
    """Return the patch round what is painted, on the study's own pixels if the network knows their size."""
    low, high = NATIVE_PIXELS_MM
    middle = math.sqrt(spacing_yx[0] * spacing_yx[1])
    native = low <= middle <= high and max(spacing_yx) <= UNEQUAL_PIXELS * min(spacing_yx)
    pixel = middle if native else min(max(middle, low), high)
    # On its own pixels a patch is as wide in voxels, whatever their sides.
    sides = (pixel, pixel) if native else spacing_yx
    _, rows, columns = np.nonzero(paint)
    centre, size = [], []
    for index, mm in zip((rows, columns), sides, strict=True):
        # An even patch whose centre lies between two pixels meets the study's pixels exactly.
        centre.append(math.floor((index.min() + index.max()) / 2) + 0.5)
        length = ((np.ptp(index) + 2) * mm + 2 * MARGIN_MM) / pixel
        size.append(int(math.ceil(length / (2 * divisor)) * 2 * divisor))
    return PatchGrid((centre[0], centre[1]), sides, (size[0], size[1]), pixel)


def _blend(original: np.ndarray, painted: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Put the painted grey levels into a copy of ``original``; nothing else changes."""
    values = painted[inside]
    if np.issubdtype(original.dtype, np.integer):
        limits = np.iinfo(original.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    elif original.min() >= 0:
        values = np.maximum(values, 0.0)  # a magnitude image has no negative grey levels
    image = original.copy()
    image[inside] = values.astype(original.dtype)
    return image
