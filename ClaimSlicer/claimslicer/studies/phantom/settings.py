"""What a phantom is made of: heart, scar, grid and appearance, checked when made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from claimslicer.errors import SpecificationError

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def _orthonormal(cosines: tuple[float, ...]) -> bool:
    if len(cosines) != 9 or not np.all(np.isfinite(cosines)):
        return False
    matrix = np.reshape(cosines, (3, 3))
    return bool(np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-4))


def _require(condition: bool, name: str, expected: str, value: object) -> None:
    if not condition:
        raise SpecificationError(f"The phantom's {name} must be {expected}; {value} was given.")


@dataclass(frozen=True)
class PhantomScar:
    """One scar that spreads from the endocardium, in the terms of the bull's-eye.

    ``centre_deg`` is a bull's-eye angle (0 on the viewer's right, counter-clockwise, septum 120–240°),
    ``width_deg`` the whole arc, ``longitudinal`` a range from 0 (end of the cavity) to 1 (base), below 0 for
    the cap. ``transmurality`` is the depth that the scar reaches at its centre, as a fraction of the wall.
    ``volume_ml`` counts MVO in; None fills the region's natural wave front. Raises SpecificationError.
    """

    centre_deg: float = 100.0
    width_deg: float = 110.0
    longitudinal: tuple[float, float] = (0.1, 0.75)
    transmurality: float = 0.8
    volume_ml: float | None = None
    mvo_ml: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.longitudinal
        _require(math.isfinite(self.centre_deg), "centre_deg", "a number of degrees", self.centre_deg)
        _require(0 < self.width_deg <= 360, "width_deg", "above 0 and at most 360", self.width_deg)
        _require(-1 <= low < high <= 1, "longitudinal", "a rising pair within -1 to 1", self.longitudinal)
        _require(0 < self.transmurality <= 1, "transmurality", "above 0 and at most 1", self.transmurality)
        _require(
            self.volume_ml is None or 0 < self.volume_ml < math.inf, "volume_ml", "above 0", self.volume_ml
        )
        _require(0 <= self.mvo_ml < math.inf, "mvo_ml", "0 or more", self.mvo_ml)
        if self.volume_ml is not None and self.mvo_ml >= self.volume_ml:
            raise SpecificationError(
                f"The phantom's mvo_ml ({self.mvo_ml:g}) must be smaller than volume_ml "
                f"({self.volume_ml:g}), which counts it in."
            )


@dataclass(frozen=True)
class PhantomAppearance:
    """Mean signal of each tissue and of the acquisition, in the image's own grey levels.

    The defaults follow clinical studies: blood at about twice the remote myocardium, scar a little above
    blood. ``noise`` is the standard deviation of each of the two noise channels (so magnitudes are
    Rician), ``texture`` the grain of tissue relative to blood, ``slice_gain`` the relative change of
    brightness from slice to slice, ``shading`` the relative range of the coil's sensitivity, ``acquired``
    the fraction of the in-plane matrix that is measured before zero filling.
    """

    myocardium: float = 110.0
    blood: float = 225.0
    scar: float = 240.0
    mvo: float = 150.0
    fat: float = 350.0
    muscle: float = 160.0
    liver: float = 190.0
    lung: float = 68.0
    noise: float = 10.5
    texture: float = 0.06
    slice_gain: float = 0.04
    shading: float = 0.5
    acquired: float = 0.75

    def __post_init__(self) -> None:
        for name in ("myocardium", "blood", "scar", "mvo", "fat", "muscle", "liver", "lung", "noise"):
            value = getattr(self, name)
            _require(0 <= value < 10000, name, "within 0 to 10000", value)
        _require(0 <= self.texture <= 0.5, "texture", "within 0 to 0.5", self.texture)
        _require(0 <= self.slice_gain <= 0.3, "slice_gain", "within 0 to 0.3", self.slice_gain)
        _require(0 <= self.shading <= 0.9, "shading", "within 0 to 0.9", self.shading)
        _require(0.3 <= self.acquired <= 1, "acquired", "within 0.3 to 1", self.acquired)


@dataclass(frozen=True)
class PhantomSettings:
    """Everything that decides a phantom. Lengths in mm, angles in degrees, points in LPS.

    Grid: ``matrix`` is (rows, columns); ``spacing`` the in-plane pixel (x, y); ``direction`` nine cosines
    as in :class:`~claimslicer.studies.Geometry`, mirrored ones allowed.

    Heart: ``heart_direction`` has the columns viewer's right, viewer's down and apex→base of the standard
    view, a proper rotation; None takes them from the grid (apex→base along the slices, or against them
    unless ``apex_first``). ``heart_centre`` is the middle of the true long axis. ``offset_mm`` moves the
    heart away from the middle of the matrix along its columns and rows; ``base_margin_mm`` says how far
    the last slice's centre lies below the base. ``rotation_deg`` turns the heart counter-clockwise in the
    standard view. ``shape_variation`` 0 gives a body of revolution whose segments are known exactly, 1 a
    heart as uneven as real ones. ``breath_shift_mm`` is the standard deviation of slices shifted against
    each other. Over ``incomplete_base_mm`` below the base the ring is open towards the aorta.

    Raises SpecificationError.
    """

    seed: int = 0
    matrix: tuple[int, int] = (160, 224)
    spacing: tuple[float, float] = (1.5, 1.5)
    n_slices: int = 9
    slice_spacing: float = 10.0
    slice_thickness: float = 8.0
    direction: tuple[float, ...] = IDENTITY
    apex_first: bool = True
    heart_direction: tuple[float, ...] | None = None
    heart_centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    offset_mm: tuple[float, float] = (-20.0, -5.0)
    base_margin_mm: float = 3.0
    lv_length: float = 90.0
    lv_radius: float = 33.0
    wall: float = 9.5
    apical_cap: float = 8.0
    septal_arc_deg: float = 120.0
    rv_width: float = 36.0
    rotation_deg: float = 0.0
    shape_variation: float = 1.0
    breath_shift_mm: float = 0.0
    incomplete_base_mm: float = 0.0
    through_slice_samples: int = 5
    scar: PhantomScar | None = field(default_factory=PhantomScar)
    appearance: PhantomAppearance = PhantomAppearance()

    def __post_init__(self) -> None:
        self._check_grid()
        self._check_heart()

    def _check_grid(self) -> None:
        _require(self.seed >= 0, "seed", "0 or more", self.seed)
        _require(
            len(self.matrix) == 2 and all(32 <= n <= 1024 for n in self.matrix),
            "matrix",
            "two counts within 32 to 1024",
            self.matrix,
        )
        _require(
            len(self.spacing) == 2 and all(0.5 <= s <= 4 for s in self.spacing),
            "spacing",
            "two lengths within 0.5 to 4 mm",
            self.spacing,
        )
        _require(1 <= self.n_slices <= 40, "n_slices", "within 1 to 40", self.n_slices)
        _require(1 <= self.slice_spacing <= 20, "slice_spacing", "within 1 to 20 mm", self.slice_spacing)
        _require(
            1 <= self.slice_thickness <= 20, "slice_thickness", "within 1 to 20 mm", self.slice_thickness
        )
        _require(
            1 <= self.through_slice_samples <= 50,
            "through_slice_samples",
            "within 1 to 50",
            self.through_slice_samples,
        )
        _require(_orthonormal(self.direction), "direction", "nine orthonormal cosines", self.direction)
        if self.heart_direction is not None:
            proper = _orthonormal(self.heart_direction) and (
                np.linalg.det(np.reshape(self.heart_direction, (3, 3))) > 0
            )
            _require(proper, "heart_direction", "a rotation without mirroring", self.heart_direction)
        _require(
            all(math.isfinite(v) for v in (*self.heart_centre, *self.offset_mm, self.base_margin_mm)),
            "heart_centre, offset_mm and base_margin_mm",
            "finite",
            (self.heart_centre, self.offset_mm, self.base_margin_mm),
        )

    def _check_heart(self) -> None:
        _require(40 <= self.lv_length <= 140, "lv_length", "within 40 to 140 mm", self.lv_length)
        _require(15 <= self.lv_radius <= 60, "lv_radius", "within 15 to 60 mm", self.lv_radius)
        _require(3 <= self.wall <= 0.6 * self.lv_radius, "wall", "from 3 mm to 60 % of lv_radius", self.wall)
        _require(2 <= self.apical_cap <= 20, "apical_cap", "within 2 to 20 mm", self.apical_cap)
        _require(60 <= self.septal_arc_deg <= 180, "septal_arc_deg", "within 60 to 180", self.septal_arc_deg)
        _require(10 <= self.rv_width <= 60, "rv_width", "within 10 to 60 mm", self.rv_width)
        _require(math.isfinite(self.rotation_deg), "rotation_deg", "a number of degrees", self.rotation_deg)
        _require(0 <= self.shape_variation <= 2, "shape_variation", "within 0 to 2", self.shape_variation)
        _require(
            0 <= self.breath_shift_mm <= 10, "breath_shift_mm", "within 0 to 10 mm", self.breath_shift_mm
        )
        _require(
            0 <= self.incomplete_base_mm <= 0.4 * self.lv_length,
            "incomplete_base_mm",
            "from 0 to 40 % of lv_length",
            self.incomplete_base_mm,
        )
