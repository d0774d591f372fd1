"""A table of tracks that somebody already has, whatever its kind and its columns' names."""

import contextlib
import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import features
from albumlib.sources.base import CoverError, SourceError, Track
from albumlib.sources.columns import Sheet
from albumlib.sources.folder import NamedPictures, folded, read_file, size_of
from albumlib.sources.standard import Account, standard
from albumlib.sources.table_reading import read_table
from albumlib.sources.web import Failed, Limit, Web

ABOUT = ("id", "name", "artist", "album_id", "album", "release_date", "genre", "isrc")
LISTED = 8  # columns named in an error message
SHOWN = 60  # letters of a title in a message
POLITE = Limit(20, 1.0)  # requests to each host of pictures


class Table:
    """A table as a source. Where covers come from is `covers`:

    "draw" (by the built-in imprint's law, from the album's real features), "url"
    (a column of addresses), or a folder of pictures named after the id of the album or of one of
    its tracks, or after the album's title. `account` says what became of each row.
    """

    name = "tables"
    licence = "The table's own; ask whoever published it. Drawn covers are free to use."

    def __init__(self, path: str | Path, covers: str | Path = "draw", *, web: Web | None = None):
        self.path, self.covers = Path(path), covers
        self.table, self.account = _usable(read_table(self.path), self.path)
        self.waits = covers != "draw"  # for a disk or a network, so threads will do
        self.draws = covers == "draw"  # so covers follow from the features
        if covers == "url" and not self.table["cover"].any():
            raise SourceError(f"{self.path} has no column of cover addresses (such as cover_url)")
        if self.waits and covers != "url" and not Path(covers).is_dir():
            raise SourceError(f"there is no folder of covers {covers}")
        self._pictures = NamedPictures(Path(covers)) if covers not in ("draw", "url") else None
        self.web = web or (Web({"*": POLITE}) if covers == "url" else None)
        self._albums = self.table.groupby("album_id", sort=False)
        self.identity = f"tables:{self.path.name}:{covers}"
        # what became of the rows, and which files of a folder of covers are no pictures
        self.notes = [*self.account.lines(), *(self._pictures.notes if self._pictures else [])]

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any track."""
        rows = pd.util.hash_pandas_object(self.table, index=False).to_numpy()
        return hashlib.sha256(rows.tobytes()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.table)

    def tracks(self, start: int = 0) -> Iterator[Track]:
        """The table's tracks in its order; a track that stands there several times comes once."""
        rest = self.table.iloc[start:]
        references = rest["cover"] if self.covers == "url" else rest["album_id"]
        return tracks_of(rest, references)

    def cover(self, reference: str, size: int) -> bytes:
        """The album's cover: drawn, fetched from its address, or read from the folder."""
        if self.covers == "draw":
            return self._drawn(reference, size)
        if self._pictures:
            return read_file(self._find(reference))
        try:
            return self.web.picture(reference)
        except Failed as error:
            raise CoverError(str(error)) from error

    def _drawn(self, album_id: str, size: int) -> bytes:
        from albumlib.sources.imprint.artwork import draw_cover
        from albumlib.sources.imprint.corruption import corrupted

        rows = self._albums.get_group(album_id)
        first = rows.iloc[0]
        picture = draw_cover(
            rows[list(features.NAMES)].mean().to_numpy(),
            seed=_number(album_id),
            artist_seed=_number(first["artist"]),
            size=size,
            text=False,
        )
        return corrupted(picture, "", np.random.default_rng(_number(album_id)))

    def size_of(self, reference: str) -> int | None:
        """The bytes of a cover's file as it is now, None if it is in no folder."""
        with contextlib.suppress(CoverError):
            if self._pictures and reference in self._albums.groups:
                return size_of(self._find(reference))
        return None

    def _find(self, album_id: str) -> Path:
        """The picture named after the album or one of its tracks. Raises CoverError without one."""
        rows = self._albums.get_group(album_id)
        title, artist = rows.iloc[0][["album", "artist"]]
        alike = "other albums" if self._titles[folded(title)] > 1 else ""
        for name in [album_id, *rows["id"], f"{artist} - {title}"]:
            if path := self._pictures.find(name):
                return path
        if not alike and (path := self._pictures.find(title)):
            if not self._pictures.is_in_several(title):
                return path
            alike = "several folders"
        alike = alike and f" ({alike} have this title: call it {artist} - {title})"
        raise CoverError(f"no file named {album_id} or {title[:SHOWN]} in {self.covers}{alike}")

    @cached_property
    def _titles(self) -> pd.Series:
        return self._albums["album"].first().map(folded).value_counts()


def tracks_of(table: pd.DataFrame, references: pd.Series) -> Iterator[Track]:
    """A track for each row of a standard table, with what its cover is asked for by."""
    rows = zip(table.itertuples(), features.to_array(table), references, strict=True)
    for row, numbers, reference in rows:
        known = {n: float(v) for n, v in zip(features.NAMES, numbers, strict=True) if v == v}
        yield Track(**{name: getattr(row, name) for name in ABOUT}, cover=reference, features=known)


def _usable(sheet: Sheet, path: Path) -> tuple[pd.DataFrame, Account]:
    """The sheet's tracks and its account. Raises SourceError for a table of something else."""
    named = {"id", "name"} & set(sheet.columns)
    listed = [" ".join(header[:SHOWN].split()) for header in sheet.headers[:LISTED]]
    if not named or not any(name in sheet.columns for name in features.NAMES):
        raise SourceError(
            f"{path} has no usable columns: a track's name or id and at least one audio feature "
            f"(energy, valence, ...) are needed, but it has {', '.join(listed)}"
        )
    table, account = standard(sheet)
    if not account.rows:
        raise SourceError(f"{path} has headers, but no row below them")
    return table.reset_index(drop=True), account


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
