"""The same heart on any grid and anywhere in space gets the same answer."""

from itertools import permutations

import numpy as np
import pytest
from analytic_heart import (
    HeartShape,
    make_heart,
    moved_geometry,
    moved_insertions,
    regridded,
    regridded_geometry,
)
from claimslicer.anatomy import build_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

HEARTS = {
    "thick": make_heart(8, (2.4, 2.4, 11.0), HeartShape(right_ventricle=True)),
    "oblong": make_heart(7, (1.8, 2.7, 12.0), HeartShape(right_ventricle=True, turn_deg=31.0)),
    "isotropic": make_heart(23, (4.0, 4.0, 4.0), HeartShape(right_ventricle=True, open_base_mm=14.0)),
}
FRAMES = {
    (name, rule): build_frame(heart.labels, heart.geometry, insertions=heart.insertions, rule=rule)
    for name, heart in HEARTS.items()
    for rule in ("fixed", "septal")
}

orders = st.sampled_from(list(permutations(range(3))))
flips = st.tuples(st.booleans(), st.booleans(), st.booleans())
angles = st.floats(-180.0, 180.0)
shifts = st.tuples(*[st.floats(-400.0, 400.0)] * 3).map(np.array)


def assert_same(frame, reference, carry):
    """Compare ``frame`` with the reference carried to its grid."""
    assert np.array_equal(frame.segments, carry(reference.segments))
    wall = frame.myocardium
    for name in ("longitudinal", "transmural"):
        assert np.allclose(getattr(frame, name)[wall], carry(getattr(reference, name))[wall], atol=1e-4)
    turn = frame.circumferential[wall] - carry(reference.circumferential)[wall]
    assert np.abs((turn + 180.0) % 360.0 - 180.0).max() < 0.01


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(list(HEARTS)),
    rule=st.sampled_from(["fixed", "septal"]),
    order=orders,
    flip=flips,
    turn=st.tuples(angles, angles, angles),
    shift=shifts,
)
def test_axes_slice_order_origin_and_direction_do_not_matter(name, rule, order, flip, turn, shift):
    heart = HEARTS[name]
    rotation = Rotation.from_euler("zyx", turn, degrees=True).as_matrix()
    geometry = moved_geometry(regridded_geometry(heart.geometry, order, flip), rotation, shift)
    frame = build_frame(
        regridded(heart.labels, order, flip),
        geometry,
        insertions=moved_insertions(heart.insertions, rotation, shift),
        rule=rule,
    )
    assert_same(frame, FRAMES[name, rule], lambda array: regridded(array, order, flip))


@settings(max_examples=6, deadline=None)
@given(name=st.sampled_from(list(HEARTS)), order=orders, flip=flips, turn=st.tuples(angles, angles, angles))
def test_an_rv_label_gives_the_same_answer_on_any_grid(name, order, flip, turn):
    heart = HEARTS[name]
    rotation = Rotation.from_euler("zyx", turn, degrees=True).as_matrix()
    geometry = moved_geometry(regridded_geometry(heart.geometry, order, flip), rotation, np.zeros(3))
    frame = build_frame(regridded(heart.labels, order, flip), geometry)
    reference = build_frame(heart.labels, heart.geometry)
    assert frame.insertions.source == "rv-label"
    assert_same(frame, reference, lambda array: regridded(array, order, flip))


@settings(max_examples=5, deadline=None)
@given(before=st.tuples(*[st.integers(0, 9)] * 3), after=st.tuples(*[st.integers(0, 9)] * 3))
def test_off_centre_crops_do_not_matter(before, after):
    heart = HEARTS["thick"]
    labels = np.pad(heart.labels, list(zip(before, after, strict=True)))
    origin = heart.geometry.index_to_physical(-np.array(before, float))
    geometry = type(heart.geometry)(labels.shape, heart.geometry.spacing, tuple(origin))
    frame = build_frame(labels, geometry, insertions=heart.insertions)
    inside = tuple(slice(b, b + n) for b, n in zip(before, heart.labels.shape, strict=True))
    assert_same(frame, FRAMES["thick", "fixed"], lambda array: array_in(array, labels.shape, inside))


def array_in(array, shape, inside):
    """Lay ``array`` into a larger one of its own kind."""
    full = np.zeros(shape, array.dtype) if array.dtype != np.float32 else np.full(shape, np.nan, np.float32)
    full[inside] = array
    return full


def test_both_slice_orders_are_recognised():
    heart = HEARTS["thick"]
    turned = (True, False, False)
    geometry = regridded_geometry(heart.geometry, (0, 1, 2), turned)
    labels = regridded(heart.labels, (0, 1, 2), turned)
    assert FRAMES["thick", "fixed"].apex_first
    assert not build_frame(labels, geometry, insertions=heart.insertions).apex_first


@pytest.mark.parametrize("name", list(HEARTS))
def test_a_mirrored_header_is_handled_when_said_so(name):
    heart = HEARTS[name]
    mirror = np.diag([-1.0, 1.0, 1.0])
    geometry = moved_geometry(heart.geometry, mirror, np.zeros(3))
    insertions = moved_insertions(heart.insertions, mirror, np.zeros(3))
    frame = build_frame(heart.labels, geometry, insertions=insertions, mirrored=True)
    assert_same(frame, FRAMES[name, "fixed"], lambda array: array)
    from_rv = build_frame(heart.labels, geometry, mirrored=True)
    assert_same(from_rv, build_frame(heart.labels, heart.geometry), lambda array: array)
