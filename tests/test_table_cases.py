"""Small tables that once came out wrong, each with what should come of it (tests/cases/tables)."""

import gzip
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from albumlib import features
from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSetError
from albumlib.dataset.gathering import gather
from albumlib.sources.base import SourceError
from albumlib.sources.standard import Account
from albumlib.sources.table_reading import read_table
from albumlib.sources.tables import Table


@pytest.fixture(scope="session")
def cases(root):
    return root / "tests" / "cases" / "tables"


@pytest.fixture(scope="session")
def good(cases):
    return Table(cases / "good.csv").table


def same(table, good, *but):
    """Whether two tables hold the same, but for some columns."""
    names = [name for name in good.columns if name not in but]
    pd.testing.assert_frame_equal(table[names], good[names])


@pytest.mark.parametrize(
    ("file", "but"),
    [
        ("trailing_both.csv", ()),
        ("utf16.csv", ()),
        ("excel_sep.csv", ()),
        ("table.jsonl", ()),
        ("artists_list.parquet", ("artist",)),
        ("open_quote.tsv", ("name",)),
        ("ids_colon.csv", ("id",)),
        ("names_none.csv", ("name", "artist", "album")),
        ("one_bad_byte.csv", ("name",)),
        ("year0000.csv", ("release_date",)),
        ("dates.csv", ("release_date",)),
        ("energy_twice.csv", ()),
    ],
)
def test_all_sixty_rows_come_out_as_in_the_good_table(cases, good, file, but):
    table = Table(cases / file)
    assert (table.account.rows, len(table)) == (60, 60)
    same(table.table, good, *but)


def test_one_value_decides_nothing_about_the_others(cases, good):
    table = Table(cases / "one_share_wrong.csv")
    assert table.account.reasons == {"energy out of range": 1}
    assert "line 5: energy out of range" in "\n".join(table.notes)
    kept = good[good["id"].isin(table.table["id"])].reset_index(drop=True)
    same(table.table, kept)
    assert table.table["energy"].mean() == pytest.approx(0.49, abs=0.005)
    odd = Table(cases / "one_odd_cell.csv")
    assert len(odd) == 40 and odd.table["energy"].max() <= 1


def test_headers_say_the_unit(cases):
    named = Table(cases / "percent_named_small.csv")
    assert set(named.table["instrumentalness"]) == {0, 0.01}
    small = Table(cases / "percent_small.csv").table
    assert small["speechiness"].eq(0.01).all() and small["energy"].max() == 0.8


def test_the_columns_taken_are_named(cases):
    twice = Table(cases / "energy_twice.csv").account
    assert twice.columns["energy"] == {
        "column": "energy", "unit": "0 to 1", "passed_over": ["Energy"],
    }  # fmt: skip
    assert "energy is taken from 'energy', not from Energy" in twice.notes


def test_cells_say_what_they_say(cases):
    table = Table(cases / "cells.csv")
    rows = table.table.set_index("name")
    assert rows.loc[["Señor Song 0", "Señor Song 1"], "energy"].isna().all()  # "-" and "?"
    assert rows.loc["Señor Song 2", "loudness"] == rows.loc["Señor Song 6", "loudness"] == -5.2
    assert rows.loc["Señor Song 7", "tempo"] == 120 and np.isnan(rows.loc["Señor Song 4", "tempo"])
    assert table.account.reasons == {
        "tempo out of range": 2, "loudness out of range": 2, "energy out of range": 1,
        "valence is not a number": 1,
    }  # fmt: skip


def test_a_row_that_cannot_be_split_is_named_by_its_line(cases):
    table = Table(cases / "unquoted_comma.csv")
    assert (len(table), table.account.put_aside[0].line) == (59, 32)
    assert table.account.reasons == {"more cells than headers": 1}


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("min_open_quote.tsv", ['"Untitled', "Blue", "Red", 'Live at 12"']),
        ("min_trailing.csv", ["Blue", "Red"]),
        ("min_ids.csv", ["Blue", "Red", "Green"]),
        ("no_artist.csv", ["Hello", "Hello", "Hello", "Other"]),
        ("same_title_two_takes.csv", ["Song", "Song", "Other"]),
    ],
)
def test_no_song_is_lost(cases, file, names):
    table = Table(cases / file).table
    assert table["name"].tolist() == names
    assert table["id"].is_unique


def test_names_that_look_like_nothing_are_names(cases):
    names = Table(cases / "names_none.csv").table["name"].tolist()
    assert {"None", "NA", "null", "nan", "N/A"} <= set(names)


def test_known_headers(cases):
    exported = Table(cases / "exportify.csv").table
    assert exported["album_id"].nunique() == 15 and exported["artist"][0] == "Ärtist 0"
    two = Table(cases / "min_trackid_artist.csv").table
    assert two["artist"].tolist() == ["Ann", "Bob"] and two["album_id"].nunique() == 2
    assert set(Table(cases / "kaggle_19000.csv").account.columns) == set(features.NAMES)
    top = Table(cases / "kaggle_top10s.csv")
    assert set(features.NAMES) - set(top.account.columns) == {"instrumentalness"}
    first = next(top.tracks()).features
    assert (first["energy"], first["speechiness"], first["loudness"]) == (0.94, 0.04, -5)
    assert set(Table(cases / "artists_list.parquet").table["artist"]) == {"Maroon 5"}


def test_ids_without_names_are_tracks(cases):
    assert len(Table(cases / "ids_only.csv")) == 20


@pytest.mark.parametrize("file", ["latin_utf8.csv.gz", "latin_one_bad_byte.csv"])
def test_one_bad_byte_spoils_one_name(cases, file):
    table = Table(cases / file)
    spoiled = table.table["name"].str.contains("\ufffd")
    assert table.table["artist"].eq("Beyoncé").all() and spoiled.sum() == ("one" in file)
    assert any("line 9" in note for note in table.notes) == bool(spoiled.any())


def test_dates_keep_what_makes_sense(cases):
    dates = Table(cases / "dates.csv").table["release_date"].tolist()[::2]
    assert dates[:14] == [
        "", "1969", "1969-05", "2008", "", "1899", "", "2019-06-14", "1969-06-03", "1999",
        "2019-06-14", "2019-06-14", "2019-02", "",
    ]  # fmt: skip


def test_isrcs_have_one_form(cases):
    isrcs = Table(cases / "isrc_forms.csv").table["isrc"]
    assert isrcs.str.fullmatch(r"QZABC00000\d\d").all()


def test_a_long_title_costs_its_cover_alone(cases, tmp_path):
    (tmp_path / "covers").mkdir()
    (tmp_path / "covers" / "alb001.jpg").write_bytes(b"\xff\xd8")
    counts = gather(Table(cases / "long_album.csv", tmp_path / "covers"), tmp_path / "out")
    assert (counts["covers done"], counts["covers failed"]) == (1, 29)


def test_where_every_row_is_put_aside_the_reasons_are_kept(cases, tmp_path):
    counts = gather(Table(cases / "all_out_of_range.csv"), tmp_path)
    assert counts["tracks"] == 0
    with pytest.raises(CoverSetError, match=r"energy out of range \(2\)"):
        clean(tmp_path)
    quarantine = pd.read_parquet(tmp_path / "coverset" / "quarantine.parquet")
    assert quarantine["reason"].tolist() == ["energy out of range"] * 2


def test_the_account_is_written_and_begins_the_funnel(cases, tmp_path):
    gather(Table(cases / "unquoted_comma.csv"), tmp_path, size=64)
    about = json.loads((tmp_path / "import.json").read_text(encoding="utf-8"))
    assert (about["rows"], about["tracks"]) == (60, 59)
    assert about["put_aside"] == {"more cells than headers": 1}
    assert about["columns"]["tempo"] == {"column": "tempo", "unit": "BPM"}
    covers = clean(tmp_path, size=32)
    assert next(iter(covers.manifest["funnel"].items())) == ("rows in the table", 60)
    quarantine = pd.read_parquet(tmp_path / "coverset" / "quarantine.parquet")
    assert quarantine.query("what == 'row'")["id"].tolist() == ["line 32"]


def test_an_account_that_does_not_add_up_is_refused():
    with pytest.raises(SourceError, match="does not add up"):
        Account(3, 1, [], {})


# Kinds of files, of which there are no cases ------------------------------------------------------


def test_packed_files_and_excel(cases, good, tmp_path):
    data = (cases / "good.csv").read_bytes()
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        file.write(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("songs.csv", data)
        packed.writestr("__MACOSX/._songs.csv", b"junk")
    for name in ("a.csv.gz", "a.zip"):
        same(Table(tmp_path / name).table, good)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.writestr("a.csv", data)
        packed.writestr("b.csv", data)
    with pytest.raises(SourceError, match=r"the zip holds a.csv, b.csv"):
        Table(tmp_path / "b.zip")
    (tmp_path / "cut.csv.gz").write_bytes((tmp_path / "a.csv.gz").read_bytes()[:500])
    with pytest.raises(SourceError, match="cannot be read"):
        Table(tmp_path / "cut.csv.gz")


def test_excel(cases, good, tmp_path):
    pytest.importorskip("openpyxl")
    frame = pd.read_csv(cases / "good.csv", dtype={"track_id": str})
    frame.to_excel(tmp_path / "a.xlsx", index=False, startrow=2)
    same(Table(tmp_path / "a.xlsx").table, good)


def test_json_lines_that_are_none_are_put_aside(tmp_path):
    lines = ['{"name": "A", "energy": 0.5}', "{broken", "[1]", '{"name": "B", "energy": null}', ""]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    table = Table(tmp_path / "a.jsonl")
    assert table.table["name"].tolist() == ["A", "B"]
    assert [row.line for row in table.account.put_aside] == [2, 3]
    nested = [
        {"track": {"name": "A", "artists": [{"name": "Ann"}]}, "audio_features": {"energy": 1}}
    ]
    (tmp_path / "a.json").write_text(json.dumps(nested))
    first = next(Table(tmp_path / "a.json").tracks())
    assert (first.name, first.artist, first.features) == ("A", "Ann", {"energy": 1})


def test_half_a_character_in_json_costs_itself_alone(tmp_path):
    lines = [
        '{"name": "A\\ud800", "energy": 0.5}',
        '{"name": "B", "energy": "\\udc00"}',
        '["\\ud800"]',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    table = Table(tmp_path / "a.jsonl")
    assert gather(table, tmp_path / "out", size=32)["tracks"] == 2
    assert table.table["name"].tolist() == ["A?", "B"]
    assert len(table.account.put_aside) == 1


FMA = """,echonest,echonest,echonest
,audio_features,audio_features,metadata
,energy,tempo,artist_name
track_id,,,
2,0.4,165.9,AWOL
3,0.7,114.2,AWOL
"""
MUSICOSET = "song_id\tenergy\tvalence\n3e9HZxeyfWwjeyPAMmWSSQ\t0.65\t0.3\n"
CHOSIC = (
    '"#","Song","Artist","Popularity","BPM","Genres","Album","Album Date","Dance","Energy",'
    '"Acoustic","Instrumental","Happy","Speech","Live","Loud (Db)","Spotify Track Id"\n'
    '"1","A","Ann","70","120","pop","O","2019-01-01","70","80","1","0","40","1","1","-5 db","x1"\n'
    '"2","B","Bob","60","90","pop","T","2018-01-01","60","50","0","1","30","0","1","-7 db","x2"\n'
)
R = '"name","artist","energy"\n"1","A","Ann",0.1\n"2","B","Bob",0.2\n'


@pytest.mark.parametrize(
    ("text", "ids", "energies"),
    [
        (FMA, ["2", "3"], [0.4, 0.7]),
        (MUSICOSET, ["3e9HZxeyfWwjeyPAMmWSSQ"], [0.65]),
        (CHOSIC, ["x1", "x2"], [0.8, 0.5]),
        (R, None, [0.1, 0.2]),
        ("\n\n" + MUSICOSET, ["3e9HZxeyfWwjeyPAMmWSSQ"], [0.65]),
    ],
    ids=["fma", "musicoset", "chosic", "r", "blank lines"],
)
def test_other_known_tables(tmp_path, text, ids, energies):
    (tmp_path / "a.csv").write_text(text)
    table = Table(tmp_path / "a.csv").table
    assert table["energy"].tolist() == energies
    assert ids is None or table["id"].tolist() == ids


def test_percentages_of_zero_and_one_follow_the_others(tmp_path):
    (tmp_path / "a.csv").write_text(CHOSIC)
    columns = Table(tmp_path / "a.csv").account.columns
    assert columns["valence"]["column"] == "Happy"
    assert columns["instrumentalness"]["unit"] == columns["liveness"]["unit"] == "%"


def table_of(tmp_path, **columns):
    frame = pd.DataFrame({"name": [f"S{n}" for n in range(20)]} | columns)
    frame.to_csv(tmp_path / "a.csv", index=False)
    return Table(tmp_path / "a.csv")


SPREAD = np.linspace(0.05, 0.95, 20).round(3)


def test_scales_are_recognised_or_refused_by_name(tmp_path):
    ten = table_of(tmp_path, energy=SPREAD * 10, valence=SPREAD * 10)
    assert ten.account.columns["energy"]["unit"] == "0 to 10"
    assert ten.table["energy"].to_numpy() == pytest.approx(SPREAD)
    known = table_of(tmp_path, energy=SPREAD, popularity=SPREAD)
    assert known.table["popularity"].to_numpy() == pytest.approx(SPREAD * 100)
    hundred = table_of(tmp_path, energy=SPREAD, popularity=np.arange(1, 21))
    assert hundred.table["popularity"].tolist() == list(range(1, 21))
    odd = table_of(tmp_path, energy=SPREAD, tempo=SPREAD, loudness=SPREAD, valence=SPREAD * 1000)
    assert set(odd.account.columns) == {"energy"} and len(odd) == 20
    said = "\n".join(odd.notes)
    assert all(f"{name} is missing" in said for name in ("tempo", "loudness", "valence"))


def test_one_150_among_percentages_costs_one_row(tmp_path):
    table = table_of(tmp_path, energy=[150, *range(5, 100, 5)])
    assert len(table) == 19 and table.account.columns["energy"]["unit"] == "%"


def test_words_are_no_numbers(tmp_path):
    table = table_of(tmp_path, valence=SPREAD, energy=["high", "low"] * 10)
    assert "most cells of 'energy' are no numbers" in "\n".join(table.notes) and len(table) == 20
    one = table_of(tmp_path, energy=["rock", *SPREAD[1:].astype(str)])
    assert one.account.reasons == {"energy is not a number": 1}


def test_a_column_of_yes_and_no_is_no_popularity(tmp_path):
    table = table_of(tmp_path, energy=SPREAD, pop=[0, 1] * 10)
    assert "popularity is missing" in "\n".join(table.notes)


def test_quotes_and_lines_within_cells(tmp_path):
    (tmp_path / "a.csv").write_text(
        'name,artist,energy\n"A\nside, long",Ann,0.1\n"B ""live""",Bob,0.2\n"Lone,Cat,0.3\n'
        'Say "hey",Dan,0.4\nshort,0.5\n"never closed,Eve,x,0.6\n'
    )
    table = Table(tmp_path / "a.csv")
    assert table.table["name"].tolist() == ["A\nside, long", 'B "live"', '"Lone', 'Say "hey"']
    assert table.account.reasons == {
        "fewer cells than headers": 1,
        "a quote that is never closed": 1,
    }


def test_japanese_is_found(tmp_path):
    names = ["恋の歌", "東京の夜", "さくら", "上を向いて歩こう", "ハナミズキ", "夜空ノムコウ"]
    text = "".join(f"{name},宇多田ヒカル,0.5\n" for name in names)
    (tmp_path / "a.csv").write_bytes(f"name,artist,energy\n{text}".encode("cp932"))
    assert read_table(tmp_path / "a.csv").cells["name"].tolist() == names


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1252", "Señorita Beyoncé für Élise"),
        ("cp1251", "Песня о любви и весне"),
        ("cp1250", "Žluťoučký kůň příšerně úpěl"),
        ("utf-16-le", "Señorita"),
        ("utf-8-sig", "Señorita"),
    ],
)
def test_encodings_are_found(tmp_path, encoding, name):
    rows = "".join(f"{name} {n},Ann,0.{n % 9 + 1}\n" for n in range(30))
    (tmp_path / "a.csv").write_bytes(f"name,artist,energy\n{rows}".encode(encoding))
    sheet = read_table(tmp_path / "a.csv")
    assert sheet.cells["name"].tolist() == [f"{name} {n}" for n in range(30)]
