"""Pictures in Parquet, the layout in which Hugging Face keeps data sets of images.

A column of pictures is a struct of `bytes` (the file) and `path` (its name), marked in the schema's
metadata. The other columns may be labels, under any of the names that a table of tracks may use.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from albumlib.sources.base import CoverError, SourceError, Track
from albumlib.sources.folder import fingerprint_of
from albumlib.sources.standard import Account, standard
from albumlib.sources.table_reading import framed
from albumlib.sources.tables import tracks_of
from albumlib.sources.texts import as_text

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
METADATA = b"huggingface"  # key of the schema's metadata


class Parquet:
    """Every row of the Parquet files below a folder, or of one file, as a track with its picture.

    Labels are held in memory, pictures are read when they are asked for: a row group at a time, so
    asking in order reads each once. `account` says what became of each row.
    """

    name = "parquet"
    licence = "The data set's own: see its card before you show what a model made of it."
    waits = True  # for a disk, so threads will do

    def __init__(self, path: str | Path):
        path = Path(path)
        self.folder = path if path.is_dir() else path.parent
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            raise SourceError(f"there are no Parquet files in {path}")
        self.files = {file.relative_to(self.folder).as_posix(): file for file in files}
        raw = [_labels(name, file) for name, file in self.files.items()]
        self.identity = f"parquet:{self.folder.name}"
        self.table, self.account = _complete(pd.concat(raw, ignore_index=True))
        self.notes = self.account.lines()
        self._row_group = lru_cache(maxsize=2)(self._read_row_group)

    @property
    def fingerprint(self) -> str:
        return fingerprint_of((name, file.stat().st_size) for name, file in self.files.items())

    def __len__(self) -> int:
        return len(self.table)

    def tracks(self, start: int = 0) -> Iterator[Track]:
        """A track for each row, in the order of files and rows."""
        rest = self.table.iloc[start:]
        return tracks_of(rest, rest["reference"])

    def cover(self, reference: str, size: int) -> bytes:
        """The picture's file. Raises CoverError if the row has none."""
        name, _, row = reference.rpartition("#")
        if name not in self.files:
            raise CoverError("its Parquet file is gone")
        try:
            starts = _starts(self.files[name])
            group = bisect_right(starts, int(row)) - 1
            picture = self._row_group(name, group)[int(row) - starts[group]].as_py()
        except (OSError, IndexError, pa.ArrowException) as error:
            raise CoverError(f"cannot be read ({error})") from error
        if not picture or not picture["bytes"]:
            raise CoverError("only a name in the Parquet file, no picture")
        return picture["bytes"]

    def _read_row_group(self, name: str, group: int) -> pa.ChunkedArray:
        with pq.ParquetFile(self.files[name]) as file:
            column = _image_column(file.schema_arrow)
            pictures = file.read_row_group(group, columns=[column]).column(column)
        if pa.types.is_struct(pictures.type):
            return pictures
        return pa.chunked_array([pa.array([{"bytes": b} for b in pictures.to_pylist()], IMAGE)])


@lru_cache
def _starts(path: Path) -> list[int]:
    about = pq.read_metadata(path)
    counts = (about.row_group(group).num_rows for group in range(about.num_row_groups))
    return [0, *accumulate(counts)][:-1]


def _labels(name: str, path: Path) -> pd.DataFrame:
    """What the rows of a file say of their pictures, and `reference`, which asks for them."""
    try:
        schema = pq.read_schema(path)
        image = _image_column(schema)
        plain = [field.name for field in schema if _is_plain(field.type)]
        raw = pq.read_table(path, columns=[column for column in plain if column != image])
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as Parquet ({error})") from error
    if not image:
        raise SourceError(f"{path} has no column of pictures (a struct of bytes and path)")
    references = [f"{name}#{row:08}" for row in range(len(raw))]
    return _named(raw.to_pandas(ignore_metadata=True), schema).assign(reference=references)


def _complete(raw: pd.DataFrame) -> tuple[pd.DataFrame, Account]:
    """Our columns; rows without a track's name take their album's, or stand for themselves.

    Each row has a picture of its own, so none is another one again: where ids do not tell rows
    apart, their places do.
    """
    sheet = framed(raw.drop(columns="reference"))
    reference = raw["reference"].set_axis(sheet.cells.index)
    ids = sheet.cells.get("id", pd.Series("", reference.index)).map(as_text)
    sheet.cells["id"] = reference.where(ids.duplicated(keep=False) | (ids == ""), ids)
    table, account = standard(sheet)
    table["reference"] = reference[table.index]
    table["name"] = table["name"].where(table["name"] != "", table["album"])
    nameless = table["name"].isin(["", table["id"]])
    for column in ("name", "album", "album_id"):
        table[column] = table[column].mask(nameless, table["reference"])
    return table.reset_index(drop=True), account


def _is_plain(kind: pa.DataType) -> bool:
    """Whether cells are texts or numbers, or lists of texts such as artists."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
    return not pa.types.is_nested(kind)


def _named(raw: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """The table with the names of classes in the place of their numbers."""
    for column, feature in _features(schema).items():
        if column in raw and feature.get("_type") == "ClassLabel" and "names" in feature:
            raw[column] = raw[column].map(dict(enumerate(feature["names"])))
    return raw


def _image_column(schema: pa.Schema) -> str:
    """The first column of pictures: as the metadata says, else by its type; "" if there is none."""
    about = _features(schema).items()
    marked = [name for name, feature in about if feature.get("_type") == "Image"]
    typed = [field.name for field in schema if _holds_files(field.type)]
    binary = [field.name for field in schema if pa.types.is_binary(field.type)]
    return next((name for name in (*marked, *typed, *binary) if name in schema.names), "")


def _holds_files(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    held = kind.field("bytes").type
    return pa.types.is_binary(held) or pa.types.is_large_binary(held)


def _features(schema: pa.Schema) -> dict[str, dict]:
    """What the schema's metadata says of each column."""
    try:
        about = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
        columns = about["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: feature for name, feature in columns.items() if isinstance(feature, dict)}
