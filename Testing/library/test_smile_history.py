"""Undo and redo of specifications."""

import pytest
from claimslicer.smile import ScarSpec
from claimslicer.smile.history import LIMIT, History


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def history(clock):
    return History(0.5, clock)


def spec(ml: float, segments=(7, 8), **others) -> ScarSpec:
    return ScarSpec(segments=segments, volume_ml=ml, **others)


def walk(history, clock, *specs) -> None:
    for each in specs:
        clock.seconds += 1.0
        history.record(each)


def test_back_and_forth(history, clock):
    assert history.current is None
    assert history.undo() is None
    assert history.redo() is None
    walk(history, clock, spec(1), spec(2), spec(3))
    assert [history.undo(), history.undo(), history.undo()] == [spec(2), spec(1), None]
    assert [history.redo(), history.redo(), history.redo()] == [spec(2), spec(3), None]


def test_a_new_step_forgets_what_was_undone(history, clock):
    walk(history, clock, spec(1), spec(2), spec(3))
    history.undo()
    history.undo()
    walk(history, clock, spec(9))
    assert not history.can_redo
    assert history.undo() == spec(1)


def test_showing_the_same_again_changes_nothing(history, clock):
    walk(history, clock, spec(1), spec(2))
    assert history.undo() == spec(1)
    walk(history, clock, spec(1))
    assert history.redo() == spec(2)


def test_a_dragged_slider_is_one_step(history, clock):
    walk(history, clock, spec(1), spec(2))
    for ml in (2.1, 2.2, 2.3):
        clock.seconds += 0.1
        history.record(spec(ml))
    assert history.undo() == spec(1)
    assert history.redo() == spec(2.3)


def test_another_setting_is_another_step_however_soon(history, clock):
    walk(history, clock, spec(1), spec(2))
    clock.seconds += 0.01
    history.record(spec(2, seed=5))
    assert [history.undo(), history.undo()] == [spec(2), spec(1)]


def test_the_first_step_is_kept(history, clock):
    history.record(spec(1))
    clock.seconds += 0.1
    history.record(spec(2))
    assert history.undo() == spec(1)


def test_a_step_after_undo_is_not_joined_to_the_one_undone_to(history, clock):
    walk(history, clock, spec(1), spec(2), spec(3))
    history.undo()
    clock.seconds += 0.01
    history.record(spec(4))
    assert history.undo() == spec(2)


def test_it_stays_bounded(history, clock):
    walk(history, clock, *(spec(1 + k) for k in range(LIMIT + 50)))
    steps = 0
    while history.undo():
        steps += 1
    assert steps == LIMIT - 1
    assert history.current == spec(51)
