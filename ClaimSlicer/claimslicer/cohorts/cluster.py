"""Where a cohort is made: Dask workers on this machine, or those of a scheduler that the user names.

Local workers are spawned processes that speak over the loopback interface alone, in TLS with a key that lives
only as long as they do: on a shared machine nobody else can reach them.
"""

from __future__ import annotations

import logging
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from claimslicer import __version__
from claimslicer.errors import ClaimError, SpecificationError
from claimslicer.parent import core_count

if TYPE_CHECKING:
    from distributed import Client

PATIENCE_SECONDS = 60
"""How long a scheduler may take to answer, and to get its first worker."""
AHEAD = 3
"""Studies handed out for each thread, so that none waits for the next; more would only fill the memory."""
LOOK_SECONDS = 5
"""How often to look for workers that joined or left."""
_QUIET = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.profile.enabled": False,  # a worker keeps what it samples each second: memory grows
    "distributed.comm.timeouts.connect": f"{PATIENCE_SECONDS}s",
}


class WorkerLost(Exception):
    """The workers died each time that they were given this task."""


@contextmanager
def local_workers(count: int) -> Iterator[Client]:
    """Start ``count`` processes on this machine, and end them with the block, or with this process.

    Raises SpecificationError for more than it has cores; two are always taken.
    """
    most = max(2, core_count())
    if count > most:
        raise SpecificationError(
            f"The cohort asks for {count} processes on a computer with {core_count()} cores: set 'workers' "
            f"to at most {most}."
        )
    dask, distributed = _import_dask()
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="claim-cohort-", ignore_cleanup_errors=True)
        scratch = stack.enter_context(folder)
        stack.enter_context(dask.config.set(_QUIET))
        with _deaf_to_interrupts():
            cluster = distributed.LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                security=True,
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
        yield stack.enter_context(distributed.Client(cluster, set_as_default=False))


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let threads and processes that are begun in the block never see Ctrl-C, which is for us alone.

    A terminal sends it to every process, and Dask's would show a traceback each. Ours comes after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # begun inside, it would take the block off
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def remote_workers(address: str) -> Iterator[Client]:
    """Connect to the scheduler at ``address`` (``tcp://host:8786``), which may run any code it is sent.

    Raises SpecificationError where none answers, it has no worker, or a worker has another version of ours.
    """
    dask, distributed = _import_dask()
    for name in ("distributed", "distributed.client"):  # Dask gives both a level of their own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with dask.config.set(_QUIET):
        try:
            client = distributed.Client(address, timeout=PATIENCE_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise SpecificationError(
                f"No Dask scheduler answers at {address}: start one, or give its address like tcp://host:8786."
            ) from error
        with client:
            _check_workers(client, address)
            yield client


def run_tasks(
    client: Client, task: Callable[..., Any], arguments: Iterator[tuple[str, tuple[Any, ...]]]
) -> Iterator[tuple[str, Any]]:
    """Run ``task(*arguments)`` for each key; yield key and result as they come, or a :class:`WorkerLost`.

    A worker that dies has its tasks given to another one. Only a few tasks for each thread are on their way
    at any time, so that memory doesn't grow with their number; workers that join later get theirs. Raises
    ClaimError where the scheduler goes, and whatever else a task raises.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    def submit(count: int) -> list[Any]:
        given = islice(arguments, max(count, 0))
        return [client.submit(task, *values, key=key, pure=False) for key, values in given]

    window, looked = _window(client), time.monotonic()
    running = as_completed(submit(window), loop=client.loop)
    for future in running:
        try:
            result = future.result()
        except KilledWorker as error:
            result = WorkerLost(str(error))
        except CancelledError as error:
            raise ClaimError(
                "The Dask scheduler has gone: start it and run the same command again."
            ) from error
        yield future.key, result
        future.release()
        if time.monotonic() > looked + LOOK_SECONDS:
            window, looked = _window(client), time.monotonic()
        running.update(submit(window - running.count()))


def _window(client: Client) -> int:
    return AHEAD * max(1, sum(client.nthreads().values()))


def _check_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
    except TimeoutError as error:
        raise SpecificationError(f"The scheduler at {address} has no worker: start some.") from error
    try:
        versions = set(client.run(_version).values())
    except (ImportError, ModuleNotFoundError) as error:
        raise SpecificationError(
            f"The workers of {address} can't import claimslicer: install the same version there."
        ) from error
    if versions != {__version__}:
        raise SpecificationError(
            f"The workers of {address} have claim-slicer {', '.join(sorted(versions))}, this machine has "
            f"{__version__}: install the same everywhere."
        )


def _version() -> str:
    return __version__


def _import_dask() -> tuple[Any, Any]:
    try:
        import cryptography  # noqa: F401
        import dask
        import distributed
    except ImportError as error:
        raise ClaimError("Cohorts need Dask: install it with pip install 'claim-slicer[dask]'.") from error
    return dask, distributed
