"""What is drawn: the bull's-eye under mouse and paint, and the mark of synthetic images in the views."""

from __future__ import annotations

import time
import unittest

import qt
import slicer

REPAINT_BUDGET_MS = 4.0


def mouse(widget, kind, x: float, y: float, button=None) -> None:
    """Send a mouse event to a widget."""
    button = qt.Qt.LeftButton if button is None else button
    event = qt.QMouseEvent(kind, qt.QPointF(x, y), button, button, qt.Qt.NoModifier)
    qt.QCoreApplication.sendEvent(widget, event)


class BullsEye(unittest.TestCase):
    """The widget in PythonQt."""

    def setUp(self) -> None:
        from claimslicer.figures.face import segments_face
        from ClaimSlicerLib.bullseye import BullseyeWidget

        self.widget = BullseyeWidget()
        self.widget.setFace(segments_face())
        self.widget.resize(320, 320)
        self.widget.show()
        slicer.app.processEvents()

    def tearDown(self) -> None:
        self.widget.hide()
        self.widget.deleteLater()

    def test_a_click_selects_the_apex(self) -> None:
        chosen = []
        self.widget.selectable = True
        self.widget.selectionChanged.connect(chosen.append)
        x, y = self.widget.width / 2, self.widget.height / 2
        mouse(self.widget, qt.QEvent.MouseMove, x, y, qt.Qt.NoButton)
        mouse(self.widget, qt.QEvent.MouseButtonPress, x, y)
        mouse(self.widget, qt.QEvent.MouseButtonRelease, x, y)
        self.assertEqual(chosen[-1], frozenset({17}))

    def test_repainting_is_fast(self) -> None:
        from claimslicer.figures.face import empty_face, segments_face

        faces = (segments_face(), empty_face())
        times = []
        for turn in range(30):
            self.widget.setFace(faces[turn % 2])  # so that nothing drawn before can be shown again
            begin = time.perf_counter()
            self.widget.repaint()
            times.append(1000 * (time.perf_counter() - begin))
        print(f"bull's-eye: {min(times):.1f} ms best, {sorted(times)[15]:.1f} ms median of 30 repaints")
        self.assertLess(min(times), REPAINT_BUDGET_MS)


class Marks(unittest.TestCase):
    """A generated volume says so in every slice view that shows it."""

    def test_the_mark_comes_and_goes(self) -> None:
        from ClaimSlicerLib.example import add_phantom

        slicer.mrmlScene.Clear()
        volume, _ = add_phantom()
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        slicer.app.processEvents()
        view = slicer.app.layoutManager().sliceWidget("Red").sliceView()
        self.assertIn("SYNTHETIC", self._texts(view))
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        self.assertNotIn("SYNTHETIC", self._texts(view))

    @staticmethod
    def _texts(view) -> str:
        found = []
        renderers = view.renderWindow().GetRenderers()
        for index in range(renderers.GetNumberOfItems()):
            actors = renderers.GetItemAsObject(index).GetViewProps()
            for number in range(actors.GetNumberOfItems()):
                actor = actors.GetItemAsObject(number)
                if not actor.GetVisibility():
                    continue
                if actor.IsA("vtkCornerAnnotation"):
                    found += [actor.GetText(corner) or "" for corner in range(8)]
                elif actor.IsA("vtkTextActor"):
                    found.append(actor.GetInput() or "")
        return " ".join(found).upper()
