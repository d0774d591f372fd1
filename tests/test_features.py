import numpy as np
import pandas as pd
import pytest

from albumlib import features


def test_order_is_that_of_the_2021_data():
    assert features.NAMES == (
        "popularity", "acousticness", "danceability", "energy", "instrumentalness",
        "liveness", "loudness", "speechiness", "tempo", "valence",
    )  # fmt: skip


def test_ends_of_the_ranges_become_minus_one_and_one():
    assert (features.to_unit(features.LOW) == -1).all()
    assert (features.to_unit(features.HIGH) == 1).all()


def test_round_trip_is_exact_for_published_decimals():
    shares = np.random.default_rng(0).random((20_000, features.COUNT))
    values = np.round(features.LOW + shares * (features.HIGH - features.LOW), 6)
    assert np.array_equal(features.from_unit(features.to_unit(values)), values)


def test_missing_values_stay_missing():
    values = features.to_array({"energy": 0.5, "tempo": None})
    assert np.isfinite(values).sum() == 1
    back = features.from_unit(features.to_unit(values))
    assert np.array_equal(back, values, equal_nan=True)
    assert not features.out_of_range(values).any()


def test_table_is_read_by_name_and_not_by_position():
    table = pd.DataFrame({"valence": [0.1], "other": ["x"], "popularity": [70]})
    row = features.to_array(table)[0]
    assert row[0] == 70 and row[-1] == 0.1 and np.isnan(row[1:-1]).all()


def test_out_of_range_names_the_guilty_only():
    values = features.LOW.copy()
    values[6] = 5.1
    assert features.out_of_range(values).tolist() == [name == "loudness" for name in features.NAMES]


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="unknown feature 'happiness'"):
        features.to_array({"happiness": 1})
    with pytest.raises(ValueError, match="ten features"):
        features.to_unit(np.zeros((3, 9)))
