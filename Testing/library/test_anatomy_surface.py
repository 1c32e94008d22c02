"""The wall's surface: in its place, closed, facing outward, whatever the grid."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_heart import HeartShape, make_heart
from claimslicer.anatomy import Insertions, build_frame
from claimslicer.anatomy.surface import _signed_volume, wall_surface
from claimslicer.studies import Geometry
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

pytest.importorskip("vtkmodules")


def frame_of(heart, labels=None, geometry=None, insertions=None):
    return build_frame(
        heart.labels if labels is None else labels,
        geometry or heart.geometry,
        insertions=insertions or heart.insertions,
    )


@pytest.fixture(scope="module")
def heart():
    return make_heart()


@pytest.fixture(scope="module")
def surface(heart):
    return wall_surface(frame_of(heart))


def distance_to_walls(points: np.ndarray, shape: HeartShape) -> np.ndarray:
    """Return how far each point is from the outer or inner half ellipsoid, whichever is nearer."""

    def off(radius: float, tip: float) -> np.ndarray:
        scale = np.array([radius, radius, shape.length - tip])
        relative = (points - (0, 0, shape.length)) / scale
        length = np.linalg.norm(relative, axis=1)
        gradient = np.linalg.norm(relative / scale, axis=1) / np.maximum(length, 1e-9)
        return np.abs(length - 1) / np.maximum(gradient, 1e-9)

    return np.minimum(off(shape.radius, 0.0), off(shape.radius - shape.wall, shape.cap))


def test_lies_on_the_wall(surface):
    """Within a pixel, where the walls aren't so slanting that a slice's thickness blurs them."""
    z = surface.points[:, 2]
    away = distance_to_walls(surface.points[(z > 20.0) & (z < 80.0)], HeartShape())
    assert np.quantile(away, 0.95) < 0.75
    assert away.max() < 1.5


def test_is_closed_faces_outward_and_holds_the_wall(heart, surface):
    edges = np.sort(np.concatenate([surface.triangles[:, pair] for pair in ((0, 1), (1, 2), (2, 0))]), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()
    wall_ml = heart.wall.sum() * heart.geometry.voxel_volume_ml
    assert _signed_volume(surface.points.astype(float), surface.triangles) / 1000 == pytest.approx(
        wall_ml, rel=0.05
    )
    ends = heart.geometry.index_to_physical(np.array([[-0.5, 0, 0], [heart.geometry.shape[0] - 0.5, 0, 0]]))
    assert surface.points[:, 2].max() == pytest.approx(ends[1, 2], abs=1.0)
    assert surface.points[:, 2].min() >= ends[0, 2] - 1.0


def test_each_point_has_its_walls_segment(heart, surface):
    segments = frame_of(heart).segments
    assert set(np.unique(surface.segment)) == set(np.unique(segments[heart.wall]))
    index = np.rint(heart.geometry.physical_to_index(surface.points)).astype(int)
    here = segments[tuple(np.clip(index, 0, np.array(heart.geometry.shape) - 1).T)]
    assert (here[here > 0] == surface.segment[here > 0]).mean() > 0.99


@pytest.mark.parametrize("case", ["oblique", "slices reversed", "mirrored rows", "slices along x"])
def test_follows_the_heart_on_any_grid(heart, surface, case):
    labels, geometry, insertions, move = heart.labels, heart.geometry, heart.insertions, np.eye(3)
    spacing, origin = np.array(geometry.spacing), np.array(geometry.origin)
    if case == "oblique":
        move = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
        move *= np.sign(np.linalg.det(move))
        insertions = Insertions(
            *(tuple(move @ point) for point in (insertions.anterior, insertions.inferior))
        )
        geometry = Geometry(geometry.shape, tuple(spacing), tuple(move @ origin), tuple(move.ravel()))
    elif case == "slices along x":
        labels = labels.transpose(1, 2, 0)
        axes = np.eye(3)[:, [2, 0, 1]]
        geometry = Geometry(labels.shape, tuple(spacing[[2, 0, 1]]), tuple(origin), tuple(axes.ravel()))
    else:
        axis = 0 if case == "slices reversed" else 1
        labels = np.flip(labels, axis)
        signs = np.array([1.0, 1.0, 1.0])
        signs[2 - axis] = -1.0
        corner = origin.copy()
        corner[2 - axis] += spacing[2 - axis] * (labels.shape[axis] - 1)
        geometry = Geometry(labels.shape, tuple(spacing), tuple(corner), tuple(np.diag(signs).ravel()))
    moved = wall_surface(frame_of(heart, labels, geometry, insertions))
    expected = surface.points @ move.T
    distance, nearest = cKDTree(expected).query(moved.points)
    # Another triangulation of the same surface: half an edge away at most.
    assert np.quantile(distance, 0.99) < 1.5
    assert (surface.segment[nearest] == moved.segment).mean() > 0.97
    volume = _signed_volume(moved.points.astype(float), moved.triangles)
    assert volume == pytest.approx(_signed_volume(surface.points.astype(float), surface.triangles), rel=0.01)


def test_another_frame_of_the_wall_colours_the_same_points(heart):
    first, points = frame_of(heart), heart.insertions
    turn = Rotation.from_euler("z", 40, degrees=True)
    turned = [tuple(turn.apply(point)) for point in (points.anterior, points.inferior)]
    second = frame_of(heart, insertions=Insertions(*turned))
    colours = second.segments.ravel()[wall_surface(first).voxel]
    assert np.array_equal(colours, wall_surface(second).segment)
    assert (colours != wall_surface(first).segment).mean() > 0.4
