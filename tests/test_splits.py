"""Three splits: what belongs together is on one side, and stays there as a set grows."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albumlib import features
from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSet, CoverSetError
from albumlib.dataset.gathering import gather
from albumlib.dataset.splits import SPLITS, groups_by_artist, sides, split_of
from albumlib.sources.imprint.imprint import Imprint

NAMES = pd.Series([f"album/{number}" for number in range(8000)])


def test_proportions_are_those_asked_for_and_sides_never_change():
    sides = split_of(NAMES, 0.25)
    shares = sides.value_counts(normalize=True)
    assert shares[list(SPLITS)].tolist() == pytest.approx([0.75, 0.0625, 0.1875], abs=0.015)
    assert (split_of(NAMES[::7], 0.25) == sides[::7]).all()  # whatever else is in the set
    more = split_of(NAMES, 0.5)  # what is held out stays so where more is, and test stays test
    assert (more[sides != "train"] != "train").all() and (more[sides == "test"] == "test").all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "A", "a ", "B", "C", "D", None]),
                          st.sampled_from(["1", "2", "3", "4", "5"])), max_size=12))  # fmt: skip
def test_artists_and_near_duplicates_stay_together(pairs):
    table = pd.DataFrame(pairs, columns=["artist", "group"], dtype="str")
    found = groups_by_artist(table["artist"], table["group"])
    folded = table["artist"].fillna("").str.strip().str.casefold()
    assert (found.groupby(table["group"]).nunique() == 1).all()
    assert (found[folded != ""].groupby(folded[folded != ""]).nunique() == 1).all()
    if folded.ne("").all() and table["group"].is_unique:  # and nothing else is
        assert found.nunique() == folded.nunique()


@pytest.mark.parametrize("count", [3, 4, 12, 30])
def test_no_side_of_a_small_set_is_empty(count):
    for start in range(40):
        groups = NAMES[start : start + count]
        one = sides(pd.Series("A", index=groups.index), groups)
        assert set(one) == set(SPLITS) and (one == "test").sum() >= min(6, count // 3)
        assert one.value_counts().idxmax() == "train" or count < 12


def test_near_duplicates_stay_together_where_a_side_is_filled():
    groups = pd.Series(["a", "a", "b", "b", "c", "c"])
    assert (sides(groups, groups).groupby(groups).nunique() == 1).all()


class Real(Imprint):
    name = "real"


def test_the_artist_decides_on_real_data_alone(tmp_path):
    gather(Imprint(albums=60, corruption=0), tmp_path / "imprint", size=32, workers=1)
    invented = clean(tmp_path / "imprint", size=32, workers=1)
    sides = invented.table.groupby("artist")["split"].nunique()
    assert sides.max() > 1  # each album stands for itself: chance has no memory

    gather(Real(albums=120, corruption=0), tmp_path / "real", size=32, workers=1)
    real = clean(tmp_path / "real", size=32, workers=1)
    assert (real.table.groupby("artist")["split"].nunique() == 1).all()
    assert len(real.rows("test")) + len(real.rows("validation")) == len(real.rows("heldout")) > 0


def written(folder, **columns):
    np.save(folder / "images.npy", np.zeros((8, 4, 4, 3), dtype=np.uint8))
    table = pd.DataFrame({name: np.linspace(0, 1, 8) for name in features.NAMES})
    table.assign(**columns).to_parquet(folder / "table.parquet")
    table.assign(row=range(8)).to_parquet(folder / "tracks.parquet")
    (folder / "manifest.json").write_text(json.dumps({"size": 4, "heldout": 0.25}))
    return CoverSet.open(folder)


def test_an_older_set_has_the_splits_that_it_would_get_today(tmp_path):
    groups = NAMES[:8]
    today = split_of(groups)
    former = today.where(today == "train", "heldout")
    covers = written(tmp_path, split=former, group=groups)
    assert covers.table["split"].tolist() == today.tolist()
    assert {"validation", "test"} <= set(today)


def test_a_set_without_groups_still_opens(tmp_path):
    covers = written(tmp_path, split=["train"] * 4 + ["heldout"] * 4)
    assert covers.rows("train").tolist() == [0, 1, 2, 3]
    assert covers.rows("heldout").tolist() == [4, 5, 6, 7]
    with pytest.raises(CoverSetError, match="train, validation, test, not 'testing'"):
        covers.rows("testing")
