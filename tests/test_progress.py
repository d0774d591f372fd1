"""Printed progress: a line at each part of the way, whatever the strides."""

import pytest

from albumlib.runtime import progress
from albumlib.runtime.progress import milestones, training_milestones
from albumlib.training import loop


def test_one_line_at_each_part_and_at_the_end(capsys):
    tell = milestones(parts=4)
    for done in range(7, 101):
        tell("covers", done, 100)
    assert capsys.readouterr().out.split("\n") == [
        *(f"covers: {done} of 100" for done in (25, 50, 75, 100)),
        "",
    ]


def test_long_strides_skip_lines_and_names_are_counted_apart(capsys):
    tell = milestones(parts=10)
    tell("tracks", 2000, 2560)
    tell("covers", 64, 320)
    tell("tracks", 2560, 2560)
    assert capsys.readouterr().out.splitlines() == [
        "tracks: 2,000 of 2,560",
        "covers: 64 of 320",
        "tracks: 2,560 of 2,560",
    ]


def test_an_unknown_total_prints_at_each_doubling(capsys):
    tell = milestones()
    for done in range(1, 21):
        tell("tracks", done, 0)
    assert len(capsys.readouterr().out.splitlines()) == 5  # at 1, 2, 4, 8 and 16


def test_a_training_tells_its_steps(capsys):
    tell = training_milestones(parts=2)
    for step in (10, 20, 30, 40):
        tell({"step": step, "steps": 40, "critic_loss": 0.1})
    assert capsys.readouterr().out == "training step: 20 of 40\ntraining step: 40 of 40\n"


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    for module in (progress, loop):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_the_time_that_is_left_is_told_where_it_is_long(capsys, clock):
    tell = milestones(parts=2)
    for done in (0, 50, 100):
        tell("covers", done, 100)
        clock[0] += 90
    assert capsys.readouterr().out == "covers: 50 of 100, 1 min 30 s left\ncovers: 100 of 100\n"


def test_a_training_says_after_some_seconds_how_long_it_will_take(capsys, clock):
    tell, known = training_milestones(), loop.Pace(1000, cycle=4)
    for step in range(201, 240):
        if found := known.after(step):
            tell({"step": step, "steps": 1000, **found})
        clock[0] += 0.5
    # The first step is not counted, and neither is what goes beyond a whole cycle.
    assert capsys.readouterr().out == "791 steps more will take about 6 min 36 s here\n"


def test_a_training_that_is_soon_over_says_nothing(clock):
    known = loop.Pace(4, cycle=1)
    for step in range(1, 5):
        assert known.after(step) == {}
        clock[0] += 2
