"""What an experiment's scores come to: means over seeds, then patients, and gains by patient."""

import json

import numpy as np
import pytest
from claimslicer.experiments.scores import Score
from claimslicer.experiments.summary import summarise
from claimslicer.experiments.tables import dice_table, headline


def score(arm: str, patient: str, seed: int, value: float, *, infarct: bool = True, test: str = "t") -> Score:
    names = ("dice", "dice_non_empty", "precision", "sensitivity", "specificity", "hd95_mm")
    more = {
        "surface_distance_mm": 1.0,
        "volume_ml": 10 * value,
        "reference_ml": 5.0,
        "difference_ml": 10 * value - 5,
    }
    numbers = dict.fromkeys(names, value) | more
    regions = dict.fromkeys(("cavity", "myocardium", "infarct", "mi"), numbers)
    empty = numbers | {"dice": 1.0, "dice_non_empty": None}
    segments = (tuple(np.full(17, value)), tuple(np.full(17, 0.5)))
    return Score(test, arm, seed, "f", patient, "d", "m", infarct, False, {**regions, "mvo": empty}, segments)


SCORES = (
    *(score("P", f"p{n}", seed, 0.5 + 0.1 * n + 0.02 * seed) for n in range(4) for seed in range(2)),
    *(score("P+N", f"p{n}", seed, 0.6 + 0.1 * n - 0.02 * seed) for n in range(4) for seed in range(3)),
    score("P", "n", 0, 0.2, infarct=False),
)


def test_means_over_seeds_then_patients_and_differences_by_patient():
    p, more = summarise(SCORES, ["P", "P+N", "absent"]).tests["t"]
    estimate = p.estimates["infarct"]
    assert estimate.value == pytest.approx(0.66) and estimate.patients == 4
    assert 0.5 < estimate.low < 0.6 and 0.72 < estimate.high < 0.82
    assert estimate.seeds_sd == pytest.approx(0.02 / np.sqrt(2))
    assert p.differences == {}
    gain = more.differences["infarct"]  # of the two seeds that both have
    assert gain.value == pytest.approx(0.08) and gain.patients == 4
    assert gain.low == pytest.approx(0.08) and gain.high == pytest.approx(0.08)
    assert gain.seeds_sd == pytest.approx(0.04 / np.sqrt(2))
    assert more.seeds == 3


def test_both_conventions_and_normals():
    (p, _) = summarise(SCORES, ["P", "P+N"]).tests["t"]
    assert p.estimates["mvo_emidec"].value == 1.0
    assert np.isnan(p.estimates["mvo"].value)
    assert p.estimates["infarct_all"].patients == 5
    assert p.estimates["false_alarms"].value == 1.0
    assert p.estimates["bias_ml"].value == pytest.approx(1.6)
    assert p.segments_ml[0] == pytest.approx(0.66) and p.true_segments_ml == pytest.approx((0.5,) * 17)


def test_tables_and_headline_say_it():
    summary = summarise(SCORES, ["P", "P+N"])
    table = dice_table("t", summary.tests["t"])
    assert table.rows[1][4].startswith("+0.080 (0.080 to 0.080) ± 0.028")
    assert headline(summary) == "t: infarct Dice of P 0.660; against it P+N +0.080 (+0.080 to +0.080)."
    json.dumps(summary.to_dict(), allow_nan=False)
