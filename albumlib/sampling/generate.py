"""Covers to files: for features, a song, an album of a cover set, or every row of a table."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.models.networks import Generator
from albumlib.sampling.latent import album_label
from albumlib.sampling.request import (
    ALBUM,
    SONG,
    Request,
    RequestError,
    beyond,
    from_label,
    save,
    the_one,
)
from albumlib.sources.base import SourceError
from albumlib.sources.columns import numbers
from albumlib.sources.sheet import PutAside
from albumlib.sources.table_reading import read_table
from albumlib.sources.texts import as_text


def wanted(data: Path | None, song: str = "", album: str = "") -> dict[str, float | None]:
    """Features by name of a song, or of an album's average, found in a cover set by its title.

    Empty without either. Raises RequestError if no song or album fits, or more than one.
    """
    if not song and not album:
        return {}
    coverset = CoverSet.open(data).with_labels()
    if song:
        tracks = coverset.tracks.iloc[[the_one(coverset.tracks, song, SONG)]]
    else:
        row = the_one(coverset.table, album, ALBUM)
        tracks = coverset.tracks[coverset.tracks["row"] == row]
    label = album_label(coverset.track_labels(tracks))
    return dict(zip(features.NAMES, from_label(label), strict=True))


def measured(file: Path) -> dict[str, float | None]:
    """Features by name of a music file, measured from its sound; None for what cannot be.

    Raises RequestError if there is no sound in it.
    """
    from albumlib.sources.music import features_of

    if not file.is_file():
        raise RequestError(f"there is no music file {file}")
    found = features_of(file)
    if not found:
        raise RequestError(f"{file} holds no sound that can be decoded")
    return dict.fromkeys(features.NAMES) | found


def to_file(
    generator: Generator,
    out: Path,
    values: Mapping[str, float | None],
    *,
    count: int = 1,
    size: int = 0,
    seed: int = 2021,
    truncation: float = 1.0,
    title: str = "",
    year: float | None = None,
    text: bool | None = None,
) -> Path:
    """Draw `count` covers with successive seeds for features by name, and write them as one file.

    Warns of values outside of what the model learned, which are limited. Raises RequestError for a
    value out of its feature's range, or for one that the model is not conditioned on.
    """
    more = {"title": title, "year": year, "text": text}
    asked = [name for name, value in more.items() if value not in ("", None)]
    unknown = [name for name in asked if name not in generator.conditioned_on]
    if unknown:
        raise RequestError(
            f"this model was trained without {unknown[0]}: train one with "
            + ("-p titles=both" if unknown[0] == "title" else f"-p extras={unknown[0]}")
        )
    chosen = tuple(values.get(name) for name in features.NAMES)
    request = Request(tuple(range(seed, seed + count)), chosen, truncation, **more)
    for sentence in beyond(request, generator):
        warnings.warn(sentence, stacklevel=2)
    return save(out, request, generator, size)


def table_to_files(
    generator: Generator,
    table: Path,
    out: Path,
    *,
    size: int = 0,
    seed: int = 2021,
    truncation: float = 1.0,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, int]:
    """One PNG for each row of a table with columns named like features, and `name` if it has.

    The table is read as by `sources.tables`, but for units, which only its headers can say.
    Rows that cannot be drawn go to `rejected.csv` with the reason. Returns counts. Raises
    RequestError if the table has no feature at all or is no table.
    """
    rows = _read(table)
    out.mkdir(parents=True, exist_ok=True)
    digits, rejected = len(str(len(rows))), []
    for number, row in enumerate(rows, 1):
        try:
            if isinstance(row, PutAside):
                raise RequestError(f"{row.reason} (line {row.line})")
            name = re.sub(r"[^\w-]+", "_", as_text(row.get("name"))).strip("_")[:80]
            path = out / f"{number:0{digits}d}{'_' if name else ''}{name}.png"
            to_file(generator, path, _values(row), size=size, seed=seed, truncation=truncation)
        except RequestError as error:
            rejected.append({"row": number, "reason": str(error)})
        if progress:
            progress("draw", number, len(rows))
    _write_rejected(out / "rejected.csv", rejected)
    return {"covers drawn": len(rows) - len(rejected), "rows rejected": len(rejected)}


def _read(table: Path) -> list[dict | PutAside]:
    """The table's rows in its order, features as numbers; those that could not be read as such."""
    try:
        sheet = read_table(table)
    except SourceError as error:
        raise RequestError(str(error)) from error
    if not set(features.NAMES) & set(sheet.columns):
        raise RequestError(f"{table} has no feature; name its columns {', '.join(features.NAMES)}")
    cells = sheet.cells.copy()
    for name in set(features.NAMES) & set(sheet.columns):
        values, odd = numbers(cells[name])
        percent = features.HIGH[features.NAMES.index(name)] == 1 and sheet.columns[name].unit == "%"
        cells[name] = (values / 100 if percent else values).astype(object).mask(odd, cells[name])
    rows = dict(zip(cells.index, cells.to_dict("records"), strict=True))
    rows |= {row.line: row for row in sheet.put_aside}
    return [row for _, row in sorted(rows.items())]


def _values(row: Mapping[str, object]) -> dict[str, float | None]:
    """Features of a row, None where its cell is empty."""
    values: dict[str, float | None] = {}
    for name in features.NAMES:
        value = row.get(name)
        if isinstance(value, str):
            raise RequestError(f"{name} must be a number, not {value!r}")
        values[name] = None if value is None or value != value else float(value)
    return values


def _write_rejected(path: Path, rejected: list[dict]) -> None:
    if not rejected:
        path.unlink(missing_ok=True)  # of an earlier run
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["row", "reason"])
        writer.writeheader()
        writer.writerows(rejected)
