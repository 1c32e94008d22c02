"""The AHA-17 table against the published model."""

import numpy as np
import pytest
from claimslicer.anatomy.aha import ADJACENCY, SEGMENTS, TERRITORIES, neighbours, segments_at

RINGS = "1-2 2-3 3-4 4-5 5-6 1-6 7-8 8-9 9-10 10-11 11-12 7-12 13-14 14-15 15-16 13-16"
BASAL_MID = "1-7 2-8 3-9 4-10 5-11 6-12"
MID_APICAL = "7-13 8-13 12-13 8-14 9-14 9-15 10-15 11-15 11-16 12-16"
APEX = "13-17 14-17 15-17 16-17"


def test_adjacency_is_the_36_published_edges():
    listed = {
        tuple(sorted(map(int, pair.split("-"))))
        for pair in " ".join((RINGS, BASAL_MID, MID_APICAL, APEX)).split()
    }
    assert len(listed) == 36
    assert listed == ADJACENCY


def test_neighbours_agree_with_the_edges():
    assert neighbours(17) == (13, 14, 15, 16)
    assert neighbours(8) == (2, 7, 9, 13, 14)
    for a in SEGMENTS:
        assert all(a in neighbours(b) for b in neighbours(a))


@pytest.mark.parametrize(
    ("number", "name", "centre", "width"),
    [
        (1, "basal anterior", 90, 60),
        (3, "basal inferoseptal", 210, 60),
        (11, "mid inferolateral", 330, 60),
        (12, "mid anterolateral", 30, 60),
        (14, "apical septal", 180, 90),
        (16, "apical lateral", 0, 90),
        (17, "apex", 90, 360),
    ],
)
def test_names_and_angles(number, name, centre, width):
    segment = SEGMENTS[number]
    assert (segment.name, segment.centre_deg, segment.width_deg) == (name, centre, width)


def test_every_segment_has_one_territory():
    assert sorted(k for segments in TERRITORIES.values() for k in segments) == list(range(1, 18))
    assert all(k in TERRITORIES[SEGMENTS[k].territory] for k in SEGMENTS)


def test_angles_give_back_their_segment():
    for segment in SEGMENTS.values():
        edge = segment.width_deg / 2 - 0.01
        angles = (segment.centre_deg + np.array([-edge, 0.0, edge])) % 360
        assert (segments_at(segment.level, angles) == segment.number).all()


def test_insertions_lie_on_the_septal_borders():
    assert segments_at("basal", np.array([119.9, 120.0, 239.9, 240.0])).tolist() == [1, 2, 3, 4]
