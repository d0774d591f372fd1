"""A plain folder of pictures: covers without tracks or labels, for the unconditional model."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import PIL.features

from albumlib.sources.base import CoverError, SourceError, Track

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff",
    *((".avif",) if PIL.features.check("avif") else ()),
)  # fmt: skip
NO_TEXT = re.compile("[\ud800-\udfff]")  # what stands for bytes that are no UTF-8
KINDS = 8  # kinds of files passed over that are named


class Folder:
    """Every picture below a folder, by its path; each is an album of one nameless track."""

    name = "folder"
    licence = "The pictures' own: ask their owners before you show what a model made of them."
    waits = True  # for a disk, so threads will do

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.identity = f"folder:{self.path.name}"
        self._names, self.notes = files_in(self.path, SUFFIXES)
        if not self._names:
            passed = "".join(f"; {note}" for note in self.notes)
            raise SourceError(f"{self.path} holds no pictures ({', '.join(SUFFIXES)}){passed}")
        self.fingerprint = fingerprint_of(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def tracks(self, start: int = 0) -> Iterator[Track]:
        for name in self._names[start:]:
            stem = Path(name).stem
            yield Track(id=name, name=stem, artist="", album_id=name, album=stem, cover=name)

    def cover(self, reference: str, size: int) -> bytes:
        """The file as it is. Raises CoverError if it cannot be read."""
        return read_file(self.path / reference)

    def size_of(self, reference: str) -> int | None:
        """The file's bytes as it is now, None if it is gone."""
        return size_of(self.path / reference)


class NamedPictures:
    """A folder of pictures that are found by their names, whatever case, suffix or Unicode form."""

    def __init__(self, path: Path):
        self.path, self._seen = path, -1
        self._look()

    def _look(self) -> None:
        """List the folder, if anything was added since it was listed."""
        changed = self.path.stat().st_mtime_ns
        if changed == self._seen:
            return
        names, self.notes = files_in(self.path, SUFFIXES)
        self._seen, self._files, self._several = changed, {}, set()
        for name in names:
            file, place = self.path / name, PurePosixPath(name)
            both = f"{place.parent.name} {place.stem}"  # in a folder that is called after an artist
            for key in (place.stem, folded(place.stem), slug(place.stem), slug(both)):
                if self._files.setdefault(key, file).parent != file.parent:
                    self._several.add(key)

    def find(self, name: str) -> Path | None:
        """The picture of this name, as it is or as it would stand in an address."""
        self._look()
        key = self._key(name)
        return self._files[key] if key else None

    def is_in_several(self, name: str) -> bool:
        """Whether more than one folder has a picture of this name."""
        return self._key(name) in self._several

    def _key(self, name: str) -> str:
        keys = (name, folded(name), slug(name))
        return next((key for key in keys if key and key in self._files), "")


def files_in(path: Path, suffixes: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Files below a folder with these suffixes, by their place in it; what was passed over.

    Raises SourceError if there is no such folder.
    """
    if not path.is_dir():
        raise SourceError(f"there is no folder {path}")
    found = [file for file in path.rglob("*") if file.is_file()]
    names = sorted(file.relative_to(path).as_posix() for file in found)
    odd = list(filter(NO_TEXT.search, names))
    fine = [name for name in names if not NO_TEXT.search(name)]
    wanted = [name for name in fine if _suffix(name) in suffixes]
    other = Counter(_suffix(name) or "no suffix" for name in fine if _suffix(name) not in suffixes)
    notes = []
    if other:
        kinds = [f"{kind} {count:,}" for kind, count in other.most_common(KINDS)]
        kinds += ["..."] if len(other) > KINDS else []
        notes.append(f"{other.total():,} files of other kinds passed over: {', '.join(kinds)}")
    if odd:
        shown = ascii(odd[0].encode("utf-8", "surrogateescape"))[2:-1]
        notes.append(f"{len(odd)} files passed over whose names are not UTF-8, such as {shown}")
    return wanted, notes


def _suffix(name: str) -> str:
    """In small letters; "" for what a system hides beside a file, whatever that is called."""
    file = PurePosixPath(name)
    return file.suffix.lower() if not file.name.startswith("._") else ""


def fingerprint_of(parts: Iterable[object]) -> str:
    """Sixteen hexadecimal digits that change with any of the parts."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def read_file(path: Path) -> bytes:
    """A picture's bytes. Raises CoverError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CoverError(f"cannot be read ({error.strerror})") from error


def size_of(path: Path) -> int | None:
    """A file's bytes, None if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def folded(text: str) -> str:
    """A name without case, in the one Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def slug(text: str) -> str:
    """A name as it may stand in an address: words joined by hyphens."""
    return re.sub(r"[\W_]+", "-", folded(text)).strip("-")
