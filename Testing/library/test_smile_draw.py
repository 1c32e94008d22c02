"""Random specifications: connected, possible, and spread as real infarcts are."""

import functools

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.anatomy import LVFrame
from claimslicer.anatomy.aha import SEGMENTS, neighbours
from claimslicer.errors import SpecificationError
from claimslicer.labels import ScarLabel
from claimslicer.smile import ScarPrior, generate_scar, paper_spec, random_spec
from hypothesis import given, settings
from hypothesis import strategies as st


@functools.cache
def ventricle(cap_slices: int = 1) -> LVFrame:
    return make_ventricle(spacing=(2.0, 2.0, 10.0), slices=8, cap_slices=cap_slices)[1]


def connected_parts(segments: tuple[int, ...]) -> int:
    """Number of connected parts of a set of segments in the adjacency graph."""
    left, parts = set(segments), 0
    while left:
        parts += 1
        reached = {left.pop()}
        while reached:
            reached = {n for k in reached for n in neighbours(k)} & left
            left -= reached
    return parts


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), cap_slices=st.sampled_from((0, 1)))
def test_every_drawn_scar_can_be_made(seed, cap_slices):
    frame = ventricle(cap_slices)
    spec = random_spec(frame, np.random.default_rng(seed))
    assert set(spec.segments) <= set(np.unique(frame.segments))
    assert connected_parts(spec.segments) <= len(ScarPrior().foci)
    scar = generate_scar(spec, frame)
    assert scar.volume_ml == pytest.approx(spec.volume_ml, rel=0.01, abs=frame.geometry.voxel_volume_ml)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_one_focus_is_one_connected_set_of_segments(seed):
    spec = random_spec(ventricle(), np.random.default_rng(seed), ScarPrior(foci=(1.0,)))
    assert connected_parts(spec.segments) == 1


def test_same_generator_state_draws_the_same_scar():
    first, second = (random_spec(ventricle(), np.random.default_rng(11)) for _ in range(2))
    assert first == second


def test_a_cohort_reaches_every_segment_and_level_and_is_spread_as_infarcts_are():
    rng = np.random.default_rng(0)
    specs = [random_spec(ventricle(), rng) for _ in range(400)]
    drawn = {k for spec in specs for k in spec.segments}
    assert drawn == set(SEGMENTS)
    lv_ml = ventricle().myocardium.sum() * ventricle().geometry.voxel_volume_ml
    extent = np.array([100 * spec.volume_ml / lv_ml for spec in specs])
    # The EMIDEC patients: mean 20.1 %, quartiles 10.0, 19.3 and 28.7 %; MVO in 60 %.
    assert extent.mean() == pytest.approx(20.1, abs=2.5)
    np.testing.assert_allclose(np.percentile(extent, [25, 50, 75]), [10.0, 19.3, 28.7], atol=4.0)
    assert np.mean([spec.mvo_fraction > 0 for spec in specs]) == pytest.approx(0.6, abs=0.1)
    several = np.mean([connected_parts(spec.segments) > 1 for spec in specs])
    assert 0.08 < several < 0.3
    lad_only = [all(SEGMENTS[k].territory == "LAD" for k in spec.segments) for spec in specs]
    assert 0.05 < np.mean(lad_only) < 0.6


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_scar_drawn_beside_an_existing_one_fits(seed):
    frame = ventricle()
    existing = np.where(np.isin(frame.segments, (1, 2, 7, 8, 13, 14)), ScarLabel.SCAR, ScarLabel.NONE)
    existing = existing.astype(np.uint8)
    spec = random_spec(frame, np.random.default_rng(seed), existing=existing)
    scar = generate_scar(spec, frame, existing=existing)
    assert not scar.added[existing > 0].any()


def test_no_room_is_said():
    frame = ventricle()
    full = frame.myocardium.astype(np.uint8)
    with pytest.raises(SpecificationError, match="no room"):
        random_spec(frame, np.random.default_rng(0), existing=full)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_papers_draw_takes_adjacent_regions_of_all_three_levels(seed):
    frame = ventricle()
    spec = paper_spec(frame, np.random.default_rng(seed))
    assert {SEGMENTS[k].level for k in spec.segments} == {"basal", "mid", "apical"}
    assert connected_parts(spec.segments) == 1
    added = generate_scar(spec, frame).added
    for segment, share in spec.percent.items():
        wall = frame.segments == segment
        assert added[wall].mean() == pytest.approx(share / 100, abs=0.5 / wall.sum() + 1e-9)
