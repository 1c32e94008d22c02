"""What a segmenter says about the generator's one-step estimates, as a loss that the generator learns from.

At low noise the estimate of x_0 is already an image, so one evaluation is enough: LGESynthNet's reward. The
estimate goes back into its study's slice and on to the segmenter's input by interpolations and an affine
map, all of which pass gradients; sampling without gradients, or labels by argmax, would pass none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from claimslicer.errors import StudyError
from claimslicer.labels import Label, myocardium_mask
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.polar import PolarGrid
from claimslicer.segmentation.losses import segmentation_loss
from claimslicer.segmentation.model import load_segmenter
from claimslicer.segmentation.network import UNetSettings
from claimslicer.segmentation.preprocessing import (
    GreyRange,
    grey_range,
    heart_grid,
    left_ventricle_centre,
    normalise,
    slice_centres,
    with_phases,
)
from claimslicer.synthesis.conditioning import units_from_network
from claimslicer.synthesis.levels import SliceLevels, slice_levels
from claimslicer.training.data.cache import CachedStudy
from claimslicer.training.data.scanner import unbend

CLASSES = 5


@dataclass(frozen=True)
class Place:
    """Where an example was cut: slice ``z`` of a study, on its own pixels, grey levels bent by ``curve``."""

    study: str
    z: int
    grid: PatchGrid
    curve: float = 0.0


@dataclass(frozen=True)
class Estimates:
    """One-step estimates of x_0 ``(n, h, w)`` in the network's unit, where they count (``paint``, 0/1), their
    diffusion times ``(n,)`` and places (None: on other pixels than the study's)."""

    clean: torch.Tensor
    paint: torch.Tensor
    times: torch.Tensor
    places: list[Place | None]


@dataclass(frozen=True)
class SegmenterView:
    """A study as the segmenter sees it, and the way there from ``u``.

    ``grey`` is the study's image ``(z, y, x)``, ``near`` the same normalised, ``one_hot`` its labels
    ``(5, z, y, x)``; ``hearts`` the patches that the segmenter sees, one a slice.
    """

    grey: torch.Tensor
    near: torch.Tensor
    one_hot: torch.Tensor
    levels: SliceLevels
    range: GreyRange
    hearts: list[PatchGrid | PolarGrid]

    @classmethod
    def of(cls, study: CachedStudy, settings: UNetSettings) -> SegmenterView:
        """Prepare a labelled study for a segmenter with ``settings``. Raises StudyError."""
        spacing = (study.spacing_zyx[1], study.spacing_zyx[2])
        left_ventricle = (study.labels == Label.CAVITY) | myocardium_mask(study.labels)
        centre = left_ventricle_centre(left_ventricle)
        found = grey_range(study.image, centre, spacing)
        if found is None:
            raise StudyError(f"The image of '{study.name}' is empty; leave it out of the training data.")
        classes = np.where(study.labels > Label.MVO, Label.BACKGROUND, study.labels).astype(np.int64)
        return cls(
            torch.from_numpy(study.image.astype(np.float32)),
            normalise(study.image, centre, spacing),
            nn.functional.one_hot(torch.from_numpy(classes), CLASSES).permute(3, 0, 1, 2).float(),
            slice_levels(study.image, study.labels),
            found,
            [heart_grid(own, spacing, settings) for own in slice_centres(left_ventricle, settings)],
        )

    def with_painted(self, units: torch.Tensor, paint: torch.Tensor, place: Place) -> torch.Tensor:
        """Return the segmenter's input ``(3, h, w)`` where ``units`` (``u``) replace slice ``z``.

        ``units`` and ``paint`` are on the grid of ``place``, which lies on the study's own pixels; gradients
        reach ``units`` where ``paint`` is 1. Neighbouring slices stay real.
        """
        device = units.device
        grey = units * float(self.levels.contrast[place.z]) + float(self.levels.wall[place.z])
        before = place.grid.sample(self.grey[place.z][None]).to(device)[0]
        change = (self.range.normalised(grey) - self.range.normalised(before)) * paint
        back, inside = place.grid.put_back(change[None], (self.grey.shape[1], self.grey.shape[2]))
        order = neighbour_index(len(self.grey), place.z)
        heart = self.hearts[place.z]
        seen = heart.sample(self.near[order]).to(device)
        own = torch.tensor([z == place.z for z in order], device=device)[:, None, None]
        return seen + own * heart.sample(back * inside.to(device))

    def labels(self, z: int) -> torch.Tensor:
        """Return the labels that were asked for, ``(1, h, w)``, on the segmenter's grid."""
        return self.hearts[z].sample(self.one_hot[:, z]).argmax(0, keepdim=True)


class Feedback:
    """A segmentation loss of estimates whose diffusion time is ``time`` or less, told each study's phase."""

    def __init__(
        self, studies: list[CachedStudy], settings: UNetSettings, criterion: nn.Module, time: float
    ) -> None:
        self._views = {
            study.name: SegmenterView.of(study, settings) for study in studies if study.has_infarct
        }
        self._phases = {study.name: study.phase for study in studies}
        self._settings, self._criterion, self._time = settings, criterion, time

    def loss(self, segment: Callable[[torch.Tensor], torch.Tensor], estimates: Estimates) -> torch.Tensor:
        """Return the loss of ``segment`` (images to logits) on the estimates that count, 0 without any."""
        low = torch.nonzero(estimates.times <= self._time)[:, 0].tolist()
        chosen = [(index, place) for index in low if (place := estimates.places[index]) is not None]
        if not chosen:
            return estimates.clean.sum() * 0.0
        images, labels = [], []
        for index, place in chosen:
            units = unbend(units_from_network(estimates.clean[index].float()), place.curve)
            view = self._views[place.study]
            images.append(view.with_painted(units, estimates.paint[index], place))
            labels.append(view.labels(place.z))
        phases = [self._phases[place.study] for _, place in chosen]
        logits = segment(with_phases(torch.stack(images), phases, self._settings))
        return self._criterion(logits, torch.stack(labels).to(logits.device))


def judging(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return ``network`` as a judge: gradients pass through it to its input, and none reach its weights."""
    weights = {name: value.detach() for name, value in network.named_parameters()}

    def segment(images: torch.Tensor) -> torch.Tensor:
        # DynUNet knows some of its layers by two names; swapping those twice would leave the copy in place.
        return functional_call(network, weights, (images,), tie_weights=False)

    return segment


class Reward:
    """The loss of a finished segmenter that stays as it is; of an ensemble, the mean over its members."""

    def __init__(
        self, model: str | Path, studies: list[CachedStudy], time: float, device: torch.device
    ) -> None:
        found = load_segmenter(model, str(device))
        self._labellers = list(found.networks.labellers)
        self._feedback = Feedback(studies, found.settings.labeller, segmentation_loss(), time)

    def loss(self, estimates: Estimates) -> torch.Tensor:
        """Return the loss, see :class:`Feedback`."""
        return torch.stack([self._feedback.loss(one, estimates) for one in self._labellers]).mean()
