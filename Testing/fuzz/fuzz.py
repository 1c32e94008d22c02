"""Mutated files for every reader: no traceback, no hang, memory bounded. ``fuzz.py --count 20000 --seed 1``.

Every input comes from its number and the seed: ``fuzz.py --only NUMBER --seed S`` makes one again and shows
what happens. Inputs are tried in a process of their own, which is begun anew when one takes it down.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mutate import mutated
from targets import TARGETS, Target, make_corpus

LONGEST_S = 10
MOST_BYTES = 6 * 2**30
"""Address space of the process that tries inputs; what torch maps is counted."""
BATCH = 500


class TookTooLong(BaseException):
    """Raised in an input that takes longer than :data:`LONGEST_S`."""


def choose(number: int, seed: int) -> tuple[Target, np.random.Generator]:
    """Return the target of an input, and the generator that makes it."""
    rng = np.random.default_rng([seed, number])
    names = list(TARGETS)
    return TARGETS[names[number % len(names)]], rng


def attempt(number: int, seed: int, corpus: Path, folder: Path) -> tuple[str, str]:
    """Try one input; return its target and ``read``, ``refused``, or what went wrong."""
    from claimslicer.errors import ClaimError

    target, rng = choose(number, seed)
    files = sorted((corpus / target.name).rglob("*"))
    seeds = [file for file in files if file.is_file()]
    place = folder / "input"
    wanted = seeds[int(rng.integers(len(seeds)))]
    for file in seeds if target.whole_folder else [wanted]:
        copy = place / file.relative_to(corpus / target.name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = file.read_bytes()
        copy.write_bytes(mutated(content, rng, target.is_text) if file == wanted else content)
    path = place if target.whole_folder else place / wanted.relative_to(corpus / target.name)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        target.read(path)
    except ClaimError as error:
        text = str(error)
        return target.name, "refused" if text and "\n" not in text.strip() else f"no sentence: {text!r}"
    except TookTooLong:
        return target.name, f"longer than {LONGEST_S} s: {traceback.format_exc(limit=-4)}"
    except BaseException:
        return target.name, traceback.format_exc(limit=-5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return target.name, "read"


def work(numbers: range, seed: int, corpus: Path) -> None:
    """Try inputs one after another, and print a line of JSON before and after each."""
    import resource
    import warnings

    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**31, 2**31))

    def stop(*_: object) -> None:
        raise TookTooLong

    signal.signal(signal.SIGALRM, stop)
    for number in numbers:
        print(json.dumps({"begun": number}), flush=True)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            started = time.monotonic()
            target, outcome = attempt(number, seed, corpus, Path(folder))
        spent = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            json.dumps({"done": number, "target": target, "outcome": outcome, "s": spent, "kb": peak}),
            flush=True,
        )


def results(numbers: range, seed: int, corpus: Path) -> Iterator[dict]:
    """Yield what happens to each input, whatever happens to the process that tries it."""
    left = numbers
    while len(left):
        batch = left[:BATCH]
        command = [sys.executable, __file__, "--work", f"{batch[0]}:{batch[-1] + 1}", "--seed", str(seed)]
        with subprocess.Popen(
            [*command, "--corpus", str(corpus)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            last, done = batch[0], batch[0] - 1
            for line in process.stdout:
                event = json.loads(line) if line.startswith("{") else {}
                last = event.get("begun", last)
                if "done" in event:
                    done = event["done"]
                    yield event
            code = process.wait()
        if done < batch[-1]:
            target, _ = choose(last, seed)
            yield {
                "done": last,
                "target": target.name,
                "outcome": f"the process ended with {code}",
                "s": 0,
                "kb": 0,
            }
            left = range(last + 1, left[-1] + 1)
        else:
            left = left[len(batch) :]


def fuzz(first: int, count: int, seed: int) -> tuple[dict[str, Counter], list[dict], float, int]:
    """Return outcomes by target, the failures, the longest time in s and the most memory in kB."""
    table: dict[str, Counter] = {name: Counter() for name in TARGETS}
    failures, longest, most = [], 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        make_corpus(corpus)
        for event in results(range(first, first + count), seed, corpus):
            outcome = event["outcome"] if event["outcome"] in ("read", "refused") else "failed"
            table[event["target"]][outcome] += 1
            longest, most = max(longest, event["s"]), max(most, event["kb"])
            if outcome == "failed":
                failures.append(event)
                print(f"\n{event['done']} {event['target']}: {event['outcome']}", flush=True)
    return table, failures, longest, most


def main() -> int:
    """Run from the command line; the exit code is 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        first, end = map(int, asked.work.split(":"))
        work(range(first, end), asked.seed, asked.corpus)
        return 0
    first, count = (asked.first, asked.count) if asked.only is None else (asked.only, 1)
    table, failures, longest, most = fuzz(first, count, asked.seed)
    print(f"{'reader':<22}{'read':>8}{'refused':>9}{'failed':>8}")
    for name, outcomes in table.items():
        print(f"{name:<22}{outcomes['read']:>8}{outcomes['refused']:>9}{outcomes['failed']:>8}")
    total = sum(sum(outcomes.values()) for outcomes in table.values())
    spent = f"longest {longest:.1f} s, peak {most / 1024:.0f} MB"
    print(f"{total} inputs, seed {asked.seed}: {len(failures)} failed, {spent}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
