"""What was painted, in the scene: a segmentation beside each synthetic volume, its scar and the band."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import slicer
from claimslicer.figures.palette import SYNTHETIC, rgb
from claimslicer.terms import SCAR, TISSUE, Term
from slicer.i18n import tr as _

from ClaimSlicerLib.made import VOLUME_ROLE, made_for, made_nodes, mark_made
from ClaimSlicerLib.mrml import add_segmentation, named_segments
from ClaimSlicerLib.segments import SegmentStyle

KIND = "band"
STYLES = (
    SegmentStyle(1, "Painted scar", rgb(SYNTHETIC), SCAR),
    SegmentStyle(2, "Painted band", (0.20, 0.73, 0.93), Term(TISSUE, TISSUE)),
)
"""The values are those of :class:`claimslicer.synthesis.SynthesisResult`'s ``band``."""


def add_band(band: np.ndarray, variant: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLSegmentationNode:
    """Add what was painted in ``variant``, uint8 ``(z, y, x)``: outlines, out of sight until asked for."""
    node = add_segmentation(band, variant, _("{name} painted").format(name=variant.GetName()), STYLES)
    mark_made(node, KIND, variant)
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility3D(False)
    display.SetVisibility(False)
    return node


def band_of(variant: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLSegmentationNode | None:
    """Return the segmentation of what was painted in ``variant``; None in scenes of earlier versions."""
    return made_for(variant, "vtkMRMLSegmentationNode", KIND)


def band_array(variant: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray | None:
    """Return what was painted in ``variant``, uint8 ``(z, y, x)``, or None where the scene doesn't know.

    Raises StudyError where its segments were renamed beyond recognition.
    """
    node = band_of(variant)
    return None if node is None else named_segments(node, variant, STYLES)


def bands_left_by(variant: slicer.vtkMRMLScalarVolumeNode) -> list[slicer.vtkMRMLSegmentationNode]:
    """Return what belongs to ``variant``, also when that has left the scene."""
    return [node for node in made_nodes({KIND}) if node.GetNodeReferenceID(VOLUME_ROLE) == variant.GetID()]


def show_bands(variants: Collection[slicer.vtkMRMLScalarVolumeNode]) -> None:
    """Show what was painted in ``variants``, and in no others."""
    wanted = {variant.GetID() for variant in variants}
    for node in made_nodes({KIND}):
        display, shown = node.GetDisplayNode(), node.GetNodeReferenceID(VOLUME_ROLE) in wanted
        if display is not None and bool(display.GetVisibility()) != shown:
            display.SetVisibility(shown)
