"""Who judges synthetic scars: those labellers that learnt from real studies alone."""

import dataclasses
from pathlib import Path

import pytest
import torch
from claimslicer.errors import StudyError
from claimslicer.models.registry import resolve, save_model
from claimslicer.models.states import compact_state
from claimslicer.outputs import write_text
from claimslicer.segmentation import predict, segment
from claimslicer.segmentation.model import judged_by, load_segmenter
from claimslicer.segmentation.network import Segmenter
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from claimslicer.training.data.cache import Cohort
from claimslicer.training.outcome.ensemble import combine_segmenters
from claimslicer.training.outcome.shipping import ship, with_origins
from claimslicer.training.settings.config import SegmentationConfig
from claimslicer.training.settings.joint_config import JointConfig
from joint_trial import SEGMENTER

CALIBRATION = {"temperature": 2.0, "biases": [0.0] * 5}


def save_segmenter(folder: Path, real_only: object, seed: int = 0) -> Path:
    """Write a tiny segmenter of one labeller whose card says ``real_only``, nothing for None."""
    torch.manual_seed(seed)
    fields = {
        "kind": "segmentation",
        "version": "1",
        "network": SEGMENTER.to_dict(),
        "preprocessing": {},
        "data": {} if real_only is None else {"real_only": real_only},
        "split": {},
        "training": {},
        "figures": {},
        "terms": "CC0",
    }
    return save_model(folder, folder.name, compact_state(Segmenter(SEGMENTER)), fields)


@pytest.fixture
def vote(tmp_path):
    """A function that writes a calibrated ensemble, of labellers that learnt from real studies or didn't."""

    def make(*real_only: bool) -> Path:
        one_by_one = [
            save_segmenter(tmp_path / f"one-{number}", [real], number)
            for number, real in enumerate(real_only)
        ]
        weights = combine_segmenters(one_by_one, tmp_path / "vote", "vote", overwrite=True)
        card = dataclasses.replace(resolve(weights, "segmentation").card, calibration=CALIBRATION)
        write_text(weights.with_suffix(".json"), card.to_json())
        return weights

    return make


def labellers(model: Path, **options: bool) -> list[torch.Tensor]:
    """Return all weights of each labeller that votes, in one row."""
    networks = load_segmenter(model, "cpu", **options).networks
    return [torch.cat([p.flatten() for p in one.parameters()]) for one in networks.labellers]


def test_those_that_saw_synthetic_studies_dont_judge(vote, tmp_path):
    model = vote(False, True, False, True)
    assert resolve(model, "segmentation").card.real_only == (False, True, False, True)
    judge, whole = (load_segmenter(model, "cpu", judge=asked) for asked in (True, False))
    assert (judge.settings.members, whole.settings.members) == (2, 4)
    assert judge.weights == {**whole.weights, "members": [1, 3]}
    assert judge.scaling is None and whole.scaling is not None, "it was fitted to the vote of all"
    own, every = labellers(model, judge=True), labellers(model)
    assert torch.equal(own[0], every[1]) and torch.equal(own[1], every[3])
    assert not torch.equal(own[0], own[1])
    assert "of its labellers member 1, 3 alone: an independent judge" in judged_by(model)


def test_where_all_are_alike_all_judge(vote):
    for real, said in ((True, "'vote': an independent judge"), (False, "no independent judge")):
        model = vote(real, real)
        assert load_segmenter(model, "cpu", judge=True) == load_segmenter(model, "cpu")
        assert load_segmenter(model, "cpu", judge=True).scaling is not None
        assert said in judged_by(model)


@pytest.mark.parametrize("told", [None, [], [True, True], True, ["yes"], [1]])
def test_a_card_that_says_nothing_right_isnt_trusted(tmp_path, told):
    model = save_segmenter(tmp_path / "mine", told)
    assert resolve(model, "segmentation").card.real_only == (False,)
    assert "no independent judge" in judged_by(model)


def test_the_shipped_segmenter_has_an_independent_judge():
    """Of the five labellers three went on with synthetic studies, and one had them from the beginning."""
    card = resolve(None, "segmentation").card
    shares = [card.training[f"member {number}"]["synthetic_share"] for number in range(5)]
    assert list(card.real_only) == [not share for share in shares]
    judge = load_segmenter(None, "cpu", judge=True)
    assert judge.weights["members"] == [number for number, share in enumerate(shares) if not share]
    resolve(None, "segmentation").verify()


def test_segment_asks_the_judge(vote, monkeypatch):
    asked = []

    def lose(study, segmenter, *_):
        asked.append(segmenter.settings.members)
        raise StudyError("No left ventricle was found.")

    monkeypatch.setattr(predict, "predict", lose)
    study, model = make_phantom(PhantomSettings(n_slices=3)).study, vote(True, False, False)
    for judge in (False, True):
        with pytest.raises(StudyError):
            segment(study, model=model, device="cpu", judge=judge)
    assert asked == [3, 1]


def test_a_training_says_whether_it_saw_synthetic_studies(vote, tmp_path):
    """By its own share of them, or by that of the model that it began from."""

    def told(config) -> tuple[bool, ...]:
        origins = {"initial_weights": "segmentation"} if isinstance(config, SegmentationConfig) else {}
        state, network = compact_state(Segmenter(SEGMENTER)), SEGMENTER.to_dict()
        ship(state, "segmentation", network, with_origins(config, origins), Cohort(()), {})
        return resolve(config.out, "segmentation").card.real_only

    real, mixed = vote(True, True), tmp_path / "mixed"
    save_segmenter(mixed, [False])
    config = SegmentationConfig(cache=tmp_path, out=tmp_path / "run")
    assert told(config) == (True,)
    assert told(dataclasses.replace(config, initial_weights=str(real))) == (True,)
    assert told(dataclasses.replace(config, synthetic_share=0.1)) == (False,)
    assert told(dataclasses.replace(config, initial_weights=str(mixed))) == (False,)
    joint = JointConfig(cache=tmp_path, out=tmp_path / "joint", synthetic_share=0.0)
    assert told(joint) == (True,)
    assert told(dataclasses.replace(joint, synthetic_share=0.5)) == (False,)
    assert joint.fingerprint() == dataclasses.replace(joint, real_only=False).fingerprint()
