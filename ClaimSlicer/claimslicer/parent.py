"""Processes that end with the one that started them, however that ends; and how many a computer can take.

A process that is killed can't end those that it started: they would go on, unseen, with all their memory. So
each looks after its parent itself.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PARENT = "CLAIM_SLICER_PARENT"
"""Environment variable: the number of the process that those with this variable end with."""
LOOK_SECONDS = 0.5


def core_count() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def children_end_with_us() -> Iterator[None]:
    """Let processes that are started in the block, and call :func:`end_with_parent`, end with this one."""
    os.environ[PARENT] = str(os.getpid())
    try:
        yield
    finally:
        os.environ.pop(PARENT, None)


def end_with_parent() -> None:
    """End this process at once when the one that started it in :func:`children_end_with_us` has ended.

    Does nothing in a process that was started otherwise.
    """
    number = os.environ.get(PARENT)
    if number is None or int(number) == os.getpid():
        return
    del os.environ[PARENT]  # what this process starts is not the parent's
    threading.Thread(target=_wait_and_end, args=(int(number),), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    (_wait_on_windows if sys.platform == "win32" else _wait)(parent)
    os._exit(1)  # whatever the main thread computes


def _wait(parent: int) -> None:
    # A process whose parent ends is given another one, whose number is never the same.
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)


def _wait_on_windows(parent: int) -> None:
    # There the number of a process that has ended stays its children's parent; a handle tells.
    import ctypes

    synchronize, infinite = 0x00100000, 0xFFFFFFFF
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    handle = kernel.OpenProcess(synchronize, False, parent)
    if handle:
        kernel.WaitForSingleObject(handle, infinite)
