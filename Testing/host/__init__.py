"""A stand-in for the Slicer application, so that the real module files run under pytest.

The scene, its nodes and their logics are Slicer's own (PyPI's ``slicer-core``), the widgets are Qt's own
(``PySide6-Essentials``) and the ``.ui`` files are the real ones. This package supplies only what neither of
the two has: ``qt``, ``ctk``, ``slicer.app``, ``slicer.modules``, ``slicer.i18n``, ``slicer.packaging``,
``slicer.ScriptedLoadableModule`` and ``slicer.parameterNodeWrapper``, each as thin as the modules allow. What
can't behave as it does in Slicer raises :class:`NotInHostError`.
"""

import ctypes
import sys


class NotInHostError(NotImplementedError):
    """The stand-in can't do this as Slicer does it; such code is tested in a real Slicer only."""


def _keep_none_alive() -> None:
    """Give None references to spare: before Python 3.12 it is counted, and PySide6 takes it for immortal.

    Each of its functions that returns nothing gives one reference too many back; after some ten thousand
    calls, a few hundred repaints, the interpreter ends itself.
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


_keep_none_alive()
