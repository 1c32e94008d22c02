"""Stands for the command in the panels' tests: a real process that answers as claim-slicer does.

    child.py BEHAVIOUR FOLDER -m claimslicer.cli.main segment IMAGE --out FILE … --events -

Notes its process ids in FOLDER. "work" writes a result, "wait" starts a child and waits to be killed,
"refuse" says what is wrong and ends with exit code 2, "crash" dies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def emit(event: str, **values) -> None:
    """Write a JSON line."""
    print(json.dumps({"time": time.time(), "event": event, **values}), flush=True)


def work(command: str, image: str, options: dict[str, str]) -> None:
    """Write labels (1 in a corner, 2 round it), or the image with 100 added in the scar."""
    from claimslicer.studies import read_study, write_volume

    study = read_study(Path(image), labels=None)
    if command == "segment":
        labels = study.image.astype("uint8") * 0
        labels[1:4, 10:30, 10:30] = 2
        labels[1:4, 15:25, 15:25] = 1
        write_volume(options["--out"], labels, study.geometry)
        return
    from claimslicer.studies import read_scar_mask

    painted = study.image.copy()
    painted[read_scar_mask(Path(options["--scar"]), study) > 0] += 100
    write_volume(options["--out"], painted, study.geometry, synthetic=True)


def main() -> None:
    """Behave as asked."""
    behaviour, folder, _, module, command, image, *rest = sys.argv[1:]
    assert module == "claimslicer.cli.main"
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    assert options["--events"] == "-"
    (Path(folder) / "pid").write_text(f"{os.getpid()}\n", encoding="utf-8")
    (Path(folder) / "image").write_text(image, encoding="utf-8")
    emit("started", command=command)
    print("a line that is no event", flush=True)
    emit("progress", stage="segment", fraction=0.5, message="half way")
    if behaviour == "work":
        work(command, image, options)
    elif behaviour == "wait":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (Path(folder) / "pid").write_text(f"{os.getpid()}\n{child.pid}\n", encoding="utf-8")
        time.sleep(600)
    elif behaviour == "refuse":
        emit("failed", message="Load a heart first.", exit_code=2)
        sys.exit(2)
    elif behaviour == "crash":
        os.abort()
    emit("finished", command=command)


if __name__ == "__main__":
    main()
