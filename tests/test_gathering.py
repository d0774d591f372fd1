import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest

from albumlib.dataset import gathering
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.gathering import gather
from albumlib.sources.base import CoverError, SourceError, Track
from albumlib.sources.folder import Folder
from albumlib.sources.imprint.imprint import Imprint
from albumlib.sources.tables import Table


class Shelf:
    """A source of plain bytes that notes what it was asked for."""

    name, licence, waits = "shelf", "for tests", True

    def __init__(self, count=200, bad=()):
        self.count, self.bad, self.asked = count, bad, []

    def __len__(self):
        return self.count

    def tracks(self, start=0):
        for n in range(start, self.count):
            yield Track(f"t{n}", f"S{n}", "A", f"al{n // 4}", "B", cover=f"c{n // 4}")

    def cover(self, reference, size):
        self.asked.append(reference)
        if reference in self.bad:
            raise CoverError("HTTP 404")
        return b"\xff\xd8" + reference.encode()


def state(folder):
    with Catalog(folder / "catalog.sqlite") as catalog:
        covers = catalog.covers().drop(columns="attempts")
        return catalog.tracks(), covers


def same(first, second):
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_each_cover_is_fetched_once_and_kept_as_it_came(tmp_path):
    shelf = Shelf(bad=("c3",))
    counts = gather(shelf, tmp_path)
    assert counts["tracks"] == 200
    assert (counts["covers done"], counts["covers failed"], counts["covers todo"]) == (49, 1, 0)
    assert sorted(shelf.asked) == sorted(f"c{n}" for n in range(50))
    _, covers = state(tmp_path)
    row = covers.set_index("reference").loc["c7"]
    assert (tmp_path / row["file"]).read_bytes() == b"\xff\xd8c7"
    assert row["file"].endswith(".jpg")
    shelf.bad, said = (), []
    assert gather(shelf, tmp_path, tell=said.append)["covers done"] == 50
    assert shelf.asked[50:] == ["c3"]  # what failed, and nothing else
    assert said == ["1 covers could not be had before, and are tried again"]


def test_a_limit_can_be_raised_later(tmp_path):
    gather(Shelf(), tmp_path / "parts", limit=37)
    assert gather(Shelf(), tmp_path / "parts", limit=37)["tracks"] == 37
    gather(Shelf(), tmp_path / "parts", limit=90)
    gather(Shelf(), tmp_path / "parts")
    gather(Shelf(), tmp_path / "whole")
    same(state(tmp_path / "parts"), state(tmp_path / "whole"))


def test_interrupted_by_hand_it_goes_on(tmp_path):
    def interrupt(what, done, total):
        if what == "covers" and done >= 16:
            raise KeyboardInterrupt

    shelf = Shelf()
    with pytest.raises(KeyboardInterrupt):
        gather(shelf, tmp_path / "parts", progress=interrupt)
    with Catalog(tmp_path / "parts" / "catalog.sqlite") as catalog:
        assert catalog.counts()["covers done"] == 16
    gather(shelf, tmp_path / "parts")
    gather(Shelf(), tmp_path / "whole")
    same(state(tmp_path / "parts"), state(tmp_path / "whole"))


def test_what_was_interrupted_is_done_before_failures_are_tried_again(tmp_path):
    def interrupt(what, done, total):
        if what == "covers" and done >= 16:
            raise KeyboardInterrupt

    shelf = Shelf(bad=("c0",))
    with pytest.raises(KeyboardInterrupt):
        gather(shelf, tmp_path, progress=interrupt)
    gather(shelf, tmp_path)
    assert shelf.asked.count("c0") == 1
    gather(shelf, tmp_path)
    assert shelf.asked.count("c0") == 2


def test_a_corrected_table_is_noticed_and_read_anew(tmp_path):
    path, out, said = tmp_path / "songs.csv", tmp_path / "out", []
    path.write_text("name,artist,album,energy\nA,Ann,One,0.1\nB,Bob,Two,0.2\nC,Bob,Two,0.3\n")
    gather(Table(path), out, size=64)
    before = {file.name: file.read_bytes() for file in (out / "covers").rglob("*.*")}
    gather(Table(path), out, size=64, tell=said.append)
    assert not said
    path.write_text("name,artist,album,energy\nA,Ann,One,0.9\nD,Eve,Three,0.4\n")
    counts = gather(Table(path), out, size=64, tell=said.append)
    assert said == ["tables has changed since it was gathered, and is read anew"]
    tracks, covers = state(out)
    assert sorted(tracks["name"]) == ["A", "D"] and set(tracks["energy"]) == {0.9, 0.4}
    assert (counts["covers done"], len(covers)) == (2, 2)
    same = covers.set_index("reference").loc[tracks.set_index("name")["album_id"]["A"], "file"]
    assert (out / same).read_bytes() != before[same.split("/")[-1]]  # drawn for today's energy


def test_pictures_and_covers_added_since_are_found(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "m.jpg").write_bytes(b"\xff\xd8 m")
    gather(Folder(pictures), tmp_path / "out")
    (pictures / "a.jpg").write_bytes(b"\xff\xd8 a")  # before the one that was there
    counts = gather(Folder(pictures), tmp_path / "out")
    assert (counts["tracks"], counts["covers done"]) == (2, 2)


def test_a_picture_that_was_replaced_is_taken_anew(tmp_path):
    pictures, said = tmp_path / "pictures", []
    pictures.mkdir()
    for name in "ab":
        (pictures / f"{name}.jpg").write_bytes(b"\xff\xd8 broken")
    gather(Folder(pictures), tmp_path / "out")
    (pictures / "a.jpg").write_bytes(b"\xff\xd8 a whole one")
    gather(Folder(pictures), tmp_path / "out", tell=said.append)
    assert said == ["1 pictures were replaced since, and are taken anew"]
    file = state(tmp_path / "out")[1].set_index("reference").loc["a.jpg", "file"]
    assert (tmp_path / "out" / file).read_bytes() == b"\xff\xd8 a whole one"


def test_half_a_character_costs_itself_alone(tmp_path):
    class Torn(Shelf):
        def tracks(self, start=0):
            for track in super().tracks(start):
                yield replace(track, name="a\ud800b") if track.id == "t3" else track

    gather(Torn(8), tmp_path)
    names = state(tmp_path)[0].set_index("id")["name"]
    assert names["t3"] == "a\ufffdb" and names["t4"] == "S4"


CHILD = """
import sys
from albumlib.dataset import gathering
from albumlib.sources.folder import Folder
from albumlib.sources.imprint.imprint import Imprint
from albumlib.sources.tables import Table
gathering.CHUNK, gathering.DRAWN = 100, 4
if __name__ == "__main__":
    gathering.gather(Imprint(albums=150, corruption=0.2), sys.argv[1], size=64)
"""


def done_so_far(folder):
    """Tracks and covers in a catalogue that another process is writing."""
    try:
        with sqlite3.connect(f"file:{folder}/catalog.sqlite?mode=ro", uri=True) as db:
            tracks = db.execute("SELECT count(*) FROM tracks").fetchone()[0]
            return tracks + db.execute("SELECT count(*) FROM covers WHERE file != ''").fetchone()[0]
    except sqlite3.OperationalError:  # not there yet
        return 0


def test_killed_again_and_again_nothing_is_lost_or_doubled(tmp_path):
    """Killed among the tracks, then twice among the covers, with all its workers."""
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    imprint = Imprint(albums=150, corruption=0.2)
    whole = len(imprint) + imprint.albums
    for enough in (300, len(imprint) + 20, len(imprint) + 80):
        child = subprocess.Popen(
            [sys.executable, script, tmp_path / "parts"], start_new_session=True
        )
        while done_so_far(tmp_path / "parts") < enough and child.poll() is None:
            time.sleep(0.002)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert enough <= done_so_far(tmp_path / "parts") < whole
    gather(imprint, tmp_path / "parts", size=64)
    gather(imprint, tmp_path / "whole", size=64)
    same(state(tmp_path / "parts"), state(tmp_path / "whole"))
    assert len(state(tmp_path / "whole")[0]) == len(imprint)


def test_ctrl_c_is_heard_by_the_parent_alone(tmp_path):
    script = tmp_path / "child.py"
    caught = "    except KeyboardInterrupt:\n        print('stopped')\n"
    long = CHILD.replace("albums=150", "albums=1500")  # not done before it is interrupted
    script.write_text(
        long.replace("    gathering.gather", "    try:\n        gathering.gather") + caught
    )
    child = subprocess.Popen(
        [sys.executable, script, tmp_path], start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        # shells let what they start in the background ignore Ctrl-C, tests too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while done_so_far(tmp_path) < len(Imprint(albums=1500)) + 8 and child.poll() is None:
        time.sleep(0.002)
    os.killpg(child.pid, signal.SIGINT)
    assert child.communicate(timeout=20)[0] == "stopped\n"


def test_a_full_disk_is_said_plainly(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gathering, "_store", full)
    with pytest.raises(SourceError, match="the disk is full"):
        gather(Shelf(), tmp_path)
    monkeypatch.undo()
    assert gather(Shelf(), tmp_path)["covers done"] == 50


def test_a_full_disk_is_said_plainly_when_sqlite_finds_it_out(tmp_path):
    limited = sqlite3.connect

    class Small(sqlite3.Connection):
        def executemany(self, *args):
            self.execute("PRAGMA max_page_count = 12")  # room for empty tables, not for all tracks
            return super().executemany(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *args, **kw: limited(*args, factory=Small, **kw))
        with pytest.raises(SourceError, match="the disk is full"):
            gather(Shelf(4000), tmp_path)
    assert gather(Shelf(4000), tmp_path)["covers done"] == 1000


def test_a_folder_belongs_to_one_source(tmp_path):
    gather(Shelf(), tmp_path)
    with pytest.raises(SourceError, match="gathered from 'shelf', not 'imprint, law 2, no text'"):
        gather(Imprint(albums=10), tmp_path)
