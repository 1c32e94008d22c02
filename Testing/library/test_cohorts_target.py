"""Drawn scars brought to a target distribution."""

import numpy as np
import pytest
from claimslicer.errors import SpecificationError
from claimslicer.smile import ScarSpec
from claimslicer.smile.resample import Histogram, ScarTarget, distance_to_target, scar_weights
from hypothesis import given
from hypothesis import strategies as st

LV_ML = 100.0


def drawn(count: int, seed: int = 0) -> list[ScarSpec]:
    """Return specifications as a prior might draw them: small scars often, one to four segments."""
    rng = np.random.default_rng(seed)
    return [
        ScarSpec(
            segments=tuple(rng.choice(np.arange(1, 18), size=rng.integers(1, 5), replace=False).tolist()),
            volume_ml=float(np.clip(rng.gamma(2.0, 6.0), 0.5, 39.9)),
            transmurality=(0.0, float(rng.uniform(0.4, 1.0))),
        )
        for _ in range(count)
    ]


def test_marginals_reach_the_target():
    """Volumes, depths and places that were drawn otherwise follow the target after weighting."""
    specs = drawn(600)
    target = ScarTarget(
        volume_ml=Histogram((0, 10, 20, 40), (0.2, 0.3, 0.5)),
        transmurality=Histogram((0, 0.7, 1), (0.6, 0.4)),
        segments={k: 3.0 if k in (4, 5, 10, 11) else 1.0 for k in range(1, 18)},
    )
    assert distance_to_target(specs, target, LV_ML) > 0.2
    weights = scar_weights(specs, target, LV_ML)
    assert weights.shortfall < 1e-3
    volumes = np.array([spec.volume_ml for spec in specs])
    assert weights.values[volumes >= 20].sum() == pytest.approx(0.5, abs=1e-3)
    inferolateral = sum(
        w / len(spec.segments) * len({4, 5, 10, 11} & set(spec.segments))
        for w, spec in zip(weights.values, specs, strict=True)
    )
    assert inferolateral == pytest.approx(12 / 25, abs=2e-3)
    assert 50 < weights.effective_count < 600


def test_a_cohort_taken_by_weight_follows_the_target():
    """Specifications taken by their weights have the asked volumes, to within chance."""
    specs = drawn(500)
    target = ScarTarget(extent_percent=Histogram((0, 10, 20, 40), (0.1, 0.1, 0.8)))
    rng = np.random.default_rng(1)
    taken = rng.choice(len(specs), 2000, p=scar_weights(specs, target, LV_ML).values)
    assert distance_to_target([specs[i] for i in taken], target, LV_ML) < 0.03


@given(st.lists(st.floats(0, 10), min_size=3, max_size=3).filter(lambda shares: sum(shares) > 0.1))
def test_weights_are_shares(shares):
    """Whatever is asked for, the weights are shares, and what lies in bins of share 0 is never taken."""
    specs = drawn(80)
    target = ScarTarget(volume_ml=Histogram((0, 8, 16, 40), tuple(shares)))
    weights = scar_weights(specs, target, LV_ML).values
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    bins = np.digitize([spec.volume_ml for spec in specs], (8, 16))
    for number, share in enumerate(shares):
        assert weights[bins == number].sum() == pytest.approx(share / sum(shares), abs=1e-3)


def test_what_no_scar_reaches_is_said():
    """A bin without a drawn scar is left to the others and counted; a target without any is refused."""
    specs = drawn(100)
    half = ScarTarget(volume_ml=Histogram((0, 40, 80), (1, 1)))
    assert scar_weights(specs, half, LV_ML).shortfall == pytest.approx(0.5)
    with pytest.raises(SpecificationError, match="widen"):
        scar_weights(specs, ScarTarget(volume_ml=Histogram((80, 90), (1,))), LV_ML)
    with pytest.raises(SpecificationError, match="volume in ml"):
        scar_weights([ScarSpec(segments=(1,), percent=10)], half, LV_ML)


def test_histogram_of_real_volumes():
    """A histogram of patients' volumes has their shares, the upper edge counting in."""
    assert Histogram.of([1, 2, 12, 20], (0, 10, 20)).shares == (0.5, 0.5)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"volume": {"edges": [0, 1], "shares": [1]}},
        {"volume_ml": [0, 1]},
        {"volume_ml": {"edges": [0, 1], "shares": [1, 1]}},
        {"volume_ml": {"edges": [1, 0], "shares": [1]}},
        {"volume_ml": {"edges": [0, 1], "shares": [-1]}},
        {"volume_ml": {"edges": ["a", "b"], "shares": [1]}},
        {"segments": {18: 1.0}},
        {"segments": {1: 0.0}},
        {"segments": [1, 2]},
    ],
)
def test_wrong_targets_are_refused(values):
    """One sentence says what is wrong with a target."""
    with pytest.raises(SpecificationError):
        ScarTarget.from_dict(values)
