"""Source to catalogue to cover files: resumable at any moment, each cover fetched once.

Tracks go into the catalogue first, then the labels that they lack, then covers are written one file
each. Each answer of a service is kept before the next request.
"""

import errno
import hashlib
import itertools
import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from albumlib import AlbumlibError, features
from albumlib.dataset.catalog import Catalog
from albumlib.runtime.files import written_whole
from albumlib.runtime.names import renamed, today
from albumlib.runtime.progress import Progress, silent
from albumlib.runtime.workers import spread
from albumlib.sources.base import CoverError, Covers, Labels, Page, Source, SourceError, Track

CHUNK = 2000  # tracks a transaction
DRAWN = 64  # covers a worker's task, and a transaction, where they are not waited for
SUFFIXES = {  # how a picture's bytes begin, whatever a server says that it is
    ".jpg": rb"\xff\xd8",
    ".png": rb"\x89PNG",
    ".webp": rb"RIFF",
    ".gif": rb"GIF8",
    ".avif": rb"....ftypavi[fs]",
    ".tif": rb"II\*\0|MM\0\*",
    ".bmp": rb"BM",
    ".bin": rb"",
}


def gather(
    source: Source,
    folder: str | Path,
    *,
    labels: Labels | None = None,
    covers: Covers | None = None,
    limit: int | None = None,
    size: int = 300,
    workers: int = 2,
    progress: Progress = silent,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, int]:
    """Gather tracks, labels and covers into `folder`, going on where it was left.

    Features that the source does not have come from `labels`, covers from `covers` instead of the
    source, if these are given. `limit` ends the gathering after so many tracks in all. Covers are
    asked for at about `size` pixels. Returns the catalogue's counts, and how many odd records of a
    service were put aside.

    A source that has changed is read anew, and once every cover was tried, those that failed are
    tried again; `tell` gets a sentence about it. What became of a table's rows is written to
    `import.json`.

    Raises SourceError if the folder belongs to another source, if the disk is full, or if a service
    cannot go on; Ctrl-C leaves all that was done in place.
    """
    folder = Path(folder)
    try:
        with Catalog(folder / "catalog.sqlite") as catalog:
            _claim(catalog, source, folder, labels, covers)
            _repair(catalog, source, folder, tell)
            _gather_tracks(catalog, source, covers, limit, progress)
            catalog.drop_orphans()
            if labels:
                _gather_labels(catalog, labels, progress)
            _gather_covers(catalog, covers or source, folder, size, workers, progress)
            return catalog.counts() | _put_aside(source, labels, covers)
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and "disk is full" not in str(error):
            raise  # the first is what the system says, the second SQLite
        raise SourceError(
            f"the disk is full; free some space in {folder} and start again: "
            "everything gathered so far is kept"
        ) from error


def _put_aside(*parts: Source | Labels | Covers | None) -> dict[str, int]:
    reasons = sum((getattr(part, "put_aside", Counter()) for part in parts if part), Counter())
    return {f"put aside: {reason}": count for reason, count in reasons.items()}


def _claim(
    catalog: Catalog, source: Source, folder: Path, labels: Labels | None, covers: Covers | None
) -> None:
    identity = getattr(source, "identity", source.name) + (f" with {covers.name}" if covers else "")
    owner = today(catalog.noted("source", identity))
    if owner != identity:
        raise SourceError(
            f"{folder} was gathered from {owner!r}, not {identity!r}: choose another folder"
        )
    settings = getattr(source, "settings", {})
    before = settings | renamed(json.loads(catalog.noted("source_settings", "{}")))
    if before != settings:
        then, now = (
            ", ".join(f"{k} {v}" for k, v in given.items()) for given in (before, settings)
        )
        raise SourceError(f"{folder} was gathered with {then}, not {now}: choose another folder")
    catalog.note("source", identity)
    catalog.note("source_settings", json.dumps(settings))
    licences = [part.licence for part in (source, labels, covers) if part]
    catalog.note("licence", " ".join(dict.fromkeys(licences)))


def _repair(catalog: Catalog, source: Source, folder: Path, tell: Callable[[str], None]) -> None:
    """Have a changed source read anew and failed covers fetched again; write the account."""
    if hasattr(source, "account"):
        source.account.write(folder)
    if not catalog.counts()["covers todo"] and (count := catalog.retry_failed()):
        tell(f"{count:,} covers could not be had before, and are tried again")
    if replaced := _replaced(catalog, source, folder):
        tell(f"{replaced:,} pictures were replaced since, and are taken anew")
    fingerprint = getattr(source, "fingerprint", "")
    if fingerprint == catalog.noted("fingerprint"):
        return
    if catalog.noted("position"):
        tell(f"{source.name} has changed since it was gathered, and is read anew")
    if hasattr(source, "known"):
        table = catalog.tracks().set_index("id")[list(features.NAMES)]
        source.known = {name: row.dropna().to_dict() for name, row in table.iterrows()}
    if getattr(source, "draws", False):  # covers follow from features, so from those of today
        catalog.retry(catalog.covers()["reference"])
        shutil.rmtree(folder / "covers", ignore_errors=True)
    catalog.begin_again(fingerprint)


def _replaced(catalog: Catalog, source: Source, folder: Path) -> int:
    """Forget covers whose file at the source is another one now; returns how many."""
    if not hasattr(source, "size_of"):
        return 0
    covers = catalog.covers().query("state == 'done'")
    now = covers["reference"].map(source.size_of)
    covers = covers[now.notna() & (now != covers["bytes"])]
    for file in covers["file"]:
        (folder / file).unlink(missing_ok=True)
    catalog.retry(covers["reference"])
    return len(covers)


def _gather_tracks(
    catalog: Catalog,
    source: Source,
    covers: Covers | None,
    limit: int | None,
    progress: Progress,
) -> None:
    done = catalog.counts()["tracks"]
    total = limit or (len(source) if hasattr(source, "__len__") else 0)
    if limit and done >= limit:
        return
    for page in _pages(source, catalog.noted("position")):
        rest = page.tracks
        if covers:
            rest = [replace(track, cover=covers.reference(track)) for track in rest]
        while True:  # once, or until the limit cuts the page: then its position is not reached
            left = limit - done if limit else len(rest)
            part, rest = rest[:left], rest[left:]
            done += catalog.add_tracks(part, None if rest else page.next)
            if not rest or done == limit:
                break
        progress("tracks", done, total)
        if done == limit:
            return


def tracks_of(source: Source) -> Iterator[Track]:
    """All tracks of any source, from the beginning; nothing is kept."""
    for page in _pages(source, ""):
        yield from page.tracks


def _pages(source: Source, position: str) -> Iterator[Page]:
    """The source's own pages, or tracks by the thousand, counted."""
    if hasattr(source, "pages"):
        yield from source.pages(position)
        return
    start = int(position or 0)
    tracks = source.tracks(start)
    while chunk := list(itertools.islice(tracks, CHUNK)):
        start += len(chunk)
        yield Page(chunk, str(start))


def _gather_labels(catalog: Catalog, labels: Labels, progress: Progress) -> None:
    """Ask for the labels that are missing; each answer is kept before the next request."""
    done, total = catalog.labels_asked()
    while True:
        found = catalog.next_labels("found", labels.batch)
        todo = catalog.next_labels("todo", labels.batch) if len(found) < labels.batch else []
        if todo:
            done += _find(catalog, labels, [key for key, _ in todo])
        elif found:
            done += _measure(catalog, labels, found)
        else:
            return
        progress("labels", done, total)


def _find(catalog: Catalog, labels: Labels, keys: list[str]) -> int:
    """Ask which records the keys mean; the number of those that are settled with that."""
    known = labels.find(keys)
    unknown = [key for key in keys if key not in known]
    catalog.add_labels(
        [(key, "found", *known[key]) for key in known]
        + [(key, "unknown", None, {}) for key in unknown]
    )
    return len(unknown)


def _measure(catalog: Catalog, labels: Labels, found: list[tuple[str, str]]) -> int:
    known = labels.measure(list(dict.fromkeys(record for _, record in found)))
    catalog.add_labels((key, "done", None, known.get(record, {})) for key, record in found)
    return len(found)


def _gather_covers(
    catalog: Catalog,
    source: Source | Covers,
    folder: Path,
    size: int,
    workers: int,
    progress: Progress,
) -> None:
    counts = catalog.counts()
    total = sum(counts[f"covers {state}"] for state in ("todo", "done", "failed"))
    done = total - counts["covers todo"]
    waits = getattr(source, "waits", False)  # for a network or a disk, so threads will do
    web = getattr(source, "web", None)
    references, length = catalog.next_covers(10**9), 1 if waits else DRAWN
    rounds = (references[i : i + length] for i in range(0, len(references), length))
    errors: list[AlbumlibError] = []
    begun = itertools.takewhile(lambda _: not errors, rounds)
    fetch = partial(_fetch_round, source, folder, size)
    try:
        for found, failed, error in spread(
            fetch, begun, workers, threads=waits, stop=web and web.stop
        ):
            catalog.cover_done(found)
            catalog.cover_failed(failed)
            errors += [error] if error else []
            done += len(found) + len(failed)
            progress("covers", done, total)
    finally:
        if web:
            web.start()  # for the next gathering, if this one was interrupted
    if errors:
        raise errors[0]


def _fetch_round(
    source: Source | Covers, folder: Path, size: int, references: list[str]
) -> tuple[list, list, AlbumlibError | None]:
    """Covers fetched, covers that cannot be had, and what makes it senseless to go on."""
    found, failed = [], []
    for reference in references:
        try:
            kept = _kept(folder, reference)
            file = kept or _store(folder, reference, source.cover(reference, size))
            found.append((reference, *file))
        except CoverError as error:
            failed.append((reference, str(error)))
        except AlbumlibError as error:
            return found, failed, error
    return found, failed, None


def _place(folder: Path, reference: str) -> Path:
    """Where a cover's file is, but for its suffix: it follows from the reference."""
    name = hashlib.sha256(reference.encode()).hexdigest()[:20]
    return folder / "covers" / name[:2] / name


def _kept(folder: Path, reference: str) -> tuple[str, str, int] | None:
    """A file that was there before it was in the catalogue, as after a kill."""
    for suffix in SUFFIXES:
        path = _place(folder, reference).with_suffix(suffix)
        if path.is_file() and (data := path.read_bytes()):
            return _described(folder, path, data)
    return None


def _store(folder: Path, reference: str, data: bytes) -> tuple[str, str, int]:
    """Write a cover's bytes: its file, sha256 and size."""
    suffix = next(end for end, magic in SUFFIXES.items() if re.match(magic, data, re.DOTALL))
    path = _place(folder, reference).with_suffix(suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        unfinished.write_bytes(data)
    return _described(folder, path, data)


def _described(folder: Path, path: Path, data: bytes) -> tuple[str, str, int]:
    return path.relative_to(folder).as_posix(), hashlib.sha256(data).hexdigest(), len(data)
