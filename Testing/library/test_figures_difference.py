"""The range, colours and focus of difference images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from claimslicer.figures.difference import WHOLE_HEART_MM, difference_colours, focus_of, reach
from claimslicer.figures.montage import synthesis_montage
from claimslicer.studies import Geometry

TURNED = Geometry(
    shape=(6, 40, 50),
    spacing=(1.5, 1.25, 8.0),
    origin=(10.0, -20.0, 30.0),
    direction=(0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0),
)


def test_the_range_is_symmetric_and_never_empty():
    assert reach(np.array([-7.5, 3.0])) == 7.5
    assert reach(np.zeros((2, 3))) == 1.0
    assert reach(np.zeros(0)) == 1.0


def test_the_colours_are_the_reports():
    """ColorBrewer's PuOr as matplotlib has it, which the report draws with."""
    from claimslicer.figures.style import DIFFERENCE_MAP
    from matplotlib import colormaps

    ours, theirs = np.array(difference_colours(257)), colormaps[DIFFERENCE_MAP](np.linspace(0, 1, 257))
    assert np.abs(ours - theirs[:, :3]).max() < 0.02
    assert np.ptp(ours[128]) < 0.01  # none is a grey


def test_the_report_has_the_same_range():
    first = np.zeros(TURNED.shape)
    second = first.copy()
    second[3, 10:20, 10:20] = -40.0
    figure = synthesis_montage(first, second, (second != 0).astype(np.uint8), TURNED)
    limits = [image.get_clim() for axes in figure.axes for image in axes.images]
    assert limits[-1] == (-reach(second - first), reach(second - first))


def test_focus_is_the_middle_of_the_fullest_slice():
    changed = np.zeros(TURNED.shape, bool)
    changed[1, 5:15, 20:30] = True
    changed[3, 5:25, 20:40] = True
    focus = focus_of(changed, TURNED)
    assert focus is not None
    index = TURNED.physical_to_index(np.array(focus.centre))
    assert np.allclose(index, (3, 14.5, 29.5))
    assert focus.width_mm == WHOLE_HEART_MM
    changed[2, :, :] = True
    wide = replace(TURNED, spacing=(3.0, 3.0, 8.0))
    assert focus_of(changed, wide).width_mm == pytest.approx(1.35 * 50 * 3.0)


def test_a_heart_is_centred_in_the_slice_that_changed_most():
    changed = np.zeros(TURNED.shape, bool)
    changed[4, 5:7, 5:7] = True
    heart = np.zeros(TURNED.shape, bool)
    heart[1:5, 10:31, 20:41] = True
    focus = focus_of(changed, TURNED, heart)
    assert np.allclose(TURNED.physical_to_index(np.array(focus.centre)), (4, 20, 30))


def test_nothing_changed_gives_nowhere_to_look():
    assert focus_of(np.zeros(TURNED.shape, bool), TURNED) is None
