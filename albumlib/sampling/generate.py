"""Covers to files: for features, a song, an album of a cover set, or every row of a table."""

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.models.networks import Generator
from albumlib.runtime import LARGEST_SEED
from albumlib.runtime.progress import Progress, silent
from albumlib.sampling import finishing
from albumlib.sampling.captions import CaptionError
from albumlib.sampling.finishing import Finish
from albumlib.sampling.latent import album_label
from albumlib.sampling.request import (
    ALBUM,
    SONG,
    Request,
    RequestError,
    beyond,
    contact_sheet,
    from_label,
    save,
    the_one,
)
from albumlib.sources.base import SourceError
from albumlib.sources.columns import MISSING, PutAside, in_percent, numbers
from albumlib.sources.table_reading import read_table
from albumlib.sources.texts import as_text, hashed, release_date, spotify_id

SHEET, SMALL = "contact_sheet.jpg", 128  # of a table's covers, so many pixels a side
REJECTED = "rejected.csv"
LARGEST_SHEET = 2 * Image.MAX_IMAGE_PIXELS  # what Pillow, and so `request.load`, opens again
EXTRA = ("title", "year", "text", "layout")  # what only some models are conditioned on


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
    generator: Generator, out: Path, request: Request, size: int = 0, finish: Finish | None = None
) -> Path:
    """Generate the request's covers, `size` pixels a side (0: the model's own), into one file;
    with a `finish`, finished covers, whose size and words are the finish's.

    Warns of values outside of what the model learned, which are limited. Raises RequestError for
    something that the model is not conditioned on, and for too large a sheet.
    """
    asked = [name for name in EXTRA if getattr(request, name) not in ("", None)]
    unknown = [name for name in asked if name not in generator.conditioned_on]
    if unknown:
        raise RequestError(
            f"this model was trained without {unknown[0]}: train one with "
            + ("-p titles=both" if unknown[0] == "title" else f"-p extras={unknown[0]}")
        )
    count, side = len(request.seeds), finish.size if finish else size or generator.size
    if count * side**2 > LARGEST_SHEET:
        raise RequestError(
            f"{count} covers of {side} pixels are too large a sheet: ask for fewer or smaller ones"
        )
    for sentence in beyond(request, generator):
        warnings.warn(sentence, stacklevel=2)
    if finish:
        return finishing.save(out, request, generator, finish)
    return save(out, request, generator, size)


def request_for(
    values: Mapping[str, float | None], seed: int = 2021, count: int = 1, **more
) -> Request:
    """A request of `count` covers with successive seeds for features by name, in their units;
    `more` are other fields of Request. Raises RequestError for a value out of its range."""
    seeds = tuple(range(seed, seed + count))
    return Request(seeds, tuple(values.get(name) for name in features.NAMES), **more)


def table_to_files(
    generator: Generator,
    table: Path,
    out: Path,
    request: Request,
    *,
    size: int = 0,
    finish: Finish | None = None,
    ending: str = ".png",
    progress: Progress = silent,
) -> dict[str, int]:
    """One picture for each row of a table, or each song of a folder of music, which is measured:
    its features, and its title, year and layout where the model is conditioned on them. What
    `request` asks for holds for all rows, before what they say. A `finish` sets each row's name and
    artist on its cover, unless it has words of its own. SHEET shows all covers together.

    A row's seed is its column `seed`, or else follows from the track's id (or its name, artist and
    album) and the request's seed. The table is read as by `sources.tables`, but for units, which
    only its headers can say. Rows that cannot be used go to REJECTED with the reason. Returns
    counts, among them how many covers have a feature at the mean. Raises RequestError if the table
    has no feature at all or is no table.
    """
    rows = _songs(table) if table.is_dir() else _read(table, generator)
    out.mkdir(parents=True, exist_ok=True)
    digits, written, rejected, at_mean = len(str(len(rows))), [], [], Counter()
    for number, row in enumerate(rows, 1):
        try:
            wanted = _of_row(row, number, request, generator)
            name = re.sub(r"[^\w-]+", "_", as_text(row.get("name"))).strip("_")[:80]
            path = out / f"{number:0{digits}d}{'_' if name else ''}{name}{ending}"
            written.append(to_file(generator, path, wanted, size, _words(finish, row)))
        except (RequestError, CaptionError) as error:
            rejected.append({"row": number, "reason": str(error)})
        else:
            pairs = zip(features.NAMES, wanted.features, strict=True)
            at_mean.update(name for name, value in pairs if value is None)
        progress("draw", number, len(rows))
    _write_rejected(out / REJECTED, rejected)
    _write_sheet(out / SHEET, [path for path in written if path.suffix == ".png"])
    counts = {"covers drawn": len(written), "rows rejected": len(rejected)}
    return counts | {"with a feature at the mean": dict(at_mean)}


def _songs(folder: Path) -> list[dict]:
    """The songs of a folder of music as rows, with what their sound tells."""
    from albumlib.sources.music import Music

    try:
        tracks = [track for page in Music(folder).pages() for track in page.tracks]
    except SourceError as error:
        raise RequestError(str(error)) from error
    return [vars(track) | track.features for track in tracks]


def _write_sheet(path: Path, covers: list[Path]) -> None:
    """All covers side by side; a file that holds a sheet of several is shown small."""
    if covers:
        small = [Image.open(cover).resize((SMALL, SMALL), Image.Resampling.BOX) for cover in covers]
        columns = min(8, math.isqrt(len(small) - 1) + 1)
        Image.fromarray(contact_sheet(np.stack(small), columns)).save(path, quality=92)


def _of_row(row: dict | PutAside, number: int, request: Request, generator: Generator) -> Request:
    """What a row asks for, with what is asked for all rows."""
    if isinstance(row, PutAside):
        raise RequestError(f"{row.reason} (line {row.line})")
    given = zip(request.features, _values(row), strict=True)
    seed, known = _seed(row, number, request.seeds[0]), generator.conditioned_on
    return replace(
        request,
        seeds=tuple(range(seed, seed + len(request.seeds))),
        features=tuple(theirs if own is None else own for own, theirs in given),
        title=request.title or (as_text(row.get("name")) if "title" in known else ""),
        year=_year(row) if request.year is None and "year" in known else request.year,
        layout=request.layout or (as_text(row.get("layout")) if "layout" in known else ""),
    )


def _words(finish: Finish | None, row: Mapping[str, object]) -> Finish | None:
    if finish is None:
        return None
    artist = finish.artist or as_text(row.get("artist"))
    return replace(finish, title=finish.title or as_text(row.get("name")), artist=artist)


def _seed(row: Mapping[str, object], number: int, seed: int) -> int:
    """The row's own seed, or one that follows from which song it is."""
    own = row.get("seed")
    if pd.isna(own):
        names = "\n".join(as_text(row.get(column)) for column in SONG).strip()
        known = spotify_id(as_text(row.get("id"))) or names or number
        return int(hashed(f"{seed} {known}"), 16) % LARGEST_SEED
    if isinstance(own, str) or own < 0 or own % 1:
        raise RequestError(f"seed must be a whole number from 0 on, not {own!r}")
    return int(own)


def _year(row: Mapping[str, object]) -> float | None:
    text = as_text(row.get("release_date"))
    found = release_date(text)
    if text and not found and text.casefold() not in MISSING:
        raise RequestError(f"year must be a year or a date, not {text!r}")
    return float(found[:4]) if found else None


def _read(table: Path, generator: Generator) -> list[dict | PutAside]:
    """The table's rows in its order, features as numbers; those that could not be read as such.

    Warns of columns that the model has no use for.
    """
    try:
        sheet = read_table(table)
    except SourceError as error:
        raise RequestError(str(error)) from error
    for note in sheet.notes:
        warnings.warn(note, stacklevel=3)
    if not set(features.NAMES) & set(sheet.columns):
        raise RequestError(f"{table} has no feature; name its columns {', '.join(features.NAMES)}")
    for name, header in (("title", "name"), ("year", "release_date"), ("layout", "layout")):
        said = header in sheet.columns and sheet.columns[header].header.casefold() == name
        if said and name not in generator.conditioned_on:
            warnings.warn(
                f"this model was trained without {name}: that column does not count", stacklevel=3
            )
    cells = sheet.cells.copy()
    read = {name: numbers(cells[name]) for name in (*features.NAMES, "seed") if name in cells}
    percent = in_percent({name: values for name, (values, _) in read.items()}, sheet.columns)
    for name, (values, odd) in read.items():
        values = values / 100 if name in percent else values
        cells[name] = values.astype(object).mask(odd, cells[name])
    rows = dict(zip(cells.index, cells.to_dict("records"), strict=True))
    rows |= {row.line: row for row in sheet.put_aside}
    return [row for _, row in sorted(rows.items())]


def _values(row: Mapping[str, object]) -> list[float | None]:
    """Features of a row, None where its cell is empty."""
    values = {name: row.get(name) for name in features.NAMES}
    for name, value in values.items():
        if isinstance(value, str):
            raise RequestError(f"{name} must be a number, not {value!r}")
    return [None if pd.isna(value) else float(value) for value in values.values()]


def _write_rejected(path: Path, rejected: list[dict]) -> None:
    path.unlink(missing_ok=True)  # of an earlier run
    if rejected:
        pd.DataFrame(rejected).to_csv(path, index=False, encoding="utf-8")
