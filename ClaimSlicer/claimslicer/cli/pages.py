"""The sections that report pages are made of: numbers, bull's-eyes, agreement, slices, synthesis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.figures.draw import difference_bullseye, transmurality_bullseye, volume_bullseye
from claimslicer.figures.montage import slice_montage, synthesis_montage
from claimslicer.figures.report import Picture, Section, Table

if TYPE_CHECKING:
    import numpy as np

    from claimslicer.anatomy import LVFrame
    from claimslicer.quantification import Comparison, Quantification
    from claimslicer.studies import Study

INFARCT_NOTE = "Infarct includes MVO. Mass is volume × 1.05 g/ml; % is of LV mass."
DICE_NOTE = (
    "Infarct is labels 3 and 4, MI label 3 alone. Dice is 1 where both are empty, as EMIDEC scores it; the "
    "second Dice leaves such cases out."
)


def numbers_section(numbers: Quantification, synthetic: bool) -> Section:
    """Totals, the table of segments, and the bull's-eyes of volume and transmurality."""
    totals = [
        ("LV cavity", numbers.cavity_ml, None, None),
        ("LV myocardium", numbers.myocardium_ml, numbers.myocardium_g, 100.0),
        ("Infarct", numbers.infarct_ml, numbers.infarct_g, numbers.infarct_percent),
        ("MVO", numbers.mvo_ml, numbers.mvo_g, numbers.mvo_percent),
    ]
    total_table = Table(
        "totals", "Left ventricle", ("region", "ml", "g", "% of LV mass"), totals, INFARCT_NOTE
    )
    columns = ("segment", "name", "wall ml", "infarct ml", "MVO ml", "area %", "transmurality %", "class %")
    rows = [
        (
            row.segment,
            SEGMENTS[row.segment].name,
            row.volume_ml,
            row.infarct_ml,
            row.mvo_ml,
            _percent(row.area_fraction),
            _percent(row.transmurality),
            row.transmurality_class,
        )
        for row in numbers.segments
    ]
    pictures = [
        Picture(
            "bullseye_volume",
            "Infarct volume in each AHA segment",
            volume_bullseye({row.segment: row.infarct_ml for row in numbers.segments}, synthetic=synthetic),
            synthetic,
        ),
        Picture(
            "bullseye_transmurality",
            "Mean transmurality in each AHA segment",
            transmurality_bullseye(
                {row.segment: row.transmurality for row in numbers.segments}, synthetic=synthetic
            ),
            synthetic,
        ),
    ]
    return Section(
        "Scar in numbers",
        tables=[total_table, Table("segments", "AHA segments", columns, rows, decimals=1)],
        pictures=pictures,
    )


def agreement_section(comparison: Comparison, synthetic: bool) -> Section:
    """Agreement with a reference by region, and the bull's-eye of differences."""
    columns = ("region", "Dice", "Dice (not empty)", "HD95 mm", "ml", "reference ml", "difference ml")
    names = ("region", "dice", "dice_non_empty", "hd95_mm", "volume_ml", "reference_ml", "difference_ml")
    rows = [tuple(row[name] for name in names) for row in comparison.rows()]
    differences = {row.segment: row.infarct_ml for row in comparison.segments}
    return Section(
        "Agreement with the reference",
        tables=[Table("agreement", "Agreement by region", columns, rows, DICE_NOTE)],
        pictures=[
            Picture(
                "bullseye_difference",
                "Infarct volume minus the reference's in each AHA segment",
                difference_bullseye(differences, synthetic=synthetic),
                synthetic,
            )
        ],
    )


def slices_section(
    study: Study, labels: np.ndarray, frame: LVFrame, reference: np.ndarray | None = None
) -> Section:
    """Each slice with the contours on it."""
    figure = slice_montage(
        study.image,
        labels,
        study.geometry,
        reference=reference,
        apex_first=frame.apex_first,
        synthetic=study.synthetic,
    )
    caption = "Every slice with heart: the image, and wall, infarct and MVO on it"
    return Section("Slices", pictures=[Picture("slices", caption, figure, study.synthetic)])


def synthesis_section(study: Study, synthetic: np.ndarray, scar: np.ndarray, frame: LVFrame) -> Section:
    """Original, synthetic image and their difference."""
    figure = synthesis_montage(
        study.image,
        synthetic,
        scar,
        study.geometry,
        heart=frame.myocardium | frame.cavity,
        apex_first=frame.apex_first,
    )
    caption = "Original with the asked scar outlined, synthetic image, and their difference"
    text = "Outside the outline, the synthetic image is the original, voxel for voxel."
    return Section("The painted scar", text, pictures=[Picture("synthesis", caption, figure, True)])


def _percent(fraction: float) -> float | None:
    return None if math.isnan(fraction) else 100.0 * fraction
