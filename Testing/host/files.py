"""``slicer.app.coreIOManager()``: readers and writers for ``slicer.util``, over Slicer's logics."""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk

from host import NotInHostError

TYPES = {
    ".mrml": "SceneFile",
    ".mrb": "SceneFile",
    ".seg.nrrd": "SegmentationFile",
    ".mrk.json": "MarkupsFile",
    ".nii": "VolumeFile",
    ".nii.gz": "VolumeFile",
    ".nrrd": "VolumeFile",
    ".mha": "VolumeFile",
}


class CoreIOManager:
    """What ``slicer.util.loadVolume``, ``loadScene``, ``saveScene`` and the like call."""

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene

    def fileType(self, filename: str) -> str:  # noqa: N802
        """Return the type of reader for a file."""
        found = [kind for end, kind in TYPES.items() if str(filename).lower().endswith(end)]
        if not found:
            raise NotInHostError(f"The host has no reader for {filename}.")
        return found[0] if "SceneFile" not in found else "SceneFile"

    def loadNodes(  # noqa: N802
        self, file_type: str, properties: dict, loaded: vtk.vtkCollection, messages: object = None
    ) -> bool:
        """Read a file into the scene and collect the nodes."""
        readers = {
            "SceneFile": self._read_scene,
            "VolumeFile": self._read_volume,
            "SegmentationFile": self._read_segmentation,
            "MarkupsFile": self._read_markups,
        }
        if file_type not in readers:
            raise NotInHostError(f"The host has no reader for {file_type}.")
        if not Path(properties["fileName"]).exists():
            return False
        nodes = readers[file_type](properties)
        if nodes is None:
            return False
        for node in nodes:
            loaded.AddItem(node)
        return True

    def _read_scene(self, properties: dict) -> list | None:
        path, clear = properties["fileName"], properties.get("clear", False)
        if path.endswith(".mrb"):
            return [] if self._scene.ReadFromMRB(path, clear) else None
        self._scene.SetURL(path)
        return [] if (self._scene.Connect() if clear else self._scene.Import()) else None

    def _read_volume(self, properties: dict) -> list | None:
        path = Path(properties["fileName"])
        name = properties.get("name") or path.name.split(".")[0]
        labelmap = 1 if properties.get("labelmap") else 0
        node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), name, labelmap)
        if node is not None and properties.get("show", True):
            slicer.util.setSliceViewerLayers(background=node, fit=True)
        return None if node is None else [node]

    def _read_segmentation(self, properties: dict) -> list | None:
        path = Path(properties["fileName"])
        name = properties.get("name") or path.name.split(".")[0]
        node = slicer.modules.segmentations.logic().LoadSegmentationFromFile(str(path), False, name)
        return None if node is None else [node]

    def _read_markups(self, properties: dict) -> list | None:
        path = Path(properties["fileName"])
        name = properties.get("name") or path.name.split(".")[0]
        identifier = slicer.modules.markups.logic().LoadMarkups(str(path), name)
        return [self._scene.GetNodeByID(identifier)] if identifier else None

    def saveNodes(self, file_type: str, properties: dict, messages: object = None) -> bool:  # noqa: N802
        """Write the scene, or one node."""
        path = Path(properties["fileName"]).absolute()
        if file_type == "SceneFile":
            return self._write_scene(path)
        if file_type != "NodeFile":
            raise NotInHostError(f"The host writes scenes and single nodes, not {file_type}.")
        node = self._scene.GetNodeByID(properties["nodeID"])
        storage = node.GetStorageNode() or (node.AddDefaultStorageNode() or node.GetStorageNode())
        storage.SetFileName(str(path))
        return bool(storage.WriteData(node))

    def fileWriterFileType(self, node: slicer.vtkMRMLNode) -> str:  # noqa: N802
        """Say that a node is written by its own storage node."""
        if not node.IsA("vtkMRMLStorableNode"):
            raise NotInHostError(f"The host can't write {node.GetClassName()}.")
        return "NodeFile"

    def _write_scene(self, path: Path) -> bool:
        if path.suffix not in (".mrml", ".mrb"):
            raise NotInHostError("The host writes scenes as .mrml or .mrb.")
        self._scene.SetURL(str(path))
        self._scene.SetRootDirectory(str(path.parent))
        if path.suffix == ".mrml":
            return bool(self._scene.Commit())
        return bool(self._scene.WriteToMRB(str(path)))
