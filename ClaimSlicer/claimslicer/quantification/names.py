"""Every number of a report by its one name: what tables, JSON, CSV, panel and DICOM call it, and its unit.

A name ends with its unit. A number that isn't defined (transmurality of a heart without scar, say) is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SCHEME = "99CLAIM"
"""Coding scheme of codes that no public terminology has."""


@dataclass(frozen=True)
class Quantity:
    """A number of the report.

    ``name`` is its key everywhere, ``label`` what a reader sees and ``unit`` beside it, ``ucum`` the unit's
    UCUM code, ``code`` and ``scheme`` say what it is in a structured report, and ``meaning`` is its
    definition in a sentence. ``decimals`` is how it is rounded for the eye; files keep every digit.
    """

    name: str
    label: str
    unit: str
    ucum: str
    code: str
    meaning: str
    decimals: int = 1
    scheme: str = SCHEME
    group: str = ""


_VOLUME, _MASS = ("118565006", "SCT"), ("118538004", "SCT")
_WALL = "of the whole wall, infarct and MVO included"
_INFARCT = "of infarct, MVO included"

_UNITS = {
    "ml": ("ml", "ml"),
    "g": ("g", "g"),
    "percent": ("% of LV mass", "%"),
}


def _amounts(region: str, label: str, of_what: str, group: str) -> list[Quantity]:
    """Return the three amounts of a region: ml, g and % of LV mass."""
    kinds = {
        "ml": (*_VOLUME, f"Volume {of_what}"),
        "g": (*_MASS, f"Mass {of_what}: volume × 1.05 g/ml"),
        "percent": ("LV_MASS_PERCENT", SCHEME, f"Share {of_what} in the mass of the LV wall"),
    }
    return [
        Quantity(f"{region}_{end}", label, *_UNITS[end], code, meaning, scheme=scheme, group=group)
        for end, (code, scheme, meaning) in kinds.items()
    ]


def _percent(name: str, label: str, unit: str, meaning: str, group: str, decimals: int = 0) -> Quantity:
    return Quantity(name, label, unit, "%", name.upper()[:16], meaning, decimals, group=group)


_OF_WALL = "% of wall thickness"
_ALL = (
    Quantity(
        "cavity_ml", "LV cavity", "ml", "ml", "118565006", "Volume of the LV blood pool", 1, "SCT", "LV"
    ),
    *_amounts("myocardium", "LV wall", _WALL, "LV")[:2],
    *_amounts("infarct", "Infarct, MVO included", _INFARCT, "Infarct"),
    Quantity(
        *("infarct_ml_low", "Infarct, 5th percentile", "ml", "ml", "INFARCT_ML_P05"),
        "Lower end of the 5–95 % range of the infarct's volume that the segmenter gives",
        group="Range",
    ),
    Quantity(
        *("infarct_ml_expected", "Infarct, expected", "ml", "ml", "INFARCT_ML_MEAN"),
        "Expected volume of the infarct by the segmenter's own distribution",
        group="Range",
    ),
    Quantity(
        *("infarct_ml_high", "Infarct, 95th percentile", "ml", "ml", "INFARCT_ML_P95"),
        "Upper end of the 5–95 % range of the infarct's volume that the segmenter gives",
        group="Range",
    ),
    *_amounts("mvo", "MVO", "of microvascular obstruction", "Infarct"),
    _percent("mvo_percent_of_infarct", "MVO", "% of infarct", "Share of MVO in the infarct", "Infarct", 1),
    _percent(
        *("transmurality_percent", "Transmurality, mean", _OF_WALL),
        "Infarct thickness ÷ wall thickness, mean over the chords that meet infarct",
        "Transmurality",
    ),
    _percent(
        *("transmurality_max_percent", "Transmurality, largest", _OF_WALL),
        "Largest infarct thickness ÷ wall thickness of any chord",
        "Transmurality",
    ),
    _percent(
        *("transmurality_weighted_percent", "Transmurality, weighted", _OF_WALL),
        "Infarct thickness ÷ wall thickness over the chords that meet infarct, each weighted by its wall",
        "Transmurality",
    ),
    _percent(
        *("transmurality_area_percent", "Transmurality by area", "% of wall area"),
        "Infarct area ÷ wall area of the sectors behind the chords that meet infarct",
        "Transmurality",
    ),
    Quantity(
        *("segments_infarcted", "Segments with infarct", "of 17", "{segments}", "SEGMENTS_SCAR"),
        "Number of AHA segments whose mean transmurality is over 1 %",
        0,
        group="Transmurality",
    ),
    Quantity(
        *("segments_over_50", "Segments over 50 % transmural", "of 17", "{segments}", "SEGMENTS_OVER_50"),
        "Number of AHA segments whose mean transmurality is over 50 %",
        0,
        group="Transmurality",
    ),
    Quantity(
        *("endocardium_cm2", "Endocardial surface", "cm²", "cm2", "ENDO_AREA"),
        "Area of the LV endocardium over the slices with cavity",
        group="Endocardium",
    ),
    Quantity(
        *("endocardium_infarct_cm2", "Endocardial surface of infarct", "cm²", "cm2", "ENDO_INFARCT"),
        "Area of the endocardium that borders infarct",
        group="Endocardium",
    ),
    _percent(
        *("endocardium_infarct_percent", "Endocardial surface of infarct", "% of endocardium"),
        "Share of the endocardium that borders infarct",
        "Endocardium",
        1,
    ),
    *_amounts("core", "Scar core", "of the scar's dense core", "Core and border zone"),
    *_amounts("border", "Border zone", "of the border (grey) zone", "Core and border zone"),
    _percent(
        *("core_transmurality_percent", "Core, transmurality", _OF_WALL),
        "Core thickness ÷ wall thickness, mean over the chords that meet core",
        "Core and border zone",
    ),
    _percent(
        *("border_transmurality_percent", "Border zone, transmurality", _OF_WALL),
        "Border-zone thickness ÷ wall thickness, mean over the chords that meet border zone",
        "Core and border zone",
    ),
    Quantity(
        *("scar_components", "Separate scars", "parts", "{parts}", "SCAR_PARTS"),
        "Number of connected parts of the infarct of at least 0.1 ml",
        0,
        group="Shape",
    ),
    Quantity(
        *("interface_cm2", "Scar–muscle interface", "cm²", "cm2", "SCAR_INTERFACE"),
        "Area of contact of infarct and healthy wall within the slices",
        group="Shape",
    ),
    Quantity(
        *("patchiness", "Patchiness", "0–1", "1", "SCAR_PATCHINESS"),
        "1 − Σ share², over the infarct's connected parts: 0 for one scar, towards 1 for many equal ones",
        2,
        group="Shape",
    ),
    Quantity(
        *("radiality", "Radiality", "0–1", "1", "SCAR_RADIALITY"),
        "How much the scar runs along the radius (1) and not round the wall (0); 0.5 has no direction",
        2,
        group="Shape",
    ),
    Quantity(
        *("infarct_entropy_bit", "Entropy of grey levels, infarct", "bit", "bit", "SCAR_ENTROPY"),
        "Shannon entropy of the infarct's grey levels in 64 bins over the wall's range",
        2,
        group="Shape",
    ),
    Quantity(
        *("wall_entropy_bit", "Entropy of grey levels, LV wall", "bit", "bit", "LV_ENTROPY"),
        "Shannon entropy of the wall's grey levels in 64 bins over the wall's range",
        2,
        group="Shape",
    ),
    Quantity(
        *("slice_distance_mm", "Slice distance", "mm", "mm", "SLICE_DISTANCE"),
        "Distance of the slices' centres that volumes were counted with",
        2,
        group="Slices",
    ),
)

QUANTITIES: Mapping[str, Quantity] = MappingProxyType({item.name: item for item in _ALL})
"""Every total, by name, in the order of a report."""

SEGMENT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "segment": "Segment",
        "volume_ml": "Volume (ml)",
        "infarct_ml": "Infarct (ml)",
        "mvo_ml": "MVO (ml)",
        "area_fraction": "Infarct area (0–1)",
        "transmurality": "Transmurality, mean (0–1)",
        "transmurality_max": "Transmurality, largest (0–1)",
        "transmurality_class": "Transmurality class (%)",
        "core_ml": "Core (ml)",
        "border_ml": "Border zone (ml)",
        "core_transmurality": "Core transmurality (0–1)",
        "border_transmurality": "Border-zone transmurality (0–1)",
    }
)
"""Names of an AHA segment's numbers and what readers see."""

METHOD_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "method": "Method",
        "infarct_ml": "Infarct (ml)",
        "infarct_g": "Infarct (g)",
        "infarct_percent": "Infarct (% of LV mass)",
        "threshold": "Threshold (grey level)",
        "dice_with_labels": "Dice with the labels",
    }
)
"""Names of a method's numbers and what readers see."""


def shown(name: str, value: float | None) -> str:
    """Return a total as text without its unit, rounded for the eye; a dash where it isn't defined."""
    if value is None:
        return "–"
    return f"{value:.{QUANTITIES[name].decimals}f}".replace("-", "−")
