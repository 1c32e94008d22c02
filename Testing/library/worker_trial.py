"""The worker with tasks that misbehave, for its tests: ``python worker_trial.py --log FILE``."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

import numpy as np
from claimslicer.errors import StudyError
from claimslicer.worker import serve, tasks


def echo(context, arguments):
    """Answer with the arguments, and whether they came as arrays."""
    return {**arguments, "types": {key: type(value).__name__ for key, value in arguments.items()}}


def count(context, arguments):
    """Report progress every 10 ms, ``steps`` times."""
    for step in range(arguments["steps"]):
        context.events.progress("counting", step / arguments["steps"], f"step {step}")
        time.sleep(0.01)
    return {"steps": arguments["steps"]}


def sleep(context, arguments):
    """Compute for ten minutes without ever listening."""
    if "child" in arguments:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    context.events.progress("sleeping", 0.0)
    time.sleep(600)
    return {}


def noise(context, arguments):
    """Print in every way, and read what isn't meant for a task."""
    print("a line from Python")
    print("a line for stderr", file=sys.stderr)
    os.write(1, b"a line from below Python\n")
    return {"read": sys.stdin.read() + os.read(0, 100).decode()}


def refuse(context, arguments):
    """Refuse the study."""
    raise StudyError("This is no heart.")


def fail(context, arguments):
    """Fail for a reason of our own."""
    return {"quotient": 1 / 0}


def memory(context, arguments):
    """Ask for more memory than there is anywhere."""
    return {"array": np.ones(1 << 59)}


def objects(context, arguments):
    """Answer with what can't be written without a pickle."""
    return {"array": np.array([object()])}


def full_disk(context, arguments):
    """Answer with more than may be written from now on."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    return {"array": np.zeros(100_000)}


def crash(context, arguments):
    """Read where nothing is."""
    return {"value": ctypes.string_at(0)}


def killed(context, arguments):
    """Die as when the system ran out of memory."""
    print("about to be killed")
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def leave(context, arguments):
    """End the process as a library might."""
    os._exit(3)


TRIALS = (echo, count, sleep, noise, refuse, fail, memory, objects, full_disk, crash, killed, leave)

if __name__ == "__main__":
    sys.modules[f"{tasks.__name__}.trial"] = sys.modules["__main__"]
    tasks.TASKS.update({trial.__name__: f"trial:{trial.__name__}" for trial in TRIALS})
    serve.main()
