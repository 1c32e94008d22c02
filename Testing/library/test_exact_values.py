"""Values that a slip of one voxel, one step or one seed would shift, against ones worked out by hand."""

import json
import sys

import numpy as np
import pytest
import torch
from analytic_ventricle import make_ventricle
from claimslicer.anatomy import Insertions, build_frame
from claimslicer.anatomy.stack import find_slice_order
from claimslicer.errors import OutputError
from claimslicer.labels import Label
from claimslicer.outputs import check_outside
from claimslicer.quantification import compare, remote_region
from claimslicer.review import find_studies
from claimslicer.studies import Encoding, Geometry, write_volume
from claimslicer.studies.phantom import PhantomScar, PhantomSettings, make_phantom
from claimslicer.synthesis.normalisation import remote_mask
from claimslicer.synthesis.texture import ANY
from claimslicer.training.data.splits import split_by_patient
from claimslicer.training.engine.loop import train
from claimslicer.training.settings.config import SegmentationConfig
from torch import nn


def test_the_remote_region_stays_two_voxels_off_the_scar():
    labels = np.full((1, 9, 15), Label.MYOCARDIUM, np.uint8)
    labels[0, 4, 7] = Label.INFARCT
    remote = remote_mask(np.pad(labels, ((0, 0), (1, 1), (1, 1))))[:, 1:-1, 1:-1][0]
    row, column = np.indices(labels.shape[1:])
    away = np.abs(row - 4) + np.abs(column - 7)
    inside = (row > 0) & (row < 8) & (column > 0) & (column < 14)
    np.testing.assert_array_equal(remote, inside & (away > 2))


class Drawing:
    """A training of one weight, which notes what each step draws."""

    def __init__(self, config: SegmentationConfig) -> None:
        self.config, self.drawn = config, []
        self.model = nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            self.model.weight.fill_(1.0)

    def loss(self, step, rng, noise):
        self.drawn.append((int(rng.integers(2**31)), float(torch.rand(1, generator=noise))))
        return self.model.weight.sum()


class Silent:
    def progress(self, stage, fraction, message=""):
        pass

    def emit(self, kind, **values):
        pass


@pytest.fixture
def drawing(tmp_path):
    settings = {"steps": 50, "warmup_steps": 0, "weight_decay": 0.0, "threads": 1, "device": "cpu"}
    return Drawing(SegmentationConfig(cache=tmp_path / "c.npz", out=tmp_path / "run", **settings))


def test_each_step_draws_another_batch_and_the_seed_decides_which(drawing, tmp_path):
    train(drawing, resume=False, events=Silent(), stop_after_steps=4)
    assert len(set(drawing.drawn)) == 4
    assert len({noise for _, noise in drawing.drawn}) == 4
    again = Drawing(SegmentationConfig(cache=tmp_path / "c.npz", out=tmp_path / "b", threads=1, device="cpu"))
    train(again, resume=False, events=Silent(), stop_after_steps=2)
    assert again.drawn == drawing.drawn[:2]
    other = SegmentationConfig(cache=tmp_path / "c.npz", out=tmp_path / "d", seed=1, threads=1, device="cpu")
    third = Drawing(other)
    train(third, resume=False, events=Silent(), stop_after_steps=2)
    assert not set(third.drawn) & set(drawing.drawn)


def test_the_moving_average_follows_fast_at_first(drawing):
    weights = [1.0]
    decays = [min(0.998, (step + 1) / (step + 10)) for step in range(3)]
    averages = []
    for _ in range(3):
        average = train(drawing, resume=True, events=Silent(), stop_after_steps=1)
        weights.append(drawing.model.weight.item())
        averages.append(average.weight.item())
    wanted = 1.0
    for decay, weight, average in zip(decays, weights[1:], averages, strict=True):
        wanted = decay * wanted + (1 - decay) * weight
        assert average == pytest.approx(wanted, rel=1e-6)
    assert decays[0] == 0.1


def test_hd95_is_the_95th_percentile():
    """Of a strip with a spur, 8 of 108 points are away: the 90th percentile is 0, the 95th isn't."""
    geometry = Geometry((1, 12, 100), (1.0, 1.0, 1.0))
    one = np.zeros(geometry.shape, np.uint8)
    one[0, 1] = Label.CAVITY
    one[0, 0] = Label.MYOCARDIUM
    other = one.copy()
    other[0, 1:10, -1:] = Label.CAVITY
    cavity = next(one for one in compare(one, other, geometry).regions if one.region == "cavity")
    assert cavity.hd95_mm == pytest.approx(2.65, abs=0.6)


def test_a_result_on_another_grid_is_not_identical(tmp_path):
    from claimslicer.cohorts.reproduce import Made, compare

    geometry = Geometry((3, 8, 8), (1.0, 1.0, 5.0))
    image = np.arange(3 * 64, dtype=np.int16).reshape(geometry.shape)
    moved = Geometry((3, 8, 8), (1.0, 1.0, 5.0), (2.0, 0.0, 0.0))
    here = write_volume(tmp_path / "a.nii.gz", image, geometry)
    there = write_volume(tmp_path / "b.nii.gz", image, moved)
    made = {"image": Made(image)}
    assert compare(here, made, geometry).identical
    found = compare(there, made, geometry)
    assert found.differing == 0
    assert not found.same_grid
    assert not found.identical


def test_a_drawn_texture_follows_the_seed(monkeypatch):
    from claimslicer.synthesis import inpaint

    asked = []
    study = make_phantom(PhantomSettings(seed=3, n_slices=5, scar=PhantomScar(volume_ml=6.0))).study
    scar = (study.labels == Label.INFARCT).astype(np.uint8)
    model = inpaint.load_generator(None, "cpu")
    choose = type(model.bank).choose

    def noting(self, wish, *arguments):
        texture = choose(self, wish, *arguments)
        asked.append(json.dumps(texture.to_dict(), sort_keys=True))
        return texture

    monkeypatch.setattr(type(model.bank), "choose", noting)
    options = {"texture": ANY, "num_inference_steps": 1, "repaint_existing": True, "model": model}
    inpaint.synthesize_variants(study, study.labels, scar, seeds=range(6), **options)
    inpaint.synthesize_variants(study, study.labels, scar, seeds=range(6), **options)
    assert asked[:6] == asked[6:]
    assert len(set(asked[:6])) > 2


def test_stored_values_are_rounded_to_the_nearest():
    encoding = Encoding(np.dtype(np.int16), 0.5, 1.0)
    image = np.array([1.2, 1.3, 1.7, 2.0, -0.3, 1e9])
    assert encoding.encode(image).tolist() == [0, 1, 1, 2, -3, 32767]


def test_the_results_of_work_on_a_folder_are_no_studies(tmp_path):
    geometry = Geometry((2, 4, 4), (1.0, 1.0, 8.0))
    for name in ("case/scan.nii", "results/scan_short_axis.nii"):
        write_volume(tmp_path / name, np.zeros(geometry.shape, np.int16), geometry)
    assert len(find_studies(tmp_path)) == 2
    (tmp_path / "results" / "studies.json").write_text("{}", encoding="utf-8")
    assert [study.key for study in find_studies(tmp_path)] == ["case/scan.nii"]


def test_a_segment_with_a_dark_core_in_bright_scar_is_not_remote():
    """Its median is the lowest of all, its 90th percentile isn't."""
    frame = make_ventricle()[1]
    image = np.full(frame.myocardium.shape, 50.0)
    scarred = np.argwhere(frame.segments == 8)
    image[tuple(scarred.T)] = 10.0
    image[tuple(scarred[::3].T)] = 200.0
    assert not (remote_region(image, frame) & (frame.segments == 8)).any()


def cylinder(closed: int, opened: int = 0) -> tuple[np.ndarray, Geometry]:
    """Return a ventricle of closed rings, apex first, and rings open to one side at the base."""
    geometry = Geometry((closed + opened, 80, 80), (1.0, 1.0, 10.0))
    y, x = np.indices((80, 80)) - 39.5
    radius = np.hypot(y, x)
    labels = np.zeros(geometry.shape, np.uint8)
    labels[:, radius < 30] = Label.MYOCARDIUM
    labels[:, radius < 20] = Label.CAVITY
    gap = (np.abs(y) < 12) & (x > 0) & (radius >= 20)
    labels[closed:, gap] = Label.BACKGROUND
    return labels, geometry


@pytest.mark.parametrize(
    ("closed", "opened", "apical", "mid"), [(7, 0, 2, 3), (4, 0, 1, 2), (6, 1, 2, 2), (9, 2, 3, 3)]
)
def test_levels_are_thirds_of_the_closed_rings_whole_length(closed, opened, apical, mid):
    """Over the rings' whole thickness, not from centre to centre; open rings count as basal."""
    labels, geometry = cylinder(closed, opened)
    points = geometry.index_to_physical(np.array([[0, 20, 20], [0, 60, 20]]))
    frame = build_frame(
        labels, geometry, insertions=Insertions(tuple(points[0]), tuple(points[1])), apex_first=True
    )
    levels = []
    for segments in frame.segments:
        seen = set(np.unique(segments)) - {0}
        levels.append("apical" if max(seen) > 12 else "mid" if max(seen) > 6 else "basal")
    basal = closed + opened - apical - mid
    assert levels == ["apical"] * apical + ["mid"] * mid + ["basal"] * basal


def test_an_open_ring_is_the_base():
    """Where the areas are all alike, which would tell otherwise."""
    equal, geometry = cylinder(5, 2)
    for k in range(5, 7):
        missing = int((equal[4] > 0).sum() - (equal[k] > 0).sum())
        rim = np.argwhere((equal[k] == 0) & (np.hypot(*(np.indices((80, 80)) - 39.5)) < 34))
        rim = rim[rim[:, 1] < 39][:missing]
        equal[k][tuple(rim.T)] = Label.MYOCARDIUM
    assert find_slice_order(equal, geometry)
    assert not find_slice_order(equal[::-1].copy(), geometry)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_into_the_studies_is_among_them(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data, target_is_directory=True)
    for out in (tmp_path / "link" / "out", tmp_path / "other" / ".." / "data" / "out"):
        with pytest.raises(OutputError, match="lies in"):
            check_outside(out, data)
    check_outside(tmp_path / "data-out", data)


def test_one_patient_in_five_is_held_back_and_always_the_same():
    names = [f"patient-{number:02d}" for number in range(20)]
    parts = split_by_patient(names)
    assert list(parts.values()).count("validation") == 4
    assert split_by_patient(names[::-1]) == parts
