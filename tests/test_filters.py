import pandas as pd
import pytest

from albumlib.dataset.filters import Filter, FilterError, outside

TABLE = pd.DataFrame(
    {
        "popularity": [0.0, 50.0, 80.0, None],
        "genre": ["rock", "Pop", "", "rap"],
        "release_date": ["1989-12-31", "1999-06", "1990", ""],
        "year": pd.array([1989, 1999, 1990, None], dtype="Int32"),
        "text": [True, False, False, True],
    }
)


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        ("popularity=50..", [1, 2]),
        ("popularity=..50", [0, 1]),
        ("popularity = 20 .. 60", [1]),
        ("popularity!=20..60", [0, 2]),
        ("popularity=0,80", [0, 2]),
        ("genre=ROCK, pop", [0, 1]),
        ("genre!=rock", [1, 3]),
        ("release_date=1990..1999", [1, 2]),
        ("release_date=..1989", [0]),
        ("release_date=1999-06..", [1]),
        ("year=1990..1999", [1, 2]),
        ("text=no", [1, 2]),
        ("text!=no", [0, 3]),
    ],
)
def test_windows_take_these_rows_and_never_a_missing_value(window, inside):
    matches = Filter.parse(window).matches(TABLE)
    assert matches[matches].index.tolist() == inside


def test_rows_know_all_the_windows_they_miss():
    missed = outside(TABLE, [Filter.parse("popularity=50.."), Filter.parse("genre!=live")])
    assert missed.tolist() == ["popularity=50..", "", "genre!=live", "popularity=50.."]


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("popularity > 5", "is no filter"),
        ("popularity=", "is no filter"),
        ("mood=good", "no 'mood' to select by"),
        ("popularity=a..b", "'a' is no number"),
        ("text=maybe", "yes or no"),
    ],
)
def test_nonsense_is_said_plainly(window, words):
    with pytest.raises(FilterError, match=words):
        Filter.parse(window).matches(TABLE)
