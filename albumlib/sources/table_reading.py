"""A table's file to its cells, each row there or put aside: CSV with any separator, Excel, JSON,
JSON lines and Parquet, each also within gzip or zip.
"""

import codecs
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from albumlib.sources.base import SourceError
from albumlib.sources.columns import BEFORE, PutAside, Sheet, find_columns, header_place
from albumlib.sources.packing import decoded, unpacked
from albumlib.sources.text_table import read_text

DAMAGE = (OSError, ValueError, EOFError, RuntimeError, KeyError, zlib.error, zipfile.BadZipFile)


def read_table(path: str | Path) -> Sheet:
    """All rows of a table of any kind. Raises SourceError if it cannot be read as one."""
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"there is no table {path}")
    try:
        with unpacked(path) as file:
            head = file.read(4096)
        return _reader(head)(path)
    except ImportError as error:
        raise SourceError(f"{path} is an Excel file: pip install openpyxl to read it") from error
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"{path} cannot be read as a table ({reason})") from error


def _reader(head: bytes) -> Callable[[Path], Sheet]:
    """What reads a file that begins with these bytes."""
    if head.startswith(b"PAR1"):
        return _read_parquet
    if head.startswith(b"PK"):
        return _read_excel
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError("an Excel file of before 2007; save it as .xlsx or CSV")
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        return _read_json
    return read_text


def _read_parquet(path: Path) -> Sheet:
    with unpacked(path) as file:
        return framed(pd.read_parquet(io.BytesIO(file.read())))


def _read_excel(path: Path) -> Sheet:
    raw = pd.read_excel(path, header=None, dtype=object, na_filter=False)
    raw = raw[(raw != "").any(axis=1)]
    rows = raw.head(BEFORE).map(str).to_numpy().tolist()
    if not rows:
        raise ValueError("it is empty")
    place = header_place(rows)
    table = raw.iloc[place + 1 :].set_axis(rows[place], axis=1)
    return framed(table.set_axis(table.index + 1, axis=0))


def _read_json(path: Path) -> Sheet:
    """JSON lines, or one list of objects; what is nested gets a name of its own."""
    with decoded(path) as (file, _):
        first = file.read(1)
        file.seek(0)
        if first == "[":
            rows = list(enumerate(_parsed(file.read()), 1))
            bad: list[PutAside] = []
        else:
            rows, bad = _json_lines(file)
    bad += [PutAside(n, "no JSON object", str(row)) for n, row in rows if not isinstance(row, dict)]
    rows = [(line, row) for line, row in rows if isinstance(row, dict)]
    if not rows:
        raise ValueError("no line of it is a JSON object")
    flat = pd.json_normalize([row for _, row in rows], sep="_")
    sheet = framed(flat.set_axis([line for line, _ in rows], axis=0))
    return Sheet(sheet.cells, sheet.columns, sheet.headers, sorted(bad, key=lambda row: row.line))


def _parsed(text: str) -> object:
    """What a JSON text says, its halves of characters, which no table can hold, as "?"."""
    said = json.loads(text)
    if "\\ud" not in text.lower():
        return said
    return json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))


def _json_lines(file: io.TextIOWrapper) -> tuple[list[tuple[int, object]], list[PutAside]]:
    rows, bad = [], []
    for number, line in enumerate(file, 1):
        try:
            if line.strip():
                rows.append((number, _parsed(line)))
        except (ValueError, RecursionError):
            bad.append(PutAside(number, "no JSON object", line.strip()))
    return rows, bad


def framed(raw: pd.DataFrame) -> Sheet:
    """A sheet from a table whose rows need no splitting; they are counted from 1."""
    headers = [str(header) for header in raw.columns]
    columns = find_columns(headers)
    cells = pd.DataFrame({name: raw.iloc[:, column.place] for name, column in columns.items()})
    if isinstance(raw.index, pd.RangeIndex) or not raw.index.is_unique:
        cells.index = pd.RangeIndex(1, len(raw) + 1)
    return Sheet(cells, columns, headers)
