"""Tables as strangers really have them: each row used or put aside, each value as it stands."""

import bz2
import json
import lzma
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from albumlib.sources.base import CoverError, SourceError
from albumlib.sources.tables import Table

COUNT = 20
SPREAD = np.linspace(0.05, 0.95, COUNT).round(3)


@pytest.fixture
def songs():
    numbers = range(COUNT)
    table = pd.DataFrame({"track_id": [f"{n:022}" for n in numbers]})
    table["track_name"] = [f"Song {n}" for n in numbers]
    table["artists"] = [f"Artist {n // 4}" for n in numbers]
    table["album_name"] = [f"Album {n // 2}" for n in numbers]
    return table.assign(energy=SPREAD, valence=SPREAD[::-1], tempo=100.25, loudness=-7.5)


@pytest.fixture
def read(tmp_path):
    """A function that reads a text, bytes or frame as a table."""

    def opened(content, name="table", **options):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content = content.to_csv(index=False, **options)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Table(path)

    return opened


def same(table, songs, *more):
    """Whether all songs were read, to the letter and the digit."""
    assert len(table) == table.account.rows == len(songs)
    found = table.table[["id", "name", "artist", "album", "energy", "valence", "tempo", *more]]
    wanted = songs[["track_id", "track_name", "artists", "album_name"]]
    assert found.to_numpy()[:, :4].tolist() == wanted.to_numpy().tolist()
    for name in ("energy", "valence", "tempo"):
        assert found[name].tolist() == songs[name].tolist()


# Which column is what ---------------------------------------------------------------------------


def test_a_videos_title_is_not_the_songs_name(songs, read):
    known = songs.rename(columns={"track_name": "Track"})
    same(read(known.assign(Title="Song (Official Video)", Channel="X")), songs)


@pytest.mark.parametrize("place", [0, 3])
def test_a_tracks_number_is_not_its_name(songs, read, place):
    known = songs.rename(columns={"track_name": "Title"})
    known.insert(place, "Track", [f"{n % 9 + 1}/9" for n in range(COUNT)])
    same(read(known, sep=";"), songs)
    same(read(known.to_json(orient="records")), songs)


@pytest.mark.parametrize(
    "names",
    [
        ("trackId", "trackTitle", "artistName", "albumName"),
        ("trackid", "trackname", "artistname", "albumname"),
    ],
)
def test_headers_without_underscores(songs, read, names):
    same(read(songs.rename(columns=dict(zip(songs, names, strict=False)))), songs)


def test_a_range_in_a_header_is_no_part_of_its_name(songs, read):
    ranged = {"energy": "Energy (0-1)", "valence": "Valence (0 to 1)"}
    same(read(songs.rename(columns=ranged)), songs)


def test_columns_that_nobody_recognises_are_said(songs, read):
    notes = read(songs.rename(columns={"track_name": "Lied", "album_name": "Platte"})).notes
    assert any("no column is known for name, album;" in note for note in notes)
    assert not any("no column is" in note for note in read(songs).notes)


@pytest.mark.parametrize("first", ["Dance", "My list,Live,Pop", "# energy\n\n"])
def test_a_line_above_the_headers_is_none(songs, read, first):
    same(read(f"{first}\n" + songs.to_csv(index=False)), songs)


# What is written where nothing is known ---------------------------------------------------------


@pytest.mark.parametrize("nothing", ["NA", "NULL", "nan", "None", "\\N", ""])
def test_an_id_that_is_none_is_shared_by_nobody(songs, read, nothing):
    ids = songs["track_id"].where(songs.index < 10, nothing)
    table = read(songs.assign(track_id=ids, album_id=nothing))
    assert len(table) == COUNT and table.table["album_id"].nunique() == COUNT // 2
    alone = read(songs.assign(album_name=nothing)).table
    assert alone["album_id"].nunique() == COUNT


def test_ids_that_became_decimal_numbers_are_whole(songs, read):
    table = read(songs.assign(album_id="302127.0", track_id=[f"{n}.0" for n in range(COUNT)]))
    assert set(table.table["album_id"]) == {"302127"} and table.table["id"][3] == "3"


def test_genres_that_are_a_list_as_text(songs, read):
    assert set(read(songs.assign(genres="['rock', 'pop']")).table["genre"]) == {"rock"}
    assert set(read(songs.assign(genres="[]")).table["genre"]) == {""}


def test_a_foot_note_is_no_song(songs, read):
    foot = "Source: somebody" + "," * (len(songs.columns) - 1)
    table = read(songs.to_csv(index=False) + foot + "\n")
    assert table.account.reasons == {"only one cell is filled": 1} and len(table) == COUNT


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("['Maroon 5' \"Sinéad O'Connor\"\n 'Wiz']", "Maroon 5"),
        ("(\"Sinéad O'Connor\", 'Maroon 5')", "Sinéad O'Connor"),
        ("{'Maroon 5'}", "Maroon 5"),
        ('["AC\\/DC"]', "AC/DC"),
        ("(G)I-DLE", "(G)I-DLE"),
        ("[unknown]", "[unknown]"),
        ("[{'name': 'Ann'}, {'name': 'Bob'}]", "Ann"),
    ],
)
def test_the_first_of_several_artists(songs, read, text, name):
    assert set(read(songs.assign(artists=text)).table["artist"]) == {name}


def test_songs_of_ones_own_in_a_playlist_are_many(songs, read):
    ids = [f"spotify:local:Ann+Lee:Blue:Song+{n}:200" for n in range(COUNT)]
    assert read(songs.assign(track_id=ids)).table["id"].tolist() == ids


# Units ------------------------------------------------------------------------------------------


def test_fractions_under_a_percent_sign_are_fractions(songs, read):
    table = read(songs.rename(columns={"energy": "energy_%", "valence": "Valence %"}))
    same(table, songs)
    assert table.account.columns["energy"] == {"column": "energy_%", "unit": "0 to 1"}
    mixed = read(songs.assign(**{"energy_%": SPREAD * 100, "valence_%": 0.5}))
    assert set(mixed.table["valence"]) != {0.5}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("energy", 2 * SPREAD - 1),
        ("popularity", np.linspace(-2, 2, COUNT)),
        ("loudness", np.linspace(-2.2, 1.8, COUNT)),
        ("valence", np.arange(COUNT) % 5 + 1),
        ("danceability", np.linspace(0.7, 2.2, COUNT)),
    ],
    ids=["-1 to 1", "standard scores", "standard scores of dB", "1 to 5", "Essentia's"],
)
def test_scales_that_are_not_ours_are_refused_by_name(songs, read, name, values):
    table = read(songs.assign(**{name: values}))
    assert len(table) == COUNT and name not in table.account.columns
    assert any(note.startswith(f"{name} is missing: '{name}' has values") for note in table.notes)


def test_small_values_follow_a_scale_of_ten(songs, read):
    table = read(songs.assign(energy=SPREAD * 10, speechiness=SPREAD * 4))
    assert table.account.columns["speechiness"]["unit"] == "0 to 10"


# Texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ['Say "hey", {}', '"Heroes" {}', '{}, "'])
def test_quotes_with_backslashes(songs, read, name):
    songs["track_name"] = [name.format(n) for n in range(COUNT)]
    same(read(songs, quoting=1, doublequote=False, escapechar="\\"), songs)


def test_a_lone_backslash_is_a_letter(songs, read):
    songs["track_name"] = "\\"
    same(read(songs.assign(last=""), quoting=1), songs)
    text = songs.to_csv(index=False, quoting=1)
    odd = text.replace('"\\",', '"\\","0.5",', 1)
    assert read(odd).account.reasons == {"more cells than headers": 1}


def test_quotes_after_a_space(songs, read):
    songs["track_name"] = [f"Hello, {n}" for n in range(COUNT)]
    rows = [list(songs.columns), *songs.to_numpy().tolist()]
    lines = (", ".join(f'"{c}"' if isinstance(c, str) else str(c) for c in row) for row in rows)
    same(read("\n".join(lines)), songs)


def test_whole_lyrics_within_a_cell(songs, read):
    songs.insert(2, "lyrics", "\n".join(f'line {n}, "oh", yes' for n in range(200)))
    same(read(songs), songs)
    same(read(songs.assign(lyrics="x" * 200_000 + '"')), songs)


def test_one_zero_byte_spoils_no_table(songs, read):
    assert read(songs.to_csv(index=False).replace("Song 7", "So\0ng")).table["name"][8] == "Song 8"
    cjk = songs.assign(track_name=[f"\u4e00\u3000{n}" for n in range(COUNT)])
    same(read(cjk.to_csv(index=False).encode("utf-16-le")), cjk)


# Kinds of files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [bz2.compress, lzma.compress])
def test_other_packings(songs, read, packed):
    same(read(packed(songs.to_csv(index=False).encode())), songs)
    with pytest.raises(SourceError, match="cannot be read as a table"):
        read(packed(songs.to_csv(index=False).encode())[:-40])


@pytest.mark.parametrize(
    "content",
    [b"\x28\xb5\x2f\xfd" + np.random.default_rng(0).bytes(5000), b"SQLite format 3\0" + bytes(900)],
)
def test_what_is_no_text_is_said_in_one_short_line(read, content):
    with pytest.raises(SourceError, match=r"it is no text.*save it as CSV") as error:
        read(content)
    assert len(str(error.value)) < 250
    with pytest.raises(SourceError, match="no usable columns") as error:
        read("<!DOCTYPE html><script>" + "x" * 300_000)
    assert len(str(error.value)) < 350


def test_headers_without_rows_are_said_to_be_alone(songs, read):
    with pytest.raises(SourceError, match="has headers, but no row below them"):
        read(songs[:0])


def rows(songs):
    return json.loads(songs.to_json(orient="records"))


@pytest.mark.parametrize(
    "text",
    [
        lambda songs: "\n " + json.dumps(rows(songs)),
        lambda songs: json.dumps(rows(songs)).encode("utf-16"),
        lambda songs: songs.to_json(orient="records", lines=True).encode("utf-16"),
        lambda songs: json.dumps({"items": rows(songs), "total": COUNT}),
        lambda songs: '{"content": [\n' + ",\n".join(map(json.dumps, rows(songs))) + "\n]}",
        lambda songs: songs.to_json(),
    ],
    ids=["blank first", "UTF-16", "lines in UTF-16", "an answer", "an answer in lines", "columns"],
)
def test_json_of_many_shapes(songs, read, text):
    same(read(text(songs)), songs)


def test_one_json_object_is_one_song(read):
    one = {"name": "A", "energy": 0.5, "artists": [{"name": "Ann"}, {"name": "Bob"}]}
    [track] = read(json.dumps(one, indent=1)).tracks()
    assert (track.name, track.artist, track.features) == ("A", "Ann", {"energy": 0.5})
    with pytest.raises(SourceError, match="no list of objects"):
        read("[1, 2]")


def test_the_index_of_a_parquet_file_is_a_column(songs, tmp_path):
    songs.loc[15, "energy"] = 7
    songs.set_index("track_id").to_parquet(tmp_path / "a.parquet")
    songs[10:].to_parquet(tmp_path / "b.parquet")
    for file, line in (("a", 16), ("b", 6)):
        table = Table(tmp_path / f"{file}.parquet")
        [aside] = table.account.put_aside
        assert (aside.line, aside.reason) == (line, "energy out of range")
        assert table.table["id"].tolist() == songs["track_id"][-len(table) - 1 :].drop(15).tolist()


def test_an_excel_file_of_several_sheets_says_which_is_read(songs, tmp_path):
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        pd.DataFrame({"About": ["my list"]}).to_excel(book, sheet_name="Read me", index=False)
        songs.to_excel(book, sheet_name="2010", index=False)
        songs.to_excel(book, sheet_name="2011", index=False)
    table = Table(tmp_path / "a.xlsx")
    same(table, songs)
    assert any("'2010'" in note and "Read me, 2011" in note for note in table.notes)


@pytest.mark.parametrize("part", ["xl/styles.xml", "[Content_Types].xml"])
def test_a_damaged_excel_file_is_said_to_be_one(songs, tmp_path, part):
    pytest.importorskip("openpyxl")
    songs.to_excel(tmp_path / "a.xlsx")
    with ZipFile(tmp_path / "a.xlsx") as old, ZipFile(tmp_path / "b.xlsx", "w") as new:
        for name in old.namelist():
            data = old.read(name).replace(b"patternFill", b"oddFill")
            new.writestr(name, data[:-20] if name == part == "[Content_Types].xml" else data)
    with pytest.raises(SourceError, match=r"b.xlsx cannot be read as a table"):
        Table(tmp_path / "b.xlsx")


# Covers in folders ------------------------------------------------------------------------------


def test_folders_named_after_artists(songs, read, tmp_path):
    songs["album_name"] = ["Blue"] * 4 + ["Red"] * 16
    for path in ("Artist 0/Blue.JPG", "Somebody/Blue.jpg", "A/Red.png", "B/Red.png"):
        file = tmp_path / "covers" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())
    path = read(songs[:8]).path
    table = Table(path, covers=tmp_path / "covers")
    (tmp_path / "covers" / "!!!.jpg").write_bytes(b"a band")
    blue, red = table.table["album_id"].unique()
    assert table.cover(blue, 64) == b"Artist 0/Blue.JPG"
    with pytest.raises(CoverError, match="several folders have this title: call it Artist 1 - Red"):
        table.cover(red, 64)
