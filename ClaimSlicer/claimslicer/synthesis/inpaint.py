"""Painting a scar into a study. Only voxels of its mask change, and of its halo if one is asked for."""

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
from claimslicer.synthesis.conditioning import (
    condition_vector,
    from_network,
    halo_mask,
    surroundings,
    to_network,
)
from claimslicer.synthesis.denoising import slice_denoiser
from claimslicer.synthesis.endocardium import Endocardium
from claimslicer.synthesis.matching import Border, match_texture
from claimslicer.synthesis.model import GeneratorModel, load_generator
from claimslicer.synthesis.normalisation import remote_scale
from claimslicer.synthesis.result import SynthesisResult, painted_study
from claimslicer.synthesis.samplers import Jumps, SamplerName, check_sampling, network_evaluations, sample
from claimslicer.synthesis.text import caption_condition
from claimslicer.synthesis.texture import Texture, TextureWish

NATIVE_PIXELS_MM = (1.1, 2.2)
"""Pixel sizes that the network was trained on; other studies are painted at 1.5 mm and brought back."""

MARGIN_MM = 16.0
"""How far the network sees beyond the myocardium."""


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
    num_inference_steps: int = 8,
    jumps: Jumps = 1,
    texture: TextureWish = None,
    match: bool = True,
    guidance: float = 1.0,
    caption: str | None = None,
    text_encoder: str | Path | None = None,
    halo_mm: float = 0.0,
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
        match=match,
        guidance=guidance,
        caption=caption,
        text_encoder=text_encoder,
        halo_mm=halo_mm,
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
    num_inference_steps: int = 8,
    jumps: Jumps = 1,
    texture: TextureWish = None,
    match: bool = True,
    guidance: float = 1.0,
    caption: str | None = None,
    text_encoder: str | Path | None = None,
    halo_mm: float = 0.0,
    intensity: np.ndarray | None = None,
    repaint_existing: bool = False,
    device: str = "auto",
    events: Events = SILENT,
) -> list[SynthesisResult]:
    """Return ``study`` with ``scar`` (:class:`ScarLabel`, ``(z, y, x)``) painted in, once for each seed.

    ``labels`` (internal table) say where the wall and the cavity are, and which scar the study already has;
    that scar stays as it is, also where the mask covers it, unless ``repaint_existing``.
    ``texture`` is what :meth:`TextureBank.choose` takes; without ``match`` the network is told of it, but its
    grey levels stay as they are. ``halo_mm`` also paints the healthy wall so close to the scar, as real scars
    blush into it, and what the blood pool's edge there holds of the wall (:class:`Endocardium`); with 0,
    voxels outside the mask stay bit for bit.
    ``intensity`` (0–1, same shape) makes a border zone inside the mask: how much of the painted scar shows,
    the rest being the study's own grey level. ``sampler``, ``num_inference_steps`` and ``jumps`` are those of
    :func:`claimslicer.synthesis.samplers.sample`; ``guidance`` other than 1 strengthens texture and
    caption. ``caption`` (as :func:`claimslicer.smile.caption.caption` writes one) is for weights that know
    text, ``text_encoder`` the folder of the encoder that they were trained with.
    The same arguments give the same images, a variant the same as alone.

    Raises:
        SpecificationError: the mask is empty, holds other values or leaves the myocardium, or an option is
            unknown.
        StudyError: shapes differ, or the study has no usable remote myocardium.
        ModelError: the weights can't be used.
    """
    sampling = _Sampling(sampler, num_inference_steps, jumps, guidance)
    _check(study, labels, scar, intensity, halo_mm)
    scar = scar if repaint_existing else _new_scar(labels, scar)
    generator = load_generator(model, device)
    features = generator.settings.text_features
    text, told = caption_condition(caption, text_encoder, generator.text_encoder, features)
    scale = remote_scale(study.image, labels, away_from=scar != ScarLabel.NONE)
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    halo = halo_mask(labels, scar, spacing, halo_mm)
    units = scale.forward(study.image)
    blood = float(np.median(units[labels == Label.CAVITY]))
    textures = [generator.bank.choose(texture, blood, np.random.default_rng([seed, 0])) for seed in seeds]
    endocardium = Endocardium.of(units, labels, scar, blood, spacing, halo_mm)
    grid = _painting_grid(study, labels, generator.settings.divisor)
    canvas = _Canvas.of(endocardium.as_blood(units), labels, scar, halo, grid)
    painted = _paint(generator, canvas, blood, textures, text, sampling, seeds, events)
    settings = {
        "sampler": sampler,
        "num_inference_steps": num_inference_steps,
        "jumps": jumps,
        "texture": texture,
        "match": match,
        "guidance": guidance,
        "halo_mm": halo_mm,
        "repaint_existing": repaint_existing,
        "remote_mean": scale.mean,
        "remote_sd": scale.sd,
        "remote_region": scale.region,
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
    border = Border.of(labels, scar, halo, spacing)
    inside = scar != ScarLabel.NONE
    changing = inside | halo | endocardium.mask
    share = None if intensity is None else np.where(inside, intensity, 1.0)
    results = []
    for seed, values, wanted in zip(seeds, painted, textures, strict=True):
        hidden = None if share is None else (canvas.units, share)
        matched = match_texture(values, scar, border, wanted, hidden) if match else values
        shown = matched if share is None else canvas.units + share * (matched - canvas.units)
        filled = endocardium.as_scar(matched, shown, inside)
        image = _blend(study.image, scale.backward(filled), changing, share)
        difference = image.astype(np.float32) - study.image.astype(np.float32)
        made = painted_study(study, image, labels, scar)
        results.append(SynthesisResult(image, difference, recipe | {"seed": int(seed)}, made))
    events.progress("painting", 1.0, "done")
    return results


def _check(
    study: Study, labels: np.ndarray, scar: np.ndarray, intensity: np.ndarray | None, halo_mm: float
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
    if not 0 <= halo_mm <= 10:
        raise SpecificationError(f"A halo of {halo_mm:g} mm is not possible; choose 0 to 10.")
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


def _new_scar(labels: np.ndarray, scar: np.ndarray) -> np.ndarray:
    new = np.where(infarct_mask(labels), ScarLabel.NONE, scar)
    if not new.any():
        raise SpecificationError(
            "All of the scar mask is scar already, which is kept as it is; ask for it to be repainted."
        )
    return new


@dataclass(frozen=True)
class _Canvas:
    """The part of a study that is painted: ``slices`` of it, cut by ``grid``; ``units`` in remote SDs."""

    units: np.ndarray
    labels: np.ndarray
    scar: np.ndarray
    halo: np.ndarray
    slices: slice
    grid: PatchGrid

    @classmethod
    def of(
        cls,
        units: np.ndarray,
        labels: np.ndarray,
        scar: np.ndarray,
        halo: np.ndarray,
        grid: PatchGrid,
    ) -> _Canvas:
        used = np.flatnonzero((scar != ScarLabel.NONE).any((1, 2)))
        slices = slice(max(int(used[0]) - 1, 0), int(used[-1]) + 2)
        return cls(units, labels, scar, halo, slices, grid)


def _paint(
    generator: GeneratorModel,
    canvas: _Canvas,
    blood: float,
    textures: list[Texture],
    text: np.ndarray,
    sampling: _Sampling,
    seeds: Sequence[int],
    events: Events,
) -> list[np.ndarray]:
    """Return ``canvas.units`` with the painted voxels as the network makes them, once for each seed."""
    part, grid = canvas.slices, canvas.grid
    parts = (canvas.units[part], canvas.labels[part], canvas.scar[part], canvas.halo[part])
    around = surroundings(*parts).cut(grid)
    shown = textures if generator.settings.histogram else [None] * len(textures)
    conditions = torch.stack([condition_vector(texture, grid.pixel_mm, blood, text) for texture in shown])
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
            without=condition_vector(None, grid.pixel_mm, blood, np.zeros_like(text)),
            guidance=sampling.guidance,
            known=to_network(grid.sample(torch.from_numpy(canvas.units[part])).numpy()),
            generator=noise,
            on_evaluation=evaluated,
        )
        values = sample(sampling.sampler, denoise, start, sampling.num_inference_steps, noise, sampling.jumps)
    inside = (canvas.scar[part] != ScarLabel.NONE) | canvas.halo[part]
    painted = []
    for variant in values:
        back, _ = grid.put_back(variant, canvas.units.shape[1:])
        result = canvas.units.copy()
        result[part][inside] = from_network(back)[inside]
        painted.append(result)
    return painted


def _painting_grid(study: Study, labels: np.ndarray, divisor: int) -> PatchGrid:
    """Return the patch round the myocardium, on the study's own pixels where the network knows their size."""
    spacing = (study.geometry.spacing[1], study.geometry.spacing[0])
    low, high = NATIVE_PIXELS_MM
    native = math.isclose(*spacing, rel_tol=1e-3) and low <= spacing[0] <= high
    pixel = spacing[0] if native else 1.5
    _, rows, columns = np.nonzero(myocardium_mask(labels))
    centre, size = [], []
    for index, mm in zip((rows, columns), spacing, strict=True):
        # An even patch whose centre lies between two pixels meets the study's pixels exactly.
        centre.append(math.floor((index.min() + index.max()) / 2) + 0.5)
        length = ((np.ptp(index) + 2) * mm + 2 * MARGIN_MM) / pixel
        size.append(int(math.ceil(length / (2 * divisor)) * 2 * divisor))
    return PatchGrid((centre[0], centre[1]), spacing, (size[0], size[1]), pixel)


def _blend(
    original: np.ndarray, painted: np.ndarray, inside: np.ndarray, share: np.ndarray | None
) -> np.ndarray:
    """Put ``share`` of the painted grey levels into a copy of ``original``; nothing else changes."""
    values = painted[inside]
    if share is not None:
        values = share[inside] * values + (1 - share[inside]) * original[inside]
    if np.issubdtype(original.dtype, np.integer):
        limits = np.iinfo(original.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    elif original.min() >= 0:
        values = np.maximum(values, 0.0)  # a magnitude image has no negative grey levels
    image = original.copy()
    image[inside] = values.astype(original.dtype)
    return image
