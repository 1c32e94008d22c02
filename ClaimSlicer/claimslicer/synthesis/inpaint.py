"""Painting a scar into a study. Only voxels of the scar mask change."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from claimslicer.errors import SpecificationError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, ScarLabel, infarct_mask, myocardium_mask
from claimslicer.patches import PatchGrid
from claimslicer.studies import Study
from claimslicer.studies.provenance import make_recipe
from claimslicer.synthesis.conditioning import (
    Surroundings,
    condition_vector,
    from_network,
    network_input,
    surroundings,
)
from claimslicer.synthesis.diffusion import clean_from_velocity
from claimslicer.synthesis.model import GeneratorModel, load_generator
from claimslicer.synthesis.normalisation import remote_scale
from claimslicer.synthesis.samplers import SAMPLERS, Denoiser, SamplerName, ddim, dpm_solver, repaint

NATIVE_PIXELS_MM = (1.1, 2.2)
"""Pixel sizes that the network was trained on; other studies are painted at 1.5 mm and brought back."""

MARGIN_MM = 16.0
"""How far the network sees beyond the myocardium."""


@dataclass(frozen=True)
class SynthesisResult:
    """``image`` in the study's own type, ``difference`` (new − old) float32, and the recipe, JSON types."""

    image: np.ndarray
    difference: np.ndarray
    recipe: dict[str, Any]


def synthesize(
    study: Study,
    labels: np.ndarray,
    scar: np.ndarray,
    *,
    model: str | Path | None = None,
    sampler: SamplerName = "dpm",
    num_inference_steps: int = 8,
    texture: str | float | None = None,
    seed: int = 0,
    intensity: np.ndarray | None = None,
    repaint_existing: bool = False,
    device: str = "auto",
    events: Events = SILENT,
) -> SynthesisResult:
    """Return ``study`` with ``scar`` (:class:`ScarLabel`, ``(z, y, x)``) painted in.

    ``labels`` (internal table) say where the wall and the cavity are, and which scar the study already has;
    that scar stays as it is, also where the mask covers it, unless ``repaint_existing``.
    ``intensity`` (0–1, same shape) makes a border zone: how much of the painted scar shows, the rest being
    the study's own grey level. The same arguments give the same image.

    Raises:
        SpecificationError: the mask is empty, leaves the myocardium, or an option is unknown.
        StudyError: shapes differ, or the study has no usable remote myocardium.
        ModelError: the weights can't be used.
    """
    _check(study, labels, scar, intensity, sampler, num_inference_steps)
    scar = scar if repaint_existing else _new_scar(labels, scar)
    generator = load_generator(model, device)
    scale = remote_scale(study.image, labels)
    units = scale.forward(study.image)
    blood = float(np.median(units[labels == Label.CAVITY]))
    rng = np.random.default_rng([seed, 0])
    histogram = generator.bank.choose(texture, blood, rng)
    painted = _paint(
        generator, study, units, labels, scar, histogram, sampler, num_inference_steps, seed, events
    )
    image = _blend(study.image, scale.backward(painted), scar != ScarLabel.NONE, intensity)
    events.progress("painting", 1.0, "done")
    settings = {
        "sampler": sampler,
        "num_inference_steps": num_inference_steps,
        "texture": texture,
        "repaint_existing": repaint_existing,
        "remote_mean": scale.mean,
        "remote_sd": scale.sd,
        "remote_region": scale.region,
    }
    masks = {"scar": scar} if intensity is None else {"scar": scar, "intensity": intensity}
    recipe = make_recipe("synthesize", study, settings, seed=seed, weights=generator.weights, **masks)
    return SynthesisResult(image, image.astype(np.float32) - study.image.astype(np.float32), recipe)


def _check(
    study: Study,
    labels: np.ndarray,
    scar: np.ndarray,
    intensity: np.ndarray | None,
    sampler: str,
    steps: int,
) -> None:
    if intensity is not None and intensity.shape != scar.shape:
        raise StudyError(f"The scar mask has {scar.shape} voxels and its intensity {intensity.shape}.")
    if not (labels == Label.CAVITY).any():
        raise StudyError(
            "The labels hold no blood pool, by which the scar's texture is chosen; label it too."
        )
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
    if sampler not in SAMPLERS:
        raise SpecificationError(f"There is no sampler '{sampler}'; choose one of {', '.join(SAMPLERS)}.")
    if not 1 <= steps <= 1000:
        raise SpecificationError(f"{steps} sampling steps are not possible; choose 1 to 1000.")


def _new_scar(labels: np.ndarray, scar: np.ndarray) -> np.ndarray:
    new = np.where(infarct_mask(labels), ScarLabel.NONE, scar)
    if not new.any():
        raise SpecificationError(
            "All of the scar mask is scar already, which is kept as it is; ask for it to be repainted."
        )
    return new


def _paint(
    generator: GeneratorModel,
    study: Study,
    units: np.ndarray,
    labels: np.ndarray,
    scar: np.ndarray,
    histogram: np.ndarray,
    sampler: SamplerName,
    steps: int,
    seed: int,
    events: Events,
) -> np.ndarray:
    """Return ``units`` with the scar's voxels painted, in remote SDs."""
    slices = np.flatnonzero((scar != ScarLabel.NONE).any((1, 2)))
    first, last = max(int(slices[0]) - 1, 0), int(slices[-1]) + 2
    part = slice(first, last)
    grid = _painting_grid(study, labels, generator.settings.divisor)
    around = surroundings(units[part], labels[part], scar[part]).cut(grid)
    condition = condition_vector(histogram, grid.pixel_mm)
    noise = torch.Generator().manual_seed(seed)
    start = torch.randn(around.scar.shape, generator=noise)
    count = itertools.count(1)

    def evaluated() -> None:
        done = next(count)
        events.progress("painting", min(done / steps, 0.99), f"{done} of {steps} steps")

    denoise = slice_denoiser(generator.network, generator.device, around, condition, evaluated)
    with torch.inference_mode():
        if sampler == "dpm":
            values = dpm_solver(denoise, start, steps)
        elif sampler == "ddim":
            values = ddim(denoise, start, steps)
        else:
            values = repaint(denoise, start, steps, noise)
    back, _ = grid.put_back(values, study.image.shape[1:])
    painted = units.copy()
    inside = scar[part] != ScarLabel.NONE
    painted[part][inside] = from_network(back)[inside]
    return painted


def slice_denoiser(
    network: torch.nn.Module,
    device: torch.device,
    around: Surroundings,
    condition: torch.Tensor,
    on_evaluation: Callable[[], None] = lambda: None,
) -> Denoiser:
    """Return the denoiser of all slices at once; slices without scar are not computed."""
    active = [index for index in range(len(around.scar)) if around.scar[index].any()]
    conditions = condition.expand(len(active), -1).to(device)

    def denoise(noisy: torch.Tensor, time: float) -> torch.Tensor:
        images = torch.stack([network_input(noisy, around, index) for index in active])
        times = torch.full((len(active),), time)
        v = network(images.to(device), times.to(device), conditions)[:, 0].cpu()
        clean = torch.zeros_like(noisy)
        clean[active] = clean_from_velocity(noisy[active], v, times)
        on_evaluation()
        return clean

    return denoise


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
    original: np.ndarray, painted: np.ndarray, inside: np.ndarray, intensity: np.ndarray | None
) -> np.ndarray:
    """Put the painted grey levels into a copy of ``original``, in its type; nothing else changes."""
    values = painted[inside]
    if intensity is not None:
        share = intensity[inside].astype(np.float64)
        values = share * values + (1 - share) * original[inside]
    if np.issubdtype(original.dtype, np.integer):
        limits = np.iinfo(original.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    elif original.min() >= 0:
        values = np.maximum(values, 0.0)  # a magnitude image has no negative grey levels
    image = original.copy()
    image[inside] = values.astype(original.dtype)
    return image
