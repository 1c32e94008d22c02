"""The difference of two volumes as a node of ours: float, with its colours, its range and a colour bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
from claimslicer.errors import StudyError
from claimslicer.figures.difference import Focus, difference_colours, focus_of, reach
from claimslicer.studies import Geometry
from claimslicer.studies.synthetic import says_synthetic
from slicer.i18n import tr as _

from ClaimSlicerLib.colours import colour_table
from ClaimSlicerLib.made import is_made, mark_made
from ClaimSlicerLib.mrml import add_volume, volume_geometry
from ClaimSlicerLib.synthetic import MARK, plain_name

KIND = "difference"
COLOURS = "ClaimSlicerDifference"
"""Tag of the colour node, of which a scene has one."""
COUNT = 256


@dataclass(frozen=True)
class Difference:
    """The node, the range's end in grey levels, and where most differs; None where nothing does."""

    node: slicer.vtkMRMLScalarVolumeNode
    end: float
    focus: Focus | None


def difference_of(
    first: slicer.vtkMRMLScalarVolumeNode,
    second: slicer.vtkMRMLScalarVolumeNode,
    heart: np.ndarray | None = None,
) -> Difference:
    """Put ``second`` − ``first`` into the scene's one difference node, made when missing.

    Raises StudyError, the scene untouched, when the two lie on different grids.
    """
    geometry = volume_geometry(first)
    if not geometry.is_close(volume_geometry(second)):
        raise StudyError(
            f"{first.GetName()} and {second.GetName()} lie on different grids: choose two of one study."
        )
    arrays = [slicer.util.arrayFromVolume(volume).astype(np.float32) for volume in (first, second)]
    values = arrays[1] - arrays[0]
    node = _filled_node(values, geometry)
    mark_made(node, KIND, first)
    node.SetName(
        _("Difference: {second} − {first}").format(second=plain_name(second), first=plain_name(first))
    )
    if not says_synthetic(node.GetName()):
        node.SetName(f"{node.GetName()}{MARK}")
    end = reach(values)
    _colour(node, end)
    return Difference(node, end, focus_of(values != 0, geometry, heart))


def difference_node() -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the scene's difference node, or None."""
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return next((volume for volume in volumes if is_made(volume, KIND)), None)


def _filled_node(values: np.ndarray, geometry: Geometry) -> slicer.vtkMRMLScalarVolumeNode:
    node = difference_node()
    if node is not None and volume_geometry(node).is_close(geometry):
        slicer.util.updateVolumeFromArray(node, values)
        return node
    if node is not None:
        slicer.mrmlScene.RemoveNode(node)
    node = add_volume(values, geometry, "Difference", synthetic=True)
    return node


def _colour(node: slicer.vtkMRMLScalarVolumeNode, end: float) -> None:
    """Give the node its colours over −``end`` to ``end``."""
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_colour_node().GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(-end, end)
    display.SetInterpolate(False)


def add_bar(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show the colours and their range beside the difference.

    Slicer draws a bar only in the views that there were when its node came, so it is made anew each time.
    """
    former = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
    if former is not None:
        slicer.mrmlScene.RemoveNode(former)
    bar = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    bar.SetTitleText(_("Difference"))
    bar.SetLabelFormat("%+.0f" if node.GetDisplayNode().GetWindowLevelMax() >= 10 else "%+.2f")
    bar.SetNumberOfLabels(3)
    # Along the lower edge: at a side it would cover the wall in a narrow view.
    bar.SetOrientation(bar.Horizontal)
    bar.SetPosition(0.5, 0.02)
    bar.SetSize(0.06, 0.8)  # the short side, then the long one
    for text in (bar.GetTitleTextProperty(), bar.GetLabelTextProperty()):
        text.SetFontFamilyToArial()
        text.ItalicOff()


def _colour_node() -> slicer.vtkMRMLColorTableNode:
    """Return the scene's one table of difference colours; where nothing differs it lets the image through."""
    nothing = (COUNT // 2 - 1, COUNT // 2)
    return colour_table(
        COLOURS,
        _("CLAIM difference"),
        (
            (str(index), (*colour, 0.0 if index in nothing else 1.0))
            for index, colour in enumerate(difference_colours(COUNT))
        ),
    )
