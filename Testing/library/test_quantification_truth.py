"""Every number of a report against closed forms, over grids, slice orders, scars and noise."""

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.anatomy import Insertions, build_frame
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.labels import Label
from claimslicer.quantification.image_kind import image_levels
from claimslicer.quantification.methods import METHODS, MethodSettings, find_infarct
from claimslicer.quantification.report_numbers import NumbersSettings, report_numbers
from claimslicer.quantification.volume_range import VolumeRange
from claimslicer.quantification.zones import find_zones
from claimslicer.studies import Geometry
from hypothesis import given, settings
from hypothesis import strategies as st

INNER, OUTER = 20.0, 32.0


def with_scar(labels, frame, width_deg, depth, slices, start_deg=0.0, mvo=0.0):
    """Label ``depth`` (0–1) of the wall over ``width_deg`` in some slices; the inner ``mvo`` of it is MVO."""
    labels = labels.copy()
    inside = (frame.circumferential - start_deg) % 360.0 < width_deg
    inside &= np.isin(np.arange(len(labels)), slices)[:, None, None]
    labels[inside & (frame.transmural <= depth)] = Label.INFARCT
    labels[inside & (frame.transmural <= depth * mvo)] = Label.MVO
    return labels


def two_groups(labels, cnr, seed=0, sd=10.0, remote=200.0):
    """Return an image of wall and scar that lie ``cnr`` remote SDs apart, blood bright, air dark."""
    rng = np.random.default_rng(seed)
    image = np.abs(rng.normal(0, 3, labels.shape))
    image[labels == Label.CAVITY] = remote + 9 * sd
    image[np.isin(labels, (2, 3, 4))] = remote
    image[labels == Label.INFARCT] = remote + cnr * sd
    inside = labels > 0
    image[inside] += rng.normal(0, sd, inside.sum())
    return image


@settings(max_examples=10, deadline=None)
@given(
    pixel=st.floats(0.7, 2.0),
    distance=st.floats(5.0, 13.0),
    width=st.floats(30.0, 180.0),
    depth=st.floats(0.3, 1.0),
    start=st.floats(0.0, 360.0),
    mvo=st.sampled_from([0.0, 0.5]),
)
def test_a_scar_of_known_depth_angle_and_height(pixel, distance, width, depth, start, mvo):
    labels, frame = make_ventricle((pixel, pixel, distance))
    labels = with_scar(labels, frame, width, depth, [4, 5, 6], start, mvo)
    numbers = report_numbers(two_groups(labels, 8), labels, frame, methods=()).totals
    height, angle, thick = 3 * distance, np.radians(width), OUTER - INNER
    rim = pixel / thick  # a pixel's share of the wall
    end = INNER + thick * depth
    # The chords at the scar's two ends show it in part: together a pixel of the inner arc.
    ends = pixel / (INNER * angle)
    # Whole pixels shift the border by up to half a pixel here and there, by less than a quarter over all.
    border_mm = (INNER + end) * angle + 2 * thick * depth
    ml = angle / 2 * (end**2 - INNER**2) * height / 1000
    assert numbers["infarct_ml"] == pytest.approx(ml, abs=pixel / 4 * border_mm * height / 1000)
    drawn = np.isin(labels, (Label.INFARCT, Label.MVO)).sum()
    assert numbers["infarct_ml"] == pytest.approx(drawn * pixel**2 * distance / 1000)
    assert numbers["infarct_g"] == pytest.approx(1.05 * numbers["infarct_ml"])
    near = 4 + 45 * rim
    through = pytest.approx(100 * depth, abs=near + 100 * depth * ends)
    assert numbers["transmurality_percent"] == through
    assert numbers["transmurality_weighted_percent"] == through
    area = (end**2 - INNER**2) / (OUTER**2 - INNER**2)
    assert numbers["transmurality_area_percent"] == pytest.approx(100 * area, abs=near + 100 * area * ends)
    assert numbers["transmurality_max_percent"] >= numbers["transmurality_percent"] - 1e-9
    endocardium = 2 * np.pi * INNER * 9 * distance / 100
    assert numbers["endocardium_cm2"] == pytest.approx(endocardium, rel=0.04)
    assert numbers["endocardium_infarct_cm2"] == pytest.approx(
        endocardium / 3 * width / 360, rel=0.06, abs=2 * pixel * height / 100
    )
    # Where the scar goes right through, its outer border is no interface; pixels show a rim of two.
    arc = end * angle if depth < 1 - 2 * rim else None
    if arc is not None:
        interface = (arc + 2 * thick * depth) * height / 100
        # Half a pixel of the outer border's radius, and two pixels where each end meets the two surfaces.
        off_mm = pixel * (angle / 2 + 4)
        assert numbers["interface_cm2"] == pytest.approx(interface, abs=off_mm * height / 100)
    assert numbers["scar_components"] == 1
    assert numbers["patchiness"] == pytest.approx(0.0, abs=0.02)
    assert numbers["slice_distance_mm"] == distance
    share = mvo * numbers["infarct_ml"]
    assert numbers["mvo_ml"] <= share + 0.5 * rim * numbers["infarct_ml"] + 0.1


@pytest.mark.parametrize("offset", [0.0, 3.0])
@pytest.mark.parametrize("apex_first", [True, False])
@pytest.mark.parametrize("depth", [0.4, 0.8])
def test_walls_that_are_thicker_on_one_side_and_either_order(offset, apex_first, depth):
    y, x = np.indices((80, 80)) - 40.0
    ring = np.where(np.hypot(x - offset, y) < 20, 1, np.where(np.hypot(x, y) < 32, 2, 0)).astype(np.uint8)
    labels = np.repeat(ring[None], 9, 0)
    labels[0] = np.where(np.hypot(x, y) < 22, 2, 0)
    if not apex_first:
        labels = labels[::-1].copy()
    geometry = Geometry(labels.shape, (1.0, 1.0, 8.0))
    ends = [(24.0, 12.0, 30.0), (24.0, 68.0, 30.0)]
    points = Insertions(*(ends if apex_first else ends[::-1]))
    frame = build_frame(labels, geometry, insertions=points, apex_first=apex_first)
    scar = labels.copy()
    band = np.abs((frame.circumferential - 300.0 + 180.0) % 360.0 - 180.0) < 40.0
    band[[0, 1, -1, -2]] = False
    scar[band & (frame.transmural <= depth)] = Label.INFARCT
    numbers = report_numbers(two_groups(scar, 8), scar, frame, methods=()).totals
    assert numbers["transmurality_percent"] == pytest.approx(100 * depth, abs=7)
    assert numbers["infarct_ml"] == pytest.approx(int((scar == 3).sum()) * 0.008)


def test_radiality_parts_rays_from_arcs_and_patchiness_counts_parts():
    labels, frame = make_ventricle()
    ray = with_scar(labels, frame, 8.0, 1.0, [4, 5])
    arc = with_scar(labels, frame, 120.0, 0.3, [4, 5])
    two = with_scar(arc, frame, 120.0, 0.3, [4, 5], 180.0)
    found = [report_numbers(two_groups(m, 8), m, frame, methods=()).totals for m in (ray, arc, two)]
    assert found[0]["radiality"] > 0.8
    assert found[1]["radiality"] < 0.05
    assert found[2]["scar_components"] == 2
    assert found[2]["patchiness"] == pytest.approx(0.5, abs=0.01)


def test_entropy_of_known_distributions():
    labels, frame = make_ventricle()
    labels = with_scar(labels, frame, 90.0, 1.0, [4, 5])
    image = two_groups(labels, 8)
    scar = np.flatnonzero(labels == Label.INFARCT)
    image.ravel()[scar] = np.resize(np.linspace(0, 1000, 64), len(scar))
    numbers = report_numbers(image, labels, frame, methods=()).totals
    assert numbers["infarct_entropy_bit"] == pytest.approx(6.0, abs=0.01)
    assert 0 < numbers["wall_entropy_bit"] < 6.0


@pytest.mark.parametrize(
    ("cnr", "tolerance"),
    [
        (3, {"2 SD": 0.4, "EWA": 0.25}),
        (5, {"3 SD": 0.1, "Otsu": 0.25, "EWA": 0.1}),
        (8, {"3 SD": 0.05, "4 SD": 0.05, "5 SD": 0.05, "Otsu": 0.05, "EWA": 0.12, "FWHM, grown": 0.05}),
    ],
)
def test_methods_recover_a_two_class_phantom(cnr, tolerance):
    labels, frame = make_ventricle((1.4, 1.4, 8.0))
    labels = with_scar(labels, frame, 90.0, 0.7, [3, 4, 5, 6], 200.0)
    # Nulled muscle, as FWHM supposes: half the maximum lies between it and the scar.
    image = two_groups(labels, cnr, remote=0.0) + 30.0
    truth = labels == Label.INFARCT
    found = find_infarct(image, frame, image_levels(image, "magnitude"), None, tuple(tolerance), truth)
    for name, allowed in tolerance.items():
        assert found[name].voxels == pytest.approx(truth.sum(), rel=allowed), name


def test_per_slice_thresholds_and_regions():
    labels, frame = make_ventricle((1.4, 1.4, 8.0))
    labels = with_scar(labels, frame, 90.0, 0.7, [3, 4, 5, 6], 200.0)
    image = two_groups(labels, 8)
    image[5:] += 200.0  # a coil that shines on the base
    truth = labels == Label.INFARCT
    levels = image_levels(image, "magnitude")
    drawn = frame.myocardium & ~truth & (frame.transmural > 0.3) & (frame.transmural < 0.7)
    over_all = find_infarct(image, frame, levels, MethodSettings(remote=drawn), ("3 SD",))["3 SD"]
    by_slice = find_infarct(image, frame, levels, MethodSettings(per_slice=True, remote=drawn), ("3 SD",))[
        "3 SD"
    ]
    assert len(by_slice.thresholds) == len(labels)
    assert by_slice.voxels == pytest.approx(truth.sum(), rel=0.08)
    assert abs(over_all.voxels - truth.sum()) > 0.2 * truth.sum()
    without = MethodSettings(per_slice=True, remote=drawn, exclude=truth)
    assert find_infarct(image, frame, levels, without, ("3 SD",))["3 SD"].voxels < 0.1 * truth.sum()
    within = MethodSettings(per_slice=True, remote=drawn, include=truth)
    assert not (find_infarct(image, frame, levels, within, ("3 SD",))["3 SD"].mask & ~truth).any()


def test_core_and_border_zone_of_known_levels():
    labels, frame = make_ventricle()
    image = np.zeros(labels.shape)
    image[frame.myocardium] = 100.0
    inside = frame.myocardium & (frame.circumferential < 90)
    image[inside & (frame.transmural <= 0.4)] = 1000.0
    image[inside & (frame.transmural > 0.4) & (frame.transmural <= 0.7)] = 500.0
    zones = find_zones(image, frame.myocardium, frame.myocardium & ~inside)
    assert np.array_equal(zones.core, image == 1000)
    assert np.array_equal(zones.border, image == 500)
    lifted = find_zones(image + 2000, frame.myocardium, frame.myocardium, zero=2000.0)
    assert np.array_equal(lifted.core, zones.core)
    chance = np.where(image == 1000, 0.9, np.where(image == 500, 0.5, 0.1))
    by_chance = find_zones(image, frame.myocardium, inside, rule="probability", probability=chance)
    assert np.array_equal(by_chance.border, zones.border)
    with pytest.raises(SpecificationError, match="--probability"):
        find_zones(image, frame.myocardium, inside, rule="probability")


def test_layers_and_sectors_add_up():
    labels, frame = make_ventricle((0.7, 0.7, 8.0))
    labels = with_scar(labels, frame, 90.0, 0.5, [4, 5])
    numbers = report_numbers(two_groups(labels, 8), labels, frame, NumbersSettings(sectors=6), methods=())
    shares = {layer.depth_percent: layer.infarct_percent for layer in numbers.layers}
    assert shares[20] > 4.0
    assert shares[50] == pytest.approx(shares[20] / 2, rel=0.25)
    assert shares[60] == shares[90] == 0.0
    assert sum(s.infarct_ml for s in numbers.sectors) == pytest.approx(numbers.totals["infarct_ml"])
    assert sum(s.wall_ml for s in numbers.sectors) == pytest.approx(numbers.totals["myocardium_ml"])
    assert len(numbers.sectors) == 6 * len(labels)
    assert sum(row["infarct_ml"] for row in numbers.territories) == pytest.approx(
        numbers.totals["infarct_ml"]
    )


def test_what_the_image_does_not_allow_is_said_and_the_rest_measured():
    labels, frame = make_ventricle()
    labels = with_scar(labels, frame, 90.0, 0.5, [4, 5])
    flat = report_numbers(np.full(labels.shape, 7.0), labels, frame)
    assert "one grey level" in flat.notes[0]
    assert flat.totals["infarct_ml"] > 0
    assert flat.totals["core_ml"] is None
    all_scar = np.where(labels == Label.MYOCARDIUM, Label.INFARCT, labels)
    none_left = report_numbers(two_groups(all_scar, 8), all_scar, frame)
    assert any("remote region" in note for note in none_left.notes)
    negative = report_numbers(two_groups(labels, 8) - 220.0, labels, frame)
    assert negative.levels.kind == "PSIR"
    assert negative.totals["core_ml"] is not None
    wrong = MethodSettings(remote=np.zeros((2, 2, 2), bool))
    assert (
        "draw it on this study"
        in report_numbers(two_groups(labels, 8), labels, frame, NumbersSettings(methods=wrong)).notes[0]
    )
    with pytest.raises(SpecificationError, match="one territory"):
        NumbersSettings(territories={"LAD": (1, 2), "RCA": (2,)})


def test_the_range_beside_the_labels():
    labels, frame = make_ventricle()
    ends = VolumeRange.of_recipe({"infarct_ml": {"expected": 20.0, "low": 14.0, "high": 27.0}})
    totals = report_numbers(two_groups(labels, 8), labels, frame, volume_range=ends, methods=()).totals
    assert [totals[f"infarct_ml_{end}"] for end in ("low", "expected", "high")] == [14.0, 20.0, 27.0]
    assert VolumeRange.of_recipe({}) is None
    for broken in ({"expected": 1}, "x", {"expected": 5, "low": 6, "high": 7}):
        with pytest.raises(StudyError, match="segment the study again"):
            VolumeRange.of_recipe({"infarct_ml": broken})


def test_all_methods_are_run():
    labels, frame = make_ventricle()
    labels = with_scar(labels, frame, 90.0, 0.7, [4, 5, 6])
    rows = report_numbers(two_groups(labels, 8), labels, frame).methods
    assert [row["method"] for row in rows] == ["Labels", *METHODS]
