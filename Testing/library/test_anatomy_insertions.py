"""RV insertions from an RV label, and what is refused."""

import numpy as np
import pytest
from analytic_heart import HeartShape, make_heart
from claimslicer.anatomy import Insertions, build_frame
from claimslicer.anatomy.coordinates import fit_long_axis
from claimslicer.anatomy.insertions import insertions_from_rv
from claimslicer.anatomy.stack import make_stack
from claimslicer.errors import AnatomyError
from claimslicer.labels import Label
from claimslicer.studies import Geometry
from claimslicer.studies.phantom import PhantomSettings, make_phantom


def angular_errors(labels, geometry, found, truth):
    """Return how far both points are off, in degrees round the ventricle."""
    axis = fit_long_axis(make_stack(labels, geometry))
    difference = axis.angle(np.array([found.anterior, found.inferior])) - axis.angle(
        np.array([truth.anterior, truth.inferior])
    )
    return np.abs((difference + 180.0) % 360.0 - 180.0)


@pytest.mark.parametrize("arc", [88.0, 120.0, 140.0])
@pytest.mark.parametrize("turn", [-70.0, 0.0, 20.0, 160.0])
def test_the_ends_of_the_rv_label_are_found(arc, turn):
    heart = make_heart(shape=HeartShape(septal_arc=arc, turn_deg=turn, right_ventricle=True))
    found = insertions_from_rv(heart.labels, heart.geometry)
    assert found.source == "rv-label"
    assert found.confidence > 0.9
    assert angular_errors(heart.labels, heart.geometry, found, heart.insertions).max() < 4.0


@pytest.mark.parametrize(
    "settings",
    [
        PhantomSettings(seed=1),
        PhantomSettings(seed=2, septal_arc_deg=100.0, rotation_deg=35.0),
        PhantomSettings(seed=3, septal_arc_deg=135.0, apex_first=False, n_slices=6, slice_spacing=13.0),
        PhantomSettings(seed=4, direction=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)),
    ],
    ids=["usual", "narrow and turned", "wide and base first", "mirrored grid"],
)
def test_the_ends_of_a_phantoms_rv_are_found(settings):
    phantom = make_phantom(settings)
    study = phantom.study
    found = insertions_from_rv(study.labels, study.geometry)
    assert angular_errors(study.labels, study.geometry, found, phantom.insertions).max() < 8.0


def test_given_points_come_before_the_rv_label():
    heart = make_heart(shape=HeartShape(right_ventricle=True))
    assert build_frame(heart.labels, heart.geometry, insertions=heart.insertions).insertions.source == "given"
    assert build_frame(heart.labels, heart.geometry).insertions.source == "rv-label"


HEART = make_heart()
NAN = float("nan")


def moved(point, by):
    return tuple(float(a + b) for a, b in zip(point, by, strict=True))


@pytest.mark.parametrize(
    ("insertions", "says"),
    [
        (Insertions(HEART.insertions.inferior, HEART.insertions.anterior), "wrong way round"),
        (Insertions(HEART.insertions.anterior, moved(HEART.insertions.anterior, (2, 1, 0))), "apart"),
        (Insertions(HEART.insertions.anterior, (17.0, 24.0, 50.0)), "face each other"),
        (Insertions((NAN, 0.0, 0.0), HEART.insertions.inferior), "not a number"),
        (Insertions(moved(HEART.insertions.anterior, (0, 0, 90)), HEART.insertions.inferior), "outside"),
        (Insertions(moved(HEART.insertions.anterior, (-80, 0, 0)), HEART.insertions.inferior), "outside"),
        (Insertions((1.0, 0.5, 50.0), HEART.insertions.inferior), "middle of the cavity"),
    ],
)
def test_impossible_insertions_are_refused(insertions, says):
    with pytest.raises(AnatomyError, match=says):
        build_frame(HEART.labels, HEART.geometry, insertions=insertions)


def without(*values):
    labels = HEART.labels.copy()
    labels[np.isin(labels, values)] = Label.BACKGROUND
    return labels


def only_slices(*keep):
    labels = np.zeros_like(HEART.labels)
    labels[list(keep)] = HEART.labels[list(keep)]
    return labels


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (without(Label.MYOCARDIUM), "no left-ventricular myocardium"),
        (without(Label.CAVITY), "no left-ventricular cavity"),
        (np.zeros_like(HEART.labels), "no left-ventricular"),
        (only_slices(5), "at least three"),
        (only_slices(4, 5), "at least three"),
        (HEART.labels[:5], "belong to this study"),
        (HEART.labels[4], "2 dimensions"),
        (np.where(HEART.labels == 0, np.nan, HEART.labels), "other than the whole numbers"),
        (np.where(HEART.labels == 0, 9, HEART.labels), "other than the whole numbers"),
    ],
    ids=["no wall", "no cavity", "empty", "one slice", "two slices", "shape", "2-D", "NaN", "unknown value"],
)
def test_impossible_labels_are_refused(labels, says):
    with pytest.raises(AnatomyError, match=says):
        build_frame(labels, HEART.geometry, insertions=HEART.insertions, apex_first=True)


def test_nothing_that_tells_the_angle_is_refused():
    with pytest.raises(AnatomyError, match="insertion points, an RV label or the image"):
        build_frame(HEART.labels, HEART.geometry)


def test_an_unknown_rule_is_refused():
    with pytest.raises(AnatomyError, match="'fixed' or 'septal'"):
        build_frame(HEART.labels, HEART.geometry, insertions=HEART.insertions, rule="wedge")


def test_an_unusable_header_is_refused():
    flat = Geometry(HEART.geometry.shape, (1.0, 1.0, 0.0))
    with pytest.raises(AnatomyError, match="header"):
        build_frame(HEART.labels, flat, insertions=HEART.insertions)


def test_a_cylinder_does_not_tell_its_apex():
    labels = np.repeat(HEART.labels[6][None], 5, axis=0)
    geometry = Geometry(labels.shape, HEART.geometry.spacing, HEART.geometry.origin)
    with pytest.raises(AnatomyError, match="which end of the stack is the apex"):
        build_frame(labels, geometry, insertions=HEART.insertions)
    middle = geometry.index_to_physical(np.array([2.0, 0.0, 0.0]))[2]
    points = [(*point[:2], float(middle)) for point in (HEART.insertions.anterior, HEART.insertions.inferior)]
    frame = build_frame(labels, geometry, insertions=Insertions(*points), apex_first=True)
    assert set(np.unique(frame.segments)) == set(range(17))
