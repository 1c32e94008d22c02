"""The atlas route: the template, registration there and back, and a user's own atlas file."""

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_heart import HeartShape, make_heart
from claimslicer.anatomy import build_frame
from claimslicer.anatomy.atlas import Atlas, make_template, read_atlas, register_atlas
from claimslicer.anatomy.template import ATLAS_CAVITY
from claimslicer.errors import AnatomyError

TEMPLATE = make_template(spacing_mm=2.5)
HEART = make_heart(8, (2.0, 2.0, 10.0), HeartShape(turn_deg=50.0, radius=29.0, length=76.0))


def dice(first, second):
    return 2.0 * (first & second).sum() / (first.sum() + second.sum())


def wall_of(atlas):
    return (atlas.labels > 0) & (atlas.labels < ATLAS_CAVITY)


@pytest.fixture(scope="module")
def registration():
    return register_atlas(HEART.labels, HEART.geometry, TEMPLATE, HEART.insertions)


def test_the_template_has_all_segments_of_about_equal_size():
    counts = np.bincount(TEMPLATE.labels.ravel(), minlength=19)[1:18]
    assert counts.min() > 0
    for ring in (counts[0:6], counts[6:12], counts[12:16]):
        assert ring.max() < 1.15 * ring.min()


def test_segments_agree_with_the_truth(registration):
    assert registration.rotation == "insertions"
    assert np.array_equal(registration.segments > 0, HEART.wall)
    frame = build_frame(HEART.labels, HEART.geometry, insertions=HEART.insertions)
    assert (registration.segments == frame.segments)[HEART.wall].mean() > 0.8


def test_masks_go_there_and_back(registration):
    there = registration.mask_to_atlas(HEART.wall.astype(np.uint8)) > 0
    assert dice(there, wall_of(TEMPLATE)) > 0.75
    back = registration.mask_to_subject(there.astype(np.uint8)) > 0
    assert dice(back, HEART.wall) > 0.75


def test_without_insertions_the_rotation_is_left_to_chance():
    registration = register_atlas(HEART.labels, HEART.geometry, TEMPLATE)
    assert registration.rotation == "chance"
    frame = build_frame(HEART.labels, HEART.geometry, insertions=HEART.insertions)
    # The heart is turned by 50°, most of a segment.
    assert (registration.segments == frame.segments)[HEART.wall].mean() < 0.5


def test_a_users_atlas_is_read_with_and_without_its_cavity(tmp_path):
    path = tmp_path / "atlas.nii.gz"
    sitk.WriteImage(TEMPLATE.geometry.to_sitk(TEMPLATE.labels), str(path))
    assert np.array_equal(read_atlas(path).labels, TEMPLATE.labels)
    hollow = np.where(TEMPLATE.labels == ATLAS_CAVITY, 0, TEMPLATE.labels)
    sitk.WriteImage(TEMPLATE.geometry.to_sitk(hollow), str(path))
    assert np.array_equal(read_atlas(path).labels, TEMPLATE.labels)


def test_impossible_atlases_are_refused(tmp_path):
    with pytest.raises(AnatomyError, match="can't be read"):
        read_atlas(tmp_path / "missing.nii.gz")
    path = tmp_path / "atlas.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 4, 4), 40, np.uint8)), str(path))
    with pytest.raises(AnatomyError, match="no label map of AHA segments"):
        read_atlas(path)
    with pytest.raises(AnatomyError, match="lacks segment"):
        Atlas(np.where(TEMPLATE.labels == 5, 0, TEMPLATE.labels), TEMPLATE.geometry, "holed")
    mirrored = Atlas(TEMPLATE.labels[:, ::-1], TEMPLATE.geometry, "mirrored")
    with pytest.raises(AnatomyError, match="is mirrored"):
        register_atlas(HEART.labels, HEART.geometry, mirrored, HEART.insertions)
