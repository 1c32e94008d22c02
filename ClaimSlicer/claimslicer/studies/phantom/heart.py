"""The heart's shape in its own coordinates.

``u`` points to the viewer's right, ``v`` down, ``w`` from apex to base (0 at the epicardial tip), in mm; the
view is the standard one, with the RV on the viewer's left and anterior up. Angles are those of the
bull's-eye: counter-clockwise from the viewer's right. Distances are signed, in the short-axis plane, negative
inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.studies.phantom.settings import PhantomSettings

ANTERIOR_DEG = 120.0
RV_WALL_MM = 3.0
SHOULDER = 0.7
"""Height, as a fraction of the long axis, at which the LV is widest."""


@dataclass(frozen=True)
class Harmonics:
    """Uneven radius or thickness: relative amplitudes and phases of the 2nd to 5th harmonic of the angle."""

    amplitudes: np.ndarray
    phases: np.ndarray

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Return the relative deviation at ``theta`` (radians), any shape."""
        total = np.zeros_like(theta)
        for order, (amplitude, phase) in enumerate(zip(self.amplitudes, self.phases, strict=True), start=2):
            if amplitude:
                total += np.float32(amplitude) * np.cos(np.float32(order) * theta + np.float32(phase))
        return total


@dataclass(frozen=True)
class Heart:
    """The LV as a truncated ellipsoid with a wall, the RV as a crescent on its septum."""

    settings: PhantomSettings
    epicardium: Harmonics
    endocardium: Harmonics
    septal_excess: float
    papillary_deg: tuple[float, float]
    papillary_radius: tuple[float, float]
    rv_bulge: tuple[float, float]

    @classmethod
    def draw(cls, settings: PhantomSettings, rng: np.random.Generator) -> Heart:
        """Draw a heart's unevenness; it depends on the seed alone, never on the grid."""
        variation = settings.shape_variation
        scale = np.array([0.030, 0.014, 0.007, 0.004]) * variation
        grain = np.array([0.020, 0.020, 0.016, 0.016]) * variation
        return cls(
            settings=settings,
            epicardium=Harmonics(scale * rng.uniform(0.4, 1.2, 4), rng.uniform(0, 2 * np.pi, 4)),
            endocardium=Harmonics(grain * rng.uniform(0.4, 1.2, 4), rng.uniform(0, 2 * np.pi, 4)),
            septal_excess=variation * rng.uniform(0.0, 0.16),
            papillary_deg=(rng.uniform(35, 60), rng.uniform(278, 305)),
            papillary_radius=(rng.uniform(4.6, 6.2), rng.uniform(4.6, 6.2)),
            rv_bulge=(variation * rng.uniform(0.03, 0.10), rng.uniform(-0.9, 0.9)),
        )

    @property
    def inferior_deg(self) -> float:
        """Angle of the inferior RV insertion."""
        return ANTERIOR_DEG + self.settings.septal_arc_deg

    def _profile(self, w: np.ndarray, tip: float) -> np.ndarray:
        """Relative radius of an ellipsoid that begins at ``tip`` and tapers a little above its shoulder."""
        length = self.settings.lv_length
        shoulder = SHOULDER * length
        below = (shoulder - w) / (shoulder - tip)
        above = np.clip((w - shoulder) / (length - shoulder), 0, 1.5)
        return np.where(w < shoulder, np.sqrt(np.clip(1 - below**2, 0, None)), 1 - 0.06 * above**2)

    def epicardial_radius(self, theta: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Radius of the epicardium in mm; 0 below the tip."""
        profile = self._profile(w, 0.0).astype(np.float32)
        return np.float32(self.settings.lv_radius) * profile * (1 + self.epicardium(theta))

    def endocardial_radius(self, theta: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Radius of the endocardium in mm; 0 below the end of the cavity."""
        s = self.settings
        height = np.clip(w / (SHOULDER * s.lv_length), 0, 1)
        thickness = s.wall * (1 - 0.15 * s.shape_variation * (1 - height))
        thickness = thickness * (1 - self.septal_excess * np.cos(theta))
        profile = self._profile(w, s.apical_cap).astype(np.float32)
        uneven = 1 + self.epicardium(theta) + self.endocardium(theta)
        return (s.lv_radius * uneven - thickness).astype(np.float32) * profile

    def right_ventricle(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Signed distance to the RV's blood pool; the part inside the LV epicardium is not yet cut off.

        In each plane it is the circle through both insertion points that reaches ``rv_width`` beyond the
        septum, so that the insertions are known exactly; it closes towards the RV apex.
        """
        s = self.settings
        anterior, inferior = self._insertions_uv(w)
        middle = (anterior + inferior) / 2
        chord = anterior - inferior
        half = np.maximum(np.hypot(chord[0], chord[1]) / 2, 1e-3)
        outward = np.stack([chord[1], -chord[0]]) / (2 * half)
        rv_apex = 0.2 * s.lv_length
        opening = np.sqrt(np.clip((w - rv_apex) / (0.75 * s.lv_length - rv_apex), 0, 1))
        sagitta = np.hypot(*middle) * -1 + self.epicardial_radius(
            np.full_like(w, np.deg2rad((ANTERIOR_DEG + self.inferior_deg) / 2)), w
        )
        reach = sagitta + s.rv_width * opening
        reach = np.maximum(reach, 1e-3)
        offset = (reach**2 - half**2) / (2 * reach)
        centre = middle + outward * offset
        radius = np.hypot(offset, half)
        across, down = u - centre[0], v - centre[1]
        distance = np.hypot(across, down) - radius
        if s.shape_variation:
            # Away from the insertions, which stay where they are, the free wall bulges unevenly.
            outside = ((u - middle[0]) * outward[0] + (v - middle[1]) * outward[1]) / half
            free = np.clip(outside - 0.15, 0, 0.7) / 0.7
            amplitude, phase = self.rv_bulge
            distance = distance + amplitude * radius * free * np.cos(3 * np.arctan2(-down, across) + phase)
        return np.where(w < rv_apex, np.float32(50.0), distance).astype(np.float32)

    def _insertions_uv(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = []
        for degrees in (ANTERIOR_DEG, self.inferior_deg):
            theta = np.full_like(w, np.deg2rad(degrees))
            radius = self.epicardial_radius(theta, w)
            points.append(np.stack([radius * np.cos(theta), -radius * np.sin(theta)]))
        return points[0], points[1]

    def insertion_points(self, w: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the anterior and inferior insertion as (u, v, w) mm at height ``w``."""
        anterior, inferior = self._insertions_uv(np.array(w, np.float32))
        return np.array([*anterior, w]), np.array([*inferior, w])

    def papillary(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Signed distance to the two papillary muscles."""
        s = self.settings
        low, high = 0.34 * s.lv_length, 0.74 * s.lv_length
        along = np.clip((w - low) / (high - low), 0, 1)
        inside = (w > low) & (w < high)
        distance = np.full(np.broadcast_shapes(u.shape, w.shape), 50.0, np.float32)
        for degrees, radius in zip(self.papillary_deg, self.papillary_radius, strict=True):
            theta = np.float32(np.deg2rad(degrees))
            size = radius * (1 - 0.4 * along)
            place = self.endocardial_radius(np.full_like(w, theta), w) - 0.8 * size - 6 * along
            one = np.hypot(u - place * np.cos(theta), v + place * np.sin(theta)) - size
            distance = np.minimum(distance, np.where(inside, one, 50.0))
        return distance
