"""A plain folder of pictures: covers without tracks or labels, for the unconditional model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from albumlib.sources.base import CoverError, SourceError, Track

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif")


class Folder:
    """Every picture below a folder, by its path; each is an album of one nameless track."""

    name = "folder"
    licence = "The pictures' own: ask their owners before you show what a model made of them."
    waits = True  # for a disk, so threads will do

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_dir():
            raise SourceError(f"there is no folder {self.path}")
        files = sorted(file for file in self.path.rglob("*") if file.suffix.lower() in SUFFIXES)
        self._names = [file.relative_to(self.path).as_posix() for file in files]
        if not self._names:
            raise SourceError(f"{self.path} holds no pictures ({', '.join(SUFFIXES)})")

    @property
    def identity(self) -> str:
        return f"folder:{self.path.name}"

    def __len__(self) -> int:
        return len(self._names)

    def tracks(self, start: int = 0) -> Iterator[Track]:
        for name in self._names[start:]:
            stem = Path(name).stem
            yield Track(id=name, name=stem, artist="", album_id=name, album=stem, cover=name)

    def cover(self, reference: str, size: int) -> bytes:
        """The file as it is. Raises CoverError if it cannot be read."""
        try:
            return (self.path / reference).read_bytes()
        except OSError as error:
            raise CoverError(f"cannot be read ({error.strerror})") from error
