"""AHA-17 atlases: the template made here from closed formulas, and atlas files of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from claimslicer.anatomy.coordinates import LongAxis, fit_long_axis
from claimslicer.anatomy.stack import ShortAxisStack, make_stack
from claimslicer.errors import AnatomyError
from claimslicer.labels import Label
from claimslicer.studies.geometry import Geometry

ATLAS_CAVITY = 18
"""Value of the cavity in an atlas label map, beside the segments 1–17."""
_SEPTUM, _ANTERIOR = (2, 3, 8, 9), (1, 7)


@dataclass(frozen=True)
class StandardView:
    """How to look at a ventricle: along ``axis``, with ``septum`` (a unit vector in LPS) on the left."""

    stack: ShortAxisStack
    axis: LongAxis
    septum: np.ndarray

    @property
    def basis(self) -> np.ndarray:
        """The view's right, up, and apex to base as the columns of a rotation in LPS."""
        right = -(self.septum - (self.septum @ self.axis.direction) * self.axis.direction)
        right = right / np.linalg.norm(right)
        return np.column_stack([right, np.cross(right, self.axis.direction), self.axis.direction])

    @property
    def middle(self) -> np.ndarray:
        """The point of the axis halfway up the slices with a full ring, LPS mm."""
        height = self.axis.height(self.stack.centres)
        wanted = (self.axis.lower_third + self.axis.upper_third) / 2.0
        return np.array([np.interp(wanted, height, self.stack.centres[:, i]) for i in range(3)])


@dataclass(frozen=True)
class Atlas:
    """A left ventricle with its segments: ``labels`` ``(z, y, x)`` uint8, AHA 1–17 and 18 for the cavity."""

    labels: np.ndarray
    geometry: Geometry
    name: str

    def __post_init__(self) -> None:
        missing = sorted(set(range(1, 17)) - set(np.unique(self.labels).tolist()))
        if missing:
            raise AnatomyError(
                f"The atlas {self.name} lacks segment(s) {', '.join(map(str, missing))}; give a label map "
                "with AHA segments 1 to 17 and the cavity as 18."
            )

    @property
    def ventricle(self) -> np.ndarray:
        """The same in the values of :class:`~claimslicer.labels.Label`: cavity and myocardium, uint8."""
        result = np.zeros(self.labels.shape, np.uint8)
        result[(self.labels >= 1) & (self.labels <= 17)] = Label.MYOCARDIUM
        result[self.labels == ATLAS_CAVITY] = Label.CAVITY
        return result

    def standard_view(self) -> StandardView:
        """Return how the atlas is to be looked at, from where its own septal segments lie.

        Raises :class:`AnatomyError` when the atlas is a mirror image.
        """
        stack = make_stack(self.ventricle, self.geometry)
        axis = fit_long_axis(stack)
        septum, anterior = (
            axis.offset(self.geometry.index_to_physical(np.argwhere(np.isin(self.labels, walls)))).mean(
                axis=0
            )
            for walls in (_SEPTUM, _ANTERIOR)
        )
        if np.cross(-septum, axis.direction) @ anterior <= 0:
            raise AnatomyError(
                f"The atlas {self.name} is mirrored: seen from the apex with the septum on the left, its "
                "anterior wall is below; correct its orientation."
            )
        return StandardView(stack, axis, septum / np.linalg.norm(septum))


def make_template(
    spacing_mm: float = 1.5,
    radius_mm: float = 32.0,
    wall_mm: float = 10.0,
    length_mm: float = 85.0,
    cap_mm: float = 9.0,
) -> Atlas:
    """Make the template: half ellipsoids for epicardium and endocardium, cut at their widest place, the base.

    Identity direction: x to the viewer's right, y down, z from apex to base, the septum on the left.
    """
    half = radius_mm + 3.0 * spacing_mm
    across = np.arange(-half, half + spacing_mm, spacing_mm)
    along = np.arange(-3.0 * spacing_mm, length_mm + 3.0 * spacing_mm, spacing_mm) + spacing_mm / 2.0
    z, y, x = np.meshgrid(along, across, across, indexing="ij", sparse=True)
    square = x**2 + y**2
    below_base = z < length_mm
    outside = square / radius_mm**2 + ((z - length_mm) / length_mm) ** 2
    inside = square / (radius_mm - wall_mm) ** 2 + ((z - length_mm) / (length_mm - cap_mm)) ** 2
    ventricle = np.select([(inside <= 1) & below_base, (outside <= 1) & below_base], [1, 2], 0).astype(
        np.uint8
    )
    geometry = Geometry(
        shape=(len(along), len(across), len(across)),
        spacing=(spacing_mm,) * 3,
        origin=(float(across[0]), float(across[0]), float(along[0])),
    )
    from claimslicer.anatomy.frame import build_frame
    from claimslicer.anatomy.landmarks import Insertions

    angle = np.radians([120.0, 240.0])
    anterior, inferior = (
        (float(radius_mm * np.cos(a)), float(-radius_mm * np.sin(a)), 0.6 * length_mm) for a in angle
    )
    labels = build_frame(ventricle, geometry, insertions=Insertions(anterior, inferior)).segments
    labels[ventricle == Label.CAVITY] = ATLAS_CAVITY
    return Atlas(labels, geometry, "claim-template-1")


def read_atlas(path: Path | str) -> Atlas:
    """Read an atlas file of any format that ITK reads: AHA segments 1–17, and 18 for the cavity.

    Where 18 is missing, the cavity is what the segments enclose within each slice. Raises
    :class:`AnatomyError` for a file that can't be read or holds something else.
    """
    import SimpleITK as sitk

    path = Path(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise AnatomyError(f"The atlas {path} can't be read; give a NIfTI, NRRD or MHA label map.") from error
    labels = sitk.GetArrayFromImage(image)
    if labels.ndim != 3 or not np.isin(np.unique(labels), np.arange(ATLAS_CAVITY + 1)).all():
        raise AnatomyError(f"The atlas {path} is no label map of AHA segments 1 to 17 with the cavity as 18.")
    labels, geometry = labels.astype(np.uint8), Geometry.of_sitk(image)
    if not (labels == ATLAS_CAVITY).any():
        labels[_enclosed(labels > 0)] = ATLAS_CAVITY
    return Atlas(labels, geometry, path.name)


def _enclosed(wall: np.ndarray) -> np.ndarray:
    """Return what ``wall`` encloses in the slices of that axis along which it encloses most."""
    holes = []
    for axis in range(3):
        filled = np.stack([ndimage.binary_fill_holes(w) for w in np.moveaxis(wall, axis, 0)])
        holes.append(np.moveaxis(filled, 0, axis) & ~wall)
    return max(holes, key=np.count_nonzero)
