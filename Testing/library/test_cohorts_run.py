"""Whole cohorts on Dask, killed, stopped and gone on with; places and addresses that can't be used."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from claimslicer.cohorts.config import CohortConfig
from claimslicer.cohorts.make import StudyMaker
from claimslicer.cohorts.run import UNFINISHED
from claimslicer.studies import read_study
from cli_runner import Cli
from cohort_trial import jobs_of, write_source

TIMEOUT_SECONDS = 240


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "hospital")


def start(config: Path, log: Path) -> subprocess.Popen:
    """Start ``claim-slicer cohort`` in a process of its own."""
    with log.open("w") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "claimslicer", "cohort", str(config), "--events", "-"],
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=heed_interrupts if os.name == "posix" else None,  # noqa: PLW1509 (sets one signal)
        )


def heed_interrupts() -> None:
    """A test run in the background hands on that Ctrl-C is ignored there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(running: subprocess.Popen) -> None:
    """Press Ctrl-C: a terminal sends it to the command and to its workers alike."""
    if os.name == "posix":
        os.killpg(running.pid, signal.SIGINT)
    else:
        running.terminate()


def wait_for_study(running: subprocess.Popen) -> None:
    """Wait until a study was made."""
    for line in running.stdout:
        if json.loads(line).get("study"):
            return
    raise AssertionError("it ended before a study was made")


def workers_of(running: subprocess.Popen) -> list[psutil.Process]:
    """Return the Dask workers of a command."""
    children = psutil.Process(running.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def whole_studies(out: Path) -> dict[str, np.ndarray]:
    """Read every study in ``out``, each of which must be whole; return the images."""
    assert not (out / UNFINISHED).exists()
    folders = [folder for folder in out.iterdir() if folder.is_dir()]
    for folder in folders:
        assert (folder / "recipe.json").is_file() and read_study(folder).labels is not None
    return {folder.name: read_study(folder).image for folder in folders}


def test_killed_stopped_and_gone_on_with(source, tmp_path, cli, monkeypatch, torch_threads):
    """A killed worker loses nothing, an interrupt leaves whole studies, and a cluster makes the rest."""
    pytest.importorskip("distributed")
    file, out, log = tmp_path / "cohort.yaml", tmp_path / "cohort", tmp_path / "stderr.txt"
    settings = f"out: cohort\nsources: ['{source.as_posix()}']\nsteps: 1\nseed: 3\ndevice: cpu\n"

    file.write_text(settings + "count: 8\n")
    with start(file, log) as running:
        wait_for_study(running)
        workers = workers_of(running)
        assert len(workers) == 2
        for process in [psutil.Process(running.pid), *workers]:
            listening = [c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
            assert set(listening) <= {"127.0.0.1"}
        workers[0].kill()
        running.communicate(timeout=TIMEOUT_SECONDS)
    assert running.returncode == 0, log.read_text()
    first = whole_studies(out)
    assert len(first) == 8
    config = CohortConfig.from_yaml(file)
    for name, job in jobs_of(config).items():
        if job.number == 1:
            assert np.array_equal(StudyMaker(config).make(job)[1].image, first[name])

    file.write_text(settings + "count: 100\nworkers: 1\n")
    with start(file, log) as running:
        wait_for_study(running)
        interrupt(running)
        running.communicate(timeout=TIMEOUT_SECONDS)
    assert running.returncode == 130, log.read_text()
    assert log.read_text().splitlines()[-1].startswith("Stopped") and "Traceback" not in log.read_text()
    some = whole_studies(out)
    assert 8 < len(some) < 100
    assert all(np.array_equal(some[name], image) for name, image in first.items())

    _go_on_with_a_cluster(file, settings, out, some, cli, monkeypatch)


def _go_on_with_a_cluster(
    file: Path, settings: str, out: Path, some: dict, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    total = len(some) + 4
    made_before = {folder: folder.stat().st_mtime_ns for folder in out.iterdir() if folder.is_dir()}
    file.write_text(settings + f"count: {total}\nworkers: 5\n")
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        outcome = cli("cohort", file, "--scheduler", cluster.scheduler_address)
    assert outcome.code == 0, outcome
    assert "Network" in outcome.out
    assert {folder: folder.stat().st_mtime_ns for folder in made_before} == made_before
    names = set(jobs_of(CohortConfig.from_yaml(file)))
    assert names <= set(whole_studies(out)) and names - set(some)
    with (out / "studies.csv").open(encoding="utf-8") as stream:
        assert {row["name"] for row in csv.DictReader(stream)} == {
            f.name for f in out.iterdir() if f.is_dir()
        }

    monkeypatch.delattr("claimslicer.cohorts.run.local_workers")  # nothing is missing, none is needed
    again = cli("cohort", file)
    assert again.code == 0 and f"0 synthetic studies made, {total} were there" in again.out
    assert "target_distance" not in again.err
    file.write_text(settings.replace("seed: 3", "seed: 4") + "count: 5\n")
    refused = cli("cohort", file)
    assert refused.code == 2 and "another seed" in refused.err


def test_places_and_addresses_that_cannot_be_used(source, tmp_path, cli, monkeypatch):
    """A folder with other things, one inside the source, and a scheduler that isn't there are refused."""
    file = tmp_path / "cohort.yaml"
    settings = f"sources: ['{source.as_posix()}']\nsteps: 1\n"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear patient")
    file.write_text(settings + "out: full\n")
    assert "other files" in cli("cohort", file).err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]
    (tmp_path / "empty").mkdir()
    file.write_text("sources: [empty]\nout: new/made\n")
    assert "holds no case folders" in cli("cohort", file).err
    file.write_text(settings + "out: new/made\nmodel: nobody\n")
    assert "nobody" in cli("cohort", file).err
    assert not (tmp_path / "new").exists()
    file.write_text(settings + f"out: '{(source / 'made').as_posix()}'\n")
    assert "outside" in cli("cohort", file).err
    assert not (source / "made").exists()
    pytest.importorskip("distributed")
    monkeypatch.setattr("claimslicer.cohorts.cluster.PATIENCE_SECONDS", 0.5)
    file.write_text(settings + "out: made\n")
    outcome = cli("cohort", file, "--scheduler", "tcp://127.0.0.1:9")
    assert outcome.code == 2 and "127.0.0.1:9" in outcome.err
