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
from albumlib.sources.choose import open_source
from albumlib.sources.imprint import artwork, typography
from albumlib.sources.imprint.colour import contrast
from albumlib.sources.imprint.copula import Copula
from albumlib.sources.imprint.corruption import DEFECTS, OVERSIZE
from albumlib.sources.imprint.imprint import ALBUM_CORRELATION, Imprint

IMPRINT = Imprint(albums=2000, corruption=0.1, text=True)


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
    again = Imprint(albums=2000, corruption=0.1, text=True)
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
    assert larger.album(5).titles == IMPRINT.album(5).titles  # a larger imprint begins the same
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


def own_table(path, count=600):
    """Slow songs, of which the more energetic are the sadder; nothing is known of popularity."""
    rng = np.random.default_rng(3)
    energy = rng.beta(2, 5, count)
    table = pd.DataFrame({name: rng.uniform(0.1, 0.9, count) for name in features.NAMES}).assign(
        energy=energy, valence=1 - energy, loudness=-30 * (1 - energy), tempo=60 + 20 * energy,
        name=[f"Song {n}" for n in range(count)], artist="Somebody", year=2000,
    )  # fmt: skip
    table.drop(columns="popularity").to_csv(path, index=False)
    return table


def test_songs_can_have_the_features_of_ones_own_table(tmp_path):
    table = own_table(tmp_path / "mine.csv")
    imprint = open_source(features=str(tmp_path / "mine.csv"), albums=1000)
    ours = tracks_table(8000, imprint)
    assert imprint.identity == "imprint, law 2, no text, features of mine.csv"
    for name in ("energy", "valence", "tempo", "danceability"):
        edges = np.quantile(table[name], [0.1, 0.5, 0.9])
        assert [np.mean(ours[name] <= edge) for edge in edges] == pytest.approx(
            [0.1, 0.5, 0.9], abs=0.06
        ), name
    assert ours["energy"].corr(ours["valence"], "spearman") < -0.95
    shipped = tracks_table(8000)
    assert ours["popularity"].mean() == pytest.approx(shipped["popularity"].mean(), abs=3)
    assert ours["year"].between(1960, 2026).all() and ours["year"].nunique() > 30


def test_what_became_of_ones_own_table_is_said(tmp_path):
    table = own_table(tmp_path / "mine.csv", 200).astype({"energy": object})
    table.loc[7, "energy"] = "loud"
    table.drop(columns=["popularity", "year"]).to_csv(tmp_path / "mine.csv", index=False)
    first, *rest = Imprint(table=tmp_path / "mine.csv").notes
    assert first == "200 rows in the file: 199 tracks, 1 put aside"
    assert any("energy" in line for line in rest)
    assert rest[-2:] == [
        "the imprint's songs have the features of 199 of these tracks",
        "and of its own: popularity, year",
    ]
    assert Imprint().notes == ()


@pytest.mark.parametrize("count", [0, 99])
def test_a_table_of_too_few_songs_is_refused(tmp_path, count):
    own_table(tmp_path / "few.csv", count + 1)
    table = pd.read_csv(tmp_path / "few.csv")[:count]
    table.to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(SourceError, match=r"few\.csv|100 are needed"):
        Imprint(table=tmp_path / "few.csv")


def test_only_the_imprint_takes_features(tmp_path):
    with pytest.raises(SourceError, match="built-in imprint, not of folder"):
        open_source("folder", pictures=str(tmp_path), features="songs.csv")


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
        clean = Imprint(albums=2000, corruption=0, text=True).cover(f"album/{index}", 128)
        assert np.abs(upright.pixels.astype(int) - decode(clean, 64).pixels).mean() < 4


def test_proportions_of_corrupted_covers_and_of_covers_with_text():
    truths = [IMPRINT.truth(i) for i in range(2000)]
    assert np.mean([bool(t.defect) for t in truths]) == pytest.approx(0.1, abs=0.02)
    assert np.mean([t.text for t in truths]) == pytest.approx(0.5, abs=0.04)


def test_unknown_albums_and_covers_are_refused():
    with pytest.raises(SourceError, match="no album 2000"):
        IMPRINT.album(2000)
    with pytest.raises(CoverError, match="no cover of the built-in imprint"):
        IMPRINT.cover("https://elsewhere/1.jpg", 64)
    with pytest.raises(SourceError, match="corruption from 0 to 1"):
        Imprint(corruption=3)


def test_a_law_is_part_of_where_a_cover_set_comes_from():
    assert Imprint(text=True).identity == "imprint, law 2"
    assert open_source("imprint", albums=3).identity == "imprint, law 2, no text"
    assert Imprint.named("imprint") is None  # the first law's, which is gone


# Drawing --------------------------------------------------------------------------------------


def sweep(draw, feature, seed, steps=6):
    """Covers of one album as one of its features rises from its 5 % to its 95 % quantile."""
    copula = Copula.load()
    values = copula.quantiles[:-1, 128].copy()
    column = features.NAMES.index(feature)
    rising = np.quantile(copula.quantiles[column], np.linspace(0.05, 0.95, steps))
    shown = []
    for value in rising:
        values[column] = value
        picture = draw(values, seed=seed, artist_seed=seed, size=64, text=False)
        shown.append(np.asarray(picture, dtype=float))
    return np.stack(shown)


def vividness(covers):
    return np.ptp(covers, axis=3).mean((1, 2))


def accent_area(covers):
    """How much of each cover has the colour that spreads: what differs from the first cover."""
    return [np.mean(np.abs(cover - covers[0]).max(-1) > 40) for cover in covers]


MEASURES = [
    ("energy", vividness),
    ("danceability", accent_area),
    ("liveness", lambda p: np.abs(p - p[0]).mean((1, 2, 3))),  # ever further from even
]


@pytest.mark.parametrize(("feature", "measure"), MEASURES)
def test_covers_follow_the_law_whatever_the_layout(feature, measure):
    rises = []
    for seed in range(15):
        measured = measure(sweep(artwork.draw_cover, feature, seed))
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
            found = artwork.attributes(values)
            seen.append(found.pop(attribute))
            assert found == {k: v for k, v in artwork.attributes(middle).items() if k != attribute}
        assert (np.diff(seen) > 0).all(), feature


def test_popularity_leaves_no_trace():
    pictures = sweep(artwork.draw_cover, "popularity", seed=3)
    assert (pictures == pictures[0]).all()


@pytest.mark.parametrize("seed", range(40))
def test_the_same_cover_at_every_size(seed):
    values = IMPRINT.album(seed).mean
    names = {"title": "Slow Étude", "artist": "Ærø", "seed": seed, "artist_seed": seed}
    big, small = (artwork.draw_cover(values, **names, size=size) for size in (640, 64))
    shrunk = np.asarray(big.resize((64, 64), Image.Resampling.BOX), dtype=int)
    assert np.abs(shrunk - np.asarray(small)).mean() < 12


@pytest.mark.parametrize("title", ["", "日本語", "🎵🎶", "x" * 300, "Ж — 12", "\n\t"])
def test_any_title_can_be_set(title):
    values = np.full(10, np.nan)  # and missing features are drawn as the median
    for seed in range(6):
        picture = artwork.draw_cover(values, title=title, artist=title, seed=seed, size=64)
        assert picture.size == (64, 64)


def test_layouts_are_equally_frequent_and_known():
    imprint = Imprint(seed=5, albums=6000, corruption=0)
    named = pd.Series([imprint.truth(index).layout for index in range(6000)])
    proportions = named.value_counts(normalize=True)
    assert set(proportions.index) == set(artwork.LAYOUTS)
    assert proportions.between(0.75 / len(artwork.LAYOUTS), 1.25 / len(artwork.LAYOUTS)).all()


def choices(seed, count=600):
    """What chance chose for covers of an imprint, whatever the features: layouts and text, and
    the pictures themselves of equal features."""
    imprint = Imprint(seed=seed, albums=count, corruption=0, text=True)
    truths = [imprint.truth(index) for index in range(count)]
    values = np.full(10, np.nan)
    pictures = []
    for index in range(0, count, 10):
        chance, style = imprint._chance(index)
        cover = artwork.draw_cover(values, seed=chance, artist_seed=style, size=32, text=False)
        pictures.append(np.asarray(cover, dtype=float))
    return np.array([t.layout for t in truths]), np.array([t.text for t in truths]), pictures


def test_two_seeds_share_no_composition_beyond_chance():
    (layouts, text, pictures), (others, other_text, other_pictures) = choices(7), choices(77)
    assert np.mean(layouts == others) < 2 / len(artwork.LAYOUTS)
    assert np.mean(text == other_text) == pytest.approx(0.5, abs=0.08)
    away = [np.abs(a - b).mean() for a, b in zip(pictures, other_pictures, strict=True)]
    shifted = [np.abs(a - b).mean() for a, b in zip(pictures, other_pictures[1:], strict=False)]
    assert np.median(away) > 0.85 * np.median(shifted) and min(away) > 6


def test_the_same_features_with_fresh_chance_are_another_cover():
    values = IMPRINT.album(5).mean
    covers = [
        np.asarray(artwork.draw_cover(values, seed=seed, artist_seed=seed, size=64), dtype=int)
        for seed in (1, 1, 2)
    ]
    assert (covers[0] == covers[1]).all() and np.abs(covers[0] - covers[2]).mean() > 10


def test_text_is_on_covers_where_the_truth_says_so_and_nothing_else_changes():
    imprint = Imprint(seed=5, albums=40, corruption=0, text=True)
    for index in range(40):
        bare, shown = (
            np.asarray(imprint.picture(index, 96, text), dtype=int) for text in (False, None)
        )
        changed = np.abs(bare - shown).max(-1) > 0
        assert changed.any() == imprint.truth(index).text
        assert changed.mean() < 0.4


def test_without_text_all_covers_are_the_same_but_for_their_names():
    plain, other = (Imprint(albums=40, corruption=0, text=text) for text in (True, False))
    assert not any(other.truth(index).text for index in range(40))
    for index in range(12):
        unnamed = np.asarray(other.picture(index, 64))
        assert (unnamed == np.asarray(plain.picture(index, 64, text=False))).all()
    assert other.identity == "imprint, law 2, no text"
    again = Imprint.named(other.identity, **other.settings)
    assert (again.text, again.seed) == (False, 2026)
    assert Imprint.named("tables") is None


def test_settings_of_an_older_folder_are_read_by_their_former_names():
    older = Imprint.named(Imprint().identity, seed=5, dirt=0.2)
    assert (older.seed, older.corruption) == (5, 0.2)
    assert Imprint.named(Imprint().identity).seed == 2021


def test_type_is_readable():
    imprint = Imprint(seed=5, albums=200, corruption=0)
    for index in range(200):
        law, style = artwork.attributes(imprint.album(index).mean), artwork.artist_style(index)
        palette = artwork.palette_of(law, style, np.random.default_rng(index))
        for paper in ("mount", "ground", "figure"):
            ink = typography.readable_ink([palette[paper]], [palette["accent"]])
            assert contrast(ink, palette[paper]) >= 4.5
