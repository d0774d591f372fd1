"""The text within a file: out of its gzip or zip, and in the encoding that it has."""

import codecs
import contextlib
import gzip
import io
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from charset_normalizer import CharsetMatch, from_bytes

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


def unpacked(path: Path) -> BinaryIO:
    """The file, or what is packed in it."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if magic == b"PK\x03\x04" and (name := _member(path)):
        return zipfile.ZipFile(path).open(name)
    return path.open("rb")


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


@contextlib.contextmanager
def decoded(path: Path) -> Iterator[tuple[io.TextIOWrapper, str]]:
    """The text of a file, with the name of its encoding; bytes that are wrong become U+FFFD."""
    with unpacked(path) as file:
        encoding = find_encoding(file)
    with io.TextIOWrapper(unpacked(path), encoding=encoding, errors="replace") as file:
        yield file, encoding


def find_encoding(file: BinaryIO) -> str:
    """The encoding of a text: by its byte order mark, as UTF-8, or the likeliest of ENCODINGS.

    A text most of whose lines are UTF-8 is UTF-8, with some bytes that are wrong.
    """
    head = file.read(4096)
    for mark, encoding in BOMS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        return "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
    lines = itertools.chain([head + file.readline()], file)
    lines = (line for block in lines for line in block.split(b"\n"))
    odd = list(itertools.islice((line for line in lines if not line.isascii()), 2000))
    if 2 * sum(map(_is_utf8, odd)) >= len(odd):
        return "utf-8"
    found = from_bytes(b"\n".join(odd[:500]), cp_isolation=list(ENCODINGS))
    return min(found, key=_unlikeliness).encoding if found else ENCODINGS[0]


def _unlikeliness(match: CharsetMatch) -> tuple[float, float, int]:
    return round(match.chaos, 2), -round(match.coherence, 2), ENCODINGS.index(match.encoding)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
