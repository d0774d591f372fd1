"""A catalogue of a million tracks: how long they take to enter, and to find what is next.

Tracks, the labels they lack and 120,000 covers enter page by page, as from a service, and each
cover's state is set. Then the file is opened anew in another process, which asks for the next
covers and the next labels to fetch, and for the source's position. The baseline is SQLite itself:
the bare rows, without keys to look up, in the same pages (`bare_s`, and `ratio` to it).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from albumlib.dataset.catalog import COLUMNS, Catalog
from albumlib.dataset.gathering import DRAWN
from albumlib.sources.base import Page, Track

PAGE = 500  # tracks, as MusicBrainz sends them
REOPEN = """
import sys, time
from albumlib.dataset.catalog import Catalog
begun = time.perf_counter()
with Catalog(sys.argv[1]) as catalog:
    assert catalog.noted("position") == sys.argv[2]
    assert len(catalog.next_covers(64)) == 64 and len(catalog.next_labels("todo", 40)) == 40
print(time.perf_counter() - begun)
"""


def pages(tracks: int, covers: int) -> Iterator[Page]:
    """Invented tracks, none with features."""
    for start in range(0, tracks, PAGE):
        numbers = range(start, min(start + PAGE, tracks))
        yield Page([track(n, n * covers // tracks) for n in numbers], str(numbers[-1] + 1))


def track(number: int, album: int) -> Track:
    """Albums' ids and ISRCs come in no order; those ISRCs of one album follow each other."""
    group = mixed(f"album {album}")
    return Track(
        id=f"{group}/{mixed(f'track {number}')}",
        name=f"Track {number}",
        artist=f"Artist {album // 5}",
        album_id=group,
        album=f"Album {album}",
        release_date="1999-05-01",
        cover=f"release-group/{group}",
        isrc=f"QZ{group[:3].upper()}{int(group[4:8], 16) * 100 % 10**7 + number % 100:07d}",
    )


def mixed(text: str) -> str:
    return str(uuid.UUID(bytes=hashlib.md5(text.encode()).digest()))


def ingest(path: Path, tracks: int, covers: int) -> tuple[float, float]:
    """Seconds that all tracks and the states of all covers but a hundred take, and CPU seconds."""
    spent = cpu = 0.0
    with Catalog(path) as catalog:
        for page in pages(tracks, covers):
            begun, busy = time.perf_counter(), time.process_time()
            catalog.add_tracks(page.tracks, page.next)
            spent += time.perf_counter() - begun
            cpu += time.process_time() - busy
        begun, busy = time.perf_counter(), time.process_time()
        references = catalog.next_covers(covers - 100)
        for start in range(0, len(references), DRAWN):
            part = references[start : start + DRAWN]
            catalog.cover_failed((reference, "HTTP 404") for reference in part[:4])
            catalog.cover_done(
                (reference, f"covers/00/{reference[-20:]}.jpg", "0" * 64, 20_000)
                for reference in part[4:]
            )
        spent += time.perf_counter() - begun
        cpu += time.process_time() - busy
        counts = catalog.counts()
    assert (counts["tracks"], counts["covers todo"]) == (tracks, 100), counts
    return spent, cpu


def bare(path: Path, tracks: int, covers: int) -> float:
    """Seconds that the same rows take in a table without a key."""
    spent = 0.0
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"CREATE TABLE tracks ({', '.join(COLUMNS)})")
        insert = f"INSERT INTO tracks VALUES ({', '.join('?' * len(COLUMNS))})"
        for page in pages(tracks, covers):
            rows = [tuple(getattr(t, name, None) for name in COLUMNS) for t in page.tracks]
            begun = time.perf_counter()
            db.execute("BEGIN")
            db.executemany(insert, rows)
            db.execute("COMMIT")
            spent += time.perf_counter() - begun
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000, help="tracks")
    n = parser.parse_args().n
    covers = max(200, n * 12 // 100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.sqlite"
        seconds, cpu = ingest(path, n, covers)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        plain = bare(Path(folder) / "bare.sqlite", n, covers)
        command = [sys.executable, "-c", REOPEN, str(path), str(n)]
        reopened = float(subprocess.run(command, check=True, capture_output=True).stdout)
        size = path.stat().st_size / 2**20
    print(json.dumps({
        "n": n, "covers": covers, "ingest_s": round(seconds, 2), "ingest_cpu_s": round(cpu, 2),
        "next_s": round(reopened, 4),
        "rss_mb": round(peak), "file_mb": round(size), "bare_s": round(plain, 2),
        "ratio": round(seconds / plain, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
