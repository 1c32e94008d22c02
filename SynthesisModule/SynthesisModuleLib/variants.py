"""Synthetic volumes in the scene: made from the worker's answer, found again after the scene was reopened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import slicer
from claimslicer.errors import StudyError
from ClaimSlicerLib.band import add_band, bands_left_by
from ClaimSlicerLib.made import VOLUME_ROLE, is_made, mark_made
from ClaimSlicerLib.mrml import add_volume, show_like, volume_geometry
from ClaimSlicerLib.synthetic import mark_synthetic, plain_name, recipe_of
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLStorableNode
from slicer.i18n import tr as _

KIND = "synthetic"
TIME_ATTRIBUTE = "ClaimSlicer.Time"
"""When it was made, ISO 8601."""
LEVEL_ATTRIBUTE = "ClaimSlicer.ScarLevel"
"""Mean grey level of the scar, in SDs above the remote myocardium's mean."""


@dataclass(frozen=True)
class Variant:
    """A synthetic volume of the scene with what the list shows of it."""

    node: vtkMRMLScalarVolumeNode
    name: str
    seed: str
    texture: str
    scar_level: str
    time: str

    @classmethod
    def of(cls, node: vtkMRMLScalarVolumeNode) -> Variant:
        """Read what the node's attributes say."""
        recipe = recipe_of(node)
        settings = recipe.get("settings", {})
        made = node.GetAttribute(TIME_ATTRIBUTE)
        return cls(
            node,
            name=node.GetName(),
            seed=str(recipe.get("seed", "")),
            texture=_texture_text(settings.get("texture")),
            scar_level=node.GetAttribute(LEVEL_ATTRIBUTE) or "",
            time=datetime.fromisoformat(made).strftime("%H:%M") if made else "",
        )

    @property
    def original(self) -> vtkMRMLScalarVolumeNode:
        """The volume it was made from. Raises StudyError when that has left the scene."""
        node = self.node.GetNodeReference(VOLUME_ROLE)
        if node is None:
            raise StudyError(
                _("The volume that {name} was made from isn't in the scene any more: load it again.").format(
                    name=self.node.GetName()
                )
            )
        return node

    def tip(self) -> str:
        """Say in full what it is."""
        recipe = recipe_of(self.node)
        settings = recipe.get("settings", {})
        weights = recipe.get("weights") or {}
        lines = (
            (_("Made"), (self.node.GetAttribute(TIME_ATTRIBUTE) or "").replace("T", " ")),
            (_("Model"), weights.get("name")),
            (_("Sampler"), f"{settings.get('sampler')}, {settings.get('num_inference_steps')}"),
            (_("Seed"), recipe.get("seed")),
            (_("Texture"), self.texture),
            (_("Changed"), _changed_text(settings)),
        )
        return "\n".join([self.node.GetName(), *(f"{name}: {value}" for name, value in lines)])


def _texture_text(texture: str | float | Mapping[str, Any] | None) -> str:
    """Return what was asked for; for a texture that was measured, the study it comes from."""
    if isinstance(texture, Mapping):
        return (texture.get("source") or {}).get("name") or _("measured")
    return str(texture or _("auto"))


def _changed_text(settings: Mapping[str, Any]) -> str:
    """Say which voxels are not the original's."""
    if settings.get("band_mm"):
        text = _("the mask, and wall, blood and fat up to {mm:g} mm beside it")
        return text.format(mm=settings["band_mm"])
    if settings.get("halo_mm"):  # of earlier versions
        text = _("the mask, and wall and the blood's edge up to {mm:g} mm beside it")
        return text.format(mm=settings["halo_mm"])
    return _("only voxels of the mask")


def variants() -> list[Variant]:
    """Return the scene's variants in the order of their making."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [Variant.of(node) for node in nodes if is_made(node, KIND)]


def add_variants(
    result: Mapping[str, Any], original: vtkMRMLScalarVolumeNode
) -> list[vtkMRMLScalarVolumeNode]:
    """Add a volume node for each image that the worker painted, shown as ``original`` is, and its band."""
    geometry = volume_geometry(original)
    now = datetime.now().isoformat(timespec="seconds")
    nodes = []
    painted = zip(*(result[key] for key in ("images", "bands", "recipes", "scar_levels")), strict=True)
    for image, band, recipe, level in painted:
        name = _("{name} synthetic {seed}").format(name=plain_name(original), seed=recipe["seed"])
        node = add_volume(image, geometry, name, synthetic=True)
        mark_synthetic(node, recipe)
        mark_made(node, KIND, original)
        node.SetAttribute(TIME_ATTRIBUTE, now)
        node.SetAttribute(LEVEL_ATTRIBUTE, f"{level:.1f}")
        show_like(node, original)
        add_band(band, node)
        nodes.append(node)
    return nodes


def remove_variant(node: vtkMRMLScalarVolumeNode) -> None:
    """Take a variant of ours out of the scene with its band and their display and storage nodes; files stay.

    Raises ValueError for any other node.
    """
    if not is_made(node, KIND):
        raise ValueError(f"{node.GetName()} is no variant of ours.")
    _remove(node)
    remove_bands(node)


def remove_bands(node: vtkMRMLScalarVolumeNode) -> None:
    """Take out of the scene what a variant leaves behind that was removed."""
    for band in bands_left_by(node):
        _remove(band)


def _remove(node: vtkMRMLStorableNode) -> None:
    belonging = [
        node.GetStorageNode(),
        *(node.GetNthDisplayNode(i) for i in range(node.GetNumberOfDisplayNodes())),
    ]
    slicer.mrmlScene.RemoveNode(node)
    for part in belonging:
        if part is not None and part.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(part)
