"""What is kept of one evaluated scar: its numbers, and enough to show it again; one small file each."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from claimslicer.errors import StudyError
from claimslicer.evaluation.measures import ScarMeasures
from claimslicer.evaluation.placement import Survival
from claimslicer.json_files import parse_json
from claimslicer.outputs import written_whole

FORMAT_VERSION = 1
_ARRAYS = ("quantiles", "inside", "scar", "changed_at", "changed_to")


@dataclass(frozen=True)
class ScarRecord:
    """One scar in one image.

    ``dice``, ``asked_ml`` and ``found_ml`` are of infarct with MVO (labels 3 and 4), the mask against what
    the segmenter finds; ``no_heart`` says that it found no left ventricle, which counts as nothing found.
    ``nearest`` is the distance to the nearest training scar (0 a copy), ``evaluations`` the calls of the
    network, ``changed_outside`` the voxels that changed where nothing may. ``quantiles`` are the scar's grey
    levels (:data:`~claimslicer.evaluation.measures.QUANTILES`) and ``inside`` all of them, voxel by voxel
    (float32), in remote SDs; ``scar`` is the mask (uint8, ``(z, y, x)``). The image is the study's with the
    voxels of flat index ``changed_at`` set to ``changed_to``.
    """

    kind: str
    case: str
    draw: int
    measures: ScarMeasures
    dice: float
    asked_ml: float
    found_ml: float
    no_heart: bool
    nearest: float
    seconds: float
    evaluations: int
    changed_outside: int
    survival: Survival | None = None
    quantiles: np.ndarray = field(default_factory=lambda: np.empty(0))
    inside: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    scar: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0), np.uint8))
    changed_at: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    changed_to: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def name(self) -> str:
        """What files about it are called."""
        return f"{self.case}_{self.kind}_{self.draw}"

    def image_of(self, original: np.ndarray) -> np.ndarray:
        """Return the evaluated image, from the study's own."""
        image = original.copy()
        image.flat[self.changed_at] = self.changed_to
        return image

    def numbers(self) -> dict[str, float | int | str | None]:
        """Return one flat row of JSON types; None stands for what isn't defined."""
        row = {key: value for key, value in asdict(self).items() if key not in _ARRAYS}
        row |= row.pop("measures")
        row |= row.pop("survival") or {}
        return {key: None if isinstance(v, float) and np.isnan(v) else v for key, v in row.items()}


def record_path(folder: Path, kind: str, case: str, draw: int) -> Path:
    """Return the file of a record in the evaluation's ``folder``."""
    synthetic = "" if kind == "real" else "_synthetic"
    return folder / "studies" / f"{case}_{kind}_{draw}{synthetic}.npz"


def write_record(folder: Path, record: ScarRecord) -> Path:
    """Write a record, whole or not at all, and return its path. Raises OutputError."""
    path = record_path(folder, record.kind, record.case, record.draw)
    values = {key: value for key, value in asdict(record).items() if key not in _ARRAYS}
    header = {"format_version": FORMAT_VERSION, "synthetic": record.kind != "real", **values}
    arrays = {key: getattr(record, key) for key in _ARRAYS}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return path


def read_record(path: Path) -> ScarRecord:
    """Read what :func:`write_record` wrote. Raises StudyError where the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            values = parse_json(file["header"].tobytes().decode())
            arrays = {key: file[key] for key in _ARRAYS}
        if values.pop("format_version") != FORMAT_VERSION:
            raise ValueError("another version")
        del values["synthetic"]
        measures = ScarMeasures(**values.pop("measures"))
        placed = values.pop("survival")
        return ScarRecord(
            **values, measures=measures, survival=None if placed is None else Survival(**placed), **arrays
        )
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise StudyError(f"'{path}' is damaged: remove it, and it is computed again.") from error
