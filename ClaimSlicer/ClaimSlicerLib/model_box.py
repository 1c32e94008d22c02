"""The panel's box AHA-17 model: the button that shows it, what was found, the bull's-eye, how it is shown."""

from __future__ import annotations

from typing import Any

import slicer
from claimslicer.errors import ClaimError
from claimslicer.figures.face import Face, empty_face, segments_face, volume_face
from slicer.i18n import tr as _

from ClaimSlicerLib import insertion_points
from ClaimSlicerLib.aha_overlay import AhaModel, outline_only
from ClaimSlicerLib.bullseye import BullseyeWidget
from ClaimSlicerLib.overlays import outline, show_only
from ClaimSlicerLib.pointing import Pointing, mark
from ClaimSlicerLib.rule import Content
from ClaimSlicerLib.worker import geometry_worker

PROBLEM_STYLE = "color: #c0392b;"


class ModelBox:
    """Shows what :class:`AhaModel` keeps in the scene; ``ui`` holds the panel's widgets."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self._parameters = None
        self._displayed: dict[str, Any] = {}
        self._volume = None
        self._wanted = False
        self._result: dict | None = None
        self.bullseye = BullseyeWidget()
        self.bullseye.selectable = False
        self.bullseye.least_height = 280
        self.bullseye.segmentHovered.connect(self._point)
        self.pointing = Pointing(self._pointed)
        ui.bullseyePlace.layout().addWidget(self.bullseye)
        self.model = AhaModel(geometry_worker(), self._updated, self._problem)
        self._updated(None)
        ui.applyButton.clicked.connect(self._show)
        ui.suggestButton.clicked.connect(self._suggest)

    def follow(self, parameters) -> None:
        """Show what ``parameters`` hold, the panel's parameter node or None."""
        if self._parameters is None and parameters is not None:
            outline_only(parameters.volume, False)  # as they are asked for here, whatever SMILE made of them
        self._parameters = parameters
        if parameters is not None:
            outline(parameters.labels)
        self.model.follow(parameters)
        self.ui.suggestButton.enabled = self.model.shown
        if parameters is None:
            self.pointing.follow(None, None)
        elif self._result is not None:
            self.pointing.follow(self._result["segments"], parameters.volume)
        self._hide_others()
        self._show_face()
        self._display()

    def stop(self) -> None:
        """Drop what is under way: the scene closes."""
        self._wanted = False
        self._displayed, self._volume = {}, None
        self.model.stop()
        self._updated(None)

    def _show(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The AHA-17 model could not be made.")):
            self._say("")
            self._wanted = True
            self.model.show()

    def _suggest(self, *_args) -> None:
        with slicer.util.tryWithErrorDisplay(_("The insertions could not be suggested.")):
            self.model.suggest()

    def _updated(self, result: dict | None) -> None:
        self._result = result
        parameters = self._parameters
        self.pointing.follow(
            None if result is None else result["segments"], None if parameters is None else parameters.volume
        )
        self._say("" if result is None else self._findings(result))
        self._show_face()
        if result is not None:
            self._wanted = False
            self._display()

    def _show_face(self) -> None:
        """Show what is asked for on the bull's-eye."""
        self.bullseye.setFace(self._face())
        self._hovered(self.bullseye.hovered)

    def _face(self) -> Face:
        if self._result is None or self._parameters is None:
            return empty_face()
        wall, scar = (
            {int(k): ml for k, ml in self._result[name].items()} for name in ("segment_ml", "existing_ml")
        )
        if self._parameters.content is Content.WALL:
            return segments_face(wall, scar)
        in_study = {k: ml for k, ml in scar.items() if wall[k]}
        return volume_face(in_study, title="", quantity=_("Scar per segment"))

    def _point(self, segment: int) -> None:
        """Mark in the slices what the mouse is over on the bull's-eye."""
        self._hovered(segment)
        mark(None if self._parameters is None else self._parameters.aha, segment)

    def _pointed(self, segment: int) -> None:
        """Mark on the bull's-eye what the mouse is over in the slices."""
        self.bullseye.point_at(segment)
        self._hovered(segment)

    def _hovered(self, segment: int) -> None:
        """Say under the bull's-eye what its tip says of the segment under the mouse."""
        self.ui.hoverLabel.text = " · ".join(self.bullseye.face.tips.get(segment, "").splitlines())

    def _problem(self, error: Exception) -> None:
        """Say why the model stays as it was; aloud where the user has just asked for it."""
        self._say(str(error), problem=True)
        if self._wanted or not isinstance(error, ClaimError):
            self._wanted = False
            with slicer.util.tryWithErrorDisplay(_("The AHA-17 model could not be made.")):
                raise error

    def _findings(self, result: dict) -> str:
        order = _("apex first") if result["apex_first"] else _("base first")
        lines = [_("Slices: {order}.").format(order=order)]
        if self._parameters.insertions is not None:
            lines.insert(0, insertion_points.in_words(self._parameters.insertions))
        amounts = _("LV wall {lv:.1f} ml, scar in the labels {scar:.1f} ml.")
        if result["mvo_ml"]:
            amounts = _("LV wall {lv:.1f} ml, scar in the labels {scar:.1f} ml, {mvo:.1f} ml of it MVO.")
        lines.append(amounts.format(lv=result["lv_ml"], scar=result["infarct_ml"], mvo=result["mvo_ml"]))
        return "\n".join(lines)

    def _say(self, text: str, *, problem: bool = False) -> None:
        self.ui.findingsLabel.text = text
        self.ui.findingsLabel.styleSheet = PROBLEM_STYLE if problem else ""
        self.ui.findingsLabel.visible = bool(text)

    def _hide_others(self) -> None:
        """Show one study's model at a time."""
        volume = None if self._parameters is None else self._parameters.volume
        if volume is not None and volume is not self._volume:
            self._volume = volume
            show_only(volume)

    def _display(self) -> None:
        """Show overlay and surface as the parameters say, when those have changed: the user may do otherwise
        in other modules.
        """
        parameters = self._parameters
        if parameters is None:
            return
        for node, shown, opacity in (
            (parameters.aha, parameters.overlay, parameters.overlayOpacity),
            (parameters.wall, parameters.surface, parameters.surfaceOpacity),
        ):
            if node is None or self._displayed.get(node.GetID()) == (shown, opacity):
                continue
            self._displayed[node.GetID()] = (shown, opacity)
            display = node.GetDisplayNode()
            display.SetVisibility(shown)
            display.SetOpacity(opacity / 100.0)
