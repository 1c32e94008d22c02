"""Joint training: the segmenter learns from what the generator paints, the generator from the segmenter.

Each step of the third stage, from one optimiser:

- SMILE draws scars into real hearts and the generator, as it is now, paints them in a few evaluations;
- the segmenter takes a batch of real and of these slices, and its own loss;
- the generator takes a batch of real scars and its own loss, and at low noise the segmentation loss of its
  one-step estimates against the labels that were asked for, through the segmenter as it is now.

So both networks get gradients of the segmentation loss, each where it can act on it.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

import numpy as np
import torch
from torch import nn

from claimslicer.errors import StudyError
from claimslicer.events import SILENT, Events
from claimslicer.labels import infarct_mask
from claimslicer.models.registry import resolve
from claimslicer.quantification.compare import dice
from claimslicer.quantification.quality import QualityFilter
from claimslicer.segmentation.losses import segmentation_loss
from claimslicer.segmentation.model import independent_labellers, judged_by
from claimslicer.synthesis.model import GeneratorModel
from claimslicer.training.data.cache import CachedStudy, Cohort
from claimslicer.training.data.online import OnlinePainter
from claimslicer.training.progress.samples import Sample, SyntheticSlice
from claimslicer.training.settings.config import SegmentationConfig
from claimslicer.training.settings.joint_config import JointConfig
from claimslicer.training.trainers.feedback import Feedback, judging
from claimslicer.training.trainers.segmentation import SegmentationTrainer, begin_from, prepare_study
from claimslicer.training.trainers.synthesis import SynthesisTrainer

SHOWN_MM = 60.0
"""How far sample pictures reach from the heart's centre."""


class OnlineSegmentation(SegmentationTrainer):
    """Trains a segmenter on real studies and on those that were just painted."""

    def __init__(self, config: SegmentationConfig, cohort: Cohort) -> None:
        super().__init__(dataclasses.replace(config, synthetic_share=0.0), cohort)
        self._share = config.synthetic_share

    def loss_on(
        self, painted: list[CachedStudy], step: int, rng: np.random.Generator, noise: torch.Generator
    ) -> torch.Tensor:
        """Return the loss of a batch, of which the configured share shows ``painted``."""
        self._synthetic = [prepare_study(study, self.settings.labeller) for study in painted]
        self.config = dataclasses.replace(self.config, synthetic_share=self._share if painted else 0.0)
        return self.loss(step, rng, noise)

    @torch.no_grad()
    def find(self, model: nn.Module, study: CachedStudy) -> np.ndarray:
        """Return the labels ``(z, y, x)`` that ``model`` gives a study whose LV centre is known."""
        return self._found(model, prepare_study(study, self.settings.labeller))


class JointTrainer:
    """See :class:`claimslicer.training.engine.loop.Trainer`; begins from two models, by name or path."""

    def __init__(
        self, config: JointConfig, cohort: Cohort, segmenter: str, generator: str, events: Events = SILENT
    ) -> None:
        self.config = config
        labelled = [
            study
            for study in cohort.studies
            if config.normals or study.has_infarct or study.part != "training"
        ]
        self._segmentation = OnlineSegmentation(
            dataclasses.replace(
                config.segmenter_stage(),
                initial_weights=segmenter,
                synthetic_share=config.synthetic_share,
                batch_size=config.batch_size_of("segmentation"),
            ),
            Cohort(tuple(labelled)),
        )
        self._generation = SynthesisTrainer(
            dataclasses.replace(
                config.generator_stage(),
                initial_weights=generator,
                reward_weight=0.0,
                batch_size=config.batch_size_of("synthesis"),
            ),
            cohort,
        )
        networks = {"segmenter": self._segmentation.model, "generator": self._generation.model}
        self.model: nn.Module = nn.ModuleDict(networks)
        self.terms: dict[str, float] = {}
        self.device = self._generation.device
        self._bank = self._generation.texture_bank()
        real = [study for study in cohort.part("training") if not study.synthetic]
        self._held_back = [study for study in cohort.part("validation") if not study.synthetic]
        self._painter = self._painter_of(real, config.normal_share, events)
        stage = config.segmenter_stage()
        criterion = segmentation_loss(
            stage.class_weights, dice=stage.dice_weight, cross_entropy=stage.cross_entropy_weight
        )
        self._feedback = Feedback(
            real, self._segmentation.settings.labeller, criterion.to(self.device), config.feedback_time
        )
        self._quality: QualityFilter | None = None
        if config.quality_pass_rate:
            self._judge = self._judge_of(segmenter, events)
            self._quality = self._calibrated()

    def _painter_of(
        self, studies: list[CachedStudy], normal_share: float | None, events: Events
    ) -> OnlinePainter:
        config = self.config
        return OnlinePainter(
            studies,
            repaint_share=config.repaint_share,
            target=config.scar_target(),
            seed=config.seed,
            options={
                "num_inference_steps": config.num_inference_steps,
                "band_mm": config.band_mm,
                "texture": config.texture or None,
            },
            events=events,
            masks=config.masks,
            normal_share=normal_share,
        )

    def _judge_of(self, segmenter: str, events: Events) -> nn.Module:
        """Return the segmenter as it was, so that nothing that is learnt together can lower the bar.

        Of its labellers it has the first that learnt from no synthetic study; where none is known not to, it
        has the one that goes on learning, and an event says so.
        """
        judge = copy.deepcopy(self._segmentation.model)
        if members := independent_labellers(resolve(segmenter, "segmentation").card):
            begin_from(judge, segmenter, self._segmentation.settings, members[0])
        else:
            events.emit("judge", message=judged_by(segmenter))
        return judge.eval().requires_grad_(False)

    def _calibrated(self) -> QualityFilter:
        scores = self._segmentation.scores(self._judge).values()
        real = [own["infarct"] for own in scores if "infarct" in own]
        return QualityFilter.calibrate(real, self.config.quality_pass_rate)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return each network's parameters with its learning rate and weight decay."""
        rate = self.config.segmenter_learning_rate / self.config.learning_rate
        parts = (("segmenter", self._segmentation, rate), ("generator", self._generation, 1.0))
        return [
            {
                "params": list(self.model.get_submodule(name).parameters()),
                "rate": own_rate,
                "weight_decay": trainer.config.weight_decay,
            }
            for name, trainer, own_rate in parts
        ]

    def loss(self, step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        """Return the segmenter's, the generator's and the shared loss of fresh batches, added up."""
        painted = self.paint(self.model.get_submodule("generator"), rng)
        segmentation = self._segmentation.loss_on(painted, step, rng, noise)
        diffusion, estimates = self._generation.loss_and_estimates(rng, noise)
        labeller = self.model.get_submodule("segmenter.labellers.0")
        feedback = self._feedback.loss(judging(labeller), estimates)
        terms = {"segmentation": segmentation, "diffusion": diffusion, "feedback": feedback}
        self.terms = {name: float(value.detach()) for name, value in terms.items()}
        self.terms["painted"] = float(len(painted))
        return segmentation + diffusion + self.config.feedback_weight_at(step) * feedback

    def paint(self, generator: nn.Module, rng: np.random.Generator) -> list[CachedStudy]:
        """Return new synthetic studies by ``generator``; fewer where scars didn't fit or weren't good."""
        if not self.config.synthetic_share:
            return []
        model, count = self._loaded(generator), self.config.synthetic_studies
        painted = [self._painter.paint(model, rng, self._is_good) for _ in range(count)]
        return [study for study in painted if study is not None]

    def _loaded(self, generator: nn.Module) -> GeneratorModel:
        return GeneratorModel(generator, self._bank, self.device, {"name": "in training", "sha256": ""})  # type: ignore[arg-type]

    def _is_good(self, study: CachedStudy) -> bool:
        if self._quality is None:
            return True
        found = self._segmentation.find(self._judge, study)
        return self._quality.passes(dice(infarct_mask(found), infarct_mask(study.labels)))

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the segmenter's Dice and the generator's loss on the validation patients."""
        generator = self.validate_generator(model).items()
        return self.validate_segmenter(model) | {f"generator_{key}": value for key, value in generator}

    def validate_segmenter(self, model: nn.Module) -> dict[str, float]:
        """Return the segmenter's figures."""
        return self._segmentation.validate(model.get_submodule("segmenter"))

    def validate_generator(self, model: nn.Module) -> dict[str, float]:
        """Return the generator's figures."""
        return self._generation.validate(model.get_submodule("generator"))

    def sample(self, model: nn.Module) -> Sample:
        """Return a slice that one network painted into a validation patient's heart, and the other labelled.

        Without a validation patient whose heart takes a scar it is a training patient's.
        """
        generator = model.get_submodule("generator")
        study = self._shown_painter.paint(self._loaded(generator), np.random.default_rng(0))
        if study is None:
            return self._generation.sample(generator)
        found = self._segmentation.find(model.get_submodule("segmenter"), study)
        infarct = infarct_mask(study.labels)
        z = int(infarct.sum((1, 2)).argmax())
        near: list[Any] = [z]
        for index, mm in zip(np.nonzero(infarct[z]), study.spacing_zyx[1:], strict=True):
            middle, reach = index.mean(), SHOWN_MM / mm
            near.append(slice(max(int(middle - reach), 0), int(middle + reach) + 1))
        part = tuple(near)
        return SyntheticSlice(study.name, study.image[part], study.labels[part], found[part])

    @functools.cached_property
    def _shown_painter(self) -> OnlinePainter:
        for study in self._held_back:
            try:
                return self._painter_of([study], None, SILENT)
            except StudyError:  # this heart takes no scar
                continue
        return self._painter

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """The networks' settings, for their cards."""
        return {
            "segmentation": self._segmentation.settings.to_dict(),
            "synthesis": self._generation.settings.to_dict(),
        }

    def generator_extras(self) -> dict[str, torch.Tensor]:
        """Return what is shipped beside the generator's weights."""
        return self._generation.extras()
