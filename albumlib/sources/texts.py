"""Texts that tables and tags hold, as we keep them: dates, ISRCs, ids, first artists."""

import ast
import hashlib
import json
import re
from calendar import monthrange
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime

import numpy as np

from albumlib.sources.columns import MISSING

FIRST_YEAR, LAST_YEAR = 1860, 2100  # nothing was recorded before
NUMBERED = (
    r"(\d{4})(?:\.0+)?(?!\d)(?:[-/.](\d\d?)(?!\d)(?:[-/.](\d\d?)(?!\d))?)?",
    r"(\d{4})(\d\d)(\d\d)$",
)
# A file of one's own has no id: "spotify:local:" and the names that it has.
SPOTIFY = r"spotify:(?!local:)\w+:(\w+)|https?://open\.spotify\.com/(?:[\w-]+/)?\w+/(\w+)"
LEADING = re.compile(r"""[\[({]\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*[\])},'"]""")
WRITTEN = ("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%b %Y", "%B %Y")


def as_text(cell: object) -> str:
    """A cell of any type as a text, "" if nothing is there; of a list the first entry.

    >>> as_text(["Maroon 5", "Wiz Khalifa"]), as_text(None), as_text({"name": "Ann"})
    ('Maroon 5', '', 'Ann')
    """
    if isinstance(cell, str):  # JSON may hold halves of characters
        return cell.encode("utf-8", "replace").decode().strip()
    if isinstance(cell, (datetime, date)):
        return cell.isoformat() if cell == cell else ""  # pandas' NaT is not itself
    if isinstance(cell, (list, tuple, np.ndarray)):
        return as_text(cell[0]) if len(cell) else ""
    if isinstance(cell, Mapping):
        return as_text(cell.get("name", next(iter(cell.values()), None)))
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace").strip()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None or cell != cell else str(cell).strip()


def first_of(text: str) -> str:
    """The first of several names: a list or a mapping written as text, or names with semicolons.

    >>> first_of("['Maroon 5', 'Wiz Khalifa']"), first_of("['Ann' 'Bob']"), first_of("Ann; Bob")
    ('Maroon 5', 'Ann', 'Ann')
    """
    if text[:1] in ("[", "{", "("):
        for read in (json.loads, _leading, ast.literal_eval):
            with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                return as_text(read(text))
    return text.split(";")[0].strip()


def _leading(text: str) -> str:
    """The first text of a list of texts, also where numpy wrote it, without commas."""
    return ast.literal_eval(LEADING.match(text)[1])


def spotify_id(text: str) -> str:
    """What `spotify:track:...` or an address at open.spotify.com names; any other id as it is.

    "" for what only says that there is none; a whole number is written as one.

    >>> spotify_id("spotify:track:6f8"), spotify_id("lp1:1"), spotify_id("7.0"), spotify_id("NULL")
    ('6f8', 'lp1:1', '7', '')
    """
    if text.casefold() in MISSING:
        return ""
    text = re.sub(r"^(\d+)\.0$", r"\1", text)
    found = re.match(SPOTIFY, text)
    return (found[1] or found[2]) if found else text


def isrc(text: str) -> str:
    """An ISRC in its one form, without hyphens and prefix; "" for what is none.

    >>> isrc("ISRC qz-abc-00-00006")
    'QZABC0000006'
    """
    plain = re.sub(r"[^A-Z0-9]", "", text.upper()).removeprefix("ISRC")
    return plain if re.fullmatch(r"[A-Z]{2}[A-Z0-9]{3}\d{7}", plain) else ""


def release_date(text: str) -> str:
    """YYYY, YYYY-MM or YYYY-MM-DD, as much as makes sense; "" if not even the year does.

    >>> [release_date(text) for text in ("14/06/2019", "1969-05-00", "Jun 3, 1969", "0000")]
    ['2019-06-14', '1969-05', '1969-06-03', '']
    """
    for form in NUMBERED:
        if found := re.match(form, text):
            return _possible(*found.groups())
    if found := re.match(r"(\d\d?)[-/.](\d\d?)[-/.](\d{4})(?!\d)", text):
        return _possible(found[3], *_month_and_day(int(found[1]), int(found[2])))
    for form in WRITTEN:
        with suppress(ValueError):
            read = datetime.strptime(text, form)
            return _possible(read.year, read.month, read.day if "%d" in form else None)
    return ""


def _month_and_day(first: int, second: int) -> tuple[int | None, int | None]:
    """Which is the month, where only one can be; where both can, neither is known."""
    if first == second or first > 12:
        return second, first
    return (first, second) if second > 12 else (None, None)


def _possible(year: object, month: object = None, day: object = None) -> str:
    year, month, day = (int(part or 0) for part in (year, month, day))
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return ""
    if not 1 <= month <= 12:
        return f"{year}"
    if not 1 <= day <= monthrange(year, month)[1]:
        return f"{year}-{month:02}"
    return f"{year}-{month:02}-{day:02}"


def hashed(text: str) -> str:
    """Sixteen hexadecimal digits that stand for a text, whatever its case."""
    return hashlib.sha256(text.casefold().encode("utf-8", "replace")).hexdigest()[:16]
