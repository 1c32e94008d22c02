"""A stand-in for the Slicer application, so that the real module files run under pytest.

The scene, its nodes and their logics are Slicer's own (PyPI's ``slicer-core``), the widgets are Qt's own
(``PySide6-Essentials``) and the ``.ui`` files are the real ones. This package supplies only what neither of
the two has: ``qt``, ``ctk``, ``slicer.app``, ``slicer.modules``, ``slicer.i18n``, ``slicer.packaging``,
``slicer.ScriptedLoadableModule`` and ``slicer.parameterNodeWrapper``, each as thin as the modules allow. What
can't behave as it does in Slicer raises :class:`NotInHostError`.
"""


class NotInHostError(NotImplementedError):
    """The stand-in can't do this as Slicer does it; such code is tested in a real Slicer only."""
