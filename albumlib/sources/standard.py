"""Cells to tracks: our columns in our units, and the rows that disagree put aside with a reason."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import features
from albumlib.sources.base import SourceError
from albumlib.sources.columns import (
    MISSING,
    TEXTS,
    Column,
    PutAside,
    Scale,
    Sheet,
    find_scales,
    numbers,
)
from albumlib.sources.texts import as_text, first_of, hashed, isrc, release_date, spotify_id

IMPORT, ASIDE = "import.json", "put_aside.csv"
SOUND = tuple(name for name in features.NAMES if name != "popularity")  # which differs by day
SHOWN = 5  # rows that were put aside, named by their line
UNKNOWN = Scale("no scale that is known", 1)
WAYS = {
    "id": spotify_id,
    "album_id": spotify_id,
    "artist": first_of,
    "album_artist": first_of,
    "genre": first_of,
    "isrc": isrc,
    "release_date": release_date,
}


@dataclass(frozen=True)
class Account:
    """What became of a file's rows. Raises SourceError if these do not add up to `rows`."""

    rows: int
    tracks: int
    put_aside: list[PutAside]
    columns: dict[str, dict]  # feature: the header of its column, and the unit there
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.tracks + len(self.put_aside) != self.rows:
            raise SourceError(
                f"{self.rows} rows became {self.tracks} tracks and {len(self.put_aside)} rows put "
                "aside, which does not add up: please report this with the table"
            )

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were put aside for each reason, the most frequent first."""
        return dict(Counter(row.reason for row in self.put_aside).most_common())

    def write(self, folder: Path) -> None:
        """Write `import.json`, and each row that was put aside to `put_aside.csv`."""
        about = {"rows": self.rows, "tracks": self.tracks, "put_aside": self.reasons}
        about |= {"columns": self.columns, "notes": self.notes}
        text = json.dumps(about, indent=2, ensure_ascii=False)
        (folder / IMPORT).write_text(text + "\n", encoding="utf-8", errors="replace")
        rows = pd.DataFrame(self.put_aside, columns=["line", "reason", "text"])
        rows.to_csv(folder / ASIDE, index=False, encoding="utf-8", errors="replace")

    def lines(self) -> list[str]:
        """The account for people."""
        aside = f"{len(self.put_aside):,} put aside"
        lines = [f"{self.rows:,} rows in the file: {self.tracks:,} tracks, {aside}"]
        lines += [f"  {count:,} put aside: {reason}" for reason, count in self.reasons.items()]
        if self.put_aside:
            lines += [f"  line {row.line}: {row.reason}" for row in self.put_aside[:SHOWN]]
            lines.append(f"  all of them, with what they say: {ASIDE}")
        return lines + self.notes


def standard(sheet: Sheet) -> tuple[pd.DataFrame, Account]:
    """The tracks of a sheet, a row each, and the account of all its rows.

    The table has our text columns, "" where nothing is known, and the ten features in their
    units, NaN where nothing is known. A song without an id gets one from all that is known of it;
    a song without an album is an album of its own.
    """
    values, columns, reasons, notes = _features(sheet)
    put_aside = list(sheet.put_aside)
    texts = {name: _texts(sheet.cells.get(name), name) for name in TEXTS}
    table = pd.DataFrame(texts, index=values.index, dtype=object).fillna("")
    if len(sheet.columns) > 2:  # else a song's name may be all that is known
        reasons = reasons.mask(_is_note(table, values) & (reasons == ""), "only one cell is filled")
    put_aside += _aside(table, reasons)
    table = pd.concat([table, values], axis=1)[reasons == ""]
    notes = [*sheet.notes, *_unnamed(sheet), *notes, *_unknown_dates(sheet, table)]
    _fill(table, named="name" in sheet.columns)
    twice = _repeated(table)
    put_aside += _aside(table, twice)
    put_aside.sort(key=lambda row: row.line)
    table = table[twice == ""]
    rows = len(sheet.cells) + len(sheet.put_aside)
    return table, Account(rows, len(table), put_aside, columns, notes)


def _is_note(table: pd.DataFrame, values: pd.DataFrame) -> pd.Series:
    """Which rows have one cell alone, such as the source of a table at its end; not an id, by which
    services may know the rest.
    """
    filled = (table != "").sum(axis=1) + values.notna().sum(axis=1)
    return (filled == 1) & ~table["id"].str.fullmatch(r"\S+")


def _aside(table: pd.DataFrame, reasons: pd.Series) -> list[PutAside]:
    """The rows that have a reason against them, with who they are."""
    bad = reasons[reasons != ""]
    who = (table["name"] + ", " + table["artist"])[bad.index]
    return [PutAside(int(line), *about) for line, *about in zip(bad.index, bad, who, strict=True)]


# Features ---------------------------------------------------------------------------------------


def _features(sheet: Sheet) -> tuple[pd.DataFrame, dict[str, dict], pd.Series, list[str]]:
    """Features in their units, where they came from, what is wrong with each row, and notes."""
    columns = {name: sheet.columns[name] for name in features.NAMES if name in sheet.columns}
    read = {name: numbers(sheet.cells[name]) for name in columns}
    columns = {name: _with_unit(column, sheet.cells[name]) for name, column in columns.items()}
    scales = find_scales({name: values for name, (values, _) in read.items()}, columns)
    refused = {name: _refusal(name, columns[name], *read[name], scales[name]) for name in columns}
    refused = {name: words for name, words in refused.items() if words}
    if len(refused) == len(columns):  # nothing would be left, so let each row say what is wrong
        scales = {name: scale or UNKNOWN for name, scale in scales.items()}
    else:
        columns = {name: column for name, column in columns.items() if name not in refused}
    table = pd.DataFrame(np.nan, sheet.cells.index, list(features.NAMES))
    reasons = pd.Series("", index=table.index, dtype=object)
    for name in columns:
        (values, odd), factor = read[name], scales[name].factor
        table[name] = values if factor == 1 else (values * factor).round(9)
        reasons = reasons.mask(odd & (reasons == ""), f"{name} is not a number")
    table["tempo"] = table["tempo"].mask(table["tempo"] == 0)  # no beat was found
    for name, wrong in zip(features.NAMES, features.out_of_range(table.to_numpy()).T, strict=True):
        reasons = reasons.mask(wrong & (reasons == ""), f"{name} out of range")
    about = {name: _about(column, scales[name]) for name, column in columns.items()}
    return table, about, reasons, [*refused.values(), *_doubles(columns)]


def _with_unit(column: Column, cells: pd.Series) -> Column:
    """The column with the percent sign that stands in its cells, if not in its header."""
    if column.unit or cells.dtype.kind in "iufb":
        return column
    signed = cells.astype(str).str.strip().str.endswith("%")
    return replace(column, unit="%") if signed.mean() > 0.5 else column


def _refusal(
    name: str, column: Column, values: pd.Series, odd: pd.Series, scale: Scale | None
) -> str:
    """Why a column cannot be used as this feature; "" if it can."""
    if odd.sum() > values.notna().sum():
        return f"{name} is missing: most cells of {column.header!r} are no numbers"
    if scale is None:
        low, high = values.quantile([0.05, 0.95])
        unit = features.FEATURES[features.NAMES.index(name)].unit
        return (
            f"{name} is missing: {column.header!r} has values from {low:g} to {high:g}, which are "
            f"on no scale that is known for it ({unit})"
        )
    return ""


def _about(column: Column, scale: Scale) -> dict:
    about = {"column": column.header, "unit": scale.unit}
    return about | ({"passed_over": list(column.passed_over)} if column.passed_over else {})


def _doubles(columns: Mapping[str, Column]) -> list[str]:
    return [
        f"{name} is taken from {column.header!r}, not from {', '.join(column.passed_over)}"
        for name, column in columns.items()
        if column.passed_over
    ]


# Texts ------------------------------------------------------------------------------------------


def _texts(cells: pd.Series | None, name: str) -> pd.Series:
    if cells is None:
        return pd.Series(dtype=object)
    if pd.api.types.is_string_dtype(cells.dtype) and cells.dtype != object:
        texts = cells.fillna("").str.strip().astype(object)
    else:
        texts = cells.map(as_text).astype(object)
    if name not in WAYS:
        return texts
    # each text once, as many rows share an artist or a date
    return texts.map({text: WAYS[name](text) for text in texts.unique()}).astype(object)


def _unnamed(sheet: Sheet) -> list[str]:
    unknown = [name for name in ("name", "artist", "album") if name not in sheet.columns]
    if not unknown:
        return []
    return [f"no column is known for {', '.join(unknown)}; if there is one, give it that name"]


def _unknown_dates(sheet: Sheet, table: pd.DataFrame) -> list[str]:
    if "release_date" not in sheet.cells:
        return []
    unknown = sheet.cells["release_date"].reindex(table.index[table["release_date"] == ""])
    lost = unknown.map(as_text).astype(object)
    lost = lost[~lost.map(str.casefold).isin({*MISSING, "0"})]
    return [f"{len(lost)} dates cannot be, such as {lost.iloc[0]!r}: unknown"] if len(lost) else []


def _fill(table: pd.DataFrame, named: bool) -> None:
    """Ids, albums and, where the table has none, names."""
    whose = table["album_artist"].where(table["album_artist"] != "", table["artist"])
    album = table["album"].where(table["album"] != "", table["album_id"])
    measured = table[list(SOUND)].to_numpy().tolist()
    known = pd.Series(["|".join(map(repr, row)) for row in measured], table.index, dtype=object)
    song = table["name"] + "|" + table["artist"] + "|" + album + "|" + known
    _put(table, "id", song.map(hashed))
    titled = ~table["album"].map(str.casefold).isin(MISSING)
    own = (whose + "|" + table["album"]).map(hashed).where(titled, table["id"])
    _put(table, "album_id", own)
    if not named:
        _put(table, "name", table["id"])
    _put(table, "album", table["name"])


def _put(table: pd.DataFrame, column: str, values: pd.Series) -> None:
    table[column] = table[column].where(table[column] != "", values)


def _repeated(table: pd.DataFrame) -> pd.Series:
    """Why a row is none of its own; "" where it is."""
    again = table.duplicated("id")
    same = table.duplicated(["id", *SOUND])
    reasons = pd.Series("", index=table.index, dtype=object)
    reasons = reasons.mask(again & same, "stands twice")
    return reasons.mask(again & ~same, "its id stands twice, with other values")
