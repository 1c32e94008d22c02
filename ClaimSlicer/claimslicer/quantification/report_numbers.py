"""All numbers of a report: totals by name, segments, methods, layers, sectors and territories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from claimslicer.anatomy.aha import SEGMENTS, TERRITORIES
from claimslicer.anatomy.frame import LVFrame
from claimslicer.errors import AnatomyError, SpecificationError, StudyError
from claimslicer.labels import Label, infarct_mask, myocardium_mask
from claimslicer.quantification.chords import wall_chords
from claimslicer.quantification.compare import dice
from claimslicer.quantification.extent import (
    TRACE,
    Layer,
    Sector,
    endocardium,
    layers,
    sectors,
    transmurality,
)
from claimslicer.quantification.image_kind import ImageKind, ImageLevels, image_levels
from claimslicer.quantification.methods import (
    METHODS,
    MethodResult,
    MethodSettings,
    find_infarct,
    find_remote,
)
from claimslicer.quantification.names import QUANTITIES
from claimslicer.quantification.quantify import MYOCARDIAL_DENSITY_G_PER_ML, Quantification, Row, quantify
from claimslicer.quantification.shape import ScarShape, scar_shape, slice_distance_mm
from claimslicer.quantification.volume_range import VolumeRange
from claimslicer.quantification.zones import ZoneRule, Zones, find_zones

Totals = dict[str, float | int | None]


@dataclass(frozen=True)
class NumbersSettings:
    """What a report's numbers depend on beside labels and image.

    ``kind`` is that of the image where it is known. ``sectors`` is how many each slice is parted into, 0 for
    none. ``territories`` names AHA segments; each is to be in one at most.
    """

    kind: ImageKind | None = None
    zones: ZoneRule = "maximum"
    methods: MethodSettings = field(default_factory=MethodSettings)
    sectors: int = 0
    territories: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: MappingProxyType({str(k): v for k, v in TERRITORIES.items()})
    )

    def __post_init__(self) -> None:
        """Refuse territories that share segments or name some that don't exist."""
        members = [k for segments in self.territories.values() for k in segments]
        if set(members) - set(SEGMENTS) or len(set(members)) < len(members):
            raise SpecificationError(
                "Territories hold AHA segments 1 to 17, each in one territory: give them like "
                "'LAD=1,2,7,8,13,14,17 RCA=3,4,9,10,15 LCX=5,6,11,12,16'."
            )

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON types."""
        return {
            "image_kind": self.kind or "found",
            "zones": self.zones,
            "methods": self.methods.describe(),
            "sectors": self.sectors,
            "territories": {name: list(segments) for name, segments in self.territories.items()},
        }


@dataclass(frozen=True)
class StudyNumbers:
    """The numbers of one study.

    ``totals`` holds every name of :data:`~claimslicer.quantification.names.QUANTITIES`, None where it isn't
    defined. ``notes`` says in sentences why numbers are missing. ``levels`` and ``zones`` are None where the
    image allowed none.
    """

    quantification: Quantification
    totals: Totals
    segments: list[Row]
    methods: list[Row]
    territories: list[Row]
    layers: tuple[Layer, ...]
    sectors: list[Sector]
    levels: ImageLevels | None
    zones: Zones | None
    found: Mapping[str, MethodResult]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as JSON types: the totals by name, ``segments``, and the tables beside them."""
        return {
            **self.totals,
            "segments": self.segments,
            "methods": self.methods,
            "territories": self.territories,
            "layers": [asdict(layer) for layer in self.layers],
            "sectors": [asdict(sector) for sector in self.sectors],
            "image_kind": None if self.levels is None else self.levels.kind,
            "image_kind_given": self.levels is not None and self.levels.given,
            "image_zero": None if self.levels is None else self.levels.zero,
            "zones": None if self.zones is None else self.zones.describe(),
            "notes": list(self.notes),
        }


def report_numbers(
    image: np.ndarray,
    labels: np.ndarray,
    frame: LVFrame,
    settings: NumbersSettings | None = None,
    *,
    volume_range: VolumeRange | None = None,
    probability: np.ndarray | None = None,
    methods: tuple[str, ...] = METHODS,
) -> StudyNumbers:
    """Measure ``labels`` of ``image``, both (z, y, x) on the grid of ``frame``, which is that of the labels.

    ``probability`` is the network's of infarct, for zones by probability. What the image doesn't allow (no
    remote wall, one grey level) is left out, and a note says why. Raises what :func:`quantify` does.
    """
    settings = settings or NumbersSettings()
    measured = quantify(labels, frame.geometry, frame)
    infarct = infarct_mask(labels)
    notes: list[str] = []
    totals: Totals = dict.fromkeys(QUANTITIES)
    totals |= measured.totals() | _extent(infarct, measured, frame)
    if measured.infarct_ml > 0:
        totals["mvo_percent_of_infarct"] = 100.0 * measured.mvo_ml / measured.infarct_ml
    if volume_range is not None:
        totals |= volume_range.totals()
    levels = _try(notes, lambda: image_levels(image, settings.kind))
    zones: Zones | None = None
    found: Mapping[str, MethodResult] = {}
    if levels is not None:
        shape = scar_shape(infarct, frame, image)
        totals |= {name: getattr(shape, name) for name in ScarShape.__dataclass_fields__}
        zones = _try(notes, lambda: _zones(image, labels, frame, levels, settings, probability))
        found = (
            _try(notes, lambda: find_infarct(image, frame, levels, settings.methods, methods, infarct)) or {}
        )
        notes += [f"{name}: {result.problem}" for name, result in found.items() if result.problem]
    rows = measured.rows()
    if zones is not None:
        totals |= _zone_totals(zones, measured, frame)
        rows = _with_zones(rows, zones, frame)
    return StudyNumbers(
        quantification=measured,
        totals=totals,
        segments=rows,
        methods=_method_rows(found, infarct, measured, frame),
        territories=_territories(measured, settings.territories),
        layers=layers(infarct, frame),
        sectors=sectors(infarct, frame, settings.sectors) if settings.sectors else [],
        levels=levels,
        zones=zones,
        found=found,
        notes=tuple(notes),
    )


def _try(notes: list[str], measure: Any) -> Any:
    """Return what ``measure`` does; where the study doesn't allow it, note why and return None."""
    try:
        return measure()
    except (StudyError, AnatomyError) as error:
        notes.append(str(error))
        return None


def _extent(infarct: np.ndarray, measured: Quantification, frame: LVFrame) -> Totals:
    through = transmurality(infarct, frame)
    surface, bordering = endocardium(infarct, frame)
    depths = [s.transmurality for s in measured.segments if not np.isnan(s.transmurality)]
    return {
        "transmurality_percent": _percent(through.mean),
        "transmurality_max_percent": _percent(through.largest),
        "transmurality_weighted_percent": _percent(through.weighted),
        "transmurality_area_percent": _percent(through.area),
        "segments_infarcted": sum(depth > TRACE for depth in depths),
        "segments_over_50": sum(round(depth, 9) > 0.5 for depth in depths),
        "endocardium_cm2": surface,
        "endocardium_infarct_cm2": bordering,
        "endocardium_infarct_percent": 100.0 * bordering / surface if surface else None,
        "slice_distance_mm": slice_distance_mm(frame),
    }


def _zones(
    image: np.ndarray,
    labels: np.ndarray,
    frame: LVFrame,
    levels: ImageLevels,
    settings: NumbersSettings,
    probability: np.ndarray | None,
) -> Zones:
    remote = frame.myocardium
    if settings.zones == "SD":
        remote = find_remote(image, frame, settings.methods, infarct_mask(labels)).mask
    return find_zones(
        image,
        myocardium_mask(labels),
        remote,
        zero=levels.zero,
        rule=settings.zones,
        probability=probability,
        mvo=labels == Label.MVO,
    )


def _zone_totals(zones: Zones, measured: Quantification, frame: LVFrame) -> Totals:
    totals: Totals = {}
    for name, mask in (("core", zones.core), ("border", zones.border)):
        ml = int(mask.sum()) * frame.geometry.voxel_volume_ml
        totals |= _amounts(name, ml, measured.myocardium_ml)
        totals[f"{name}_transmurality_percent"] = _percent(transmurality(mask, frame).mean)
    return totals


def _amounts(name: str, ml: float, wall_ml: float) -> Totals:
    return {
        f"{name}_ml": ml,
        f"{name}_g": ml * MYOCARDIAL_DENSITY_G_PER_ML,
        f"{name}_percent": 100.0 * ml / wall_ml,
    }


def _with_zones(rows: list[Row], zones: Zones, frame: LVFrame) -> list[Row]:
    """Add each segment's core and border zone to its row."""
    result = [dict(row) for row in rows]
    for name, mask in (("core", zones.core), ("border", zones.border)):
        ml = np.bincount(frame.segments[mask], minlength=18) * frame.geometry.voxel_volume_ml
        chords = wall_chords(mask, frame)
        for row in result:
            number = int(row["segment"] or 0)
            along = chords.transmurality[chords.segment == number]
            row[f"{name}_ml"] = float(ml[number])
            row[f"{name}_transmurality"] = float(along.mean()) if len(along) else None
    return result


def _method_rows(
    found: Mapping[str, MethodResult], infarct: np.ndarray, measured: Quantification, frame: LVFrame
) -> list[Row]:
    """Return the labels' infarct first, then what each method finds."""
    rows: list[Row] = [
        {
            "method": "Labels",
            "infarct_ml": measured.infarct_ml,
            "infarct_g": measured.infarct_g,
            "infarct_percent": measured.infarct_percent,
            "threshold": None,
            "dice_with_labels": None,
        }
    ]
    for name, result in found.items():
        if result.problem:
            continue
        ml = result.voxels * frame.geometry.voxel_volume_ml
        threshold = None if np.isnan(result.threshold) else result.threshold
        row: Row = {"method": name, **_amounts("infarct", ml, measured.myocardium_ml)}
        rows.append(row | {"threshold": threshold, "dice_with_labels": dice(result.mask, infarct)})
    return rows


def _territories(measured: Quantification, territories: Mapping[str, tuple[int, ...]]) -> list[Row]:
    segments = {segment.segment: segment for segment in measured.segments}
    rows: list[Row] = []
    for name, members in territories.items():
        wall = sum(segments[k].volume_ml for k in members)
        scar = sum(segments[k].infarct_ml for k in members)
        rows.append(
            {
                "territory": name,
                "segments": " ".join(map(str, members)),
                "volume_ml": wall,
                "infarct_ml": scar,
                "infarct_g": scar * MYOCARDIAL_DENSITY_G_PER_ML,
                "infarct_percent_of_territory": 100.0 * scar / wall if wall else None,
            }
        )
    return rows


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def with_slice_distance(frame_geometry: Any, slice_axis: int, distance_mm: float) -> Any:
    """Return a grid whose slices lie ``distance_mm`` apart. Raises SpecificationError for none above 0."""
    if not 0 < distance_mm <= 50:
        raise SpecificationError(f"Slices lie more than 0 and up to 50 mm apart, not {distance_mm:g} mm.")
    spacing = list(frame_geometry.spacing)
    spacing[2 - slice_axis] = float(distance_mm)
    return replace(frame_geometry, spacing=tuple(spacing))
