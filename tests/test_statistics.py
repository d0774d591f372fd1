"""The numbers behind the figures, against formulas worked out by other means."""

import numpy as np
import pandas as pd
import pytest

from albumlib.dataset import statistics
from albumlib.features import NAMES


def table(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, 1, rows) for name in NAMES}
    return pd.DataFrame({**columns, "album_id": np.arange(rows) // 4, "year": 1990})


def test_known_leaves_out_missing_and_constant_features():
    frame = table().drop(columns="tempo").assign(energy=0.5, valence=np.nan)
    assert statistics.known(frame) == [n for n in NAMES if n not in ("tempo", "energy", "valence")]


def test_rank_correlation_is_pearson_on_ranks_and_blind_to_monotone_change():
    frame = table()
    frame["energy"] += frame["loudness"]
    frame["tempo"] = np.exp(5 * frame["energy"])
    found = statistics.rank_correlations(frame)
    ranks = frame[["energy", "loudness"]].rank()
    assert found.loc["energy", "loudness"] == pytest.approx(np.corrcoef(ranks.T)[0, 1])
    assert found.loc["energy", "tempo"] == pytest.approx(1)


def test_album_share_recovers_a_planted_share():
    rng = np.random.default_rng(1)
    albums = np.repeat(np.arange(3000), rng.integers(2, 8, 3000))
    between = rng.normal(size=3000)[albums]
    frame = pd.DataFrame({"album_id": albums})
    for share, name in [(0.0, "energy"), (0.3, "tempo"), (0.8, "valence")]:
        noise = rng.normal(size=len(albums))
        frame[name] = np.sqrt(share) * between + np.sqrt(1 - share) * noise
    found = statistics.album_share(frame)
    assert found[["energy", "tempo", "valence"]].to_numpy() == pytest.approx(
        [0, 0.3, 0.8], abs=0.03
    )


def test_album_share_is_unknown_where_albums_have_one_track():
    assert statistics.album_share(table().assign(album_id=range(400))).isna().all()


def test_by_year_gives_quartiles_of_full_steps_only():
    frame = pd.DataFrame({"year": [2000] * 5 + [2001] * 5 + [2004] * 3, "energy": range(13)})
    found = statistics.by_year(frame, "energy", step=2, least=4)
    assert list(found.index) == [2000]
    assert found.loc[2000].tolist() == [2.25, 4.5, 6.75, 10]


def test_ends_are_the_extremes_first_and_without_missing_values():
    values = np.array([5, np.nan, 1, 9, 3, 7, np.nan, 8, 2, 6, 4, 0])
    low, high = statistics.ends(values, share=0.3)
    assert values[low].tolist() == [0, 1, 2] and values[high].tolist() == [9, 8, 7]


def test_independent_labels_keep_the_ranges_and_lose_the_correlation():
    frame = table()
    frame["loudness"] = frame["energy"] * 40 - 50
    drawn = statistics.independent(frame, 4000)
    assert drawn["loudness"].between(frame["loudness"].min(), frame["loudness"].max()).all()
    assert abs(drawn["energy"].corr(drawn["loudness"])) < 0.05
    assert statistics.independent(frame, 5).equals(statistics.independent(frame, 5))


def test_nearest_real_agrees_with_a_plain_search():
    real, asked = table(60), table(7, seed=9)
    scaled = [(frame[list(NAMES)] / real[list(NAMES)].std(ddof=0)) for frame in (asked, real)]
    plain = [
        min(np.sqrt(np.mean((a - b) ** 2)) for b in scaled[1].to_numpy())
        for a in scaled[0].to_numpy()
    ]
    assert statistics.nearest_real(asked, real) == pytest.approx(plain)
    assert statistics.nearest_real(real[:5], real) == pytest.approx(np.zeros(5), abs=1e-6)


def test_looks_measure_what_they_are_called():
    black, white, red = (np.full((8, 8, 3), c, np.uint8) for c in ([0] * 3, [255] * 3, [255, 0, 0]))
    split = black.copy()
    split[:4] = 255
    found = statistics.image_statistics(np.stack([black, white, red, split]))
    assert found["lightness"].tolist() == pytest.approx([0, 1, 1 / 3, 0.5])
    assert found["colourfulness"].tolist() == pytest.approx([0, 0, 1, 0])
    assert found["warmth"].tolist() == pytest.approx([0, 0, 1, 0])
    assert found["contrast"].tolist() == pytest.approx([0, 0, 0, 0.5], abs=1e-6)
    assert found["top over bottom"].tolist() == pytest.approx([0, 0, 0, 1])
    assert found["fine detail"].idxmax() == 3


def test_image_statistics_of_many_covers_come_in_their_order():
    covers = np.arange(1500).repeat(12).reshape(1500, 2, 2, 3) % 256
    found = statistics.image_statistics(covers.astype(np.uint8))
    assert found["lightness"].to_numpy() == pytest.approx(np.arange(1500) % 256 / 255, abs=1e-6)
