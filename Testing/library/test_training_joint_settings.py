"""Settings of joint training: the sentence for each that is wrong."""

import pytest
import yaml
from claimslicer.errors import SpecificationError
from claimslicer.training.settings.joint_config import JointConfig
from joint_trial import write_yaml


def test_the_command_says_what_is_wrong(cli, tmp_path):
    outcome = cli("train", "joint", tmp_path / "none.yaml")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "There is no configuration" in outcome.err
    config = write_yaml(tmp_path, cache="none.npz")
    outcome = cli("train", "joint", config)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "There is no training cache" in outcome.err
    for name in ("segmenter", "generator"):
        config = write_yaml(tmp_path, **{f"initial_{name}": "nosuch"})
        outcome = cli("train", "joint", config)
        assert (outcome.code, outcome.err.count("\n")) == (2, 1)
        assert "nosuch" in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"generator_steps": 0}, "needs 'initial_generator'"),
        ({"pretrain_segmenter_steps": 0}, "needs 'initial_segmenter'"),
        ({"joint_steps": -1}, "'joint_steps' must be 0 or more"),
        ({"synthetic_share": 1.5}, "'synthetic_share' must lie between"),
        ({"segmentation": {"speed": 1}}, "Unknown setting 'speed' in 'segmentation'"),
        ({"synthesis": {"steps": 1}}, "Unknown setting 'steps' in 'synthesis'"),
        ({"synthesis": {"widths": [0, 1, 2]}}, "positive numbers"),
        ({"segmentation": [1]}, "'segmentation' must hold"),
        ({"target": {"volume": 1}}, "A target distribution holds"),
        ({"steps": 5}, "Unknown setting 'steps'"),
        ({"precision": "fp8"}, "'precision' must be"),
        ({"devices": 0}, "'devices' must be at least 1"),
        ({"joint_steps": "many"}, "'joint_steps' can't be 'many'"),
        ({"segmentation": {"kl_sigma": "much"}}, "'kl_sigma' can't be 'much'"),
        ({"segmentation": {"deep_supervision": "on"}}, "'deep_supervision' can't be 'on'"),
        ({"segmenter_learning_rate": 2.0}, "^'segmenter_learning_rate' must be above 0 and below 1.$"),
        ({"feedback_weight": -1.0}, "^'feedback_weight' must be 0 or more.$"),
        ({"band_mm": 11}, "^'band_mm' must lie between 0 and 10.$"),
    ],
)
def test_wrong_settings_are_refused(settings, said, tmp_path):
    path = tmp_path / "joint.yaml"
    path.write_text(yaml.safe_dump({"cache": "a", "out": "b", **settings}), encoding="utf-8")
    with pytest.raises(SpecificationError, match=said):
        JointConfig.from_yaml(path)


def test_numbers_with_an_exponent_are_numbers(tmp_path):
    path = tmp_path / "joint.yaml"
    text = "cache: a\nout: b\nname: one1e3\nlearning_rate: 1e-3\nsegmentation: {weight_decay: 2E-2}\n"
    path.write_text(text, encoding="utf-8")
    config = JointConfig.from_yaml(path)
    assert (config.learning_rate, config.segmenter_stage().weight_decay) == (0.001, 0.02)
    assert config.name == "one1e3"


def test_a_networks_own_batch_size_holds_in_the_third_stage_too(tmp_path):
    given = {"cache": tmp_path / "a", "out": tmp_path / "b", "batch_size": 3}
    config = JointConfig(**given, segmentation={"batch_size": 7})
    assert (config.batch_size_of("segmentation"), config.batch_size_of("synthesis")) == (7, 3)
    assert config.segmenter_stage().batch_size == 7
