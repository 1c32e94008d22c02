"""How long the bull's-eye takes to repaint, in CPU time: as the mouse moves over it, and with another face.

    python Testing/benchmarks/bullseye_repaint.py

measures the widget under PySide6; ``Slicer --no-splash --python-script`` measures it under PythonQt.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROUNDS = 200
LIMITS_MS = {"PySide6": 2.0, "PythonQt": 4.0}


def start() -> str:
    """Make ``qt`` and ``slicer`` importable where this isn't Slicer; return the name of the binding."""
    try:
        import qt  # noqa: F401
    except ModuleNotFoundError:
        sys.path.insert(0, str(REPOSITORY / "Testing" / "modules"))
        import conftest  # noqa: F401
        from host import application

        application.start()
        return "PySide6"
    sys.path.insert(0, str(REPOSITORY / "ClaimSlicer"))
    return "PythonQt"


def measure(change) -> tuple[float, float]:
    """Return the median and the 95th percentile in ms of a change and the repaint that follows."""
    import slicer

    times = []
    for number in range(ROUNDS):
        begin = time.thread_time()
        change(number)
        slicer.app.processEvents()
        times.append(1000.0 * (time.thread_time() - begin))
    return statistics.median(times), sorted(times)[int(0.95 * ROUNDS)]


def main() -> int:
    """Print the times; return 1 where a median is over the limit."""
    binding = start()
    from claimslicer.figures.face import scar_face, volume_face
    from ClaimSlicerLib.bullseye import BullseyeWidget

    widget = BullseyeWidget()
    widget.resize(350, 350)
    widget.show()
    wall = dict.fromkeys(range(1, 18), 5.0)
    present = dict.fromkeys((3, 4, 9, 10, 15), 0.7)

    faces = {
        "selection": [
            scar_face(wall, {}, present, selected={1 + k % 17, 1 + (k + 3) % 17}) for k in range(17)
        ],
        "scar": [
            scar_face(wall, {s: 0.01 * ((k * s) % 400) for s in (7, 8, 9, 13, 14)}, present)
            for k in range(17)
        ],
        "volume": [volume_face({s: 0.1 * ((k + s) % 40) for s in wall}) for k in range(17)],
    }

    def hover(number: int) -> None:
        widget.hovered = 1 + number % 17
        widget.update()

    changes = {"hover": hover}
    for name, shown in faces.items():
        changes[name] = lambda number, shown=shown: widget.setFace(shown[number % len(shown)])
    slow = 0
    for name, change in changes.items():
        median, high = measure(change)
        slow += median > LIMITS_MS[binding]
        print(f"{binding} {name:10s} median {median:5.2f} ms, 95 % {high:5.2f} ms")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
