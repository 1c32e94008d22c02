"""What a command tells where nobody watches a terminal, and what it says is left when it is stopped."""

import io

import pytest
import yaml
from claimslicer.cli.reporting import LineEvents
from rich.console import Console


def test_without_a_terminal_progress_is_a_line_now_and_then():
    stream, now = io.StringIO(), [0.0]
    events = LineEvents(Console(file=stream, width=20), lambda: now[0])
    events.progress("reading", 0.0, "A")
    for second in range(1, 31):
        now[0] = second
        events.progress("preparing", second / 40, f"study {second}")
        events.emit("metrics", loss=1.0)
    now[0] = 60
    events.progress("preparing", 0.7501, "of the same per cent")
    events.emit("skipped", study="A", reason="a sentence that is longer than a line")
    events.progress("preparing", 0.8)
    now[0] = 70
    events.progress("training", 0.5)
    assert stream.getvalue().splitlines() == [
        "preparing: 25 %, study 10",
        "preparing: 50 %, study 20",
        "preparing: 75 %, study 30",
        "skipped: study A, reason a sentence that is longer than a line",
        "training: 50 %",
    ]


@pytest.mark.parametrize("kind", ["synthesis", "segmentation", "joint"])
def test_a_checkpoint_is_promised_only_where_there_is_one(kind, cli, tmp_path, monkeypatch):
    folder = "run/generator" if kind == "joint" else "run"
    module = "joint_run" if kind == "joint" else kind

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"claimslicer.training.trainers.{module}.train_{kind}", stopped)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({"cache": "none.npz", "out": "run"}), encoding="utf-8")
    early = cli("train", kind, path)
    assert early.err == "Stopped; there is no checkpoint yet, the same command begins again.\n"
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "checkpoint.safetensors").touch()
    late = cli("train", kind, path)
    assert late.err == "Stopped; the last checkpoint is kept, go on with --resume.\n"
    assert early.code == late.code == 130
