"""Source to catalogue to cover files: resumable at any moment, each cover fetched once.

Tracks go into the catalogue first, then covers are fetched and written one file each. What was
done is known to the catalogue alone; a file appears whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from albumlib.catalog import Catalog
from albumlib.sources import CoverError, Source, SourceError
from albumlib.workers import spread

Progress = Callable[[str, int, int], None]  # what, done, total
CHUNK = 2000  # tracks a transaction
DRAWN, WAITED = 64, 8  # covers a worker's task, and a transaction: drawn or fetched


def gather(
    source: Source,
    folder: str | Path,
    *,
    limit: int | None = None,
    size: int = 300,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Gather tracks and covers of a source into `folder`, going on where it was left.

    `limit` ends the gathering after so many tracks in all. Covers are asked for at about `size`
    pixels. Returns the catalogue's counts. Raises SourceError if the folder belongs to another
    source, or if the disk is full; Ctrl-C leaves all that was done in place.
    """
    folder = Path(folder)
    try:
        with Catalog(folder / "catalog.sqlite") as catalog:
            _claim(catalog, source, folder)
            _gather_tracks(catalog, source, limit, progress)
            _gather_covers(catalog, source, folder, size, workers, progress)
            return catalog.counts()
    except (OSError, sqlite3.Error) as error:
        if not _disk_is_full(error):
            raise
        raise SourceError(
            f"the disk is full; free some space in {folder} and start again: "
            "everything gathered so far is kept"
        ) from error


def _disk_is_full(error: Exception) -> bool:
    """Whether it is the system that says so, or SQLite."""
    return getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)


def _claim(catalog: Catalog, source: Source, folder: Path) -> None:
    identity = getattr(source, "identity", source.name)
    owner = catalog.noted("source", identity)
    if owner != identity:
        raise SourceError(
            f"{folder} was gathered from {owner!r}, not {identity!r}: choose another folder"
        )
    catalog.note("source", identity)
    catalog.note("licence", source.licence)


def _gather_tracks(
    catalog: Catalog, source: Source, limit: int | None, progress: Progress | None
) -> None:
    position = catalog.position
    left = None if limit is None else max(0, limit - position)
    tracks = itertools.islice(source.tracks(position), left)
    total = limit or (len(source) if hasattr(source, "__len__") else 0)
    while chunk := list(itertools.islice(tracks, CHUNK)):
        position += len(chunk)
        catalog.add_tracks(chunk, position)
        if progress:
            progress("tracks", position, total)


def _gather_covers(
    catalog: Catalog,
    source: Source,
    folder: Path,
    size: int,
    workers: int,
    progress: Progress | None,
) -> None:
    counts = catalog.counts()
    done, total = counts["covers done"] + counts["covers failed"], sum(list(counts.values())[2:])
    waits = getattr(source, "waits", False)  # for a network or a disk, so threads will do
    fetch = partial(_fetch_round, source, folder, size)
    rounds = _rounds(catalog, WAITED if waits else DRAWN)
    for found, failed in spread(fetch, rounds, workers, threads=waits):
        catalog.cover_done(found)
        catalog.cover_failed(failed)
        done += len(found) + len(failed)
        if progress:
            progress("covers", done, total)


def _rounds(catalog: Catalog, length: int) -> Iterator[list[str]]:
    references = catalog.next_covers(10**9)
    for start in range(0, len(references), length):
        yield references[start : start + length]


def _fetch_round(source: Source, folder: Path, size: int, references: list[str]) -> tuple:
    found, failed = [], []
    for reference in references:
        try:
            data = source.cover(reference, size)
        except CoverError as error:
            failed.append((reference, str(error)))
            continue
        found.append((reference, *_store(folder, reference, data)))
    return found, failed


def _store(folder: Path, reference: str, data: bytes) -> tuple[str, str, int]:
    """Write a cover's bytes under a name that follows from its reference."""
    name = hashlib.sha256(reference.encode()).hexdigest()[:20]
    path = folder / "covers" / name[:2] / (name + _suffix(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # half a file helps nobody, least of all on a full disk
        raise
    return path.relative_to(folder).as_posix(), hashlib.sha256(data).hexdigest(), len(data)


def _suffix(data: bytes) -> str:
    """By the bytes, not by what a server says; for people who open the folder."""
    for magic, suffix in ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"RIFF", ".webp")):
        if data.startswith(magic):
            return suffix
    return ".bin"
