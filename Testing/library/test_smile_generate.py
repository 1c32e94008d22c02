"""Properties that every scar mask has, over seeds, patterns, ventricles and real studies."""

import dataclasses
import functools
import re

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.errors import SpecificationError
from claimslicer.labels import ScarLabel, scar_of_labels
from claimslicer.smile import ScarSpec, Texture, generate_scar
from claimslicer.smile.layers import measured_pattern
from claimslicer.smile.lesion import in_plane_mm
from claimslicer.smile.patterns import PATTERNS
from claimslicer.smile.wall import wall_of
from claimslicer.studies import Geometry, read_study
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

VENTRICLES = {
    "fine": {"spacing": (1.4, 1.4, 8.0), "slices": 9},
    "coarse": {"spacing": (2.0, 2.0, 13.0), "slices": 5},
    "thin wall": {
        "spacing": (1.5, 1.8, 10.0),
        "inner_mm": 28.0,
        "outer_mm": 35.0,
        "slices": 8,
        "cap_slices": 0,
    },
    "tall": {"spacing": (1.8, 1.5, 5.0), "inner_mm": 15.0, "outer_mm": 27.0, "slices": 12, "cap_slices": 2},
}
SCAR_42 = [544, 3446, 4725]
MVO_42 = [60, 375, 487]
"""Sums of the indices of the voxels that seed 42 makes scar and MVO."""
STUDIES = ("Case_P002", "Case_P064", "Case_P094", "Case_N006")


@functools.cache
def ventricle(name: str) -> LVFrame:
    if name == "phantom":
        phantom = make_phantom(PhantomSettings())
        return build_frame(phantom.study.labels, phantom.study.geometry)
    return make_ventricle(**VENTRICLES[name])[1]


@pytest.fixture(scope="module")
def real_frames(shared_data) -> list[LVFrame]:
    studies = [read_study(shared_data / "emidec" / name) for name in STUDIES]
    return [build_frame(s.labels, s.geometry, image=s.image) for s in studies]


@st.composite
def asked(draw, frame: LVFrame) -> ScarSpec:
    """A specification that ``frame`` can hold."""
    shown = sorted(set(np.unique(frame.segments)) - {0})
    segments = draw(st.sets(st.sampled_from(shown), min_size=1, max_size=len(shown)))
    low = draw(st.sampled_from((0.0, 0.2, 0.4)))
    high = draw(st.sampled_from((0.6, 0.8, 1.0)))
    bed = np.isin(frame.segments, list(segments)) & (frame.transmural >= low) & (frame.transmural <= high)
    # A depth that equals a limit but for rounding may count here and not there: leave one voxel's room.
    room_ml = max(bed.sum() - 1, 1) * frame.geometry.voxel_volume_ml
    return ScarSpec(
        segments=tuple(int(k) for k in segments),
        volume_ml=float(room_ml * draw(st.floats(0.02, 0.999))),
        transmurality=(low, high),
        pattern=draw(st.sampled_from(sorted(PATTERNS))),
        texture=Texture(porosity=draw(st.sampled_from((0.0, 0.2, 1.0)))),
        mvo_fraction=draw(st.sampled_from((0.0, 0.1, 0.5))),
        seed=draw(st.integers(0, 2**40)),
    )


def check(spec: ScarSpec, frame: LVFrame) -> None:
    """Everything that a scar mask has to hold to."""
    scar = generate_scar(spec, frame)
    added, voxel_ml = scar.added, frame.geometry.voxel_volume_ml
    assert scar.labels.dtype == np.uint8
    assert scar.labels.shape == scar.intensity.shape == frame.myocardium.shape
    assert np.array_equal(scar.labels > 0, added)
    assert frame.myocardium[added].all()
    assert set(np.unique(frame.segments[added])) <= set(spec.segments)
    low, high = spec.transmurality
    assert frame.transmural[added].min() >= low
    assert frame.transmural[added].max() <= high
    assert abs(scar.volume_ml - spec.volume_ml) <= max(voxel_ml, 0.01 * spec.volume_ml)
    assert abs(scar.mvo_volume_ml - spec.mvo_fraction * scar.volume_ml) <= voxel_ml
    assert (scar.intensity[added] > 0).all()
    assert scar.intensity.max() <= 1
    assert not scar.intensity[~added].any()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(["phantom", *VENTRICLES]))
def test_every_mask_keeps_to_its_specification(data, name):
    check(data.draw(asked(ventricle(name))), ventricle(name))


@settings(max_examples=25, deadline=None)
@given(data=st.data(), number=st.integers(0, len(STUDIES) - 1))
def test_every_mask_keeps_to_its_specification_on_real_studies(real_frames, data, number):
    check(data.draw(asked(real_frames[number])), real_frames[number])


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_same_seed_same_mask_and_other_seed_other_mask(pattern):
    frame = ventricle("fine")
    spec = ScarSpec(segments=(1, 2, 7, 8, 13), percent=30, pattern=pattern, mvo_fraction=0.1)
    masks = [generate_scar(dataclasses.replace(spec, seed=seed), frame).labels for seed in range(6)]
    again = generate_scar(spec, frame).labels
    assert np.array_equal(again, masks[0])
    assert len({mask.tobytes() for mask in masks}) == len(masks)


def flipped(frame: LVFrame, axis: int) -> LVFrame:
    """The same ventricle in the same place, its array laid out the other way round along ``axis``."""
    last = np.zeros(3)
    last[axis] = frame.geometry.shape[axis] - 1
    direction = np.reshape(frame.geometry.direction, (3, 3)).copy()
    direction[:, 2 - axis] *= -1
    geometry = Geometry(
        shape=frame.geometry.shape,
        spacing=frame.geometry.spacing,
        origin=tuple(frame.geometry.index_to_physical(last)),
        direction=tuple(direction.ravel()),
    )
    arrays = ("myocardium", "cavity", "longitudinal", "circumferential", "transmural", "segments")
    return dataclasses.replace(
        frame, geometry=geometry, **{name: np.flip(getattr(frame, name), axis) for name in arrays}
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_layout_of_the_array_does_not_change_the_scar(pattern, axis):
    frame = ventricle("fine")
    spec = ScarSpec(segments=(3, 4, 9, 10, 15), percent=35, pattern=pattern, mvo_fraction=0.1, seed=3)
    straight, turned = generate_scar(spec, frame), generate_scar(spec, flipped(frame, axis))
    assert np.array_equal(np.flip(turned.labels, axis), straight.labels)
    np.testing.assert_allclose(np.flip(turned.intensity, axis), straight.intensity, atol=1e-5)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_each_segment_gets_its_own_share(pattern):
    frame = ventricle("fine")
    shares = {5: 10.0, 6: 60.0, 12: 33.0}
    scar = generate_scar(ScarSpec(percent=shares, pattern=pattern), frame)
    for segment, share in shares.items():
        wall = frame.segments == segment
        assert abs(scar.added[wall].sum() - share / 100 * wall.sum()) <= 0.5


def test_a_whole_segment_can_be_filled():
    frame = ventricle("coarse")
    scar = generate_scar(ScarSpec(segments=(4,), percent=100), frame)
    assert np.array_equal(scar.added, frame.segments == 4)


def test_the_named_maximum_can_be_asked_for():
    frame = ventricle("fine")
    values = {"segments": (5, 6), "transmurality": (0.0, 0.5)}
    with pytest.raises(SpecificationError, match=r"0 to 50 %") as caught:
        generate_scar(ScarSpec(volume_ml=500.0, **values), frame)
    most = float(re.search(r"at most ([\d.]+) ml", str(caught.value)).group(1))
    scar = generate_scar(ScarSpec(volume_ml=most, **values), frame)
    assert scar.volume_ml == pytest.approx(most, abs=frame.geometry.voxel_volume_ml)


def test_a_segment_that_the_study_does_not_show_is_named():
    with pytest.raises(SpecificationError, match="17"):
        generate_scar(ScarSpec(segments=(16, 17), percent=10), ventricle("thin wall"))


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_an_existing_scar_is_kept_and_not_counted(pattern):
    frame = ventricle("fine")
    old = generate_scar(ScarSpec(segments=(8, 9), percent=40, mvo_fraction=0.3, seed=1), frame).labels
    before = old.copy()
    spec = ScarSpec(segments=(7, 8, 9), volume_ml=6.0, pattern=pattern, seed=2)
    scar = generate_scar(spec, frame, existing=old)
    assert np.array_equal(old, before)
    assert np.array_equal(scar.labels[old > 0], old[old > 0])
    assert not scar.added[old > 0].any()
    assert np.array_equal(scar.labels > 0, scar.added | (old > 0))
    voxel_ml = frame.geometry.voxel_volume_ml
    assert scar.volume_ml == pytest.approx(6.0, abs=voxel_ml)
    assert scar.total_volume_ml == pytest.approx(scar.volume_ml + (old > 0).sum() * voxel_ml)


def test_real_scars_are_kept(real_frames, shared_data):
    study = read_study(shared_data / "emidec" / STUDIES[0])
    old = scar_of_labels(study.labels)
    scar = generate_scar(ScarSpec(segments=(1, 7, 13), volume_ml=4.0), real_frames[0], existing=old)
    assert np.array_equal(scar.labels[old > 0], old[old > 0])
    assert scar.volume_ml == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize(
    ("existing", "reason"),
    [(np.zeros((2, 3, 4), np.uint8), "grid"), ("everywhere", "leaves the myocardium")],
)
def test_an_existing_scar_that_does_not_fit_is_refused(existing, reason):
    frame = ventricle("coarse")
    if isinstance(existing, str):
        existing = np.ones(frame.myocardium.shape, np.uint8)
    with pytest.raises(SpecificationError, match=reason):
        generate_scar(ScarSpec(segments=(4,), percent=10), frame, existing=existing)


def share_of_layers(pattern: str, seed: int) -> np.ndarray:
    """Share of the inner, middle and outer third of the chosen wall that is scar."""
    frame = ventricle("fine")
    compact = Texture(porosity=0.0)
    spec = ScarSpec(segments=(2, 3, 8, 9), percent=20, pattern=pattern, texture=compact, seed=seed)
    scar = generate_scar(spec, frame).added
    chosen = np.isin(frame.segments, spec.segments)
    layers = (frame.transmural < 1 / 3, (frame.transmural >= 1 / 3) & (frame.transmural <= 2 / 3))
    outer = frame.transmural > 2 / 3
    return np.array([scar[chosen & layer].mean() for layer in (*layers, outer)])


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_patterns_lie_at_their_depth(seed):
    inner, middle, outer = share_of_layers("ischaemic", seed)
    assert inner > max(middle, outer)
    inner, middle, outer = share_of_layers("mid-wall", seed)
    assert middle > 2 * max(inner, outer)
    inner, middle, outer = share_of_layers("subepicardial", seed)
    assert outer > max(middle, inner)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ischaemic_scar_is_one_piece_that_starts_at_the_endocardium_and_tapers_sideways(seed):
    frame = ventricle("fine")
    spec = ScarSpec(segments=(4, 5, 10, 11), percent=35, texture=Texture(porosity=0.0), seed=seed)
    scar = generate_scar(spec, frame).added
    assert ndimage.label(scar, np.ones((3, 3, 3)))[1] == 1
    inner = scar & (frame.transmural < 0.2)
    outer = scar & (frame.transmural > 0.8)
    width = [np.ptp(frame.circumferential[layer]) if layer.any() else 0.0 for layer in (inner, outer)]
    assert width[0] > width[1]


SMALL_PLACES = [(2,), (5,), (8,), (11, 12), (13,), (14, 15), (16,), (4, 5, 10, 11), (1, 2, 7, 8, 13, 14)]


def touches(frame: LVFrame, scar: np.ndarray) -> bool:
    """Whether the scar lies at the cavity somewhere."""
    return bool((scar & ndimage.binary_dilation(frame.cavity, np.ones((1, 3, 3)))).any())


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(["phantom", *VENTRICLES]),
    segments=st.sampled_from(SMALL_PLACES),
    volume_ml=st.sampled_from((0.1, 0.3, 0.5, 1.0, 3.0, 10.0, 40.0)),
    pattern=st.sampled_from(("ischaemic", "mid-wall", "subepicardial")),
    porosity=st.sampled_from((0.0, 0.2)),
    seed=st.integers(0, 10_000),
)
def test_a_scar_of_any_size_lies_in_its_layer_or_says_why_not(
    name, segments, volume_ml, pattern, porosity, seed
):
    frame = ventricle(name)
    texture = Texture(porosity=porosity)
    spec = ScarSpec(segments, volume_ml, pattern=pattern, texture=texture, seed=seed)
    try:
        scar = generate_scar(spec, frame)
    except SpecificationError:
        return  # no room, or no such segment
    wall = wall_of(frame)
    measured = measured_pattern(wall, scar.added[tuple(wall.index.T)])
    assert (measured == pattern) == (scar.remark == "")
    fill = scar.volume_ml / sum(frame.segment_ml()[k] for k in segments)
    if pattern == "ischaemic":
        assert touches(frame, scar.added)
        assert measured == pattern
    thick = wall.thickness_mm > 4.5 * in_plane_mm(frame.geometry)
    if fill < 0.3 and thick:
        assert measured == pattern


@pytest.mark.parametrize(
    ("volume_ml", "middle"), [(0.1, (0.05, 0.3)), (0.3, (0.15, 0.4)), (1.0, (0.2, 0.45))]
)
def test_small_ischaemic_scars_are_as_deep_as_real_ones(real_frames, volume_ml, middle):
    """Real infarcts of 0.1–0.5 ml have a median depth of 0.25 (quartiles 0.15, 0.39), of 0.5–1.5 ml of 0.31
    (0.21, 0.45).
    """
    depths = []
    for frame in real_frames:
        for segment in (2, 5, 8, 14):
            for seed in range(3):
                scar = generate_scar(ScarSpec((segment,), volume_ml, seed=seed), frame)
                assert touches(frame, scar.added)
                depths.append(np.median(frame.transmural[scar.added]))
    assert max(depths) <= 0.5
    assert middle[0] < np.median(depths) < middle[1]


def test_a_pattern_that_can_not_be_had_is_told_in_a_sentence():
    frame = ventricle("fine")
    full = generate_scar(ScarSpec((5,), percent=100.0, pattern="mid-wall"), frame)
    assert full.remark.startswith("The scar came out subendocardial, not mid-wall")
    assert "100 % of what the segments can hold" in full.remark
    outer = generate_scar(ScarSpec((5, 6), 1.0, transmurality=(0.6, 1.0)), frame)
    assert "from 60 to 100 % of the wall only" in outer.remark
    speck = generate_scar(ScarSpec((5,), 0.05, pattern="patchy"), frame)
    assert "no room for separate patches" in speck.remark
    assert not generate_scar(ScarSpec((5,), 0.5), frame).remark


def viable_neighbours(frame: LVFrame, scar: np.ndarray) -> np.ndarray:
    """Voxels that touch viable wall within their slice."""
    cross = ndimage.generate_binary_structure(2, 1)[None]
    return ndimage.binary_dilation(frame.myocardium & ~scar, cross)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mvo_lies_inside_the_infarct_and_on_the_inner_side(seed):
    frame = ventricle("fine")
    spec = ScarSpec(segments=(1, 2, 7, 8), percent=45, mvo_fraction=0.15, seed=seed)
    scar = generate_scar(spec, frame)
    core = scar.labels == ScarLabel.MVO
    assert not (core & viable_neighbours(frame, scar.added)).any()
    assert frame.transmural[core].mean() < frame.transmural[scar.added].mean()
    assert frame.transmural[core].max() < 0.9
    assert (scar.intensity[core] == 1).all()


def test_mvo_keeps_off_the_epicardium_as_long_as_there_is_room():
    frame = ventricle("fine")
    spec = ScarSpec(segments=(1, 2, 7, 8), percent=95, mvo_fraction=0.5, seed=1)
    assert frame.transmural[generate_scar(spec, frame).labels == ScarLabel.MVO].max() <= 0.8


def test_border_zone_lies_along_the_edge_and_a_wider_one_takes_more():
    frame = ventricle("fine")
    spec = ScarSpec(segments=(1, 2, 7, 8), percent=45)
    narrow, wide, none = (
        generate_scar(dataclasses.replace(spec, border_zone_mm=mm), frame) for mm in (2.0, 5.0, 0.0)
    )
    edge = viable_neighbours(frame, narrow.added) & narrow.added
    assert (narrow.intensity[edge] < 1).all()
    assert (narrow.intensity[narrow.added & ~edge] > narrow.intensity[edge].max()).all()
    assert (wide.intensity[wide.added] < 1).sum() > (narrow.intensity[narrow.added] < 1).sum()
    assert np.array_equal(none.intensity, none.added.astype(np.float32))


def test_the_mask_of_a_seed_is_written_down():
    """A change here changes what every kept recipe makes: it must be meant, and told in the changelog."""
    frame = ventricle("coarse")
    spec = ScarSpec(segments=(5, 6, 11, 12), volume_ml=9.0, mvo_fraction=0.1, seed=42)
    labels = generate_scar(spec, frame).labels
    assert np.argwhere(labels == ScarLabel.SCAR).sum(axis=0).tolist() == SCAR_42
    assert np.argwhere(labels == ScarLabel.MVO).sum(axis=0).tolist() == MVO_42
