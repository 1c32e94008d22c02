"""Every mask has a caption, which reads back into a specification of the same scar."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from analytic_ventricle import make_ventricle
from claimslicer.anatomy import LVFrame, build_frame
from claimslicer.errors import SpecificationError
from claimslicer.labels import ScarLabel, scar_of_labels
from claimslicer.smile import ScarSpec, generate_scar, random_spec
from claimslicer.smile.caption import MINOR, caption, layer_shares, specification
from claimslicer.smile.patterns import PATTERNS
from claimslicer.smile.words import parse
from claimslicer.studies import read_study, write_volume
from claimslicer.studies.phantom import PhantomSettings, make_phantom
from hypothesis import given, settings
from hypothesis import strategies as st

VENTRICLES = {
    "fine": {"spacing": (1.4, 1.4, 8.0), "slices": 9},
    "coarse": {"spacing": (2.0, 2.0, 13.0), "slices": 5},
    "thin wall": {"spacing": (1.5, 1.8, 10.0), "inner_mm": 28.0, "outer_mm": 33.0, "slices": 8},
}
FRAMES = {name: make_ventricle(**values)[1] for name, values in VENTRICLES.items()}
STUDIES = ("Case_P002", "Case_P017", "Case_P064", "Case_P094")


def check_round_trip(mask: np.ndarray, frame: LVFrame) -> None:
    """Read the mask's caption back, make that scar, and compare the two."""
    asked = parse(caption(mask, frame))
    assert asked == specification(mask, frame)
    scar, before = generate_scar(asked, frame).labels > 0, mask > 0
    named = np.isin(frame.segments, asked.segments)
    assert set(np.unique(frame.segments[scar])) == set(asked.segments)
    assert (before & ~named).sum() <= MINOR * before.sum()
    for segment, percent in asked.percent.items():
        wall = frame.segments == segment
        # Percentages have one decimal, or two below 1 %.
        error = abs(int((before & wall).sum()) - int((scar & wall).sum()))
        assert error <= max(1.0, (0.001 if percent >= 1 else 0.0001) * wall.sum() + 1)
    low, high = asked.transmurality
    depth = frame.transmural[before & named]
    assert np.mean((depth < low) | (depth > high)) <= 0.1
    assert frame.transmural[scar].min() >= low
    assert frame.transmural[scar].max() <= high


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(FRAMES)),
    pattern=st.sampled_from(sorted(PATTERNS)),
    mvo=st.sampled_from((0.0, 0.123, 0.5)),
    seed=st.integers(0, 2**31),
)
def test_a_caption_reads_back_into_the_same_scar(name, pattern, mvo, seed):
    frame = FRAMES[name]
    spec = random_spec(frame, np.random.default_rng(seed))
    mask = generate_scar(dataclasses.replace(spec, pattern=pattern, mvo_fraction=mvo), frame).labels
    check_round_trip(mask, frame)
    found = specification(mask, frame).mvo_fraction
    assert found == pytest.approx((mask == ScarLabel.MVO).sum() / (mask > 0).sum(), abs=5.1e-4)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(sorted(FRAMES)), count=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_any_voxels_of_the_wall_have_a_caption(name, count, seed):
    frame = FRAMES[name]
    at = np.random.default_rng(seed).choice(np.flatnonzero(frame.segments), count, replace=False)
    mask = np.zeros(frame.segments.shape, np.uint8)
    mask.flat[at] = ScarLabel.SCAR
    check_round_trip(mask, frame)


def test_a_wall_full_of_scar_has_a_caption():
    for frame in FRAMES.values():
        mask = (frame.segments > 0).astype(np.uint8)
        check_round_trip(mask, frame)
        assert specification(mask, frame).transmurality == (0.0, 1.0)


def test_real_scars_have_captions_that_read_back(shared_data):
    for name in STUDIES:
        study = read_study(shared_data / "emidec" / name)
        frame = build_frame(study.labels, study.geometry, image=study.image)
        mask = scar_of_labels(study.labels)
        check_round_trip(mask, frame)
        again = generate_scar(parse(caption(mask, frame)), frame).labels
        assert (again > 0).sum() == pytest.approx((mask > 0).sum(), rel=0.025)
        shares = [np.nan_to_num(layer_shares(each, frame)) for each in (mask, again)]
        assert np.abs(shares[0] - shares[1]).mean() < 0.11
        assert specification(mask, frame).pattern == "ischaemic"


@pytest.mark.parametrize("pattern", ["ischaemic", "mid-wall", "subepicardial"])
def test_the_pattern_is_told_by_the_layers(pattern):
    frame, found = FRAMES["fine"], []
    for seed in range(10):
        drawn = random_spec(frame, np.random.default_rng(seed))
        spec = dataclasses.replace(drawn, pattern=pattern, transmurality=(0.0, 1.0))
        found.append(specification(generate_scar(spec, frame).labels, frame).pattern)
    assert found.count(pattern) >= 9


def test_scattered_patches_are_patchy():
    frame = FRAMES["fine"]
    spec = ScarSpec(segments=tuple(range(1, 13)), percent=5.0, pattern="patchy", seed=1)
    assert specification(generate_scar(spec, frame).labels, frame).pattern == "patchy"


@pytest.mark.parametrize("border_mm", [0.0, 2.0, 3.5, 6.0])
def test_the_border_zone_is_read_off_the_intensity(border_mm):
    spec = ScarSpec(segments=(4, 5, 10, 11), percent=60.0, border_zone_mm=border_mm, mvo_fraction=0.1)
    scar = generate_scar(spec, FRAMES["fine"])
    text = caption(scar.labels, FRAMES["fine"], scar.intensity)
    assert parse(text).border_zone_mm == pytest.approx(border_mm, abs=0.05)


def test_layers_are_thirds_of_the_wall():
    frame = FRAMES["fine"]
    mask = ((frame.segments == 5) & (frame.transmural < 1 / 3)).astype(np.uint8)
    shares = layer_shares(mask, frame)
    assert shares[4] == pytest.approx([1.0, 0.0, 0.0])
    assert np.nansum(np.delete(shares, 4, axis=0)) == 0.0
    text = caption(mask, frame)
    assert text.startswith("Subendocardial inferolateral infarct, basal, 26–50 % transmural, inner 35 %")
    assert np.isnan(layer_shares(*_without_apex())[16]).all()


def _without_apex() -> tuple[np.ndarray, LVFrame]:
    frame = make_ventricle(cap_slices=0)[1]
    return (frame.segments == 1).astype(np.uint8), frame


def test_what_has_no_caption_is_said():
    frame = FRAMES["coarse"]
    empty = np.zeros(frame.segments.shape, np.uint8)
    with pytest.raises(SpecificationError, match="empty"):
        caption(empty, frame)
    with pytest.raises(SpecificationError, match="grid"):
        caption(empty[1:], frame)
    with pytest.raises(SpecificationError, match="leaves the myocardium"):
        caption(empty + 1, frame)
    mask = generate_scar(ScarSpec(segments=(8,), percent=40.0), frame).labels
    with pytest.raises(SpecificationError, match="intensity"):
        caption(mask, frame, np.ones((1, 2, 3), np.float32))


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Return a healthy phantom as a file, with labels beside it."""
    study = make_phantom(PhantomSettings()).study
    path = tmp_path_factory.mktemp("case") / "heart.nii.gz"
    write_volume(path, study.image, study.geometry)
    write_volume(path.with_name("heart_labels.nii.gz"), study.labels, study.geometry)
    return path


def test_the_command_line_says_and_reads_captions(cli, case, tmp_path):
    first, second = tmp_path / "first.nii.gz", tmp_path / "second.nii.gz"
    border = tmp_path / "border.nii.gz"
    asked = ("--segments", "10,11", "--percent", "60", "--mvo", "0.1")
    made = cli("smile", case, *asked, "--out", first, "--intensity", border)
    assert made.code == 0, made.err
    said = cli("smile", case, "--describe", first, "--intensity", border)
    assert said.code == 0, said.err
    sentence = said.out.strip()
    assert sentence in made.out
    recipe = json.loads((tmp_path / "first.json").read_text(encoding="utf-8"))
    assert recipe["caption"] == sentence
    again = cli("smile", case, "--caption", sentence, "--out", second, "--seed", "5")
    assert again.code == 0, again.err
    volumes = [(read_study(path).image > 0).sum() for path in (first, second)]
    assert volumes[0] == pytest.approx(volumes[1], abs=2)
    assert parse(sentence).segments == (10, 11)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--segments", "7", "--percent", "9"], "--out"),
        (["--describe", "MASK", "--out", "OUT"], "--describe"),
        (["--describe", "MASK", "--seed", "1"], "--describe"),
        (["--caption", "a unicorn", "--out", "OUT"], "unicorn"),
        (["--caption", "apical scar, 2 ml", "--random", "--out", "OUT"], "one of"),
    ],
)
def test_captions_that_make_no_sense_are_refused(cli, case, tmp_path, arguments, word):
    places = {"MASK": tmp_path / "mask.nii.gz", "OUT": tmp_path / "out.nii.gz"}
    outcome = cli("smile", case, *[places.get(argument, argument) for argument in arguments])
    assert outcome.code == 2
    assert word in outcome.err
    assert not any(tmp_path.iterdir())
