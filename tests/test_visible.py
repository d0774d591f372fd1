"""How much of its song a cover shows: on covers that show a known amount."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from albumlib.__main__ import app
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import visible
from albumlib.evaluation.metrics import MetricsError

RNG = np.random.default_rng(0)
N = 600
GROUPS = np.arange(N) // 3  # three covers an artist
INPUTS = RNG.normal(size=(N, 8))


def test_r2_is_that_of_the_law_and_the_control_is_none():
    """y = x + noise of equal variance: half of it can be predicted."""
    values = (INPUTS[:, 0] + RNG.normal(size=N))[:, None]
    found = visible.shown(INPUTS, {"energy": values}, GROUPS)["energy"]
    assert found["r2_low"] < 0.5 < found["r2_high"]
    assert found["r2"] == pytest.approx(0.5, abs=0.1)
    assert found["r2_permuted"] < 0.03
    assert found["spearman_low"] < found["spearman"] < found["spearman_high"]
    assert (found["n"], found["artists"]) == (N, N // 3)


def test_what_an_artist_shares_is_not_counted_as_shown():
    """Inputs that name the artist predict nothing of other artists."""
    own = RNG.normal(size=(N // 3, 8))[GROUPS]
    values = RNG.normal(size=N // 3)[GROUPS][:, None]
    assert visible.shown(own, {"energy": values}, GROUPS)["energy"]["r2"] < 0.03


def test_intervals_cover_the_truth_and_widen_with_the_size_of_artists():
    values = (INPUTS[:, 0] + RNG.normal(size=N))[:, None]
    predicted = INPUTS[:, :1]
    single = visible.interval(values, predicted, np.arange(N), 0)
    twenty = np.repeat(values[: N // 20], 20, 0), np.repeat(predicted[: N // 20], 20, 0)
    grouped = visible.interval(*twenty, np.arange(N) // 20, 0)
    assert single[0] < visible.r2(values, predicted) < single[1]
    assert np.diff(grouped) > 2 * np.diff(single)


def test_what_year_and_genre_explain_is_taken_out():
    year = RNG.uniform(1960, 2020, (N, 1))
    values = (year - 1990) / 17 + 0.3 * RNG.normal(size=(N, 1))
    inputs = np.column_stack([INPUTS, year + RNG.normal(size=(N, 1))])  # the cover shows the year
    whole = visible.shown(inputs, {"energy": values}, GROUPS)["energy"]
    [rest] = visible.beyond(inputs, {"energy": values}, {"year": year}, GROUPS, 2021).values()
    assert whole["r2"] > 0.8 and rest["r2_year_genre"] > 0.8
    assert rest["r2_beyond"] < 0.05


@pytest.fixture
def covers():
    """Covers whose lightness is the energy of their song; popularity is on none of them."""
    energy = RNG.random(240)
    shades = np.round(255 * energy).astype(np.uint8)
    noise = RNG.integers(0, 20, (240, 32, 32, 3), dtype=np.uint8)
    table = pd.DataFrame({
        "album_id": [f"album-{n}" for n in range(240)],
        "artist": [f"Artist {n // 2}" for n in range(240)],
        "release_date": [f"{1960 + n % 60}-01-01" for n in range(240)],
        "genre": [["", "rock, indie", "", "jazz"][n % 4] for n in range(240)],
        "energy": energy, "popularity": RNG.uniform(0, 100, 240), "split": "train",
    })  # fmt: skip
    images = np.clip(shades[:, None, None, None].astype(int) + noise, 0, 255).astype(np.uint8)
    return CoverSet(images, table, table, {})


def test_a_cover_set_says_what_it_shows(covers):
    table = visible.visible(covers, "own")
    assert list(table.index) == ["popularity", "energy", "year", "genre"]
    assert table.loc["energy", "r2"] > 0.95 and table.loc["popularity", "r2"] < 0.1
    assert table.loc["genre", "n"] == 120  # the others have none
    found = visible.flat(table)
    assert {"r2_energy", "r2_energy_low", "r2_energy_permuted", "spearman_energy", "r2_year",
            "r2_energy_beyond", "n", "artists"} <= set(found)  # fmt: skip
    assert (found["n"], found["artists"]) == (240, 120)


def test_too_few_are_told(covers):
    few = CoverSet(covers.images[:50], covers.table[:50], covers.tracks[:50], {})
    with pytest.raises(MetricsError, match="fewer than 100"):
        visible.visible(few, "own")


def test_the_command_prints_the_table_and_writes_the_numbers(covers, monkeypatch, tmp_path):
    monkeypatch.setattr(CoverSet, "open", lambda folder: covers)
    options = ["visible", "data/mine", "--extractor", "own", "--json", str(tmp_path / "v.json")]
    run = CliRunner().invoke(app, options)
    assert run.exit_code == 0, run.output
    assert "R²" in run.output and "energy" in run.output and "shuffled" in run.output
    assert json.loads((tmp_path / "v.json").read_text())["r2_energy"] > 0.95
