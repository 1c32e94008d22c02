"""The report's numbers as a structured report by template TID 1500, through highdicom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claimslicer.export.identity import Identity, uid
from claimslicer.export.marks import MANUFACTURER, MODEL, RESEARCH, describe, mark
from claimslicer.export.segments import dicom_code
from claimslicer.labels import Label
from claimslicer.terms import LABEL_NAMES, LABEL_TERMS, SEGMENT_TERMS, Code

if TYPE_CHECKING:
    from highdicom.sr import Comprehensive3DSR, Measurement
    from pydicom import Dataset

ML = Code("ml", "milliliter", "UCUM")
GRAM = Code("g", "gram", "UCUM")
PERCENT = Code("%", "percent", "UCUM")
VOLUME = Code("118565006", "Volume")
MASS = Code("118538004", "Mass")
SHARE = Code("LV_MASS_PERCENT", "Percent of left ventricular mass", "99CLAIM")
TRANSMURALITY = Code("TRANSMURALITY", "Mean transmurality of infarct", "99CLAIM")
LARGEST = Code("TRANSMURAL_MAX", "Largest transmurality of infarct", "99CLAIM")
AREA = Code("INFARCT_AREA", "Infarcted share of the segment's wall", "99CLAIM")
INFARCT_ML = Code("INFARCT_VOLUME", "Volume of infarct, no-reflow included", "99CLAIM")
MVO_ML = Code("MVO_VOLUME", "Volume of no-reflow", "99CLAIM")


@dataclass(frozen=True)
class Kind:
    """How a number of the report is coded: its name, its unit, and by what it is multiplied to have it."""

    name: Code
    unit: Code
    factor: float = 1.0


TOTALS: Mapping[Label, Mapping[str, Kind]] = {
    Label.CAVITY: {"cavity_ml": Kind(VOLUME, ML)},
    Label.MYOCARDIUM: {"myocardium_ml": Kind(VOLUME, ML), "myocardium_g": Kind(MASS, GRAM)},
    Label.INFARCT: {
        "infarct_ml": Kind(VOLUME, ML),
        "infarct_g": Kind(MASS, GRAM),
        "infarct_percent": Kind(SHARE, PERCENT),
    },
    Label.MVO: {
        "mvo_ml": Kind(VOLUME, ML),
        "mvo_g": Kind(MASS, GRAM),
        "mvo_percent": Kind(SHARE, PERCENT),
    },
}
"""The report's totals; those of the myocardium are of the whole wall, those of infarct hold no-reflow."""
ROWS: Mapping[str, Kind] = {
    "volume_ml": Kind(VOLUME, ML),
    "infarct_ml": Kind(INFARCT_ML, ML),
    "mvo_ml": Kind(MVO_ML, ML),
    "area_fraction": Kind(AREA, PERCENT, 100.0),
    "transmurality": Kind(TRANSMURALITY, PERCENT, 100.0),
    "transmurality_max": Kind(LARGEST, PERCENT, 100.0),
}
"""The report's numbers of each AHA segment; those that aren't defined are left out."""


@dataclass(frozen=True)
class Numbers:
    """``totals`` and ``rows`` of a :class:`~claimslicer.quantification.Quantification`."""

    totals: Mapping[str, float]
    rows: Sequence[Mapping[str, Any]]
    name: str
    synthetic: bool
    content: str


def structured_report(
    numbers: Numbers, segmentation: Dataset, images: Sequence[Dataset], identity: Identity, number: int
) -> Comprehensive3DSR:
    """Return the report of ``numbers``, which were measured on ``segmentation`` drawn on ``images``."""
    from highdicom.sr import (
        Comprehensive3DSR,
        DeviceObserverIdentifyingAttributes,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
    )
    from pydicom.sr.codedict import codes

    device = DeviceObserverIdentifyingAttributes(
        uid=uid("device", MODEL), name=MODEL, manufacturer_name=MANUFACTURER, model_name=MODEL
    )
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, device)
        ),
        procedure_reported=dicom_code(Code("241620005", "Magnetic resonance imaging of heart")),
        imaging_measurements=_groups(numbers, segmentation, images),
        title=codes.DCM.ImagingMeasurementReport,
    )
    series = uid("series", identity.study, numbers.content, "report")
    dataset = Comprehensive3DSR(
        evidence=[segmentation, *images],
        content=report[0],
        series_instance_uid=series,
        series_number=number,
        sop_instance_uid=uid("instance", series, 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=describe(f"{numbers.name} measurements", synthetic=numbers.synthetic),
    )
    mark(dataset, synthetic=numbers.synthetic)
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.CompletionFlagDescription = RESEARCH
    return dataset


def _groups(numbers: Numbers, segmentation: Dataset, images: Sequence[Dataset]) -> list[Any]:
    """Return a group for each structure with its segment, and one for each AHA segment that holds wall."""
    from highdicom.sr import (
        FindingSite,
        MeasurementsAndQualitativeEvaluations,
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    labels = {item.SegmentLabel: int(item.SegmentNumber) for item in segmentation.SegmentSequence}
    groups: list[Any] = []
    for label, kinds in TOTALS.items():
        name = LABEL_NAMES[label][0]
        term = LABEL_TERMS[label]
        segment = ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=labels[name],
            source_series=SourceSeriesForSegmentation(images[0].SeriesInstanceUID),
        )
        groups.append(
            VolumetricROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=TrackingIdentifier(
                    uid=uid("total", numbers.content, int(label)), identifier=_whole(label)
                ),
                referenced_segment=segment,
                finding_type=dicom_code(term.type),
                finding_sites=None if term.region is None else [FindingSite(dicom_code(term.region))],
                measurements=_measurements(numbers.totals, kinds),
            )
        )
    for row in numbers.rows:
        if not row.get("volume_ml"):
            continue
        site = SEGMENT_TERMS[int(row["segment"])].type
        groups.append(
            MeasurementsAndQualitativeEvaluations(
                tracking_identifier=TrackingIdentifier(
                    uid=uid("segment", numbers.content, row["segment"]),
                    identifier=f"AHA segment {row['segment']}",
                ),
                finding_type=dicom_code(LABEL_TERMS[Label.INFARCT].type),
                finding_sites=[FindingSite(dicom_code(site))],
                measurements=_measurements(row, ROWS),
            )
        )
    return groups


def _whole(label: Label) -> str:
    """Say what a structure's numbers are of: the report's, which count infarct and no-reflow in."""
    more = {Label.MYOCARDIUM: ", infarct included", Label.INFARCT: ", no-reflow included"}
    return LABEL_NAMES[label][0] + more.get(label, "")


def _measurements(values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> list[Measurement]:
    from highdicom.sr import Measurement

    return [
        Measurement(
            name=dicom_code(kind.name), value=float(values[key]) * kind.factor, unit=dicom_code(kind.unit)
        )
        for key, kind in kinds.items()
        if values.get(key) is not None
    ]


def read_numbers(dataset: Dataset) -> dict[str, dict[str, float]]:
    """Return the numbers of a report by group and name: ``{"Infarct…": {"Volume [ml]": 3.2}}``."""
    found: dict[str, dict[str, float]] = {}

    def walk(item: Dataset, group: dict[str, float] | None) -> None:
        children = item.get("ContentSequence", ())
        if _code(item) == "125007":  # Measurement Group
            name = next(str(c.TextValue) for c in children if _code(c) == "112039")
            group = found.setdefault(name, {})
        if group is not None and item.get("ValueType") == "NUM":
            measured = item.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            group[f"{item.ConceptNameCodeSequence[0].CodeMeaning} [{unit}]"] = float(measured.NumericValue)
        for child in children:
            walk(child, group)

    walk(dataset, None)
    return found


def _code(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""
