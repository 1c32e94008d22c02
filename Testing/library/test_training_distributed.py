"""Several processes, several batches a step, half precision: the same weights, to rounding."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import joint_trial
import numpy as np
import pytest
import torch
import yaml
from claimslicer.errors import ModelError
from claimslicer.events import SILENT
from claimslicer.parent import core_count
from claimslicer.training.engine import processes
from claimslicer.training.engine.loop import train
from claimslicer.training.settings.config import SynthesisConfig
from claimslicer.training.settings.joint_config import JointConfig
from claimslicer.training.trainers import segmentation
from claimslicer.training.trainers.joint_run import train_joint
from claimslicer.training.trainers.synthesis import SynthesisTrainer
from joint_trial import GENERATOR, TINY, as_yaml, cached, tiny_config
from safetensors.torch import load_file

pytest.importorskip("lightning_fabric", reason="needs Lightning Fabric: pip install 'claim-slicer[fabric]'")

TOLERANCE = 2e-5
"""Gradients are added up in another order, and Adam divides small ones by their size."""


def run_in_two_processes(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    rank_free = {key: value for key, value in os.environ.items() if "RANK" not in key}
    library = str(Path(joint_trial.__file__).parent)
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        cwd=folder,
        env={**rank_free, "PYTHONPATH": library, "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1"},
    )


def assert_same(one: Path, other: Path) -> None:
    found, wanted = load_file(one), load_file(other)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(found[key].float(), value.float(), atol=TOLERANCE, rtol=1e-3, msg=key)


@pytest.mark.skipif(sys.platform == "win32", reason="gloo needs a loopback interface by its Unix name")
@pytest.mark.skipif(core_count() < 2, reason="one core runs one process")
@pytest.mark.usefixtures("tiny_segmenter")
def test_two_processes_give_the_weights_of_one_with_the_same_batches(tmp_path):
    one = tiny_config(tmp_path, out=tmp_path / "one", accumulation=2)
    train_joint(one, resume=False)
    values = {**TINY, "cache": "cohort.npz", "out": "two", "devices": 2}
    values["synthesis"] = as_yaml(values["synthesis"])
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    assert JointConfig.from_yaml(tmp_path / "two.yaml").fingerprint() == one.fingerprint()
    done = run_in_two_processes([joint_trial.__file__, "two.yaml"], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    for stage in ("segmenter", "generator", "joint"):
        name = f"{stage}/checkpoint.safetensors"
        assert_same(tmp_path / "two" / name, tmp_path / "one" / name)
        events = (tmp_path / "two" / stage / "events.jsonl").read_text(encoding="utf-8")
        assert '"processes": 2' in events
        assert events.count('"event": "checkpoint"') == 2, "only the first process tells"
    alone = tiny_config(tmp_path, out=tmp_path / "alone")
    assert alone.fingerprint() != one.fingerprint()


def test_half_precision_trains_in_mixed_precision_and_keeps_whole_weights(tmp_path):
    study = cached(1, "training")
    plain = SynthesisConfig(
        cache=tmp_path, out=tmp_path / "a", steps=2, batch_size=2, device="cpu", warmup_steps=1, **GENERATOR
    )
    cohort = segmentation.Cohort((study,))
    half = dataclasses.replace(plain, out=tmp_path / "b", precision="bf16")
    assert plain.fingerprint() != half.fingerprint()
    states = [
        train(SynthesisTrainer(config, cohort), resume=False, events=SILENT).state_dict()
        for config in (plain, half)
    ]
    differences = [float((states[0][key] - states[1][key]).abs().max()) for key in states[0]]
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in states[1].values())
    assert 0 < max(differences) < 0.05


def test_several_batches_a_step_are_drawn_each_on_its_own(tmp_path):
    """The gradient of a step of two batches is the mean of theirs."""
    config = SynthesisConfig(
        cache=tmp_path, out=tmp_path / "run", steps=1, batch_size=2, accumulation=2, device="cpu", **GENERATOR
    )
    cohort = segmentation.Cohort((cached(1, "training"),))
    trainer = SynthesisTrainer(config, cohort)
    seen = []
    drawn = trainer.loss

    def loss(step: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        value = drawn(step, rng, noise)
        seen.append(torch.autograd.grad(value, trainer.model.denoise.first.weight, retain_graph=True)[0])
        return value

    trainer.loss = loss
    train(trainer, resume=False, events=SILENT)
    assert len(seen) == 2
    assert not torch.equal(*seen)
    gradient = trainer.model.denoise.first.weight.grad
    norm = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]).norm()
    if norm < 4.9:  # not clipped
        torch.testing.assert_close(gradient, (seen[0] + seen[1]) / 2)


def test_a_missing_gpu_is_said(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    config = SynthesisConfig(cache=tmp_path, out=tmp_path, device="cuda", devices=2)
    with pytest.raises(ModelError, match="can't be used here"):
        processes.launch(config)


def test_more_processes_than_cores_are_refused_before_any_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "Together", lambda *_: pytest.fail("started"))
    config = SynthesisConfig(cache=tmp_path, out=tmp_path, device="cpu", devices=core_count() + 1)
    with pytest.raises(ModelError, match=f"set 'devices' to at most {core_count()}"):
        processes.launch(config)


@pytest.mark.skipif(core_count() < 2, reason="one core runs one process")
def test_plain_training_needs_no_fabric():
    """One process runs where torch, MONAI and NumPy are, and no Fabric."""
    code = (
        "import sys; sys.modules['lightning_fabric'] = None\n"
        "from pathlib import Path\n"
        "from claimslicer.training.settings.config import SynthesisConfig\n"
        "from claimslicer.training.engine.processes import launch\n"
        "from claimslicer.errors import ModelError\n"
        "assert launch(SynthesisConfig(cache=Path(), out=Path(), accumulation=4)).size == 1\n"
        "assert launch(SynthesisConfig(cache=Path(), out=Path(), device='cpu', precision='bf16')).size == 1\n"
        "try:\n"
        "    launch(SynthesisConfig(cache=Path(), out=Path(), device='cpu', devices=2))\n"
        "except ModelError as error:\n"
        "    assert 'pip install' in str(error)\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_the_first_process_reports(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert processes.is_first_process()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not processes.is_first_process()
