import colorsys
import io
import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from albumlib import features
from albumlib.dataset.images import CoverRejected, decode
from albumlib.sources.base import CoverError, SourceError
from albumlib.sources.imprint import artwork
from albumlib.sources.imprint.copula import Copula
from albumlib.sources.imprint.corruption import DEFECTS, OVERSIZE
from albumlib.sources.imprint.imprint import ALBUM_CORRELATION, Imprint

IMPRINT = Imprint(albums=2000, dirt=0.1)


def tracks_table(count, imprint=IMPRINT):
    rows = [
        {"album": track.album_id, "year": int(track.release_date[:4]), **track.features}
        for track in itertools.islice(imprint.tracks(), count)
    ]
    return pd.DataFrame(rows)


def real_tracks(folder):
    table = pd.read_csv(folder / "spotify_songs_5k.csv", encoding="cp1252")
    table = table.drop_duplicates(["track_name", "track_artist"])
    table = table.rename(columns={"track_popularity": "popularity"})
    return table[table["tempo"] > 0]


def test_everything_follows_from_the_seed():
    again = Imprint(albums=2000, dirt=0.1)
    assert list(itertools.islice(again.tracks(), 60)) == list(
        itertools.islice(IMPRINT.tracks(), 60)
    )
    assert again.cover("album/7", 64) == IMPRINT.cover("album/7", 64)
    other = Imprint(seed=1, albums=2000)
    assert other.album(0).titles != IMPRINT.album(0).titles


def test_any_position_and_any_album_can_be_asked_for_alone():
    whole = list(itertools.islice(IMPRINT.tracks(), 500))
    for start in (0, 1, 9, 79, 80, 81, 333):
        assert next(IMPRINT.tracks(start)) == whole[start]
    assert sum(1 for _ in Imprint(albums=123).tracks()) == len(Imprint(albums=123))
    larger = Imprint(albums=10**6)
    assert larger.album(5).titles == IMPRINT.album(5).titles  # a larger label begins the same
    assert len(larger) == 8_000_000
    assert next(larger.tracks(7_999_999)).album_id == "album-999999"


def test_rank_correlations_and_marginals_are_those_of_real_tracks(shared_data):
    real = real_tracks(shared_data)
    ours = tracks_table(40_000, Imprint(albums=5000))
    names = list(features.NAMES)
    gap = ours[names].corr("spearman") - real[names].corr("spearman")
    assert gap.abs().max().max() <= 0.05
    for name in names:
        grid = np.sort(np.concatenate([real[name], ours[name]]))
        steps = [np.searchsorted(np.sort(t[name]), grid, "right") / len(t) for t in (real, ours)]
        assert np.abs(steps[0] - steps[1]).max() <= 0.05, name


def test_tracks_of_an_album_resemble_each_other_as_stated():
    table = tracks_table(12_000)
    ranks = pd.DataFrame(Copula.load().ranks(features.to_array(table)), columns=features.NAMES)
    within = ranks.groupby(table["album"]).transform("mean")
    first = ranks.groupby(table["album"]).nth(0)
    second = ranks.groupby(table["album"]).nth(1)
    albums = table["album"]
    first.index, second.index = albums[first.index], albums[second.index]
    joined = pd.merge(first, second.add_suffix("_2"), on="album")
    found = [joined[name].corr(joined[name + "_2"]) for name in ("energy", "valence", "tempo")]
    assert np.mean(found) == pytest.approx(ALBUM_CORRELATION, abs=0.06)
    assert within.std().mean() < ranks.std().mean()


def test_popularity_drifts_with_the_release_year():
    table = tracks_table(12_000)
    assert table["year"].between(1960, 2026).all()
    late, early = table["year"] > 2010, table["year"] < 1990
    assert table["popularity"][late].mean() > table["popularity"][early].mean() + 5


def test_titles_lean_on_the_features():
    valence = {"dark": [], "bright": []}
    for track in itertools.islice(IMPRINT.tracks(), 8000):
        words = set(track.name.replace(",", " ").split())
        if words & {"Grief", "Shadow", "Ash", "Lonely", "Grey"}:
            valence["dark"].append(track.features["valence"])
        if words & {"Sunshine", "Happy", "Golden", "Summer", "Honey"}:
            valence["bright"].append(track.features["valence"])
    assert np.mean(valence["bright"]) > np.mean(valence["dark"]) + 0.3


@pytest.mark.parametrize("defect", DEFECTS)
def test_planted_defects_are_what_they_say(defect):
    index = next(i for i in range(2000) if IMPRINT.truth(i).defect == defect)
    data = IMPRINT.cover(f"album/{index}", 128)
    shape = {"empty": b"", "html": b"<!DOCTYPE html>"}
    if defect in shape:
        assert data.startswith(shape[defect]) and len(data) < 100
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the oversize one is meant to be a bomb
        picture = Image.open(io.BytesIO(data))
    modes = {"greyscale": "L", "alpha": "RGBA", "palette": "P", "cmyk": "CMYK"}
    assert picture.mode == modes.get(defect, picture.mode)
    sizes = {"wide": (256, 128), "one pixel": (1, 1), "oversize": (OVERSIZE, OVERSIZE)}
    assert picture.size == sizes.get(defect, picture.size)
    if defect == "truncated":
        with pytest.raises(CoverRejected, match="truncated"):
            decode(data, 64)
    if defect == "rotated":
        upright, _ = decode(data, 64), picture.getexif()[0x0112] == 6
        clean = Imprint(albums=2000, dirt=0).cover(f"album/{index}", 128)
        assert np.abs(upright.pixels.astype(int) - decode(clean, 64).pixels).mean() < 4


def test_share_of_dirt_and_of_lettering():
    truths = [IMPRINT.truth(i) for i in range(2000)]
    assert np.mean([bool(t.defect) for t in truths]) == pytest.approx(0.1, abs=0.02)
    assert np.mean([t.text for t in truths]) == pytest.approx(0.5625, abs=0.05)


def test_unknown_albums_and_covers_are_refused():
    with pytest.raises(SourceError, match="no album 2000"):
        IMPRINT.album(2000)
    with pytest.raises(CoverError, match="no cover of the built-in imprint"):
        IMPRINT.cover("https://elsewhere/1.jpg", 64)
    with pytest.raises(SourceError, match="dirt from 0 to 1"):
        Imprint(dirt=3)


# The art director -------------------------------------------------------------------------------


def sweep(feature, seed, steps=6):
    """Covers of one album as one of its features rises from its 5 % to its 95 % quantile."""
    copula = Copula.load()
    values = copula.quantiles[:-1, 128].copy()
    column = features.NAMES.index(feature)
    rising = np.quantile(copula.quantiles[column], np.linspace(0.05, 0.95, steps))
    shown = []
    for value in rising:
        values[column] = value
        picture = artwork.draw_cover(values, seed=seed, artist_seed=seed, size=64, text=False)
        shown.append(np.asarray(picture, dtype=float))
    return np.stack(shown)


def hue(color):
    return colorsys.rgb_to_hsv(*color / 255)[0]


MEASURES = {
    "valence": lambda p: [-hue(cover[:36].mean((0, 1))) for cover in p],  # violet to orange
    "energy": lambda p: np.ptp(p, axis=3).mean((1, 2)),  # from grey to vivid
    "acousticness": lambda p: p[:, 20:40, :2].mean((1, 2, 3)),  # the ground's lightness
    "liveness": lambda p: p[:, :6, 26:38].mean((1, 2, 3)),  # light from above
    "tempo": lambda p: p[:, :, :8].mean((1, 2, 3)) - p[:, :, -8:].mean((1, 2, 3)),
}


@pytest.mark.parametrize("feature", MEASURES)
def test_covers_follow_the_law_whatever_the_layout(feature):
    rises = []
    for seed in range(12):
        measured = MEASURES[feature](sweep(feature, seed))
        ranks = np.argsort(np.argsort(measured))
        rises.append(np.corrcoef(ranks, range(len(ranks)))[0, 1])
    assert min(rises) > 0.5 and np.mean(rises) > 0.9


def test_law_is_monotone_in_its_feature_and_blind_to_the_others():
    copula = Copula.load()
    middle = copula.quantiles[:-1, 128]
    for attribute, feature in artwork.ATTRIBUTES.items():
        column = features.NAMES.index(feature)
        seen = []
        for value in np.unique(copula.quantiles[column][8:-8:24]):
            values = middle.copy()
            values[column] = value
            law = artwork.attributes(values)
            seen.append(law.pop(attribute))
            assert law == {k: v for k, v in artwork.attributes(middle).items() if k != attribute}
        assert (np.diff(seen) > 0).all(), feature


def test_popularity_leaves_no_trace():
    pictures = sweep("popularity", seed=3)
    assert (pictures == pictures[0]).all()


def test_the_same_cover_at_every_size():
    values = IMPRINT.album(3).mean
    big, small = (
        artwork.draw_cover(values, title="Slow Étude", artist="Ærø", seed=3, size=size)
        for size in (640, 64)
    )
    shrunk = np.asarray(big.resize((64, 64), Image.Resampling.BOX), dtype=int)
    assert np.abs(shrunk - np.asarray(small)).mean() < 10


@pytest.mark.parametrize("title", ["", "日本語", "🎵🎶", "x" * 300, "Ж — 12", "\n\t"])
def test_any_title_can_be_set(title):
    values = np.full(10, np.nan)  # and missing features are drawn as the median
    for seed in range(6):
        picture = artwork.draw_cover(values, title=title, artist=title, seed=seed, size=64)
        assert picture.size == (64, 64)
