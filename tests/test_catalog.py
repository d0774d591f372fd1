import sqlite3

import pytest

from albumlib.dataset.catalog import Catalog
from albumlib.sources.base import SourceError, Track


def track(number, **changes):
    about = {"name": f"Song {number}", "artist": "A", "album_id": f"al{number // 3}", "album": "B"}
    known = {"cover": f"c{number // 3}", "features": {"energy": number / 10}}
    return Track(**{"id": f"t{number:03}", **about, **known, **changes})


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        yield catalog


def test_tracks_come_once_however_often_they_are_added(catalog):
    catalog.add_tracks([track(n) for n in range(7)], "7")
    catalog.add_tracks([track(n) for n in range(3)])
    catalog.add_tracks([track(1, name="Renamed")])
    assert catalog.counts() == {
        "tracks": 7, "albums": 3, "covers todo": 3, "covers done": 0, "covers failed": 0,
    }  # fmt: skip
    assert catalog.noted("position") == "7"
    table = catalog.tracks()
    assert table["name"][1] == "Renamed"
    assert table["energy"].tolist() == [n / 10 for n in range(7)]
    assert table["tempo"].isna().all()


def test_covers_move_from_todo_to_done_or_failed(catalog):
    catalog.add_tracks([track(n) for n in range(9)])
    assert catalog.next_covers(2) == ["c0", "c1"]
    catalog.cover_done([("c0", "covers/a.jpg", "ff", 10)])
    catalog.cover_failed([("c1", "HTTP 404")])
    assert catalog.next_covers(5) == ["c2"]
    catalog.add_tracks([track(0)])  # seen again: not fetched again
    assert catalog.next_covers(5) == ["c2"]
    covers = catalog.covers().set_index("reference")
    assert covers.loc["c0", ["state", "file", "bytes"]].tolist() == ["done", "covers/a.jpg", 10]
    assert covers.loc["c1", ["state", "reason"]].tolist() == ["failed", "HTTP 404"]
    catalog.retry_failed()
    assert catalog.next_covers(5) == ["c1", "c2"]


def test_tracks_and_position_enter_together_or_not_at_all(catalog):
    catalog.add_tracks([track(0)], "1")
    with pytest.raises(sqlite3.Error):
        catalog.add_tracks([track(1), track(2, name=object())], "3")
    assert catalog.counts()["tracks"] == 1
    assert catalog.noted("position") == "1"


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("this is a text of some length, and no catalogue at all" * 20)
    with pytest.raises(SourceError, match="no catalogue"):
        Catalog(path)
