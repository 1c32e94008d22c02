"""What an experiment's scores say: means over patients, differences to P, intervals, spread over seeds.

A patient's value is the mean over seeds, and for test folders over folds. Intervals are 95 % percentile
bootstrap intervals over patients; they don't hold what another seed would change, which stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from claimslicer.experiments.arms import BASELINE
from claimslicer.experiments.scores import THRESHOLDS, Score
from claimslicer.outputs import without_nan
from claimslicer.quantification import bland_altman, bootstrap_interval, concordance, mean_of_known

FALSE_ML = 1.0
"""More infarct than this, found in a heart without any, counts as a false alarm."""


@dataclass(frozen=True)
class Estimate:
    """A mean over ``patients`` with the ends of its 95 % interval, and the SD of it over seeds; or NaN."""

    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    patients: int = 0
    seeds_sd: float = float("nan")


Value = Callable[[Score], float]


def _number(region: str, name: str) -> Value:
    def value(score: Score) -> float:
        found = score.regions[region][name]
        return float("nan") if found is None else float(found)

    return value


def _false_alarm(score: Score) -> float:
    return float((score.regions["infarct"]["volume_ml"] or 0.0) > FALSE_ML)


@dataclass(frozen=True)
class Measure:
    """A number of each score, and whose: patients ``with`` infarct, ``without``, or ``all``."""

    title: str
    value: Value
    whose: str = "with"

    def counts(self, score: Score) -> bool:
        """Say whether the score is one of those."""
        return self.whose == "all" or score.has_infarct == (self.whose == "with")


MEASURES: Mapping[str, Measure] = {
    "infarct": Measure("Infarct", _number("infarct", "dice")),
    "mi": Measure("MI", _number("mi", "dice")),
    "mvo": Measure("MVO", _number("mvo", "dice_non_empty")),
    "myocardium": Measure("Myocardium", _number("myocardium", "dice"), "all"),
    "mi_without_empty": Measure("MI, without empty", _number("mi", "dice_non_empty")),
    "mvo_emidec": Measure("MVO, empty 1", _number("mvo", "dice")),
    "infarct_all_emidec": Measure("Infarct, everybody, empty 1", _number("infarct", "dice"), "all"),
    "infarct_all": Measure("… without empty", _number("infarct", "dice_non_empty"), "all"),
    "myocardium_with": Measure("Myocardium, infarcted", _number("myocardium", "dice")),
    "precision": Measure("Precision", _number("infarct", "precision")),
    "sensitivity": Measure("Sensitivity", _number("infarct", "sensitivity")),
    "specificity": Measure("Specificity", _number("infarct", "specificity")),
    "hd95_mm": Measure("HD95 (mm)", _number("infarct", "hd95_mm")),
    "surface_mm": Measure("Surface distance (mm)", _number("infarct", "surface_distance_mm")),
    "bias_ml": Measure("Volume bias (ml)", _number("infarct", "difference_ml")),
    "false_alarms": Measure(f"> {FALSE_ML:g} ml in normals", _false_alarm, "without"),
    "no_heart": Measure("No heart found", lambda score: float(score.no_heart), "all"),
}
"""``infarct`` is labels 3 and 4. ``empty 1`` is EMIDEC's convention: an empty prediction of an empty region
has a Dice of 1; the other leaves such cases out."""


@dataclass(frozen=True)
class Row:
    """One row on one test set.

    ``estimates`` and ``differences`` (to the row P, paired by patient, on the seeds and patients that both
    have) are by measure. ``limits_ml`` are the limits of agreement of the infarct's volume and
    ``concordance`` Lin's coefficient. ``segments_ml`` is the mean infarct in AHA segments 1 to 17 over the
    patients with infarct, ``true_segments_ml`` that of the labels.
    """

    name: str
    seeds: int
    patients: int
    estimates: dict[str, Estimate]
    differences: dict[str, Estimate]
    limits_ml: tuple[float, float]
    concordance: float
    segments_ml: tuple[float, ...]
    true_segments_ml: tuple[float, ...]


@dataclass(frozen=True)
class Summary:
    """The rows of each test set, in the order asked for."""

    tests: dict[str, list[Row]]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types; None stands for what isn't defined."""
        return without_nan({test: [asdict(row) for row in rows] for test, rows in self.tests.items()})


def summarise(scores: Iterable[Score], names: Sequence[str], *, resamples: int = 2000) -> Summary:
    """Sum up the scores of the rows ``names``, test set by test set; rows without scores are left out."""
    by_test: dict[str, dict[str, list[Score]]] = {}
    for score in scores:
        by_test.setdefault(score.test, {}).setdefault(score.arm, []).append(score)
    return Summary(
        {
            test: [_row(name, own[name], own.get(BASELINE), resamples) for name in names if name in own]
            for test, own in by_test.items()
        }
    )


def _row(name: str, own: list[Score], baseline: list[Score] | None, resamples: int) -> Row:
    differences = {}
    if baseline is not None and name not in (BASELINE, *THRESHOLDS):
        differences = {
            key: _estimate(_values(own, one) - _values(baseline, one), resamples)
            for key, one in MEASURES.items()
        }
    volumes = [_values(own, Measure("", _number("infarct", name))) for name in ("volume_ml", "reference_ml")]
    found, true = (table.over_seeds() for table in volumes)
    limits = (float("nan"), float("nan"))
    if len(found) > 1:
        agreement = bland_altman(found.tolist(), true.tolist())
        limits = (agreement.lower, agreement.upper)
    return Row(
        name,
        len({score.seed for score in own}),
        len({score.patient for score in own}),
        {key: _estimate(_values(own, one), resamples) for key, one in MEASURES.items()},
        differences,
        limits,
        concordance(found.tolist(), true.tolist()) if len(found) > 1 else float("nan"),
        *(_mean_segments(own, which) for which in (0, 1)),
    )


@dataclass(frozen=True)
class _Values:
    """A measure of each patient and seed, NaN where it isn't defined; folds are averaged."""

    by_patient: dict[str, dict[int, float]]

    def __sub__(self, other: _Values) -> _Values:
        """Return the differences where both have patient and seed."""
        return _Values(
            {
                patient: {
                    seed: value - other.by_patient[patient][seed]
                    for seed, value in seeds.items()
                    if seed in other.by_patient[patient]
                }
                for patient, seeds in self.by_patient.items()
                if patient in other.by_patient
            }
        )

    def over_seeds(self) -> np.ndarray:
        """Return each patient's mean over seeds, without patients that have none."""
        means = np.array([mean_of_known(seeds.values()) for seeds in self.by_patient.values()])
        return means[~np.isnan(means)]

    def seeds_sd(self) -> float:
        """Return the SD over seeds of the mean over those patients that every seed has a value of."""
        seeds = sorted({seed for own in self.by_patient.values() for seed in own})
        if len(seeds) < 2:
            return float("nan")
        table = np.array([[own.get(seed, np.nan) for seed in seeds] for own in self.by_patient.values()])
        whole = table[~np.isnan(table).any(1)]
        return float(whole.mean(0).std(ddof=1)) if len(whole) else float("nan")


def _values(scores: Iterable[Score], measure: Measure) -> _Values:
    values: dict[str, dict[int, list[float]]] = {}
    for score in scores:
        if measure.counts(score):
            values.setdefault(score.patient, {}).setdefault(score.seed, []).append(measure.value(score))
    return _Values(
        {
            patient: {seed: mean_of_known(own) for seed, own in seeds.items()}
            for patient, seeds in sorted(values.items())
        }
    )


def _estimate(values: _Values, resamples: int) -> Estimate:
    means = values.over_seeds()
    if len(means) < 2:
        return Estimate(mean_of_known(means), patients=len(means), seeds_sd=values.seeds_sd())
    found = bootstrap_interval(means.tolist(), np.random.default_rng(0), resamples=resamples)
    return Estimate(found.estimate, found.low, found.high, found.count, values.seeds_sd())


def _mean_segments(scores: Sequence[Score], which: int) -> tuple[float, ...]:
    """Return the mean ml of each segment over patients with infarct, of each over its scores; or nothing."""
    by_patient: dict[str, list[tuple[float, ...]]] = {}
    for score in scores:
        if score.has_infarct and score.segments_ml is not None:
            by_patient.setdefault(score.patient, []).append(score.segments_ml[which])
    if not by_patient:
        return ()
    return tuple(np.mean([np.mean(own, 0) for own in by_patient.values()], 0).tolist())
