"""Sections of a report, made from results: labels on the image, the synthetic scan, numbers, agreement."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.draw import bullseye_figure
from claimslicer.figures.face import difference_face, transmurality_face, volume_face
from claimslicer.figures.montage import slice_montage, synthesis_montage
from claimslicer.figures.report import Cell, Picture, Section, Table
from claimslicer.quantification import Comparison, Quantification
from claimslicer.studies import Geometry

_TOTALS = (
    ("cavity_ml", "LV cavity", "ml"),
    ("myocardium_ml", "LV myocardium", "ml"),
    ("myocardium_g", "LV mass", "g"),
    ("infarct_ml", "Infarct, MVO included", "ml"),
    ("infarct_g", "Infarct, MVO included", "g"),
    ("infarct_percent", "Infarct, MVO included", "% of LV mass"),
    ("mvo_ml", "MVO", "ml"),
    ("mvo_g", "MVO", "g"),
    ("mvo_percent", "MVO", "% of LV mass"),
)
_REGIONS: Mapping[str, str] = {
    "cavity": "LV cavity",
    "myocardium": "LV myocardium",
    "infarct": "Infarct with MVO (3 ∪ 4)",
    "mi": "Infarct without MVO (3)",
    "mvo": "MVO (4)",
}
_AGREEMENT_COLUMNS = (
    "Region",
    "Dice",
    "Dice, empty left out",
    "Precision",
    "Sensitivity",
    "Specificity",
    "HD95 (mm)",
    "Surface distance (mm)",
    "Volume (ml)",
    "Reference (ml)",
    "Difference (ml)",
)


def labels_section(
    title: str,
    image: np.ndarray,
    labels: np.ndarray,
    geometry: Geometry,
    *,
    name: str = "labels",
    text: str = "",
    reference: np.ndarray | None = None,
    apex_first: bool | None = None,
    slice_axis: int = 0,
    synthetic: bool = False,
) -> Section:
    """Show label map on image, slice by slice; arrays are (z, y, x). ``name`` names the PNG."""
    figure = slice_montage(
        image,
        labels,
        geometry,
        reference=reference,
        apex_first=apex_first,
        slice_axis=slice_axis,
        synthetic=synthetic,
    )
    caption = "Each slice plain, and with the contours of the wall, infarct and MVO."
    if reference is not None:
        caption += " Dashed: infarct of the reference."
    return Section(title, text, pictures=(Picture(name, caption, figure, synthetic),))


def synthesis_section(
    original: np.ndarray,
    synthetic: np.ndarray,
    scar: np.ndarray,
    geometry: Geometry,
    *,
    title: str = "Synthetic scan",
    name: str = "synthesis",
    text: str = "",
    heart: np.ndarray | None = None,
    apex_first: bool | None = None,
    slice_axis: int = 0,
) -> Section:
    """Show original, synthetic and difference, and count the voxels that changed outside the scar."""
    figure = synthesis_montage(
        original, synthetic, scar, geometry, heart=heart, apex_first=apex_first, slice_axis=slice_axis
    )
    changed = original != synthetic
    rows: list[list[Cell]] = [
        ["Voxels of the scar mask", int((scar != 0).sum())],
        ["Voxels changed inside the mask", int((changed & (scar != 0)).sum())],
        ["Voxels changed outside the mask", int((changed & (scar == 0)).sum())],
        ["Scar mask (ml)", float((scar != 0).sum() * geometry.voxel_volume_ml)],
    ]
    table = Table(f"{name}-voxels", "What changed", ("Quantity", "Value"), rows)
    caption = "Dotted: the scar mask. The difference is synthetic − original, on one range for all slices."
    return Section(title, text, (table,), (Picture(name, caption, figure, True),))


def quantification_section(
    measured: Quantification,
    *,
    title: str = "Numbers",
    name: str = "infarct",
    text: str = "",
    reference: Quantification | None = None,
    synthetic: bool = False,
) -> Section:
    """Show totals, the table of segments and the bull's-eyes, beside a reference's where one is given."""
    tables = [_totals_table(measured, reference, name)]
    pictures = []
    if measured.segments:
        tables.append(_segments_table(measured, name))
        pictures = _bullseyes(measured, reference, name, synthetic)
    return Section(title, text, tables, pictures)


def comparison_section(
    comparison: Comparison, *, title: str = "Agreement with the reference", name: str = "agreement"
) -> Section:
    """Show overlap, distances and volumes of every region."""
    rows = [[_REGIONS[str(row.pop("region"))], *row.values()] for row in comparison.rows()]
    note = (
        "Dice counts a region that is empty in both as 1, as EMIDEC does; the next column leaves such cases "
        "out. Specificity of infarct and MVO is taken over the wall, else over the image. HD95 is the 95th "
        "percentile of the Hausdorff distance, surface distance the symmetric mean."
    )
    table = Table(name, "Regions", _AGREEMENT_COLUMNS, rows, note, decimals=3)
    return Section(title, tables=(table,))


def _totals_table(measured: Quantification, reference: Quantification | None, name: str) -> Table:
    values = measured.totals()
    if reference is None:
        rows: list[list[Cell]] = [[label, unit, values[key]] for key, label, unit in _TOTALS]
        columns: tuple[str, ...] = ("Quantity", "Unit", "Value")
    else:
        others = reference.totals()
        rows = [
            [label, unit, values[key], others[key], values[key] - others[key]] for key, label, unit in _TOTALS
        ]
        columns = ("Quantity", "Unit", "Measured", "Reference", "Difference")
    note = "Mass is volume × 1.05 g/ml. MVO counts as infarct."
    return Table(f"{name}-totals", "Left ventricle", columns, rows, note)


def _segments_table(measured: Quantification, name: str) -> Table:
    rows: list[list[Cell]] = []
    for row in measured.rows():
        segment = SEGMENTS[int(row["segment"] or 0)]
        rows.append(
            [
                segment.number,
                segment.name,
                segment.territory,
                row["volume_ml"],
                row["infarct_ml"],
                row["mvo_ml"],
                _percent(row["area_fraction"]),
                _percent(row["transmurality"]),
                _percent(row["transmurality_max"]),
                row["transmurality_class"],
            ]
        )
    columns = (
        "Segment",
        "Name",
        "Territory",
        "Volume (ml)",
        "Infarct (ml)",
        "MVO (ml)",
        "Infarct area (%)",
        "Transmurality mean (%)",
        "Transmurality largest (%)",
        "Transmurality class (%)",
    )
    note = (
        "Transmurality is infarct thickness ÷ wall thickness along wall chords. Territories by the 2002 "
        "standard; they overlap in real patients."
    )
    return Table(f"{name}-segments", "AHA segments", columns, rows, note, decimals=1)


def _bullseyes(
    measured: Quantification, reference: Quantification | None, name: str, synthetic: bool
) -> list[Picture]:
    infarct = {s.segment: s.infarct_ml if s.volume_ml else None for s in measured.segments}
    depth = {s.segment: s.transmurality for s in measured.segments}
    pictures = [
        Picture(
            f"{name}-volume",
            "Infarct per AHA segment in ml, MVO included.",
            bullseye_figure(volume_face(infarct), synthetic=synthetic),
            synthetic,
        ),
        Picture(
            f"{name}-transmurality",
            "Mean transmurality per AHA segment in %, coloured by class.",
            bullseye_figure(transmurality_face(depth), synthetic=synthetic),
            synthetic,
        ),
    ]
    if reference is not None and reference.segments:
        theirs = {s.segment: s.infarct_ml if s.volume_ml else None for s in reference.segments}
        pictures.append(
            Picture(
                f"{name}-difference",
                "Infarct per AHA segment minus the reference's, in ml.",
                bullseye_figure(difference_face(_differences(infarct, theirs)), synthetic=synthetic),
                synthetic,
            )
        )
    return pictures


def _differences(a: Mapping[int, float | None], b: Mapping[int, float | None]) -> dict[int, float | None]:
    """Subtract; a segment without wall in one holds no infarct there; in both, it isn't measured."""
    return {k: None if a[k] is None and b.get(k) is None else (a[k] or 0.0) - (b.get(k) or 0.0) for k in a}


def _percent(fraction: float | int | str | None) -> float | None:
    return None if fraction is None else 100.0 * float(fraction)
