"""A table's file to its cells, each row there or put aside: CSV with any separator, Excel, JSON,
JSON lines and Parquet, each also packed, texts in whatever encoding they have.
"""

import bz2
import codecs
import gzip
import io
import itertools
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow.parquet as pq
from charset_normalizer import CharsetMatch, from_bytes

from albumlib import features
from albumlib.sources.base import SourceError
from albumlib.sources.columns import BEFORE, PutAside, Sheet, find_columns, header_place
from albumlib.sources.text_table import SAMPLE, read_text

DAMAGE = (
    OSError, ValueError, EOFError, RuntimeError, KeyError, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile, SyntaxError, TypeError,  # the last two of openpyxl
)  # fmt: skip
PACKINGS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\x1b"})  # which no text has, but for an accident
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Encodings in which tables are saved, the likeliest of two that explain a text equally well first.
ENCODINGS = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp932", "gb18030", "big5", "cp949",
    "mac_roman",
)  # fmt: skip


def read_table(path: str | Path) -> Sheet:
    """All rows of a table of any kind. Raises SourceError if it cannot be read as one."""
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"there is no table {path}")
    try:
        with unpacked(path) as file:
            head = file.read(4096)
        return _read(path, head)
    except ImportError as error:
        raise SourceError(f"{path} cannot be read here; save it as CSV ({error})") from error
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"{path} cannot be read as a table ({reason})") from error


def _read(path: Path, head: bytes) -> Sheet:
    """The table in a file of whichever kind begins with these bytes."""
    if head.startswith(b"PAR1"):
        with unpacked(path) as file:
            # as it stands there: pandas would take some columns for an index
            return framed(pq.read_table(io.BytesIO(file.read())).to_pandas(ignore_metadata=True))
    if head.startswith(b"PK"):
        return _read_excel(path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError("an Excel file of before 2007; save it as .xlsx or CSV")
    with decoded(path) as file:
        is_json = file.read(len(head)).lstrip().startswith(("{", "["))
        file.seek(0)
        return _read_json(file) if is_json else read_text(file)


def _read_excel(path: Path) -> Sheet:
    """The first sheet of an Excel file that names a feature, else the first."""
    raw = pd.read_excel(path, sheet_name=None, header=None, dtype=object, na_filter=False)
    raw = {name: rows[(rows != "").any(axis=1)] for name, rows in raw.items()}
    sheets = {name: _with_header(rows) for name, rows in raw.items() if len(rows)}
    if not sheets:
        raise ValueError("it is empty")
    named = (name for name, sheet in sheets.items() if {*features.NAMES} & {*sheet.columns})
    first = next(named, next(iter(sheets)))
    others = ", ".join(name for name in sheets if name != first)
    note = f"only the sheet {first!r} is read; save each of the others as a file: {others}"
    return replace(sheets[first], notes=[note] if others else [])


def _with_header(raw: pd.DataFrame) -> Sheet:
    rows = raw.head(BEFORE).map(str).to_numpy().tolist()
    place = header_place(rows)
    table = raw.iloc[place + 1 :].set_axis(rows[place], axis=1)
    return framed(table.set_axis(table.index + 1, axis=0))


def _read_json(file: io.TextIOWrapper) -> Sheet:
    """One list of objects, or JSON lines; what is nested gets a name of its own."""
    try:
        rows = dict(enumerate(_records(_parsed(file.read())), 1))
    except (ValueError, RecursionError):
        file.seek(0)
        rows = dict(_json_lines(file))
    objects = {line: row for line, row in rows.items() if isinstance(row, dict)}
    if not objects:
        raise ValueError("it is no list of objects, and no line of it is a JSON object")
    flat = pd.json_normalize(list(objects.values()), sep="_")
    others = {line: row for line, row in rows.items() if line not in objects}
    put_aside = [PutAside(line, "no JSON object", str(row)) for line, row in others.items()]
    return replace(framed(flat.set_axis(list(objects), axis=0)), put_aside=put_aside)


def _records(said: object) -> list:
    """The rows in what a JSON text says: a list, or the one list in a service's answer, or columns
    as pandas writes them; else one row.
    """
    if not isinstance(said, dict):
        return list(said)
    known = find_columns(list(said))
    if {*features.NAMES} & {*known} and all(isinstance(part, dict) for part in said.values()):
        return pd.DataFrame(said).to_dict("records")
    lists = [part for part in said.values() if isinstance(part, list)]
    return lists[0] if len(lists) == 1 and not known else [said]


def _parsed(text: str) -> object:
    """What a JSON text says, its halves of characters, which no table can hold, as "?"."""
    said = json.loads(text)
    if "\\ud" not in text.lower():
        return said
    return json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))


def _json_lines(file: io.TextIOWrapper) -> Iterator[tuple[int, object]]:
    """Number of each line and what it says, or its text if it is no JSON."""
    for number, line in enumerate(file, 1):
        try:
            if line.strip():
                yield number, _parsed(line)
        except (ValueError, RecursionError):
            yield number, line.strip()


def framed(raw: pd.DataFrame) -> Sheet:
    """A sheet from a table whose rows need no splitting; they are counted from 1."""
    headers = [str(header) for header in raw.columns]
    columns = find_columns(headers, raw.head(SAMPLE).to_numpy().tolist())
    cells = pd.DataFrame({name: raw.iloc[:, column.place] for name, column in columns.items()})
    if isinstance(raw.index, pd.RangeIndex) or not raw.index.is_unique:
        cells.index = pd.RangeIndex(1, len(raw) + 1)
    return Sheet(cells, columns, headers)


# The text within a file -------------------------------------------------------------------------


def unpacked(path: Path) -> BinaryIO:
    """The file, or what is packed in it."""
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(b"PK\x03\x04") and (name := _member(path)):
        return zipfile.ZipFile(path).open(name)
    ways = (way for start, way in PACKINGS.items() if magic.startswith(start))
    return next(ways, open)(path, "rb")


def _member(path: Path) -> str:
    """The one table within a zip; "" if the zip is an Excel file."""
    with zipfile.ZipFile(path) as packed:
        names = [name for name in packed.namelist() if not name.endswith("/")]
    if "[Content_Types].xml" in names:
        return ""
    names = [name for name in names if not Path(name).name.startswith((".", "__"))]
    names = [name for name in names if not name.startswith("__MACOSX")]
    if len(names) != 1:
        listed = ", ".join(names[:8]) or "nothing"
        raise ValueError(f"the zip holds {listed}; unpack the one table that is meant")
    return names[0]


def decoded(path: Path) -> io.TextIOWrapper:
    """The text of a file in the encoding that it has; bytes that are wrong become U+FFFD."""
    with unpacked(path) as file:
        encoding = find_encoding(file)
    return io.TextIOWrapper(unpacked(path), encoding=encoding, errors="replace")


def find_encoding(file: BinaryIO) -> str:
    """The encoding of a text: by its byte order mark, as UTF-8, or the likeliest of ENCODINGS.

    A text most of whose lines are UTF-8 is UTF-8, with some bytes that are wrong. Raises
    ValueError for what is no text.
    """
    head = file.read(4096)
    for mark, encoding in BOMS.items():
        if head.startswith(mark):
            return encoding
    first, second = head[::2].count(0), head[1::2].count(0)  # one is large in UTF-16, not both
    if max(first, second) > len(head) / 20 and min(first, second) < max(first, second) / 4:
        return "utf-16-le" if second > first else "utf-16-be"
    if len(head.translate(None, CONTROLS)) < 0.95 * len(head):
        raise ValueError("it is no text; unpack it or save it as CSV")
    lines = itertools.chain([head + file.readline()], file)
    lines = (line for block in lines for line in block.split(b"\n"))
    odd = list(itertools.islice((line for line in lines if not line.isascii()), 2000))
    right = [line for line in odd if line.decode("utf-8", "ignore").encode() == line]
    if 2 * len(right) >= len(odd):
        return "utf-8"
    found = from_bytes(b"\n".join(odd[:500]), cp_isolation=list(ENCODINGS))
    return min(found, key=_unlikeliness).encoding if found else ENCODINGS[0]


def _unlikeliness(match: CharsetMatch) -> tuple[float, float, int]:
    return round(match.chaos, 2), -round(match.coherence, 2), ENCODINGS.index(match.encoding)
