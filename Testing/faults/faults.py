"""Every write of every operation fails once: full disk, read-only, killed; and two at once on one output.

``faults.py [NAME…]``. Where an operation touches the disk is found by an audit hook: each opening for
writing, renaming, removing and making of folders below the output is a place to fail. For each place and
fault the operation runs over an older result in a process of its own; afterwards the folder must hold the
old result or the new one, and the operation, done again, must give the new one.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from operations import OPERATIONS, Operation

FAULTS = ("full", "read-only", "killed")
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")
_ERRORS = {"full": errno.ENOSPC, "read-only": errno.EROFS}
Content = dict[str, str]


class Places:
    """Counts the places where an operation touches ``folder``, and fails at one of them."""

    def __init__(self, folder: Path, at: int | None, fault: str) -> None:
        self.count = 0
        self._folder, self._at, self._fault = str(folder), at, fault
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if event not in EVENTS or self._folder not in str(arguments[0]):
            return
        if event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return
        self.count += 1
        if self.count != self._at:
            return
        if self._fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "os.remove" and self._fault == "full":
            return  # a full disk lets go of files
        raise OSError(_ERRORS[self._fault], os.strerror(_ERRORS[self._fault]), arguments[0])


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked process; return its exit code, negative for a signal."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    return int(process.exitcode or 0)


def run(operation: Operation, version: int, folder: Path, at: int | None = None, fault: str = "") -> int:
    """Run an operation in a process of its own; 0 done, 3 refused in a sentence, 1 anything else."""

    def work() -> None:
        from claimslicer.errors import ClaimError

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        Places(folder, at, fault)
        try:
            operation.run(folder, version)
        except ClaimError:
            os._exit(3)
        except BaseException:
            os._exit(1)
        os._exit(0)

    return in_child(work)


def count_places(operation: Operation, folder: Path) -> int:
    """Return how often an operation touches the disk."""
    read, write = os.pipe()

    def work() -> None:
        places = Places(folder, None, "")
        operation.run(folder, 1)
        os.write(write, str(places.count).encode())

    code = in_child(work)
    os.close(write)
    text = os.read(read, 20)
    os.close(read)
    if code or not text:
        raise SystemExit(f"{operation.name} fails without any fault")
    return int(text)


def content(folder: Path, operation: Operation) -> Content:
    """Return the files that are results, each with a hash of what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            whole = b"" if operation.by_name else path.read_bytes()
            found["/".join(parts)] = hashlib.sha256(whole).hexdigest()
    return found


def judge(found: Content, old: Content, new: Content, operation: Operation) -> str:
    """Say what is there: ``old``, ``new``, ``each whole`` (some files old, some new) or what is torn."""
    if found == old:
        return "old"
    if found == new:
        return "new"
    for name, digest in found.items():
        if digest not in (old.get(name), new.get(name)):
            return f"torn: {name}"
    missing = [name for name in old if name in new and name not in found and name not in operation.beside]
    return f"lost: {missing[0]}" if missing else "each whole"


def try_all(operation: Operation, folder: Path) -> tuple[Counter, list[str], int]:
    """Return the outcomes of all places and faults, what went wrong, and the number of places."""
    states = {}
    for version in (0, 1):
        operation.run(folder / f"warm{version}", version)  # what is imported once needn't be in each process
        place = folder / f"state{version}"
        place.mkdir()
        if version == 1:
            shutil.rmtree(place)
            shutil.copytree(folder / "state0", place)
        assert run(operation, version, place) == 0, f"{operation.name} fails without any fault"
        states[version] = content(place, operation)
    shutil.copytree(folder / "state0", folder / "counted")
    places = count_places(operation, folder / "counted")
    outcomes: Counter = Counter()
    wrong = []
    for at in range(1, places + 1):
        for fault in FAULTS:
            place = folder / "tried"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(folder / "state0", place)
            code = run(operation, 1, place, at, fault)
            state = judge(content(place, operation), states[0], states[1], operation)
            hidden = [path for path in place.rglob(".*") if path.is_file()]
            outcomes[fault, state.partition(":")[0]] += 1
            said = f"{operation.name}, {fault} at {at} of {places}"
            if state.startswith(("torn", "lost")):
                wrong.append(f"{said}: {state}")
            if fault != "killed" and code == 1:
                wrong.append(f"{said}: not a sentence")
            if fault == "full" and hidden:
                wrong.append(f"{said}: left {hidden[0].name}")
            if operation.once and state == "new":
                continue  # it refuses to write over what is there
            again = run(operation, 1, place)
            if again != 0 or judge(content(place, operation), states[0], states[1], operation) != "new":
                wrong.append(f"{said}: done again it gives no new result ({again})")
    for _ in range(5):
        place = folder / "tried"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder / "state0", place)
        outcomes["two at once", two_at_once(operation, place, states)] += 1
    wrong += [
        f"{operation.name}: two at once: {s}" for (f, s) in outcomes if f == "two at once" and "torn" in s
    ]
    return outcomes, wrong, places


def two_at_once(operation: Operation, place: Path, states: dict[int, Content]) -> str:
    """Run both versions at the same time on one output; say whose result is there."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=run, args=(operation, version, place)) for version in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return judge(content(place, operation), states[0], states[1], operation)


def main() -> int:
    """Run from the command line; the exit code is 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    names = parser.parse_args().names
    # Commands say what they wrote; the table is what is read here.
    said = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = os.fdopen(said, "w", encoding="utf-8")
    wrong: list[str] = []
    columns = (*FAULTS, "two at once")
    print(f"| operation | places | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}", flush=True)
    for operation in OPERATIONS:
        if names and operation.name not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="claim-faults-") as folder:
            outcomes, found, places = try_all(operation, Path(folder))
        wrong += found
        cells = []
        for fault in columns:
            of_fault = {state: count for (kind, state), count in outcomes.items() if kind == fault}
            cells.append(", ".join(f"{count} {state}" for state, count in sorted(of_fault.items())))
        print(f"| {operation.name} | {places} | {' | '.join(cells)} |", flush=True)
    for line in wrong:
        print(line)
    print(f"{len(wrong)} went wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
