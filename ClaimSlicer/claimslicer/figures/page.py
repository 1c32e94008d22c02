"""The report page of a labelled study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from claimslicer.anatomy import LVFrame
from claimslicer.figures.clinical import clinical_page
from claimslicer.figures.report import Cell, Report, Section, Table
from claimslicer.figures.sections import comparison_section, labels_section, quantification_section
from claimslicer.quantification import Measurement, measure
from claimslicer.quantification.names import METHOD_COLUMNS, QUANTITIES
from claimslicer.quantification.report_numbers import NumbersSettings, StudyNumbers, report_numbers
from claimslicer.quantification.volume_range import VolumeRange
from claimslicer.studies import Study, make_recipe


def quantification_page(
    study: Study,
    labels: np.ndarray,
    frame: LVFrame,
    reference: np.ndarray | None = None,
    settings: NumbersSettings | None = None,
    volume_range: VolumeRange | None = None,
    probability: np.ndarray | None = None,
) -> Report:
    """Return the page of ``labels`` of ``study``, against ``reference`` where there is one.

    ``frame`` is the one that :func:`claimslicer.quantification.measure` takes; the other arguments are those
    of :func:`~claimslicer.quantification.report_numbers.report_numbers`.
    """
    settings = settings or NumbersSettings()
    measured = measure(labels, frame, reference)
    own = frame if reference is None else _own_frame(labels, frame)
    numbers = report_numbers(
        study.image, labels, own, settings, volume_range=volume_range, probability=probability
    )
    first = quantification_section(
        measured.quantification, reference=measured.reference, synthetic=study.synthetic
    )
    agreement = [] if measured.comparison is None else [comparison_section(measured.comparison)]
    slices = labels_section(
        "Slices",
        study.image,
        labels,
        study.geometry,
        reference=reference,
        apex_first=frame.apex_first,
        slice_axis=frame.slice_axis,
        synthetic=study.synthetic,
    )
    asked = {"rule": frame.rule} | settings.describe()
    recipe = make_recipe("quantify", study, asked, labels=labels)
    facts = _facts(study, own, numbers, settings)
    return Report(
        "Myocardial scar",
        study.name,
        [first, _details(numbers), *agreement, slices],
        recipe,
        _data(measured, numbers),
        study.synthetic,
        clinical_page(study, labels, own, numbers, facts),
    )


def _own_frame(labels: np.ndarray, frame: LVFrame) -> LVFrame:
    from claimslicer.anatomy import build_frame

    return build_frame(
        labels, frame.geometry, insertions=frame.insertions, rule=frame.rule, apex_first=frame.apex_first
    )


def _data(measured: Measurement, numbers: StudyNumbers) -> dict[str, Any]:
    data = measured.to_dict()
    return data | {"quantification": data["quantification"] | numbers.to_dict()}


def _facts(study: Study, frame: LVFrame, numbers: StudyNumbers, settings: NumbersSettings) -> dict[str, str]:
    distance = numbers.totals["slice_distance_mm"]
    count = study.geometry.shape[frame.slice_axis]
    remote = settings.methods.describe()["remote"]
    facts = {
        "Image": "not usable" if numbers.levels is None else str(numbers.levels),
        "Slices": f"{count}, counted {distance:g} mm apart, without gaps",
        "Segments": f"AHA 17, {frame.rule} wedges. {frame.insertions.in_words()}",
        "Remote region": f"{remote}; thresholds per {'slice' if settings.methods.per_slice else 'study'}",
        "Mass": "volume × 1.05 g/ml; MVO counts as infarct",
    }
    if numbers.zones is not None:
        facts["Zones"] = numbers.zones.describe()
    return facts


def _details(numbers: StudyNumbers) -> Section:
    """Return every number by name, and the tables of methods, territories, layers and sectors."""
    totals: list[list[Cell]] = [
        [name, item.label, item.unit, numbers.totals[name]] for name, item in QUANTITIES.items()
    ]
    tables = [
        Table("numbers", "Every number", ("Name", "Quantity", "Unit", "Value"), totals),
        _table("methods", "Infarct by method", numbers.methods, METHOD_COLUMNS),
        _table("territories", "Coronary territories", numbers.territories, {}),
        _table("layers", "Layers of the wall", [_layer(asdict(layer)) for layer in numbers.layers], {}),
        _table("segments", "AHA segments, with core and border zone", numbers.segments, {}),
    ]
    if numbers.sectors:
        tables.append(_table("sectors", "Sectors", [asdict(s) for s in numbers.sectors], {}))
    return Section("Details", " ".join(numbers.notes), tables)


def _layer(row: dict[str, Any]) -> dict[str, Any]:
    shares = row.pop("segments")
    return row | {f"segment_{k}": shares.get(k) for k in range(1, 18)}


def _table(name: str, title: str, rows: Sequence[Any], labels: Any) -> Table:
    columns = list(rows[0]) if rows else []
    note = ", ".join(f"{key}: {labels[key]}" for key in columns if key in labels)
    return Table(name, title, columns, [[row[key] for key in columns] for row in rows], note)
