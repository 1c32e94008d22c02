"""The trainers of joint training's stages, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from claimslicer.models.states import compact_state
from claimslicer.training.data.cache import Cohort
from claimslicer.training.engine.loop import Trainer
from claimslicer.training.outcome.shipping import ship
from claimslicer.training.settings.joint_config import JointConfig, stages
from claimslicer.training.trainers.joint import JointTrainer
from claimslicer.training.trainers.segmentation import SegmentationTrainer, shipped_state
from claimslicer.training.trainers.synthesis import SynthesisTrainer


def stage_trainers(config: JointConfig, cohort: Cohort) -> Iterator[Trainer]:
    """Yield each stage's trainer; the third begins from what the others are by then, trained or not.

    None is kept here once the next is asked for: each has the cohort prepared in its own way.
    """
    wanted = stages(config)
    segmenter, generator = config.initial_segmenter, config.initial_generator
    if "segmenter" in wanted:
        labelling = SegmentationTrainer(config.segmenter_stage(), cohort)
        yield labelling
        state, network = shipped_state(labelling.model), labelling.settings.to_dict()
        segmenter = str(ship(state, "segmentation", network, labelling.config, cohort, {}))
        del labelling
    if "generator" in wanted:
        painting = SynthesisTrainer(config.generator_stage(), cohort)
        yield painting
        state, network = compact_state(painting.model) | painting.extras(), painting.settings.to_dict()
        generator = str(ship(state, "synthesis", network, painting.config, cohort, {}))
        del painting
    if "joint" in wanted:
        yield JointTrainer(stages(config)["joint"], cohort, segmenter, generator)  # type: ignore[arg-type]
