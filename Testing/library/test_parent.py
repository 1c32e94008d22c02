"""Processes end with the one that started them, also when that is killed; none beyond the cores."""

import subprocess
import sys
import time

import psutil
import pytest
from claimslicer.cohorts.cluster import local_workers
from claimslicer.errors import SpecificationError
from claimslicer.parent import PARENT, core_count, end_with_parent

CHILD = "from claimslicer.parent import end_with_parent; end_with_parent(); import time; time.sleep(60)"
PARENT_OF = f"""
import subprocess, sys, time
from claimslicer.parent import children_end_with_us
with children_end_with_us():
    child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_child_ends_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT_OF], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(1.5)
    assert child.is_running()
    parent.kill()
    parent.wait()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_that_was_started_otherwise_has_no_such_parent(monkeypatch):
    monkeypatch.delenv(PARENT, raising=False)
    end_with_parent()


def test_a_cohort_of_more_workers_than_cores_is_refused():
    with pytest.raises(SpecificationError, match="'workers' to at most"), local_workers(core_count() + 2):
        pytest.fail("they were started")
