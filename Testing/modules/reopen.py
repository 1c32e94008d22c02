"""Open a saved scene in a process of its own and print what each panel then holds, as JSON.

reopen.py SCENE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> None:
    """Start the stand-in, open the scene, then each panel."""
    import conftest  # noqa: F401
    import panel_states
    from host import application

    application.start()
    import slicer

    slicer.util.loadScene(sys.argv[1])
    held = {}
    for name in application.MODULES:
        held[name] = panel_states.as_values(application.panel(name).parameters)
    print(json.dumps(held))


if __name__ == "__main__":
    main()
