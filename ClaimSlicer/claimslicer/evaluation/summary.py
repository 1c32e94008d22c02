"""What a cohort's records say together, kind by kind, and which targets that reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from claimslicer.errors import SpecificationError
from claimslicer.evaluation.cohort import (
    LEVELS,
    Against,
    Distance,
    Estimate,
    Measure,
    Patients,
    RealScars,
    by_patient,
)
from claimslicer.evaluation.config import KINDS
from claimslicer.evaluation.measures import YARDSTICKS
from claimslicer.evaluation.novelty import seed_diversity
from claimslicer.evaluation.record import ScarRecord
from claimslicer.outputs import without_nan
from claimslicer.quantification import concordance, mean_of_known
from claimslicer.quantification.quality import QualityFilter, VolumeBias, leave_one_out_corrected

BANDED = ("cnr", "edge")
"""Yardsticks on which a study should lie between the real patients' quartiles."""


@dataclass(frozen=True)
class Kept:
    """What survives of what was asked, in the image, by the segmenter.

    ``segments`` is the mean Dice of the sets of AHA segments asked and found, ``angle_deg`` the median
    absolute error of the infarct's angle; ``transmurality`` the median absolute error of its mean
    transmurality (0–1) and ``transmurality_ccc`` the concordance of asked and found; ``count`` the studies
    that this could be measured on.
    """

    segments: float
    angle_deg: float
    transmurality: float
    transmurality_ccc: float
    count: int


@dataclass(frozen=True)
class KindSummary:
    """One kind of scar, ``real`` among them.

    ``distances``, ``medians`` and ``shifts`` (mean − mean of the real scars) are by yardstick. ``inside`` is
    the share of studies between the real patients' quartiles, ``inside_halves`` the same by halves: of this
    kind, and of real scars; ``dispersion`` the SD over patients ÷ that of the real ones, which tells where
    every scar was given a middling value. ``dice`` is the segmenter's on infarct with MVO,
    ``dice_difference`` that minus its Dice on real scars, ``passed`` the share that the quality filter keeps.
    ``volume_error`` is the median relative error of the segmenter's volume, corrected for its bias, against
    the asked one (on real scars: leaving the study itself out), ``volume_error_raw`` without the correction.
    ``nearest`` is the distance to the nearest training scar, ``diversity`` that of seeds (0 all the same, 1
    independent).
    """

    kind: str
    patients: int
    studies: int
    distances: dict[str, Distance]
    medians: dict[str, float]
    shifts: dict[str, Estimate]
    inside: dict[str, Estimate]
    inside_halves: dict[str, tuple[float, float]]
    dispersion: dict[str, float]
    dice: Estimate
    dice_difference: Estimate
    passed: Estimate
    volume_error: float
    volume_error_raw: float
    nearest: Estimate
    diversity: float
    kept: Kept
    seconds: float
    evaluations: int
    changed_outside: int
    no_heart: int

    @property
    def fails(self) -> list[str]:
        """The yardsticks on which real halves are hardly ever as far apart as this kind is from them."""
        return [name for name, distance in self.distances.items() if distance.fails]


@dataclass(frozen=True)
class Summary:
    """All kinds, real scars first; ``note`` says what could not be computed and why."""

    kinds: dict[str, KindSummary]
    quality_filter: QualityFilter
    volume_bias: VolumeBias | None
    bands: dict[str, tuple[float, float]]
    pass_rate: float
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types; None stands for what isn't defined."""
        values = asdict(self)
        for kind, summary in self.kinds.items():
            own = values["kinds"][kind]
            own["fails"] = summary.fails
            for name, distance in summary.distances.items():
                own["distances"][name] |= {"ratio": distance.ratio, "fails": distance.fails}
        values["targets"] = {
            kind: [asdict(target) for target in targets(summary)]
            for kind, summary in self.kinds.items()
            if kind != "real"
        }
        return without_nan(values)


@dataclass(frozen=True)
class Target:
    """A figure to reach; ``reached`` is None where it could not be measured."""

    name: str
    value: float
    wanted: str
    reached: bool | None


def targets(kind: KindSummary) -> list[Target]:
    """Return the targets for synthetic scars and whether ``kind`` reaches them."""

    def at_most(name: str, value: float, most: float) -> Target:
        return Target(name, value, f"≤ {most:g}", None if np.isnan(value) else value <= most)

    def at_least(name: str, value: float, least: float) -> Target:
        return Target(name, value, f"≥ {least:g}", None if np.isnan(value) else value >= least)

    return [
        at_most("grey levels, × real halves", kind.distances[LEVELS].ratio, 1.25),
        at_least("CNR inside the real quartiles", kind.inside["cnr"].value, 0.8),
        at_least("edge inside the real quartiles", kind.inside["edge"].value, 0.8),
        at_most("|Dice − Dice on real scars|", abs(kind.dice_difference.value), 0.05),
        at_most("median error of asked volume", kind.volume_error, 0.15),
        at_most("voxels changed outside", float(kind.changed_outside), 0),
        at_most("network evaluations", float(kind.evaluations), 16),
    ]


def summarise(
    records: Sequence[ScarRecord], *, pass_rate: float = 0.9, resamples: int = 500, seed: int = 0
) -> Summary:
    """Compare every kind among ``records`` with the real scars, which must be among them.

    The same seed gives the same intervals. Raises SpecificationError without real records.
    """
    real = [record for record in records if record.kind == "real"]
    if not real:
        raise SpecificationError("There are no real scars to compare with: evaluate some.")
    quality = QualityFilter.calibrate([record.dice for record in real], pass_rate)
    bias, note = _volume_bias(real)
    scars = RealScars.of(real, resamples, np.random.default_rng(seed))
    kinds = {}
    for kind in ("real", *KINDS):
        own = [record for record in records if record.kind == kind]
        if own:
            against = Against(scars, by_patient(own), resamples, seed)
            kinds[kind] = _summary(kind, own, against, _passes(kind, real, quality, pass_rate), bias)
    bands = {name: scars.quartiles(name) for name in YARDSTICKS}
    return Summary(kinds, quality, bias, bands, pass_rate, note)


def _volume_bias(real: list[ScarRecord]) -> tuple[VolumeBias | None, str]:
    try:
        return VolumeBias.fit([r.found_ml for r in real], [r.asked_ml for r in real]), ""
    except SpecificationError as error:
        return None, f"Volumes are not corrected. {error}"


def _passes(kind: str, real: list[ScarRecord], quality: QualityFilter, pass_rate: float) -> Measure:
    """Return whether a record passes the filter (1 or 0); a real one that of the other real scars."""

    def passes(record: ScarRecord) -> float:
        if kind != "real":
            return float(quality.passes(record.dice))
        others = [other.dice for other in real if other is not record]
        return float(QualityFilter.calibrate(others, pass_rate).passes(record.dice))

    return passes


def _corrected(kind: str, own: list[ScarRecord], bias: VolumeBias | None) -> np.ndarray:
    """Return the found volumes in ml without the segmenter's bias; a real one's as the others show it."""
    found = [record.found_ml for record in own]
    if bias is None:
        return np.full(len(own), np.nan)
    if kind == "real":
        return np.array(leave_one_out_corrected(found, [record.asked_ml for record in own]))
    return np.array([bias.corrected(ml) for ml in found])


def _summary(
    kind: str,
    own: list[ScarRecord],
    against: Against,
    passes: Measure,
    bias: VolumeBias | None,
) -> KindSummary:
    asked = np.array([record.asked_ml for record in own])
    found = np.array([record.found_ml for record in own])
    return KindSummary(
        kind=kind,
        patients=len(against.kind),
        studies=len(own),
        distances={name: against.distance(name) for name in (LEVELS, *YARDSTICKS)},
        medians={name: _median([getattr(record.measures, name) for record in own]) for name in YARDSTICKS},
        shifts={name: against.difference(_value_of(name)) for name in YARDSTICKS},
        inside={name: against.mean(_is_inside(name, against.real.quartiles(name))) for name in BANDED},
        inside_halves={name: against.share_inside(name) for name in BANDED},
        dispersion={name: against.dispersion(_value_of(name)) for name in BANDED},
        dice=against.mean(lambda record: record.dice),
        dice_difference=against.difference(lambda record: record.dice),
        passed=against.mean(passes),
        volume_error=_median(np.abs(_corrected(kind, own, bias) - asked) / asked),
        volume_error_raw=_median(np.abs(found - asked) / asked),
        nearest=against.mean(lambda record: record.nearest),
        diversity=_diversity(against.kind) if kind == "repainted" else float("nan"),
        kept=_kept(own),
        seconds=_median([record.seconds for record in own]),
        evaluations=max(record.evaluations for record in own),
        changed_outside=sum(record.changed_outside for record in own),
        no_heart=sum(record.no_heart for record in own),
    )


def _value_of(name: str) -> Measure:
    return lambda record: float(getattr(record.measures, name))


def _is_inside(name: str, band: tuple[float, float]) -> Measure:
    def inside(record: ScarRecord) -> float:
        value = float(getattr(record.measures, name))
        return value if np.isnan(value) else float(band[0] <= value <= band[1])

    return inside


def _diversity(patients: Patients) -> float:
    return _median([seed_diversity(np.stack([r.inside for r in some])) for some in patients.values()])


def _kept(own: list[ScarRecord]) -> Kept:
    placed = [record.survival for record in own if record.survival is not None]
    pairs = [(s.transmurality_asked, s.transmurality_found) for s in placed]
    asked, found = np.array([p for p in pairs if not np.isnan(p).any()]).reshape(-1, 2).T
    return Kept(
        mean_of_known([s.segment_dice for s in placed]),
        _median([s.angle_error_deg for s in placed]),
        _median(np.abs(asked - found)),
        concordance(asked.tolist(), found.tolist()) if len(asked) > 1 else float("nan"),
        len(placed),
    )


def _median(values: Sequence[float] | np.ndarray) -> float:
    kept = [value for value in values if not np.isnan(value)]
    return float(np.median(kept)) if kept else float("nan")
