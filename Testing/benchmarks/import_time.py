"""How long Slicer waits for the four module files when it starts.

    python Testing/benchmarks/import_time.py [--repeats 7]

Each repeat is a fresh process with the stand-in for Slicer started, so that slicer, vtk, qt and numpy are
there, as in Slicer. Files are read from the disk cache; bytecode is compiled before.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
MODULES = ("ClaimSlicer", "SMILEModule", "SynthesisModule", "SegmentationModule")
BUDGET_S = 0.1
START = """
import sys, time
import slicer  # before the path grows, as it takes every folder "slicer" there for its own
sys.path.insert(0, sys.argv[1])
from host import application
application.MODULES = ()
application.start()
application.MODULES = sys.argv[2].split()
application.prepare()
before = set(sys.modules)
for name in application.MODULES:
    begin = time.perf_counter()
    __import__(name)
    print(name, time.perf_counter() - begin)
print("modules", len(set(sys.modules) - before))
"""


def measure(bytecode: str) -> dict[str, float]:
    """Return the seconds of each import in a fresh process, and how many modules they brought in."""
    command = [sys.executable, "-c", START, str(TESTING), " ".join(MODULES)]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    lines = (line.split() for line in done.stdout.splitlines())
    return {name: float(value) for name, value in lines}


def main() -> None:
    """Print the best of several, and say whether it is within the budget."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as bytecode:
        measure(bytecode)  # compiles, as an installation does
        runs = [measure(bytecode) for _ in range(repeats)]
    best = min(runs, key=lambda run: sum(run[name] for name in MODULES))
    for name in MODULES:
        print(f"{name:20} {1000 * best[name]:7.1f} ms")
    total = sum(best[name] for name in MODULES)
    print(f"{'together':20} {1000 * total:7.1f} ms, {best['modules']:.0f} modules, best of {len(runs)}")
    if total > BUDGET_S:
        sys.exit(f"More than the {1000 * BUDGET_S:.0f} ms that four modules may take.")


if __name__ == "__main__":
    main()
