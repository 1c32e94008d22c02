"""Training the segmenter: batches of augmented slices for the locator and the labeller."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from claimslicer.devices import choose_device
from claimslicer.errors import ModelError, StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.models.states import compact_state
from claimslicer.patches import PatchGrid, neighbour_index
from claimslicer.polar import PolarGrid
from claimslicer.quantification.compare import dice
from claimslicer.segmentation.losses import DeepSupervision, halved_weights, segmentation_loss
from claimslicer.segmentation.model import load_segmenter
from claimslicer.segmentation.network import LevelHeads, Segmenter, SegmenterSettings, UNetSettings
from claimslicer.segmentation.preprocessing import (
    cut,
    heart_grid,
    left_ventricle_centre,
    normalise,
    put_back,
    slice_centres,
    whole_slice_grid,
    with_phases,
)
from claimslicer.studies.phase import PHASES, Phase
from claimslicer.training.data.cache import CachedStudy, Cohort, read_cache
from claimslicer.training.data.perturb import draw_stretch, perturb_intensities
from claimslicer.training.engine.loop import train
from claimslicer.training.outcome.shipping import ship, with_origins
from claimslicer.training.progress.samples import LabelledSlice
from claimslicer.training.settings.config import SegmentationConfig

Grid = PatchGrid | PolarGrid

LOCATOR_EVERY = 3
"""One step in three trains the locator, the others the labeller."""

UNTOLD_SHARE = 0.3
"""So many slices of studies whose phase is known are shown without it, for use where nobody says it."""

LOCATOR_RATE = 4.0
"""The locator's learning rate is so many times the labeller's: at the same it learns far slower."""


@dataclass(frozen=True)
class PreparedStudy:
    """A study ready for cutting: normalised images, one-hot labels, where the labeller looks."""

    study: CachedStudy
    near: torch.Tensor
    whole: torch.Tensor
    one_hot: torch.Tensor
    centre_yx: tuple[float, float]
    slice_centres_yx: list[tuple[float, float]]
    infarct_slices: np.ndarray

    @property
    def spacing_yx(self) -> tuple[float, float]:
        return self.study.spacing_zyx[1], self.study.spacing_zyx[2]


def prepare_study(study: CachedStudy, settings: UNetSettings) -> PreparedStudy:
    """Prepare a labelled study for a labeller with ``settings``. Raises StudyError without LV."""
    left_ventricle = (study.labels == Label.CAVITY) | myocardium_mask(study.labels)
    if not left_ventricle.any():
        raise StudyError(
            f"The labels of '{study.name}' hold no left ventricle; leave it out of the training data."
        )
    centre, spacing = left_ventricle_centre(left_ventricle), (study.spacing_zyx[1], study.spacing_zyx[2])
    classes = np.where(study.labels > Label.MVO, Label.BACKGROUND, study.labels)
    return PreparedStudy(
        study,
        normalise(study.image, centre, spacing),
        normalise(study.image, None, spacing),
        torch.nn.functional.one_hot(torch.from_numpy(classes.astype(np.int64)), 5)
        .permute(3, 0, 1, 2)
        .float(),
        centre,
        slice_centres(left_ventricle, settings),
        np.flatnonzero(infarct_mask(study.labels).any((1, 2))),
    )


def train_segmentation(config: SegmentationConfig, *, resume: bool, events: Events = SILENT) -> Path:
    """Train, or go on training, and return the weights' file, which has its card beside it."""
    cohort = read_cache(config.cache)
    trainer = SegmentationTrainer(config, cohort)
    told = with_origins(config, {"initial_weights": "segmentation"})
    average = train(trainer, resume=resume, events=events)
    network = trainer.settings.to_dict()
    return ship(shipped_state(average), "segmentation", network, told, cohort, trainer.validate(average))


def shipped_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of a segmenter that are shipped: not those of heads for deep supervision."""
    return {name: value for name, value in compact_state(model).items() if not name.startswith("heads.")}


def begin_from(model: nn.Module, weights: str, settings: SegmenterSettings, member: int = 0) -> None:
    """Load into ``model`` the segmenter of that name or path, for fine-tuning.

    Of several labellers the ``member``-th, counted round, is taken, so that seeds 0, 1, … fine-tune all of an
    ensemble. One that knows no phases may go on to learn them: it begins as it is, whatever it is told.
    Raises ModelError where the network isn't the one of ``settings``.
    """
    found = load_segmenter(weights, "cpu")
    knows, wanted = found.settings.labeller, settings.labeller
    if knows.phase and not wanted.phase:
        raise ModelError(f"'{weights}' knows phases: to begin from it, set 'phase_condition: true'.")
    told = dataclasses.replace(knows, phase=wanted.phase)
    if dataclasses.replace(found.settings, labeller=told, members=1) != settings:
        raise ModelError(
            f"The networks of '{weights}' are of another size than those to train: begin from another model, "
            "or without 'initial_weights'."
        )
    labeller = found.networks.labellers[member % found.settings.members]
    _network(model, "locator").load_state_dict(found.networks.locator.state_dict())
    _load_begun(_network(model, "labeller"), labeller.state_dict())


def _load_begun(network: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load ``state``; channels that only ``network`` has begin at zero, so that they change nothing."""
    for name, own in network.state_dict().items():
        if own.shape != state[name].shape:
            begun = torch.zeros_like(own)
            begun[:, : state[name].shape[1]] = state[name]
            state = state | {name: begun}
    network.load_state_dict(state)


def _check_phases(cohort: Cohort) -> None:
    if missing := [phase for phase in PHASES if phase not in cohort.phases()]:
        raise StudyError(
            f"'phase_condition' needs acute and chronic training studies, and the cache says of none that it "
            f"is {' or '.join(missing)}: make it by 'claim-slicer train cache' with '--phases'."
        )


class SegmentationTrainer:
    """See :class:`claimslicer.training.engine.loop.Trainer`."""

    def __init__(self, config: SegmentationConfig, cohort: Cohort) -> None:
        self.config = config
        self.settings = SegmenterSettings().of(config.architecture, phase=config.phase_condition)
        self.device = choose_device(config.device)
        torch.manual_seed(config.seed)
        self.model: nn.Module = Segmenter(self.settings, deep_supervision=config.deep_supervision)
        self.model.to(self.device)
        if config.initial_weights:
            begin_from(self.model, config.initial_weights, self.settings, config.seed)
        training = [prepare_study(study, self.settings.labeller) for study in cohort.part("training")]
        self._real = [item for item in training if not item.study.synthetic]
        self._synthetic = [item for item in training if item.study.synthetic]
        self._validation = [
            prepare_study(study, self.settings.labeller)
            for study in cohort.part("validation")
            if not study.synthetic  # progress is measured on real patients alone
        ]
        for studies, share in (
            (self._synthetic, config.synthetic_share),
            (self._real, 1 - config.synthetic_share),
        ):
            if share and not any(len(item.infarct_slices) for item in studies):
                kind = "synthetic" if studies is self._synthetic else "real"
                raise StudyError(
                    f"No {kind} training study has an infarct; the segmenter can't learn what one is."
                )
        if config.phase_condition:
            _check_phases(cohort)
        self._labeller_loss: nn.Module = segmentation_loss(
            config.class_weights,
            dice=config.dice_weight,
            cross_entropy=config.cross_entropy_weight,
            kl=config.kl_weight,
            kl_sigma=config.kl_sigma,
        ).to(self.device)
        if (heads := _heads(self.model)) is not None:
            weights = halved_weights(1 + len(heads.levels))
            self._labeller_loss = DeepSupervision(self._labeller_loss, weights)
        self._locator_loss = segmentation_loss()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the locator's and the labeller's parameters, each with its learning rate."""
        locator = list(_network(self.model, "locator").parameters())
        labeller = list(_network(self.model, "labeller").parameters())
        if (heads := _heads(self.model)) is not None:
            labeller += heads.parameters()
        return [{"params": locator, "rate": LOCATOR_RATE}, {"params": labeller, "rate": 1.0}]

    def loss(self, step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        """Return the labeller's loss, or every so often the locator's, on a fresh batch."""
        if step % LOCATOR_EVERY == 0:
            return self._batch_loss("locator", self._locator_loss, rng, noise)
        return self._batch_loss("labeller", self._labeller_loss, rng, noise)

    def _batch_loss(
        self, part: str, criterion: nn.Module, rng: np.random.Generator, noise: torch.Generator
    ) -> torch.Tensor:
        drawn = [self._draw(part, rng) for _ in range(self.config.batch_size)]
        images = torch.stack([image for image, _, _ in drawn])
        images = perturb_intensities(images, noise, self.config.augmentation)
        images = with_phases(images, [phase for _, _, phase in drawn], getattr(self.settings, part))
        target = torch.stack([label for _, label, _ in drawn])[:, None]
        network, heads = _network(self.model, part), _heads(self.model)
        images = images.to(self.device)
        logits = heads(network, images) if heads is not None and part == "labeller" else network(images)
        return criterion(logits, target.to(self.device))

    def _draw(self, part: str, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, Phase | None]:
        """Cut one augmented example: ``(3, h, w)``, its ``(h, w)`` class indices, and what is told of it."""
        studies = self._synthetic if rng.random() < self.config.synthetic_share else self._real
        if rng.random() < self.config.infarct_share:
            studies = [item for item in studies if len(item.infarct_slices)]
            item = studies[rng.integers(len(studies))]
            index = int(rng.choice(item.infarct_slices))
        else:
            item = studies[rng.integers(len(studies))]
            index = int(rng.integers(len(item.near)))
        settings: UNetSettings = getattr(self.settings, part)
        image = item.whole if part == "locator" else item.near
        grid = self._augmented(_grid(part, item, settings, index), rng, part)
        order = neighbour_index(len(image), index)[:: rng.choice((1, -1))]  # either end may come first
        target = grid.sample(item.one_hot[:, index]).argmax(0)
        told = settings.phase and rng.random() >= UNTOLD_SHARE
        target = (target > 0).long() if part == "locator" else target
        return grid.sample(image[order]), target, item.study.phase if told else None

    def _augmented(self, grid: Grid, rng: np.random.Generator, part: str) -> Grid:
        jitter_mm = 40.0 if part == "locator" else self.config.centre_jitter_mm
        shift = rng.uniform(-jitter_mm, jitter_mm, 2) / np.asarray(grid.spacing_yx)
        settings: UNetSettings = getattr(self.settings, part)
        if isinstance(grid, PatchGrid):  # that of whole slices is as large as they are
            grid = dataclasses.replace(grid, size=settings.patch_shape)
        return dataclasses.replace(
            grid,
            centre_yx=(grid.centre_yx[0] + shift[0], grid.centre_yx[1] + shift[1]),
            rotation=float(rng.uniform(-np.pi, np.pi) if rng.random() < 0.5 else rng.normal(0, 0.2)),
            flip=bool(rng.random() < 0.5),
            stretch=draw_stretch(rng, self.config.augmentation),
        )

    @torch.no_grad()
    def scores(self, model: nn.Module) -> dict[str, dict[str, float]]:
        """Return the Dice of each validation patient's regions with the LV centre given.

        ``infarct`` (MI and MVO) and ``scar`` (MI alone) are there for patients who have an infarct.
        """
        scores = {}
        for item in self._validation:
            found, truth = self._found(model, item), item.study.labels
            own = {"myocardium": dice(myocardium_mask(found), myocardium_mask(truth))}
            if item.study.has_infarct:
                own["infarct"] = dice(infarct_mask(found), infarct_mask(truth))
                own["scar"] = dice(found == Label.INFARCT, truth == Label.INFARCT)
            scores[item.study.name] = own
        return scores

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the mean of :meth:`scores` over patients, region by region."""
        scores = self.scores(model).values()
        regions = dict.fromkeys(region for own in scores for region in own)
        means = {region: np.mean([own[region] for own in scores if region in own]) for region in regions}
        return {f"dice_{region}": round(float(mean), 4) for region, mean in means.items()}

    def _found(self, model: nn.Module, item: PreparedStudy) -> np.ndarray:
        """Return the labels ``(z, y, x)`` that the labeller of ``model`` gives a study."""
        settings = self.settings.labeller
        grids = [heart_grid(centre, item.spacing_yx, settings) for centre in item.slice_centres_yx]
        seen = with_phases(cut(item.near, grids), [item.study.phase] * len(grids), settings)
        logits = _network(model, "labeller")(seen.to(self.device))
        return put_back(torch.softmax(logits, 1).cpu(), grids, item.study.image.shape[1:]).argmax(0)

    @torch.no_grad()
    def sample(self, model: nn.Module) -> LabelledSlice:
        """Return the slice with most infarct of one patient, round the heart, with labels and those found."""
        item = next((i for i in self._validation if len(i.infarct_slices)), None)
        item = item or next(i for i in self._real + self._synthetic if len(i.infarct_slices))
        z = int(infarct_mask(item.study.labels).sum((1, 2)).argmax())
        low = [
            int(max(centre - 60 / mm, 0)) for centre, mm in zip(item.centre_yx, item.spacing_yx, strict=True)
        ]
        high = [int(centre + 60 / mm) + 1 for centre, mm in zip(item.centre_yx, item.spacing_yx, strict=True)]
        near = (z, slice(low[0], high[0]), slice(low[1], high[1]))
        found = self._found(model, item)
        return LabelledSlice(item.study.name, item.study.image[near], item.study.labels[near], found[near])


def _network(model: nn.Module, part: str) -> nn.Module:
    """Return the one network that a step trains; a training run has a single labeller."""
    assert isinstance(model, Segmenter)
    return model.locator if part == "locator" else model.labellers[0]


def _heads(model: nn.Module) -> LevelHeads | None:
    """Return the labeller's heads, where it is trained with deep supervision."""
    assert isinstance(model, Segmenter)
    return model.heads


def _grid(part: str, item: PreparedStudy, settings: UNetSettings, z: int) -> Grid:
    if part == "locator":
        return whole_slice_grid(item.study.image.shape[1:], item.spacing_yx, settings)
    return heart_grid(item.slice_centres_yx[z], item.spacing_yx, settings)
