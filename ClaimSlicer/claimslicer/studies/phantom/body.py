"""What lies round the heart: chest wall with ribs, lung with vessels, liver, stomach, aorta and spine.

Nothing here is truth to measure against; it is there so that a study looks, and is as hard, as a real one.
Coordinates are those of the standard view, in mm (see :mod:`claimslicer.studies.phantom.heart`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.studies.phantom.acquisition import Fields
from claimslicer.studies.phantom.settings import PhantomAppearance


@dataclass(frozen=True)
class Canvas:
    """What painting needs beside shapes: where the voxels are and how tissue looks.

    ``u``, ``v``, ``w`` broadcast to ``(z, y, x)``; ``pixel`` is the in-plane voxel size in mm.
    """

    u: np.ndarray
    v: np.ndarray
    w: np.ndarray
    look: PhantomAppearance
    pixel: float
    field: Fields


@dataclass(frozen=True)
class Body:
    """One body's proportions, in mm of the standard view."""

    centre: tuple[float, float]
    half_axes: tuple[float, float]
    tilt: float
    fat: float
    muscle: float
    dome: float
    dome_peak: float
    dome_fall: float
    stomach: tuple[float, float]
    spine: tuple[float, float]
    rib_phase: float

    @classmethod
    def draw(cls, rv_reach: float, lv_radius: float, rng: np.random.Generator) -> Body:
        """Draw a body that fits round a heart whose RV reaches ``rv_reach`` mm left of the long axis."""
        half_axes = (rng.uniform(135, 155), rng.uniform(125, 150))
        fat, muscle = rng.uniform(7, 22), rng.uniform(8, 14)
        tilt = rng.uniform(0.2, 0.6)
        wall = fat + muscle + rng.uniform(0, 6)
        centre = _centre_round_heart(half_axes, tilt, rv_reach, wall, rng.uniform(35, 60))
        return cls(
            centre=centre,
            half_axes=half_axes,
            tilt=tilt,
            fat=fat,
            muscle=muscle,
            dome=lv_radius * rng.uniform(0.82, 1.0),
            dome_peak=rng.uniform(-45, 0),
            dome_fall=rng.uniform(8, 26),
            stomach=(rng.uniform(25, 65), rng.uniform(55, 85)),
            spine=(centre[0] + half_axes[0] - rng.uniform(58, 68), rng.uniform(40, 60)),
            rib_phase=rng.uniform(0, 2 * np.pi),
        )

    def depth(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return depth below the skin in mm (negative in air) and the angle round the body."""
        return _ellipse_depth(u - self.centre[0], v - self.centre[1], self.half_axes, self.tilt)

    def paint(self, canvas: Canvas) -> np.ndarray:
        """Return the body's signal, ``(z, y, x)`` float32, without the heart."""
        signal = _lung(canvas)
        signal = self._mediastinum(signal, canvas)
        signal = self._abdomen(signal, canvas)
        return self._chest_wall(signal, canvas)

    def _mediastinum(self, signal: np.ndarray, canvas: Canvas) -> np.ndarray:
        """Spine with its muscles and canal, and the descending aorta in front of it."""
        look, pixel, field = canvas.look, canvas.pixel, canvas.field
        across, down = canvas.u - self.spine[0], canvas.v - self.spine[1]
        ragged = 4 * field(18.0)
        back = np.hypot(across - 14, down / 1.2) + ragged - 40
        signal = over(signal, look.muscle * (1 + 0.25 * field(4.0)), back, 2 * pixel)
        signal = over(signal, look.fat * (0.5 + 0.2 * field(8.0)), np.abs(back + 14) - 2.0, 2 * pixel)
        vertebra = np.hypot(across, down / 0.85) - 18 + 0.5 * ragged
        signal = over(signal, 0.9 * look.muscle * (1 + 0.2 * field(3.0)), vertebra, pixel)
        canal = np.hypot(across - 24, down - 6) - 7
        signal = over(signal, np.full_like(signal, 0.4 * look.muscle), canal, pixel)
        aorta = np.hypot(across + 30, down + 12)
        signal = over(signal, np.full_like(signal, 0.6 * look.muscle), aorta - 12.5, pixel)
        return over(signal, look.blood * (1 + 0.04 * field(4.0)), aorta - 10.5, pixel)

    def _abdomen(self, signal: np.ndarray, canvas: Canvas) -> np.ndarray:
        """The liver under the diaphragm's dome, fat, and a stomach with air."""
        u, v, look, pixel, field = canvas.u, canvas.v, canvas.look, canvas.pixel, canvas.field
        # The dome stands higher towards the apex and slopes away to both sides.
        surface = self.dome + ((u - self.dome_peak) / 75) ** 2 * self.dome_fall + 0.22 * (canvas.w - 60)
        below = surface - v + 2.5 * field(25.0)
        grain = look.texture * (field(4.0) + field(25.0))
        vessels = 0.45 * np.clip(np.abs(field(8.0)) * -6 + 0.9, 0, 1)
        signal = over(signal, look.liver * (1 + grain + vessels), below, 3 * pixel)
        seam = np.abs(u - self.dome_peak - 34 - 0.3 * (v - self.dome) + 8 * field(25.0)) - 2.5
        fat = look.fat * (0.75 + 0.15 * field(8.0))
        signal = over(signal, fat, np.maximum(seam, below + 4), 3 * pixel)
        stomach = np.hypot((u - self.stomach[0]) / 1.3, v - self.stomach[1] + 0.15 * (canvas.w - 30)) - 21
        stomach = np.maximum(stomach + 5 * field(18.0), below + 3)
        signal = over(signal, look.muscle * (1.1 + 0.2 * field(4.0)), stomach, pixel)
        return over(signal, look.lung * (1.5 + 0.5 * field(4.0)), stomach + 5, 2 * pixel)

    def _chest_wall(self, signal: np.ndarray, canvas: Canvas) -> np.ndarray:
        """From inside out: pleural fat, streaky muscle with ribs in it, subcutaneous fat, skin, air."""
        look, pixel, field = canvas.look, canvas.pixel, canvas.field
        depth, angle = self.depth(canvas.u, canvas.v)
        depth = depth + 1.5 * field(40.0)
        uneven = 1 + 0.4 * np.cos(angle * 2 + self.rib_phase) + 0.15 * field(40.0)
        fat_depth = self.fat * np.clip(uneven, 0.35, None)
        inner = fat_depth + self.muscle * np.clip(1 + 0.5 * np.cos(3 * angle) + 0.3 * field(25.0), 0.5, None)
        pleural = look.fat * np.clip(0.4 + 0.25 * field(8.0), 0.1, None)
        signal = over(signal, pleural, depth - inner - 3 - 2 * field(12.0), 2 * pixel)
        streaks = np.clip(0.95 + 0.3 * field(3.0) + 0.45 * np.sin(depth * 1.1 + 5 * field(18.0)), 0.45, 2.2)
        signal = over(signal, look.muscle * streaks, depth - inner, pixel)
        # Ribs cross the slices slantwise: marrow inside a dark rim.
        along = (angle * self.half_axes[0] + 0.6 * canvas.w + 9 * self.rib_phase) % 62 - 31
        rib = np.hypot(along, (depth - inner + 4.0) * 2.2) - 10 + 1.5 * field(12.0)
        signal = over(signal, np.full_like(signal, 0.3 * look.muscle), rib, 2 * pixel)
        signal = over(signal, look.fat * (0.4 + 0.1 * field(4.0)), rib + 3.0, 2 * pixel)
        septa = np.clip(np.abs(field(8.0)) * 6, 0.0, 1.0)
        fat = look.fat * (0.8 + 0.2 * septa + 0.5 * look.texture * field(18.0))
        signal = over(signal, fat, depth - fat_depth, 2 * pixel)
        signal = over(signal, np.full_like(signal, 0.5 * look.fat), depth - 1.8, pixel)
        return over(signal, np.zeros_like(signal), depth, pixel)


def _ellipse_depth(
    x: np.ndarray, y: np.ndarray, half_axes: tuple[float, float], tilt: float
) -> tuple[np.ndarray, np.ndarray]:
    c, s = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    a, b = (c * x - s * y) / half_axes[0], (s * x + c * y) / half_axes[1]
    radius = np.sqrt(a**2 + b**2) + 1e-6
    slope = np.sqrt((a / half_axes[0]) ** 2 + (b / half_axes[1]) ** 2) / radius
    return ((1 - radius) / np.maximum(slope, 1e-4)).astype(np.float32), np.arctan2(b, a)


def _centre_round_heart(
    half_axes: tuple[float, float], tilt: float, rv_reach: float, wall: float, down: float
) -> tuple[float, float]:
    """Place the body so that the RV's outline just clears a chest wall ``wall`` mm thick."""
    angle = np.deg2rad(np.arange(100, 261, 10))
    radius = rv_reach / 2 + 8
    u, v = -rv_reach / 2 + radius * np.cos(angle), -radius * np.sin(angle)
    across = np.arange(-40.0, 161.0, 2.0)[:, None]
    depth, _ = _ellipse_depth(u - across, v - down, half_axes, tilt)
    excess = np.abs(depth.min(axis=1) - wall)
    return float(across[excess.argmin(), 0]), down


def _lung(canvas: Canvas) -> np.ndarray:
    """Dark lung with vessels that cross the slice as dots and short branches."""
    look, field = canvas.look, canvas.field
    dots = np.clip(2.0 * (field(3.0) - 1.9), 0, 1.0)
    branches = np.clip(1 - np.abs(field(8.0)) * 9, 0, 1) * np.clip(1.5 * (field(12.0) - 1.0), 0, 1)
    haze = look.lung * np.clip(1 + 0.15 * field(25.0), 0.4, None)
    return haze + np.maximum(dots, branches) * np.float32(look.blood)


def over(below: np.ndarray, above: np.ndarray | float, distance: np.ndarray, width: float) -> np.ndarray:
    """Lay ``above`` over ``below`` where signed ``distance`` is negative, with an edge ``width`` mm wide."""
    return below + coverage(distance, width) * (above - below)


def coverage(distance: np.ndarray, width: float) -> np.ndarray:
    """Share of a voxel ``width`` mm wide inside an edge at signed ``distance`` (negative inside)."""
    return np.clip(0.5 - distance / width, 0, 1).astype(np.float32)
