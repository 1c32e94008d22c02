"""Where the grid lies and how its voxels map to heart coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.studies.geometry import Geometry
from claimslicer.studies.phantom.settings import PhantomSettings


@dataclass(frozen=True)
class Placement:
    """The grid and the heart's place in it.

    ``view`` has the standard view's axes (right, down, apex→base) as columns in LPS. ``shifts`` is
    ``(n_slices, 2)``, each slice's own in-plane displacement of the heart (u, v) in mm.
    """

    settings: PhantomSettings
    geometry: Geometry
    view: np.ndarray
    shifts: np.ndarray

    @classmethod
    def of(cls, settings: PhantomSettings, rng: np.random.Generator) -> Placement:
        """Lay the grid round the heart; only the slices' own shifts are drawn."""
        grid = np.reshape(settings.direction, (3, 3))
        view = heart_axes(settings)
        toward_base = 1.0 if grid[:, 2] @ view[:, 2] >= 0 else -1.0
        rows, columns = settings.matrix
        half_stack = (settings.n_slices - 1) / 2 * settings.slice_spacing
        # The slice nearest the base lies base_margin_mm below it.
        middle_w = settings.lv_length / 2 - settings.base_margin_mm - half_stack
        stack_middle = np.asarray(settings.heart_centre) + grid[:, 2] * toward_base * middle_w
        stack_middle = stack_middle - grid[:, :2] @ np.asarray(settings.offset_mm)
        spacing = (*settings.spacing, settings.slice_spacing)
        half = np.array([(columns - 1) / 2, (rows - 1) / 2, (settings.n_slices - 1) / 2])
        origin = stack_middle - grid @ (half * spacing)
        geometry = Geometry(
            shape=(settings.n_slices, rows, columns),
            spacing=spacing,
            origin=(float(origin[0]), float(origin[1]), float(origin[2])),
            direction=tuple(float(d) for d in settings.direction),
        )
        shifts = rng.normal(0, 1, (settings.n_slices, 2)) * settings.breath_shift_mm
        return cls(settings, geometry, view, shifts)

    def coordinates(
        self, through_slice: np.ndarray, rows: slice, columns: slice
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (u, v, w) of the standard view for sub-planes of every slice, in mm from the LV's tip.

        ``through_slice`` holds ``S`` offsets along the slice normal in mm. The results broadcast to
        ``(S, z, y, x)``; an axis along which a coordinate does not change has length 1.
        """
        n_slices, n_rows, n_columns = self.geometry.shape
        spacing = self.geometry.spacing
        grid = np.reshape(self.geometry.direction, (3, 3))
        to_view = self.view.T @ grid
        start = self.view.T @ (np.asarray(self.geometry.origin) - np.asarray(self.settings.heart_centre))
        start = start + np.array([0.0, 0.0, self.settings.lv_length / 2])
        axes = (
            np.arange(n_columns)[columns] * spacing[0],
            (np.arange(n_rows)[rows] * spacing[1])[:, None],
            (np.arange(n_slices) * spacing[2])[:, None, None]
            + np.asarray(through_slice)[:, None, None, None],
        )
        result = []
        for k in range(3):
            total = np.full((1, 1, 1, 1), start[k])
            for cosine, axis in zip(to_view[k], axes, strict=True):
                if abs(cosine) > 1e-9:
                    total = total + cosine * axis
            if k < 2 and self.shifts.any():
                total = total - self.shifts[:, k][:, None, None]
            result.append(total.astype(np.float32))
        return result[0], result[1], result[2]

    def turned(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take view coordinates to the heart's own, turned by ``rotation_deg``."""
        angle = np.deg2rad(self.settings.rotation_deg)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        # Counter-clockwise on a view whose v points down.
        return c * u - s * v, s * u + c * v

    def to_lps(self, point_uvw: np.ndarray) -> tuple[float, float, float]:
        """Take one point of the turned heart (u, v, w) to LPS mm (slices' own shifts left out)."""
        angle = np.deg2rad(self.settings.rotation_deg)
        c, s = np.cos(angle), np.sin(angle)
        u, v, w = point_uvw
        in_view = np.array([c * u + s * v, -s * u + c * v, w - self.settings.lv_length / 2])
        x, y, z = self.view @ in_view + np.asarray(self.settings.heart_centre)
        return float(x), float(y), float(z)

    def heart_window(self, reach_mm: float) -> tuple[slice, slice]:
        """Return the rows and columns that hold everything within ``reach_mm`` of the long axis."""
        u, v, _ = self.coordinates(np.zeros(1), slice(None), slice(None))
        near = np.broadcast_to(u**2 + v**2 < reach_mm**2, (1, *self.geometry.shape))[0].any(axis=0)
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        if not rows.size:
            return slice(0, 0), slice(0, 0)
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def heart_axes(settings: PhantomSettings) -> np.ndarray:
    """Return the 3×3 matrix whose columns are the standard view's right, down and apex→base in LPS."""
    if settings.heart_direction is not None:
        return np.reshape(settings.heart_direction, (3, 3)).astype(float)
    grid = np.reshape(settings.direction, (3, 3)).astype(float)
    toward_base = grid[:, 2] if settings.apex_first else -grid[:, 2]
    right = grid[:, 0]
    # A heart is never mirrored: on a mirrored grid its picture is.
    return np.stack([right, np.cross(toward_base, right), toward_base], axis=1)
