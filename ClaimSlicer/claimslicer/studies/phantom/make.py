"""From settings to a study and its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.labels import Label, myocardium_mask
from claimslicer.studies.phantom.acquisition import Fields, coil_sensitivity, measure
from claimslicer.studies.phantom.body import Body, Canvas, coverage, over
from claimslicer.studies.phantom.heart import RV_WALL_MM, Heart
from claimslicer.studies.phantom.placement import Placement
from claimslicer.studies.phantom.scar import OUTSIDE, ScarShape, cut_at_volume
from claimslicer.studies.phantom.settings import PhantomScar, PhantomSettings
from claimslicer.studies.phantom.truth import (
    InsertionPoints,
    PhantomTruth,
    aha_segments,
    septal_degrees,
    volumes_ml,
)
from claimslicer.studies.study import Study

FAR = np.float32(50.0)
OUTFLOW_DEG = (60.0, 150.0)
"""Sector of the ring that the outflow tract opens, in bull's-eye degrees."""


@dataclass(frozen=True)
class Phantom:
    """A study (image uint16, labels with the RV), its insertion points, and what is true of it."""

    settings: PhantomSettings
    study: Study
    insertions: InsertionPoints
    truth: PhantomTruth


@dataclass(frozen=True)
class _Cut:
    """Where the scar's and the MVO's scores were cut; None where there is none."""

    shape: ScarShape
    scar: float
    mvo: float | None


class _Planes:
    """The heart in a window of the grid, ``(S, z, y, x)``: coordinates, distances and coverages."""

    def __init__(
        self, heart: Heart, placement: Placement, offsets: np.ndarray, window: tuple[slice, slice]
    ) -> None:
        s = heart.settings
        pixel = sum(s.spacing) / 2
        self.settings = s
        self.window = window
        u, v, self.w = placement.coordinates(offsets, *window)
        u, v = placement.turned(u, v)
        rho = np.hypot(u, v)
        self.theta = np.arctan2(-v, u) % np.float32(2 * np.pi)
        epicardial = heart.epicardial_radius(self.theta, self.w)
        endocardial = heart.endocardial_radius(self.theta, self.w)
        self.to_lv = np.where(epicardial > 0, rho - epicardial, FAR)
        self.to_cavity = np.where(endocardial > 0, rho - endocardial, FAR)
        self.transmural = np.clip((rho - endocardial) / np.maximum(epicardial - endocardial, 1e-3), 0, 1)
        self.to_rv = heart.right_ventricle(u, v, self.w)
        self.lv = coverage(self.to_lv, pixel)
        self.cavity = coverage(self.to_cavity, pixel)
        self.papillary = coverage(np.maximum(heart.papillary(u, v, self.w), self.to_cavity), pixel)
        self.rv = coverage(self.to_rv, pixel) * (1 - self.lv)
        self.ventricular = (self.w < s.lv_length).astype(np.float32)
        degrees = np.rad2deg(self.theta)
        opened = (degrees > OUTFLOW_DEG[0]) & (degrees < OUTFLOW_DEG[1])
        self.open_ring = opened & (self.w > s.lv_length - s.incomplete_base_mm)
        self.longitudinal = (self.w - s.apical_cap) / (s.lv_length - s.apical_cap)


def make_phantom(settings: PhantomSettings) -> Phantom:
    """Make the study that ``settings`` describe; the same settings give the same bits.

    The image is uint16. Raises SpecificationError when the scar does not fit its region or the grid misses
    the left ventricle.
    """
    streams = [
        np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(settings.seed).spawn(6)
    ]
    anatomy_rng, scar_rng, body_rng, texture_rng, shift_rng, noise_rng = streams
    heart = Heart.draw(settings, anatomy_rng)
    placement = Placement.of(settings, shift_rng)
    geometry = placement.geometry
    window = placement.heart_window(1.15 * settings.lv_radius + settings.rv_width + 16)
    samples = settings.through_slice_samples
    offsets = ((np.arange(samples) + 0.5) / samples - 0.5) * settings.slice_thickness
    planes = _Planes(heart, placement, offsets, window)
    centre = _Planes(heart, placement, np.zeros(1), window)

    labels = np.zeros(geometry.shape, np.uint8)
    inside = (slice(None), *window)
    labels[inside] = _labels(planes)
    if not (labels == Label.MYOCARDIUM).any():
        raise SpecificationError(
            "The phantom's grid misses the left ventricle; bring offset_mm and base_margin_mm closer to 0."
        )
    cut = None
    if settings.scar is not None:
        shape = ScarShape.draw(settings.scar, settings.shape_variation, scar_rng)
        labels[inside], cut = _place_scar(labels[inside], centre, shape, geometry.voxel_volume_ml)

    signal = _paint(placement, planes, cut, (body_rng, texture_rng))
    image, noise_free = measure(signal, settings.appearance.acquired, settings.appearance.noise, noise_rng)
    top = float(np.iinfo(np.uint16).max)
    study = Study(
        name=f"phantom-{settings.seed}",
        image=np.clip(np.rint(image), 0, top).astype(np.uint16),
        geometry=geometry,
        labels=labels,
        synthetic=True,
        metadata={"origin": "phantom", "seed": str(settings.seed)},
    )
    anterior, inferior = heart.insertion_points(settings.lv_length / 2)
    insertions = InsertionPoints(placement.to_lps(anterior), placement.to_lps(inferior))
    truth = _truth(placement, centre, labels, noise_free)
    return Phantom(settings, study, insertions, truth)


def _labels(planes: _Planes) -> np.ndarray:
    """Label each voxel by the tissue that fills most of its thickness."""
    cavity = planes.lv * planes.cavity * planes.ventricular
    wall = planes.lv * (1 - planes.cavity) * planes.ventricular * ~planes.open_ring
    rv = planes.rv * planes.ventricular
    shares = np.stack([part.mean(axis=0) for part in (cavity, wall, rv)])
    values = np.array([Label.CAVITY, Label.MYOCARDIUM, Label.RIGHT_VENTRICLE], np.uint8)
    largest = values[shares.argmax(axis=0)]
    return np.where(shares.max(axis=0) > 1 - shares.sum(axis=0), largest, Label.BACKGROUND).astype(np.uint8)


def _place_scar(
    labels: np.ndarray, centre: _Planes, shape: ScarShape, voxel_ml: float
) -> tuple[np.ndarray, _Cut]:
    """Write scar and MVO into a copy of ``labels`` (z, y, x) and return it with the cuts."""
    scar: PhantomScar = shape.scar
    labels = labels.copy()
    wall = labels == Label.MYOCARDIUM
    place = np.rad2deg(centre.theta[0]), centre.longitudinal[0], centre.transmural[0]
    scores = np.where(wall, shape.scores(*place), OUTSIDE)
    volume = scar.volume_ml
    if volume is None:
        volume = np.count_nonzero(scores <= 1) * voxel_ml
    mask, scar_cut = cut_at_volume(scores, wall, volume, voxel_ml, "scar")
    labels[mask] = Label.INFARCT
    mvo_cut = None
    if scar.mvo_ml > 0:
        core = np.where(mask, shape.core_scores(*place), OUTSIDE)
        mvo, mvo_cut = cut_at_volume(core, mask, scar.mvo_ml, voxel_ml, "MVO")
        labels[mvo] = Label.MVO
    return labels, _Cut(shape, scar_cut, mvo_cut)


def _paint(
    placement: Placement, planes: _Planes, cut: _Cut | None, streams: tuple[np.random.Generator, ...]
) -> np.ndarray:
    """Return the signal before the scanner, ``(z, y, x)`` float32, averaged through each slice."""
    body_rng, texture_rng = streams
    settings, geometry = placement.settings, placement.geometry
    look, inside = settings.appearance, (slice(None), *planes.window)

    field = Fields(geometry, texture_rng)
    u, v, w = (c[0] for c in placement.coordinates(np.zeros(1), slice(None), slice(None)))
    body = Body.draw(settings.lv_radius + settings.rv_width, settings.lv_radius, body_rng)
    signal = body.paint(Canvas(u, v, w, look, sum(settings.spacing) / 2, field))
    grain = look.texture * look.blood * (0.35 * field(4.0) + 0.95 * field(25.0))[inside]
    fields = field(12.0)[inside], field(4.0)[inside]
    heart = _heart_signal(planes, signal[inside], fields, body_rng.uniform(0.5, 1.6), cut)
    share = np.maximum(planes.lv, planes.rv).mean(axis=0)
    signal[inside] = heart + share * grain
    gain = 1 + look.slice_gain * texture_rng.standard_normal((geometry.shape[0], 1, 1), dtype=np.float32)
    return signal * gain * coil_sensitivity(u, v, look.shading)


def _heart_signal(
    planes: _Planes,
    body: np.ndarray,
    fields: tuple[np.ndarray, np.ndarray],
    fatness: float,
    cut: _Cut | None,
) -> np.ndarray:
    """Lay fat, RV and LV over ``body`` (z, y, x) in every sub-plane and average through the slice."""
    settings = planes.settings
    look, pixel = settings.appearance, sum(settings.spacing) / 2
    rough, fine = fields
    to_heart = np.minimum(planes.to_lv, planes.to_rv - RV_WALL_MM)
    degrees = np.rad2deg(planes.theta)
    grooves = sum(
        np.exp(-((((degrees - at + 180) % 360 - 180) / 14) ** 2))
        for at in (120.0, 120.0 + settings.septal_arc_deg)
    )
    septal_side = 1 / (1 + np.exp((np.abs(degrees - 180) - 75) / 10))
    # Fat fills the grooves, covers the RV's front and wraps the apex; over the LV there is next to none.
    apical = np.clip(1.6 - 3.2 * planes.w / settings.lv_length, 0, 1)
    front = septal_side * np.clip(0.6 + np.sin(planes.theta), 0, 1.6)
    fat_mm = fatness * (1.0 * rough - 0.8 + 2.2 * front + 4.0 * grooves + 3.0 * apical)
    signal = over(body, 0.5 * look.myocardium, to_heart - np.clip(fat_mm, 0, None) - 1.2, pixel)
    signal = over(signal, look.fat * (0.75 + 0.15 * fine), to_heart - fat_mm, pixel)
    signal = over(signal, 1.1 * look.myocardium, planes.to_rv - RV_WALL_MM, pixel)
    trabeculae = 1 - 0.16 * np.clip(fine - 0.4, 0, 1.5)
    signal = signal + planes.rv * (look.blood * trabeculae - signal)

    blood = np.float32(look.blood)
    wall = np.where(planes.open_ring, blood, _wall_signal(planes, cut))
    atrium = over(np.full_like(planes.to_lv, look.muscle), look.blood, planes.to_lv + 2.5, pixel)
    wall = np.where(planes.ventricular > 0, wall, atrium)
    # Trabeculae roughen the outer few millimetres of the cavity.
    rim = np.clip(1 + planes.to_cavity / 6, 0, 1) * np.clip(fine - 0.3, 0, 1.2) * 0.55
    inner = blood + np.maximum(planes.papillary, rim) * (look.myocardium - blood)
    cavity = planes.cavity * planes.ventricular
    left = wall + cavity * (inner - wall)
    return (signal + planes.lv * (left - signal)).mean(axis=0)


def _wall_signal(planes: _Planes, cut: _Cut | None) -> np.ndarray:
    look = planes.settings.appearance
    if cut is None:
        return np.full(planes.lv.shape, look.myocardium, np.float32)
    wall = np.full(planes.lv.shape, look.myocardium, np.float32)
    here = (planes.lv > 0) & (planes.cavity < 1) & (planes.ventricular > 0)
    theta, longitudinal, transmural = (
        np.broadcast_to(c, wall.shape)[here] for c in (planes.theta, planes.longitudinal, planes.transmural)
    )
    place = np.rad2deg(theta), longitudinal, transmural
    share = coverage(cut.shape.scores(*place) - cut.scar, 0.35)
    value = look.myocardium + share * (look.scar - look.myocardium)
    if cut.mvo is not None:
        core = coverage(cut.shape.core_scores(*place) - cut.mvo, 0.35)
        value = value + core * share * (look.mvo - value)
    wall[here] = value
    return wall


def _truth(placement: Placement, centre: _Planes, labels: np.ndarray, noise_free: np.ndarray) -> PhantomTruth:
    settings, geometry = placement.settings, placement.geometry
    wall = myocardium_mask(labels)
    inside = (slice(None), *centre.window)

    def on_grid(values: np.ndarray) -> np.ndarray:
        full = np.full(geometry.shape, np.nan, np.float32)
        full[inside] = np.broadcast_to(values, centre.lv.shape)[0]
        full[~wall] = np.nan
        return full

    ring_top = settings.lv_length - settings.incomplete_base_mm
    ring = (centre.w - settings.apical_cap) / (ring_top - settings.apical_cap)
    longitudinal = on_grid(np.minimum(ring, 1))
    circumferential = on_grid(np.rad2deg(centre.theta))
    tip, end, top = ((0.0, 0.0, w) for w in (0.0, settings.apical_cap, settings.lv_length))
    return PhantomTruth(
        apex=placement.to_lps(np.array(tip)),
        cavity_end=placement.to_lps(np.array(end)),
        base=placement.to_lps(np.array(top)),
        longitudinal=longitudinal,
        circumferential=circumferential,
        transmural=on_grid(centre.transmural),
        segments=aha_segments(longitudinal, circumferential),
        segments_septal=aha_segments(
            longitudinal, septal_degrees(circumferential, settings.septal_arc_deg).astype(np.float32)
        ),
        noise_free=noise_free,
        **volumes_ml(labels, geometry.voxel_volume_ml),
    )
