"""Scar specifications: what is refused, and the way to YAML and back."""

import json

import numpy as np
import pytest
from claimslicer.errors import SpecificationError
from claimslicer.smile import ScarSpec, Texture

REFUSED = {
    "segment 18": {"segments": (5, 18), "volume_ml": 3.0},
    "segment 0": {"segments": (0,), "volume_ml": 3.0},
    "a segment that is no number": {"segments": ("apex",), "volume_ml": 3.0},
    "no segment": {"segments": (), "volume_ml": 3.0},
    "no amount": {"segments": (5,)},
    "two amounts": {"segments": (5,), "volume_ml": 3.0, "percent": 10.0},
    "negative volume": {"segments": (5,), "volume_ml": -1.0},
    "volume that is not a number": {"segments": (5,), "volume_ml": float("nan")},
    "more than all of it": {"segments": (5,), "percent": 101.0},
    "more than all of one segment": {"percent": {5: 20.0, 6: 120.0}},
    "other segments than the mapping's": {"segments": (5,), "percent": {6: 20.0}},
    "empty mapping": {"segments": (5,), "percent": {}},
    "falling range": {"segments": (5,), "percent": 5, "transmurality": (0.8, 0.2)},
    "empty range": {"segments": (5,), "percent": 5, "transmurality": (0.5, 0.5)},
    "range beyond the wall": {"segments": (5,), "percent": 5, "transmurality": (0.0, 1.5)},
    "range of three": {"segments": (5,), "percent": 5, "transmurality": (0.0, 0.5, 1.0)},
    "unknown pattern": {"segments": (5,), "percent": 5, "pattern": "stellate"},
    "negative border zone": {"segments": (5,), "percent": 5, "border_zone_mm": -1.0},
    "more MVO than scar": {"segments": (5,), "percent": 5, "mvo_fraction": 1.2},
    "fractional seed": {"segments": (5,), "percent": 5, "seed": 0.5},
    "negative seed": {"segments": (5,), "percent": 5, "seed": -1},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED.keys())
def test_nonsense_is_refused_in_one_sentence(values):
    with pytest.raises(SpecificationError) as caught:
        ScarSpec(**values)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("values", [{"porosity": 1.1}, {"anisotropy": 0.0}, {"grain_mm": "fine"}])
def test_impossible_texture_is_refused(values):
    with pytest.raises(SpecificationError):
        Texture(**values)


def test_unknown_segment_is_named():
    with pytest.raises(SpecificationError, match="18"):
        ScarSpec(segments=(18,), volume_ml=1.0)


@pytest.mark.parametrize(
    "spec",
    [
        ScarSpec(segments=(5, 6, 11, 12), volume_ml=8.0, mvo_fraction=0.1, seed=7),
        ScarSpec(percent={3: 20.0, 9: 45.5}, pattern="claim", texture=Texture(3.0, 0.4, 5.0)),
        ScarSpec(
            segments=(17,), percent=50.0, transmurality=(0.25, 0.75), pattern="mid-wall", border_zone_mm=0
        ),
    ],
)
def test_yaml_gives_the_same_specification_back(spec):
    assert ScarSpec.from_yaml(spec.to_yaml()) == spec


@pytest.mark.parametrize("values", [{"percent": {3: 20.0, 9: 45.5}}, {"segments": (3,), "volume_ml": 2.0}])
def test_json_gives_the_same_specification_back(values):
    spec = ScarSpec(**values)
    assert ScarSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_numpy_numbers_are_taken_and_kept_as_plain_ones():
    spec = ScarSpec(segments=tuple(np.array([5, 6])), volume_ml=np.float32(2.5), seed=np.int64(3))
    assert ScarSpec.from_yaml(spec.to_yaml()) == spec


def test_exponents_are_numbers_as_in_every_other_yaml_file():
    spec = ScarSpec.from_yaml("segments: [5]\nvolume_ml: 25e-1\ntexture: {porosity: 1e-3}")
    assert (spec.volume_ml, spec.texture.porosity) == (2.5, 0.001)


def test_segments_are_sorted_and_named_once():
    assert ScarSpec(segments=[12, 5, 5, 6], percent=10).segments == (5, 6, 12)


def test_mapping_names_its_segments():
    assert ScarSpec(percent={10: 5.0, 4: 10.0}).segments == (4, 10)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("segments: [5]\nvolume_ml: 3\ntransmural: [0, 1]", "transmural"),
        ("segments: [5]\nvolume_ml: 3\ntexture: {grain: 3}", "grain"),
        ("segments: [5\nvolume_ml: 3", "YAML"),
        ("- 5\n- 6", "mapping"),
        ("", "mapping"),
        ("segments: 5\nvolume_ml: 3", "list"),
        ("segments: [5]\nvolume_ml: lots", "lots"),
        ("segments: [5]\nvolume_ml: 3\ntexture: fine", "mapping"),
    ],
)
def test_bad_yaml_is_refused_with_the_reason(text, reason):
    with pytest.raises(SpecificationError, match=reason):
        ScarSpec.from_yaml(text)
