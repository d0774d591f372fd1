"""The catalogue: tracks, covers and their state in one SQLite file, where a gathering resumes.

Features from elsewhere than the track have a table of their own, one row for each recording. The
file is in write-ahead mode: a kill at any moment leaves the last whole transaction. A source's
position is stored with the tracks it gave, so that none is lost and none comes twice.
"""

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pandas as pd

from albumlib import features
from albumlib.sources.base import SourceError, Track

ABOUT = ("id", "name", "artist", "album_id", "album", "release_date", "genre", "cover", "isrc")
COLUMNS = (*ABOUT, *features.NAMES)
# What other services know a track by: its Spotify id where it has one, else its ISRC.
KEY = "CASE WHEN length(id) = 22 AND id NOT GLOB '*[^0-9A-Za-z]*' THEN id ELSE isrc END"
_SURROGATE = re.compile("[\ud800-\udfff]")
LABEL_STATES = ("todo", "found", "done", "unknown")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS tracks (
    id TEXT PRIMARY KEY, name TEXT, artist TEXT, album_id TEXT, album TEXT, release_date TEXT,
    genre TEXT, cover TEXT, isrc TEXT, {", ".join(f"{name} REAL" for name in features.NAMES)}
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS covers (
    reference TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'todo',  -- todo, done or failed
    file TEXT, sha256 TEXT, bytes INTEGER, reason TEXT, attempts INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS covers_by_state ON covers (state);
CREATE TABLE IF NOT EXISTS labels (
    key TEXT PRIMARY KEY,  -- see KEY
    state TEXT NOT NULL DEFAULT 'todo',  -- todo, found, done or unknown
    record TEXT, {", ".join(f"{name} REAL" for name in features.NAMES)}
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS labels_by_state ON labels (state);
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


class Catalog:
    """A catalogue file, made if it is not there. Use it as a context, or close it."""

    def __init__(self, path: str | Path):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level="IMMEDIATE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA cache_size=-65536")  # kB
            self._db.execute("PRAGMA wal_autocheckpoint=16384")  # pages: 64 MB, so once a while
            self._db.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            raise SourceError(
                f"the catalogue {path} cannot be opened ({error}): its folder must be one that you "
                "may write to"
            ) from error
        except sqlite3.DatabaseError as error:
            raise SourceError(f"{path} is no catalogue of albumlib ({error})") from error

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def add_tracks(self, tracks: Iterable[Track], position: str | None = None) -> int:
        """Add or renew tracks, list their covers and missing labels, note the source's position.

        Returns how many of the tracks are new.
        """
        tracks = [_storable(track) for track in tracks]
        rows = [(*_about(t), *map(t.features.get, features.NAMES)) for t in tracks]
        references = {(track.cover,) for track in tracks if track.cover}
        bare = {(t.id, t.isrc) for t in tracks if len(t.features) < features.COUNT}
        ids = {track.id for track in tracks}
        with self._db:
            known = self._db.execute(_KNOWN, (json.dumps(list(ids)),)).fetchone()[0]
            self._db.executemany(_UPSERT, rows)
            self._db.executemany("INSERT OR IGNORE INTO covers (reference) VALUES (?)", references)
            self._db.executemany(_LIST_LABEL, bare)
            if position is not None:
                self._note("position", position)
        return len(ids) - known

    def next_covers(self, count: int) -> list[str]:
        """References of up to `count` covers that are still to be fetched."""
        query = "SELECT reference FROM covers WHERE state = 'todo' ORDER BY reference LIMIT ?"
        return [reference for (reference,) in self._db.execute(query, (count,))]

    def cover_done(self, found: Iterable[tuple[str, str, str, int]]) -> None:
        """Covers that were fetched: (reference, file, sha256, bytes) of each."""
        with self._db:
            self._db.executemany(
                "UPDATE covers SET state = 'done', file = ?2, sha256 = ?3, bytes = ?4, "
                "reason = NULL, attempts = attempts + 1 WHERE reference = ?1",
                found,
            )

    def cover_failed(self, failed: Iterable[tuple[str, str]]) -> None:
        """Covers that cannot be had: (reference, reason) of each."""
        with self._db:
            self._db.executemany(
                "UPDATE covers SET state = 'failed', reason = ?2, attempts = attempts + 1 "
                "WHERE reference = ?1",
                failed,
            )

    def retry_failed(self) -> int:
        """Put failed covers back to be fetched; returns how many."""
        with self._db:
            query = "UPDATE covers SET state = 'todo' WHERE state = 'failed'"
            return self._db.execute(query).rowcount

    def retry(self, references: Iterable[str]) -> None:
        """Put these covers back to be fetched, whatever became of them."""
        with self._db:
            self._db.executemany(
                "UPDATE covers SET state = 'todo' WHERE reference = ?", [(r,) for r in references]
            )

    def begin_again(self, fingerprint: str) -> None:
        """Forget the tracks of a source that has changed, and read it from the beginning."""
        with self._db:
            self._db.execute("DELETE FROM tracks")
            self._note("position", "")
            self._note("fingerprint", fingerprint)
            self._note("orphans", "perhaps")

    def drop_orphans(self) -> None:
        """Forget covers that no track has, as there may be after `begin_again`."""
        if self.noted("orphans"):
            with self._db:
                self._db.execute(_DROP_ORPHANS)
                self._note("orphans", "")

    def next_labels(self, state: str, count: int) -> list[tuple[str, str]]:
        """Up to `count` keys whose labels are in this state, each with its record."""
        query = "SELECT key, record FROM labels WHERE state = ? ORDER BY key LIMIT ?"
        return self._db.execute(query, (state, count)).fetchall()

    def add_labels(self, learned: Iterable[tuple[str, str, str | None, dict[str, float]]]) -> None:
        """What was learned: (key, state, record, features) of each; what was known before stays."""
        rows = [
            (state, record, *map(labels.get, features.NAMES), key)
            for key, state, record, labels in learned
        ]
        with self._db:
            self._db.executemany(_LABEL, rows)

    def labels_asked(self) -> tuple[int, int]:
        """How many keys are settled, known or not, and how many there are."""
        query = "SELECT coalesce(sum(state IN ('done', 'unknown')), 0), count(*) FROM labels"
        return self._db.execute(query).fetchone()

    def note(self, key: str, value: str) -> None:
        """Remember a fact about the gathering, such as its source."""
        with self._db:
            self._note(key, value)

    def noted(self, key: str, default: str = "") -> str:
        found = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return found[0] if found else default

    def counts(self) -> dict[str, int]:
        """Tracks, albums, and covers by state; labels too, if any are not the source's own."""
        one = "SELECT count(*), count(DISTINCT album_id) FROM tracks"
        tracks, albums = self._db.execute(one).fetchone()
        states = dict(self._db.execute("SELECT state, count(*) FROM covers GROUP BY state"))
        covers = {f"covers {state}": states.get(state, 0) for state in ("todo", "done", "failed")}
        known = dict(self._db.execute("SELECT state, count(*) FROM labels GROUP BY state"))
        labels = {f"labels {state}": known.get(state, 0) for state in LABEL_STATES if known}
        return {"tracks": tracks, "albums": albums, **covers, **labels}

    def tracks(self) -> pd.DataFrame:
        """All tracks, sorted by id; a feature that the source had not is the label's."""
        return pd.read_sql_query(_TRACKS, self._db)

    def covers(self) -> pd.DataFrame:
        """All covers with their state, sorted by reference."""
        return pd.read_sql_query("SELECT * FROM covers ORDER BY reference", self._db)

    def _note(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))


_TRACKS = (
    "SELECT "
    + ", ".join(f"tracks.{name}" for name in ABOUT)
    + "".join(f", coalesce(tracks.{name}, labels.{name}) AS {name}" for name in features.NAMES)
    + f" FROM tracks LEFT JOIN labels ON labels.key = {KEY} ORDER BY id"
)
_DROP_ORPHANS = "DELETE FROM covers WHERE reference NOT IN (SELECT cover FROM tracks)"
_KNOWN = "SELECT count(*) FROM tracks WHERE id IN (SELECT value FROM json_each(?))"
_LIST_LABEL = (
    f"INSERT OR IGNORE INTO labels (key) SELECT {KEY} FROM (SELECT ? AS id, ? AS isrc) "
    f"WHERE {KEY} != ''"
)
_LABEL = (
    "UPDATE labels SET state = ?, record = coalesce(?, record), "
    + ", ".join(f"{name} = coalesce(?, {name})" for name in features.NAMES)
    + " WHERE key = ?"
)
_UPSERT = (
    f"INSERT INTO tracks ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
)


_about = attrgetter(*ABOUT)


def _storable(track: Track) -> Track:
    """The track without halves of characters, which no database takes."""
    if not any(isinstance(text, str) and _SURROGATE.search(text) for text in _about(track)):
        return track
    return replace(track, **{n: _SURROGATE.sub("\ufffd", getattr(track, n)) for n in ABOUT})
