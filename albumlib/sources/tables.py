"""A table of tracks that somebody already has: CSV or Parquet, whatever its columns are called.

Known are the names used by TidyTuesday's `spotify_songs.csv`, by the Kaggle and Hugging Face
tables of 114,000 and 1.2 million tracks, by MusicOSet, and the variants seen in the wild:
percentages, `bpm`, semicolons, decimal commas, lists of artists, Latin encodings.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import features
from albumlib.sources.base import CoverError, SourceError, Track
from albumlib.sources.folder import SUFFIXES
from albumlib.sources.web import Failed, Limit, Web

# Our name for each column, and what else it is called once `track_` and case are taken off.
SYNONYMS = {
    "id": ("id", "spotify_id", "song_id", "uri"),
    "name": ("name", "title", "song", "song_name", "track"),
    "artist": ("artist", "artists", "artist_name", "artist(s)_name", "artists_name"),
    "album_id": ("album_id",),
    "album": ("album", "album_name", "album_title"),
    "release_date": ("release_date", "album_release_date", "released", "year", "released_year"),
    "genre": ("genre", "playlist_genre", "top_genre", "main_genre"),
    "isrc": ("isrc",),
    "url": ("cover_url", "image_url", "album_image_url", "cover", "image", "album_image_file"),
    "tempo": ("tempo", "bpm"),
    "popularity": ("popularity", "song_popularity"),
}
TEXTS = (
    "id", "name", "artist", "album_id", "album", "release_date", "genre", "isrc", "url"
)  # fmt: skip
LISTED = 8  # columns named in an error message
POLITE = Limit(20, 1.0)  # requests to each host of pictures


class Table:
    """A table as a source. Where covers come from is `covers`:

    "draw" (the built-in imprint's art director draws them from the album's real features), "url"
    (a column of addresses), or a folder of pictures named after the album's id or name.
    """

    name = "tables"
    licence = "The table's own; ask whoever published it. Drawn covers are free to use."

    def __init__(self, path: str | Path, covers: str | Path = "draw", *, web: Web | None = None):
        self.path, self.covers = Path(path), covers
        self.table = _usable(read_table(self.path), self.path)
        self.waits = covers != "draw"  # for a disk or a network, so threads will do
        if covers == "url" and not self.table["url"].any():
            raise SourceError(f"{self.path} has no column of cover addresses (such as cover_url)")
        if self.waits and covers != "url" and not Path(covers).is_dir():
            raise SourceError(f"there is no folder of covers {covers}")
        self.web = web or (Web({"*": POLITE}) if covers == "url" else None)
        self._albums = self.table.groupby("album_id", sort=False)

    @property
    def identity(self) -> str:
        return f"tables:{self.path.name}:{self.covers}"

    def __len__(self) -> int:
        return len(self.table)

    def tracks(self, start: int = 0) -> Iterator[Track]:
        """The table's tracks in its order; a track that stands there several times comes once."""
        rest = self.table.iloc[start:]
        values = features.to_array(rest)
        about = ("id", "name", "artist", "album_id", "album", "release_date", "genre", "isrc")
        for row, numbers in zip(rest.itertuples(index=False), values, strict=True):
            known = {n: float(v) for n, v in zip(features.NAMES, numbers, strict=True) if v == v}
            cover = row.url if self.covers == "url" else row.album_id
            texts = {name: getattr(row, name) for name in about}
            yield Track(**texts, cover=cover, features=known)

    def cover(self, reference: str, size: int) -> bytes:
        """The album's cover: drawn, fetched from its address, or read from the folder."""
        if self.covers == "url":
            return self._fetched(reference)
        if self.covers == "draw":
            return self._drawn(reference, size)
        return self._from_folder(reference)

    def _fetched(self, url: str) -> bytes:
        try:
            return self.web.get(url).body
        except Failed as error:
            raise CoverError(str(error)) from error

    def _drawn(self, album_id: str, size: int) -> bytes:
        from albumlib.sources.imprint.corruption import corrupted
        from albumlib.sources.imprint.first_law import draw_cover

        rows = self._albums.get_group(album_id)
        values = features.to_array(rows)
        known = np.isfinite(values)
        mean = np.where(known, values, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
        first = rows.iloc[0]
        picture = draw_cover(
            mean,
            title=first["album"],
            artist=first["artist"],
            seed=_number(album_id),
            artist_seed=_number(first["artist"]),
            size=size,
        )
        return corrupted(picture, "", np.random.default_rng(_number(album_id)))

    def _from_folder(self, album_id: str) -> bytes:
        names = [album_id, self._albums.get_group(album_id).iloc[0]["album"]]
        for stem in [*names, *map(_slug, names)]:
            for suffix in SUFFIXES:
                path = Path(self.covers) / f"{stem}{suffix}"
                if path.is_file():
                    return path.read_bytes()
        raise CoverError(f"no file named {names[0]} or {_slug(names[1])} in {self.covers}")


def read_table(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file as texts or numbers. Raises SourceError if it cannot be read."""
    if not path.is_file():
        raise SourceError(f"there is no table {path}")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        text = _decoded(path.read_bytes())
        separator = _separator(text[:20_000])
        return pd.read_csv(path, sep=separator, dtype=str, encoding=_encoding(path), quotechar='"')
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as a table ({error})") from error


def _usable(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Our columns, filled with "" and NaN, from whatever the table has; one row a track."""
    found = _renamed(raw)
    if "name" not in found or not any(name in found for name in features.NAMES):
        listed = ", ".join(map(str, list(raw.columns)[:LISTED]))
        raise SourceError(
            f"{path} has no usable columns: a track name and at least one audio feature (energy, "
            f"valence, ...) are needed, but it has {listed}"
        )
    return standard(raw).drop_duplicates("id").reset_index(drop=True)


def standard(raw: pd.DataFrame) -> pd.DataFrame:
    """Our columns, filled with "" and NaN, whatever the table has and calls them; all its rows."""
    found = _renamed(raw)
    table = pd.DataFrame(index=raw.index)
    for name in TEXTS:
        table[name] = _text(found[name]) if name in found else ""
    for name in features.NAMES:
        table[name] = _numbers(found[name], name) if name in found else np.nan
    table["artist"] = table["artist"].map(_first_artist)
    table["release_date"] = table["release_date"].map(_date)
    table["id"] = table["id"].str.rsplit(":", n=1).str[-1]  # spotify:track:...
    _fill(table, "album", table["name"])
    _fill(table, "album_id", _hashed(table["artist"] + "|" + table["album"]))
    _fill(table, "id", _hashed(table["name"] + "|" + table["artist"]))
    return table


def _renamed(raw: pd.DataFrame) -> dict[str, pd.Series]:
    """The table's columns under our names; the first of several candidates wins."""
    plain = {re.sub(r"[_\s]*%$", "", str(column).strip().lower()): column for column in raw}
    plain = {re.sub(r"\s+", "_", name): column for name, column in plain.items()}
    names = {**{name: (name,) for name in features.NAMES}, **SYNONYMS}
    found = {}
    for ours, theirs in names.items():
        candidates = [*(f"track_{name}" for name in theirs), *theirs]
        column = next((plain[name] for name in candidates if name in plain), None)
        if column is not None:
            found[ours] = raw[column]
    return found


def _numbers(column: pd.Series, name: str) -> pd.Series:
    """Numbers, decimal commas read, percentages turned to shares."""
    if column.dtype.kind not in "fiu":
        column = column.astype("string").str.strip().str.replace(",", ".").str.rstrip("%")
    values = pd.to_numeric(column, errors="coerce").astype(float)
    high = features.FEATURES[features.NAMES.index(name)].high
    if high == 1 and 1.5 < values.max() <= 100:
        values = values / 100
    return values


def _text(column: pd.Series) -> pd.Series:
    return column.astype("string").fillna("").str.strip().astype(object)


def _first_artist(text: str) -> str:
    """The first of several artists: a Python list as text, or names joined by semicolons."""
    if text.startswith("["):
        try:
            names = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
        return str(names[0]) if names else ""
    return text.split(";")[0]


def _date(text: str) -> str:
    """YYYY, YYYY-MM or YYYY-MM-DD from what is there; "" if there is none."""
    found = re.match(r"(\d{4})(-\d{2}(-\d{2})?)?(?!\d)", text)
    return found[0] if found else ""


def _fill(table: pd.DataFrame, column: str, values: pd.Series) -> None:
    table[column] = table[column].where(table[column] != "", values)


def _hashed(texts: pd.Series) -> pd.Series:
    return texts.map(lambda text: hashlib.sha256(text.casefold().encode()).hexdigest()[:16])


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _encoding(path: Path) -> str:
    """UTF-8 where the file is, else the Latin encoding of Windows, which many exports have."""
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _separator(sample: str) -> str:
    header = sample.splitlines()[0] if sample else ""
    return max(",;\t|", key=header.count)
