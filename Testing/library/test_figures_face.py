"""What a bull's-eye shows: colours, texts and tips from numbers, without a window."""

import math
import subprocess
import sys

import pytest
from claimslicer.anatomy.aha import SEGMENTS, neighbours
from claimslicer.figures import palette
from claimslicer.figures.bullseye import GROUPS, SECTORS, step
from claimslicer.figures.face import (
    difference_face,
    empty_face,
    scar_face,
    segments_face,
    transmurality_face,
    volume_face,
)

WHITE = (1.0, 1.0, 1.0)
KEYS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def test_volumes_have_numbers_colours_and_a_scale():
    face = volume_face({k: 0.5 * k for k in range(1, 17)})
    assert face.texts[16] == "8.0"
    assert face.texts[17] == "–"
    assert 17 not in face.colours
    assert face.colours[16] == palette.rgb(palette.CLASS_COLOURS[-1])
    assert [text for _, text in face.scale.ticks] == ["0", "2", "4", "6", "8"]
    assert "5 basal inferolateral · LCX" in face.tips[5]
    assert "2.50 ml" in face.tips[5]
    assert "Not measured" in face.tips[17]
    assert "68.0 ml" in face.subtitle


def test_a_given_maximum_puts_faces_on_one_scale():
    first, second = volume_face({1: 2.0, 2: 4.0}, maximum=8), volume_face({5: 2.0}, maximum=8)
    assert first.colours[1] == second.colours[5] != first.colours[2]


def test_differences_are_symmetric_and_signed():
    face = difference_face({1: -4.0, 2: 0.0, 3: 4.0, 4: float("nan"), 5: None})
    assert (face.texts[1], face.texts[2], face.texts[3]) == ("−4.0", "0.0", "+4.0")
    assert min(face.colours[2]) > 0.95
    assert face.colours[1] == palette.rgb(palette.DIFFERENCE_COLOURS[0])
    assert face.colours[3] == palette.rgb(palette.DIFFERENCE_COLOURS[-1])
    assert not {4, 5} & set(face.colours)


@pytest.mark.parametrize(("value", "place"), [(0, 0), (0.001, 1), (0.25, 1), (0.26, 2), (0.75, 3), (1, 4)])
def test_transmurality_has_its_classes(value, place):
    face = transmurality_face({8: value})
    assert face.colours[8] == palette.rgb(palette.CLASS_COLOURS[place])
    assert not face.scale.smooth


def test_the_scar_shows_what_is_asked_and_what_is_there():
    wall = dict.fromkeys(range(1, 17), 4.0)
    face = scar_face(wall, {7: 2.0, 8: 0.01}, {8: 1.0, 9: 4.0}, selected={7, 8})
    assert face.colours[7] == palette.blend(palette.CLASS_COLOURS, 0.5)
    assert face.colours[9] == WHITE
    assert face.texts == {7: "2.0", 8: "<0.1"}
    assert face.hatched == {8, 9}
    assert face.selected == {7, 8}
    assert face.scale.hatch_label
    assert "New scar 2.00 ml, 50 %" in face.tips[7]
    assert "Present scar 4.00 ml, 100 %" in face.tips[9]
    assert "Not in this study" in face.tips[17]
    assert 17 not in face.colours
    assert not scar_face(wall, {}, {}).scale.hatch_label


def test_neighbours_in_the_aha_model_differ_in_colour():
    face = segments_face()
    for number in SEGMENTS:
        for other in neighbours(number):
            assert math.dist(face.colours[number], face.colours[other]) > 0.15
    assert set(segments_face(dict.fromkeys(range(1, 17), 3.0)).colours) == set(range(1, 17))


def test_faces_are_equal_when_they_show_the_same():
    assert volume_face({1: 1.0}) == volume_face({1: 1.0}) != volume_face({1: 1.1})
    assert empty_face().with_selection({3}).selected == {3}
    assert empty_face().colours == {}


def test_ink_is_readable_on_every_colour():
    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for colours in (palette.CLASS_COLOURS, palette.DIFFERENCE_COLOURS):
        for place in range(101):
            paper = palette.blend(colours, place / 100)
            dark, light = sorted((luminance(paper), luminance(palette.ink_on(paper))))
            assert (light + 0.05) / (dark + 0.05) > 3.5


def test_blending_meets_every_colour_and_stays_inside():
    for k, colour in enumerate(palette.CLASS_COLOURS):
        assert palette.blend(palette.CLASS_COLOURS, k / 4) == pytest.approx(palette.rgb(colour))
    assert palette.blend(palette.CLASS_COLOURS, -1) == palette.rgb(palette.CLASS_COLOURS[0])
    assert palette.blend(palette.CLASS_COLOURS, 9) == palette.rgb(palette.CLASS_COLOURS[-1])


def test_arrow_keys_reach_every_segment_and_go_where_they_point():
    for start in SEGMENTS:
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            for dx, dy in KEYS:
                there = step(here, dx, dy)
                (x, y), (u, v) = SECTORS[here].label_position, SECTORS[there].label_position
                assert there == here or (u - x) * dx + (v - y) * dy > 0
                if there not in seen:
                    seen.add(there)
                    waiting.append(there)
        assert seen == set(SEGMENTS)


def test_groups_are_rings_walls_and_territories():
    rings = GROUPS["Basal"] | GROUPS["Mid"] | GROUPS["Apical"]
    walls = GROUPS["Anterior"] | GROUPS["Septum"] | GROUPS["Inferior"] | GROUPS["Lateral"]
    assert rings == walls == set(range(1, 17))
    assert GROUPS["LAD"] | GROUPS["RCA"] | GROUPS["LCX"] == set(SEGMENTS)
    assert GROUPS["Septum"] == {2, 3, 8, 9, 14}


def test_faces_need_neither_matplotlib_nor_qt():
    code = (
        "import sys, claimslicer.figures.face as f\n"
        "f.transmurality_face({1: 0.5}); f.scar_face({1: 2.0}, {1: 1.0}, {})\n"
        "print(sorted(m for m in sys.modules if m.partition('.')[0] in ('matplotlib', 'torch', 'qt', 'vtk')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scales_end_at_numbers_that_are_easily_read():
    for largest, ticks in (
        (7.3, "0 2 4 6 8"),
        (1.2, "0 0.5 1 1.5 2"),
        (33.0, "0 10 20 30 40"),
        (0.2, "0 0.25 0.5 0.75 1"),
    ):
        assert " ".join(text for _place, text in volume_face({1: largest}).scale.ticks) == ticks
    assert [text for _place, text in difference_face({1: -3.1}).scale.ticks] == [
        "−4.0",
        "−2.0",
        "0",
        "+2.0",
        "+4.0",
    ]
