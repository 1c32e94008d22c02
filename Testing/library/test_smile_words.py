"""A sentence sets the specification, and the specification's own sentence gives it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claimslicer.anatomy.aha import SEGMENTS, TERRITORIES
from claimslicer.errors import SpecificationError
from claimslicer.smile import ScarSpec, Texture
from claimslicer.smile.patterns import PATTERNS
from claimslicer.smile.words import describe, parse
from hypothesis import given, settings
from hypothesis import strategies as st


def tenths(low: float, high: float):
    """Numbers that a sentence can hold exactly."""
    return st.integers(round(low * 10), round(high * 10)).map(lambda n: n / 10)


percentages = st.integers(1, 100).map(lambda n: n / 100)
textures = st.builds(
    Texture,
    anisotropy=tenths(0.5, 9),
    porosity=st.integers(0, 100).map(lambda n: n / 100),
    grain_mm=tenths(1, 30),
)


@st.composite
def specs(draw) -> ScarSpec:
    """Any specification whose numbers have few digits."""
    segments = draw(st.sets(st.sampled_from(sorted(SEGMENTS)), min_size=1))
    amount = draw(st.sampled_from(["volume_ml", "percent", "each"]))
    if amount == "each":
        amounts = {"percent": {k: draw(tenths(1, 100)) for k in segments}}
    else:
        amounts = {amount: draw(tenths(1, 90))}
    low = draw(st.sampled_from([0.0, 0.2, 0.5]))
    return ScarSpec(
        segments=tuple(segments),
        transmurality=(low, draw(st.sampled_from([0.6, 0.75, 1.0]))),
        pattern=draw(st.sampled_from(sorted(PATTERNS))),
        texture=draw(textures),
        border_zone_mm=draw(tenths(0, 9)),
        mvo_fraction=draw(st.just(0.0) | percentages),
        **amounts,
    )


@settings(deadline=None, max_examples=300)
@given(specs())
def test_the_sentence_of_a_specification_gives_it_back(spec):
    back = parse(describe(spec))
    assert back.segments == spec.segments
    assert back.pattern == spec.pattern
    assert back.volume_ml == pytest.approx(spec.volume_ml)
    assert back.percent == pytest.approx(spec.percent)
    assert back.transmurality == pytest.approx(spec.transmurality)
    assert back.mvo_fraction == pytest.approx(spec.mvo_fraction)
    assert back.border_zone_mm == pytest.approx(spec.border_zone_mm)
    assert vars(back.texture) == pytest.approx(vars(spec.texture))


def test_the_sentence_reads_as_a_report():
    spec = ScarSpec(segments=(11, 16), volume_ml=7.4, mvo_fraction=0.2)
    assert describe(spec, lv_ml=121.3, transmurality=0.6) == (
        "Subendocardial inferolateral infarct, mid to apical, 51–75 % transmural, 7.4 ml, 6.1 % of LV mass, "
        "MVO core of 20.0 % of the scar"
    )


@pytest.mark.parametrize(
    ("sentence", "segments"),
    [
        ("subendocardial inferolateral infarct, mid to apical, 7.4 ml", (11, 16)),
        ("mid to apical inferolateral infarct, 7 ml", (11, 16)),
        ("Septal scar, basal and mid, 5 ml.", (2, 3, 8, 9)),
        ("infarct of the basal inferior and mid inferolateral segments, 3 ml", (4, 11)),
        ("infarct of the apex, 2 ml", (17,)),
        ("inferior infarct from base to apex, 10ml", (4, 10, 15, 17)),
        ("LAD infarct, 20 ml", tuple(k for k in TERRITORIES["LAD"] if k != 17)),
        ("RCA territory, mid, 4 cc", (9, 10)),
        ("apical scar 3 ml", (13, 14, 15, 16)),
        ("scar in segments 5, 6, 11-12, 8,5 ml", (5, 6, 11, 12)),
        ("segment 3 and 20 % of the segments", (3,)),
        ("posterolateral MI, basal, 3 ml", (5,)),
    ],
)
def test_places_are_understood(sentence, segments):
    assert parse(sentence).segments == segments


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("51–75 % transmural", (0.0, 0.75)),
        ("up to 50% transmural", (0.0, 0.5)),
        ("transmural", (0.0, 1.0)),
        ("inner 40 % of the wall", (0.0, 0.4)),
        ("outer 30 % of the wall", (0.7, 1.0)),
        ("from 20 to 60 % of the wall", (0.2, 0.6)),
        ("< 25 % transmurality", (0.0, 0.25)),
    ],
)
def test_depths_are_understood(words, expected):
    assert parse(f"basal anterior infarct, {words}, 2 ml").transmurality == pytest.approx(expected)


def test_amounts_are_understood():
    assert parse("apical scar, 6 % of LV mass", lv_ml=120.0).volume_ml == pytest.approx(7.2)
    assert parse("apical scar, 5 ml, 6 % of LV mass", lv_ml=120.0).volume_ml == 5.0
    assert parse("apical scar, 30 % of the segments").percent == 30.0
    assert parse("30 % of segment 5 and 20 % of segment 6").percent == {5: 30.0, 6: 20.0}


def test_what_a_sentence_leaves_open_stays():
    base = ScarSpec(segments=(1,), volume_ml=3.0, seed=7, border_zone_mm=4.0, mvo_fraction=0.3)
    read = parse("mid-wall septal scar", base=base)
    assert (read.seed, read.border_zone_mm, read.volume_ml) == (7, 4.0, 3.0)
    assert (read.pattern, read.mvo_fraction) == ("mid-wall", 0.0)


def test_walls_are_narrowed_to_what_the_study_shows():
    assert parse("lateral infarct, 3 ml", shown=range(7, 17)).segments == (11, 12, 16)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("", "where"),
        ("7 ml", "where"),
        ("anterior infarct", "how much"),
        ("anterior unicorn, 3 ml", "'unicorn'"),
        ("patchy mid-wall septal scar, 3 ml", "one pattern"),
        ("septal infarct, 3 % of LV mass", "needs a study"),
        ("segment 18, 3 ml", "18"),
        ("septal infarct, 0 ml", "above 0"),
        ("no anterior infarct, 3 ml", "'no'"),
    ],
)
def test_what_cannot_be_read_is_said(sentence, reason):
    with pytest.raises(SpecificationError, match=reason):
        parse(sentence)


def test_fibrosis_and_mvo_without_a_number_are_understood():
    spec = parse("mid-wall septal fibrosis, 3 ml")
    assert (spec.pattern, spec.volume_ml) == ("mid-wall", 3.0)
    assert parse("septal infarct, 3 ml, with MVO").mvo_fraction == 0.2
    assert parse("septal infarct, 3 ml, MVO core", base=replace(spec, mvo_fraction=0.4)).mvo_fraction == 0.4


def test_what_reaches_through_the_wall_is_called_transmural():
    spec = ScarSpec(segments=(3, 9), volume_ml=6.0, transmurality=(0.0, 0.9))
    assert describe(spec).startswith("Transmural")
    assert parse(describe(spec)).pattern == "ischaemic"
    assert describe(replace(spec, transmurality=(0.0, 0.5))).startswith("Subendocardial")
    assert describe(replace(spec, transmurality=(0.0, 1.0)), transmurality=0.9).startswith("Transmural")
    assert describe(replace(spec, transmurality=(0.0, 1.0)), transmurality=0.4).startswith("Subendocardial")
