"""Paired differences, on numbers whose answer is known."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from albumlib.studies.records import append, differences, paired_difference, read_measured

# Student 1908: additional hours of sleep of ten patients by two drugs; t = 4.06, p = 0.0028.
FIRST = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
SECOND = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
VALUES = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=8)


def test_students_own_example():
    found = paired_difference(FIRST, SECOND)
    assert (found.mean, found.p) == (pytest.approx(1.58), pytest.approx(0.00283, abs=1e-5))
    assert (found.low, found.high) == (
        pytest.approx(0.7001, abs=1e-4),
        pytest.approx(2.4599, abs=1e-4),
    )
    assert found.clear and found.pairs == 10 and str(found) == "+1.580 [+0.700, +2.460]"


def test_two_seeds_say_next_to_nothing():
    found = paired_difference([1.0, 2.0], [0.0, 0.0])
    assert found.low < -4 and found.high > 7 and not found.clear  # t of one degree of freedom


def test_equal_differences_have_no_width():
    found = paired_difference([3.0, 4.0], [1.0, 2.0])
    assert (found.mean, found.low, found.high, found.p) == (2, 2, 2, 0)
    assert paired_difference([1.0, 2.0], [1.0, 2.0]).p == 1


def test_one_seed_says_nothing():
    found = paired_difference([3.0], [1.0])
    assert str(found) == "+2.000 [-inf, +inf]" and not found.clear


@pytest.mark.parametrize("first, second", [([], []), ([1.0, 2.0], [1.0])])
def test_what_cannot_be_paired_is_refused(first, second):
    with pytest.raises(ValueError, match="make no pairs"):
        paired_difference(first, second)


@settings(deadline=None, max_examples=30)
@given(VALUES, st.floats(-5, 5).map(lambda x: round(x, 2)))
def test_what_all_seeds_share_cancels(values, shift):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, len(values))
    found = paired_difference(np.add(values, noise + shift), values)
    alone = stats.t.interval(0.95, len(values) - 1, (noise + shift).mean(), stats.sem(noise))
    assert (found.low, found.high) == pytest.approx(alone, abs=1e-6)
    back = paired_difference(values, np.add(values, noise + shift))
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_builds_are_compared_over_the_seeds_that_both_have():
    runs = pd.DataFrame(
        {"build": ["a", "a", "a", "b", "b"], "seed": [1, 2, 3, 2, 1], "fd": [1, 2, 9, 5, 3]}
    )
    found = differences(runs, {"b": "a"}, ["fd"])
    assert found.loc["b", "fd"].pairs == 2 and found.loc["b", "fd"].mean == 2.5


def test_records_come_back_in_their_order(tmp_path):
    file = tmp_path / "runs.jsonl"
    assert read_measured(file) == []
    for seed in (1, 2):
        append(file, {"build": "a", "seed": seed, "fd": 1 / 3})
    assert read_measured(file) == [{"build": "a", "seed": s, "fd": 0.3333} for s in (1, 2)]
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 2
