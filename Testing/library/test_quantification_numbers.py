"""Volumes, masses and transmurality against closed forms."""

import dataclasses
import json

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.errors import AnatomyError, StudyError
from claimslicer.labels import Label
from claimslicer.quantification import quantify, transmurality_class, wall_chords
from claimslicer.studies import Geometry
from hypothesis import given, settings
from hypothesis import strategies as st

ARRAYS = ("myocardium", "cavity", "longitudinal", "circumferential", "transmural", "segments")
SPACINGS = [(1.0, 1.0, 8.0), (1.4, 1.4, 13.0), (0.9, 1.6, 5.0)]


def with_wedge(labels, frame, segment, depth, value=Label.INFARCT):
    """Label the inner ``depth`` (0–1) of one segment's wall."""
    result = labels.copy()
    result[(frame.segments == segment) & (frame.transmural <= depth)] = value
    return result


@pytest.mark.parametrize("spacing", SPACINGS)
def test_volumes_match_the_cylinder(spacing):
    labels, frame = make_ventricle(spacing, inner_mm=20.0, outer_mm=32.0, slices=10, cap_slices=1)
    result = quantify(labels, frame.geometry, frame)
    height = 9 * spacing[2]
    # A circle counted in pixels is off by a share of its rim.
    assert result.cavity_ml == pytest.approx(np.pi * 20**2 * height / 1000, rel=0.015)
    wall_ml = np.pi * ((32**2 - 20**2) * height + 32**2 * spacing[2]) / 1000
    assert result.myocardium_ml == pytest.approx(wall_ml, rel=0.015)
    assert result.myocardium_g == pytest.approx(1.05 * result.myocardium_ml)
    assert (result.infarct_ml, result.mvo_ml, result.infarct_percent) == (0.0, 0.0, 0.0)


def test_mvo_counts_as_infarct_in_every_number():
    labels, frame = make_ventricle()
    labels = with_wedge(labels, frame, 8, 1.0)
    labels = with_wedge(labels, frame, 8, 0.5, Label.MVO)
    result = quantify(labels, frame.geometry, frame)
    segment = result.segments[7]
    assert segment.infarct_ml == pytest.approx(segment.volume_ml)
    assert segment.area_fraction == pytest.approx(1.0)
    assert segment.transmurality == pytest.approx(1.0)
    assert 0 < segment.mvo_ml < segment.infarct_ml
    assert result.infarct_g == pytest.approx(1.05 * segment.volume_ml)
    assert result.mvo_percent == pytest.approx(100 * segment.mvo_ml / result.myocardium_ml)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("segment", [1, 3, 8, 10, 14, 16])
@pytest.mark.parametrize("depth", [0.25, 0.5, 0.75, 1.0])
def test_transmurality_of_a_wedge_is_its_depth(spacing, segment, depth):
    labels, frame = make_ventricle(spacing)
    result = quantify(with_wedge(labels, frame, segment, depth), frame.geometry, frame)
    measured = result.segments[segment - 1]
    # 12 mm of wall on voxels of up to 1.6 mm: half a voxel's uncertainty, shared by many chords.
    assert measured.transmurality == pytest.approx(depth, abs=0.025)
    # Area, unlike thickness, grows with the radius.
    area = ((20 + 12 * depth) ** 2 - 20**2) / (32**2 - 20**2)
    assert measured.area_fraction == pytest.approx(area, abs=0.03)
    others = [s.transmurality for s in result.segments if s.segment != segment]
    assert max(others) < 0.03


def test_transmurality_counts_healthy_chords_of_the_segment():
    labels, frame = make_ventricle((0.7, 0.7, 8.0))
    labels[(frame.segments == 11) & (frame.circumferential < 330)] = Label.INFARCT
    segment = quantify(labels, frame.geometry, frame).segments[10]
    assert segment.transmurality == pytest.approx(0.5, abs=0.03)
    assert segment.transmurality_max == 1.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.9))
def test_segments_sum_to_the_whole(seed, share):
    labels, frame = make_ventricle((1.5, 1.5, 8.0))
    rng = np.random.default_rng(seed)
    hit = frame.myocardium & (rng.random(labels.shape) < share)
    labels[hit] = rng.choice([Label.INFARCT, Label.MVO], hit.sum())
    result = quantify(labels, frame.geometry, frame)
    assert sum(s.volume_ml for s in result.segments) == pytest.approx(result.myocardium_ml)
    assert sum(s.infarct_ml for s in result.segments) == pytest.approx(result.infarct_ml)
    assert sum(s.mvo_ml for s in result.segments) == pytest.approx(result.mvo_ml)
    for segment in result.segments:
        assert 0 <= segment.transmurality <= segment.transmurality_max <= 1
        assert segment.transmurality_class == transmurality_class(segment.transmurality)


def test_flipped_slices_give_the_same_numbers():
    labels, frame = make_ventricle()
    labels = with_wedge(labels, frame, 15, 0.6)
    flipped = dataclasses.replace(frame, **{name: getattr(frame, name)[::-1] for name in ARRAYS})
    assert quantify(labels[::-1], frame.geometry, flipped) == quantify(labels, frame.geometry, frame)


def test_slices_along_another_axis_give_the_same_numbers():
    labels, frame = make_ventricle((0.9, 1.6, 5.0))
    labels = with_wedge(labels, frame, 10, 0.6)
    z, y, x = frame.geometry.shape
    sx, sy, sz = frame.geometry.spacing
    turned = dataclasses.replace(
        frame,
        geometry=Geometry((y, x, z), (sz, sx, sy)),
        slice_axis=2,
        **{name: np.moveaxis(getattr(frame, name), 0, 2) for name in ARRAYS},
    )
    original = quantify(labels, frame.geometry, frame)
    result = quantify(np.moveaxis(labels, 0, 2), turned.geometry, turned)
    for a, b in zip(original.segments, result.segments, strict=True):
        assert dataclasses.astuple(a) == pytest.approx(dataclasses.astuple(b))


def test_an_open_ring_has_no_chords_in_its_gap():
    labels, frame = make_ventricle()
    gap = np.nan_to_num(np.abs(frame.circumferential - 180.0), nan=999.0) < 30.0
    arrays = {"myocardium": frame.myocardium & ~gap, "segments": np.where(gap, 0, frame.segments)}
    chords = wall_chords(np.zeros(labels.shape, bool), dataclasses.replace(frame, **arrays))
    inside = np.abs(chords.angle_deg - 180.0)
    assert inside.min() > 25.0
    assert len(chords.angle_deg) == pytest.approx(10 * 120 * 300 / 360, rel=0.03)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (1e-3, "1–25"),
        (0.25, "1–25"),
        (0.25 + 1e-12, "1–25"),
        (0.2501, "26–50"),
        (0.5, "26–50"),
        (0.75, "51–75"),
        (0.76, "76–100"),
        (1.0, "76–100"),
        (float("nan"), None),
    ],
)
def test_transmurality_classes(value, expected):
    assert transmurality_class(value) == expected


def test_missing_segments_are_none_in_rows_and_json():
    labels, frame = make_ventricle(cap_slices=0)
    result = quantify(labels, frame.geometry, frame)
    row = result.rows()[16]
    assert row["segment"] == 17 and row["volume_ml"] == 0.0
    assert row["transmurality"] is None and row["transmurality_class"] is None
    text = json.dumps(result.to_dict(), allow_nan=False)
    assert json.loads(text)["segments"][16]["area_fraction"] is None


def test_without_a_frame_there_are_totals_only():
    labels, frame = make_ventricle()
    assert quantify(labels, frame.geometry).segments == ()


def test_refusals_say_what_to_do():
    labels, frame = make_ventricle()
    with pytest.raises(StudyError, match="no myocardium"):
        quantify(np.zeros_like(labels), frame.geometry, frame)
    with pytest.raises(StudyError, match="shape"):
        quantify(labels, Geometry((3, 4, 5)), frame)
    other = labels.copy()
    other[frame.segments == 4] = Label.BACKGROUND
    with pytest.raises(AnatomyError, match="another wall"):
        quantify(other, frame.geometry, frame)
