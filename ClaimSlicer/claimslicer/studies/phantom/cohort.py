"""Many different phantoms from one seed."""

from __future__ import annotations

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.studies.phantom.settings import PhantomAppearance, PhantomScar, PhantomSettings

TERRITORY_CENTRES_DEG = (105.0, 240.0, 330.0)
"""Middles of the LAD's, the RCA's and the circumflex artery's share of the ring, in bull's-eye degrees."""


def phantom_cohort(n: int, seed: int = 0, *, scar_share: float = 2 / 3) -> list[PhantomSettings]:
    """Draw ``n`` settings for :func:`make_phantom`, as different as clinical studies are.

    ``scar_share`` of them have a scar, and half of those an MVO. Raises SpecificationError for ``n`` < 1.
    """
    if n < 1 or not 0 <= scar_share <= 1:
        raise SpecificationError("A phantom cohort needs at least one study and a scar_share from 0 to 1.")
    rng = np.random.Generator(np.random.PCG64(seed))
    with_scar = np.arange(n) < round(n * scar_share)
    rng.shuffle(with_scar)
    return [draw_settings(rng, scar=bool(flag)) for flag in with_scar]


def draw_settings(rng: np.random.Generator, *, scar: bool) -> PhantomSettings:
    """Draw one study's settings."""
    spacing = round(float(rng.uniform(1.2, 2.0)), 3)
    n_slices = int(rng.integers(5, 13))
    # The stack covers one ventricle from its cap to just below the base, at most 13 mm apart.
    length = min(float(rng.uniform(76, 104)), 13 * (n_slices + 0.2))
    slice_spacing = round(length / (n_slices + 0.2), 2)
    radius = length * float(rng.uniform(0.33, 0.42))
    apex_first = bool(rng.random() < 0.65)
    # A mirrored grid keeps the standard view when the base comes first; one in ten shows another view.
    mirrored = apex_first == bool(rng.random() < 0.1)
    centre_x, centre_y, centre_z = rng.uniform(-60, 60, 3).tolist()
    field_of_view = rng.uniform(200, 260), rng.uniform(300, 370)
    return PhantomSettings(
        seed=int(rng.integers(2**31)),
        matrix=(2 * round(field_of_view[0] / spacing / 2), 2 * round(field_of_view[1] / spacing / 2)),
        spacing=(spacing, spacing),
        n_slices=n_slices,
        slice_spacing=slice_spacing,
        slice_thickness=min(slice_spacing, 8.0),
        direction=_direction(rng, mirrored=mirrored),
        apex_first=apex_first,
        heart_centre=(centre_x, centre_y, centre_z),
        offset_mm=(float(rng.uniform(-45, 0)), float(rng.uniform(-20, 10))),
        base_margin_mm=float(rng.uniform(1, 6)),
        lv_length=length,
        lv_radius=radius,
        wall=float(rng.uniform(0.24, 0.33) * radius),
        apical_cap=float(rng.uniform(5, 11)),
        septal_arc_deg=float(rng.uniform(105, 135)),
        rv_width=float(rng.uniform(22, 38)),
        rotation_deg=float(rng.normal(0, 12)),
        breath_shift_mm=float(rng.uniform(0, 1.2)),
        incomplete_base_mm=float(rng.choice([0.0, 0.9 * slice_spacing])),
        scar=_scar(rng) if scar else None,
        appearance=_appearance(rng),
    )


def _scar(rng: np.random.Generator) -> PhantomScar:
    centre = float(rng.choice(TERRITORY_CENTRES_DEG) + rng.normal(0, 15))
    low = float(rng.uniform(-0.1, 0.4))
    high = float(min(low + rng.uniform(0.4, 0.9), 1.0))
    width = float(rng.uniform(60, 190))
    transmurality = float(rng.uniform(0.5, 1.0))
    mvo = 0.0
    if transmurality > 0.7 and width > 80 and rng.random() < 0.6:
        mvo = float(rng.uniform(0.4, 1.2))
    return PhantomScar(centre, width, (low, high), transmurality, None, mvo)


def _appearance(rng: np.random.Generator) -> PhantomAppearance:
    base = PhantomAppearance()
    return PhantomAppearance(
        myocardium=base.myocardium * rng.uniform(0.7, 1.3),
        blood=base.blood * rng.uniform(0.85, 1.1),
        scar=base.scar * rng.uniform(0.9, 1.15),
        mvo=base.mvo * rng.uniform(0.7, 1.2),
        fat=base.fat * rng.uniform(0.8, 1.3),
        muscle=base.muscle * rng.uniform(0.75, 1.2),
        liver=base.liver * rng.uniform(0.7, 1.25),
        lung=base.lung * rng.uniform(0.5, 1.5),
        noise=base.noise * rng.uniform(0.7, 1.3),
        shading=float(rng.uniform(0.2, 0.8)),
        acquired=float(rng.uniform(0.65, 0.95)),
    )


def _direction(rng: np.random.Generator, *, mirrored: bool) -> tuple[float, ...]:
    """Draw a grid's cosines: a usual short-axis plane, tilted at random."""
    usual = np.array([[0.6, -0.5, -0.62], [0.8, 0.38, 0.47], [0.0, -0.78, 0.63]])
    orthonormal, upper = np.linalg.qr(usual + rng.normal(0, 0.12, (3, 3)))
    rotation = orthonormal * np.sign(np.diag(upper))
    if mirrored:
        rotation[:, 2] *= -1
    return tuple(float(c) for c in rotation.ravel())
