"""``python -m claimslicer.install ARGUMENTS``: pip, ended with all that it started when our stdin closes.

Killing the process that was started isn't enough: Slicer's Python is a launcher, and pip builds in processes
of its own. psutil, which could find them, may be what is to be installed. Only the standard library is used.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

STOPPED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run ``pip ARGUMENTS`` and return its exit code, STOPPED when stdin closed before its end."""
    command = [sys.executable, "-m", "pip", *(sys.argv[1:] if arguments is None else arguments)]
    own_group: dict = {"start_new_session": True} if os.name == "posix" else {}
    pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, **own_group)
    threading.Thread(target=_end_with_stdin, args=(pip,), daemon=True).start()
    return pip.wait()


def _end_with_stdin(pip: subprocess.Popen) -> None:
    # Read without a buffer, so that the interpreter's end doesn't wait for this thread's lock.
    while os.read(0, 1024):
        pass
    end_tree(pip)
    os._exit(STOPPED)


def end_tree(process: subprocess.Popen) -> None:
    """Kill a process and its descendants; on POSIX it must lead a session of its own."""
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    else:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], check=False, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
