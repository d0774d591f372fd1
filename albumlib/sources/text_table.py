"""The rows of a text table, CSV with any separator: none is lost, and none is shifted.

Quotes are read as CSV has them where that makes sense, else as letters. A row with more or fewer
cells than headers is put aside, with the line at which it begins.
"""

import csv
import io
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from albumlib import features
from albumlib.sources.columns import BEFORE, PutAside, Sheet, find_columns, header_place, numbers

SEPARATORS = ",;\t|"
SAMPLE = 20  # rows that show whether each begins with a name that has no header
LONGEST = 500  # lines that one row may span, as with a song's words
LONGEST_TEXT = 1000  # letters that are kept of a row that could not be split
CHUNK = 50_000  # rows that are turned into columns at a time
csv.field_size_limit(2**31 - 1)  # letters of a cell, of which Python's csv takes 131,072


class _Lines:
    """Numbered lines of a file, of which some may be handed back."""

    def __init__(self, file: io.TextIOWrapper):
        self._numbered = ((number, line.rstrip("\n")) for number, line in enumerate(file, 1))
        self._waiting: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return self._waiting.popleft() if self._waiting else next(self._numbered)

    def back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._waiting.extendleft(reversed(lines))


@dataclass(frozen=True)
class _Layout:
    """What a row of this file is like."""

    separator: str
    width: int
    measured: tuple[int, ...]  # the places of features, where numbers belong
    literal: bool  # quotes are letters like others

    def fits(self, cells: list[str]) -> bool:
        """Whether these may be a row's cells: as many as headers, and numbers where they belong."""
        cells = _trimmed(cells, self.width)
        if len(cells) != self.width:
            return False
        measured = pd.Series([cells[place] for place in self.measured], dtype=object)
        return not numbers(measured)[1].any()


def _trimmed(cells: list[str], width: int = 1) -> list[str]:
    """At least `width` cells, without the empty ones that separators at the end of a row make."""
    while len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def read_text(file: io.TextIOWrapper) -> Sheet:
    """The rows of an open text table. Raises ValueError if it is empty."""
    lines = _Lines(file)
    headers, separator, literal = _header(lines)
    sample = list(itertools.islice(lines, SAMPLE))
    lines.back(sample)
    columns = find_columns(headers, [_likely(text, separator) for _, text in sample])
    measured = tuple(columns[name].place for name in features.NAMES if name in columns)
    layout = _Layout(separator, len(headers), measured, literal)
    places = [column.place for column in columns.values()]
    put_aside: list[PutAside] = []
    cells = _frame(_usable(lines, layout, places, put_aside), list(columns))
    return Sheet(cells, columns, headers, put_aside, _notes(cells, file.encoding))


def _usable(
    lines: _Lines, layout: _Layout, places: list[int], put_aside: list[PutAside]
) -> Iterator[tuple[int, list[str]]]:
    """Line and known cells of each row that has as many as there are headers."""
    for number, text, cells in _rows(lines, layout):
        cells = _trimmed(cells, layout.width) if cells else cells
        if cells and len(cells) == layout.width:
            yield number, [cells[place] for place in places]
            continue
        reason = "fewer cells than headers"
        if cells is None:
            reason = "a quote that is never closed"
        elif len(cells) > layout.width:
            reason = "more cells than headers"
        put_aside.append(PutAside(number, reason, text[:LONGEST_TEXT]))


def _frame(rows: Iterator[tuple[int, list[str]]], names: list[str]) -> pd.DataFrame:
    """Rows to columns, a chunk at a time, so that a million rows need little memory."""
    parts = []
    while (chunk := list(itertools.islice(rows, CHUNK))) or not parts:
        lines, cells = [line for line, _ in chunk], [row for _, row in chunk]
        parts.append(pd.DataFrame(cells, lines, names, dtype="string[pyarrow]"))
    return pd.concat(parts)


def _notes(table: pd.DataFrame, encoding: str) -> list[str]:
    """The encoding if it is none of Unicode's, and the lines with bytes that are wrong in it."""
    notes = [] if encoding.startswith("utf") else [f"read in the encoding {encoding}"]
    spoiled = (cells[cells.str.contains("\ufffd", regex=False)].index for _, cells in table.items())
    if lines := sorted({*itertools.chain.from_iterable(spoiled)}):
        listed = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
        notes.append(
            f"bytes that are no {encoding} became \ufffd: rows {len(lines)}, line {listed}"
        )
    return notes


def _header(lines: _Lines) -> tuple[list[str], str, bool]:
    """The headers, what separates cells, and whether quotes are letters like others."""
    first = list(itertools.islice((line for line in lines if line[1].strip()), BEFORE))
    if not first:
        raise ValueError("it is empty")
    separator = ""
    if first[0][1].lower().startswith("sep="):  # a word to Excel
        separator = first.pop(0)[1][4:5]
    separator = separator or max(SEPARATORS, key=lambda one: _most_cells(first, one))
    rows = [_split(text, separator) for _, text in first]
    place = header_place(rows)
    headers = _trimmed(rows[place])
    lines.back(first[place + 1 :])
    literal = separator == "\t" and '"' not in first[place][1]
    return _with_index(headers, lines, separator), separator, literal


def _most_cells(lines: list[tuple[int, str]], separator: str) -> tuple[int, int]:
    """How many columns are known, and how many there are, if this separates cells."""
    rows = [_split(text, separator) for _, text in lines]
    headers = rows[header_place(rows)]
    return len(find_columns(headers)), len(headers)


def _split(text: str, separator: str, **ways: object) -> list[str]:
    return next(csv.reader([text], delimiter=separator, skipinitialspace=True, **ways), [])


def _escaped(text: str, separator: str) -> list[str]:
    """The cells of a line with quotes behind backslashes; [] for one without."""
    if '\\"' in text:
        with suppress(csv.Error):
            return _split(text, separator, strict=True, escapechar="\\")
    return []


def _likely(text: str, separator: str) -> list[str]:
    """The cells of a line, as far as it can be seen alone."""
    with suppress(csv.Error):
        return _split(text, separator, strict=True)
    return _escaped(text, separator) or _split(text, separator)


def _with_index(headers: list[str], lines: _Lines, separator: str) -> list[str]:
    """Headers with one more for the index that R and pandas write before the first column.

    R gives it no header at all; pandas may give it one in a line of its own.
    """
    sample = list(itertools.islice(lines, SAMPLE))
    rows = [_trimmed(_likely(text, separator)) for _, text in sample if text.strip()]
    if rows and len(rows[0]) == 1 and rows[0][0].strip() and not headers[0].strip():
        headers, sample = [rows[0][0], *headers[1:]], sample[1:]
    elif rows and all(len(row) == len(headers) + 1 and row[0].isdigit() for row in rows):
        headers = ["", *headers]
    lines.back(sample)
    return headers


def _rows(lines: _Lines, layout: _Layout) -> Iterator[tuple[int, str, list[str] | None]]:
    """Line, text and cells of each row; None where its quotes make no sense."""
    blank = layout.separator + " \t"
    for number, text in lines:
        if not text.strip(blank):
            continue
        if '"' in text:
            yield number, text, _quoted_row(text, lines, layout)
        else:
            yield number, text, text.split(layout.separator)


def _quoted_row(text: str, lines: _Lines, layout: _Layout) -> list[str] | None:
    """The cells of a line with quotes, and of the lines after it that belong to the same row.

    A quote that makes no sense is a letter like others, if that makes sense.
    """
    plain = text.split(layout.separator)
    if layout.literal and '""' not in text and layout.fits(plain):
        return plain
    cells, error = [], None
    try:
        cells = _split(text, layout.separator, strict=True)
    except csv.Error as found:
        error = found
    escaped = _escaped(text, layout.separator)
    if escaped and layout.fits(escaped) and not layout.fits(cells):
        return escaped
    if error and not layout.fits(plain):
        return _joined(text, lines, layout) if _is_open(error) else None
    return plain if error else cells


def _is_open(error: csv.Error) -> bool:
    return "unexpected end of data" in str(error)


def _joined(text: str, lines: _Lines, layout: _Layout) -> list[str] | None:
    """A row over several lines; none of these is taken if some would be rows of their own."""
    more = list(itertools.islice(lines, LONGEST))
    for count, (_, line) in enumerate(more, 1):
        text += "\n" + line
        if '"' not in line:
            continue
        try:
            cells = _split(text, layout.separator, strict=True)
        except csv.Error as error:
            if _is_open(error):
                continue
            break
        own = any(layout.fits(line.split(layout.separator)) for _, line in more[:count])
        if layout.fits(cells) or not own:
            lines.back(more[count:])
            return cells
        break
    lines.back(more)
    return None
