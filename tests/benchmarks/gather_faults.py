"""Gathering from services that fail in every way, killed again and again: is anything lost?

Local stand-ins of MusicBrainz, the Cover Art Archive (with its redirects) and ReccoBeats answer;
5 % of all requests, redirects among them, meet one of `tests.servers.standin.FAULTS`. The real
clients gather tracks, labels and covers with eight workers in a process that is killed with
SIGKILL at `--kills` random moments, and started again each time. Then everything is counted, at
the servers and in the catalogue:

- `lost`: tracks, labels or covers that the world has and the catalogue has not, or has otherwise;
- `doubled`: tracks that stand in the catalogue twice;
- `repeated_in_flight`: whole answers that were asked for again because a kill came before what
  they were for was kept (a cover takes three): the files that the kill left say whether it was;
  `repeated_timed_out`: because the client, which says what it got, had hung up on a slow one;
  `repeated_otherwise`: without such an excuse;
- `limit_exceeded`: windows in which a server counted more requests than its limit.

The limits are a window of half a second each, so that it ends in minutes. As a baseline the same
is gathered once without faults and kills (`clean_s`, and `ratio` of the time to it).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albumlib import features
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.gathering import _place
from albumlib.sources.web import Limit
from tests.servers.standin import FAULTS, Request
from tests.servers.world import GROUP, Services, World, mbid, number_of

LIMIT = Limit(60, 0.5)
WORKERS = 8
CHILD = """
import json, os, sys
from albumlib.dataset.gathering import gather
from albumlib.sources import pace, transport, web
from albumlib.sources.web import Limit
from tests.servers.world import sources_for, web_for
transport.SLOW, pace.GRACE = 0.5, 1.0
folder, addresses, limit = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
life = sys.argv[5]
heard = os.open(folder + "/heard", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
ask = web.Web._ask

def telling(self, request, *options):
    answer = ask(self, request, *options)
    os.write(heard, (life + " " + request.url + chr(10)).encode())
    return answer

web.Web._ask = telling
polite = web_for(addresses, limit=Limit(*limit), memory=folder + "/memory", contact="life " + life)
source, labels = sources_for(polite, addresses, label="The Label")
gather(source, folder, labels=labels, size=250, workers=int(sys.argv[4]))
"""


class Asked(NamedTuple):
    """A request, at which address, and in which of the processes' lives."""

    request: Request
    url: str
    life: int


class Run:
    """One gathering from the stand-ins of a world, in processes of its own."""

    def __init__(self, world: World, folder: Path, faults: float):
        self.services, self.folder = Services(world, faults), folder
        self.settled: dict[int, set[int]] = {}  # albums, by the life that was killed after them
        self.lives = self.restarts = 0
        folder.mkdir()

    @property
    def requests(self) -> int:
        return sum(len(server.requests) for server in self.services.all.values())

    def gather(self, moments: list[int]) -> float:
        """Seconds that it takes, killed each time that so many requests have come."""
        begun = time.monotonic()
        while True:
            child = self._start()
            while child.poll() is None:
                if moments and self.requests >= moments[0]:
                    self._kill(child)
                    moments.pop(0)
                time.sleep(0.001)
            if child.returncode == 0:
                return time.monotonic() - begun
            if child.returncode != -signal.SIGKILL:
                self.restarts += 1  # it ended politely; somebody starts it again
                said = child.stderr.read().decode().splitlines() or [f"exit {child.returncode}"]
                print(said[-1], file=sys.stderr)

    def _start(self) -> subprocess.Popen:
        addresses = json.dumps(self.services.addresses)
        limit = json.dumps([LIMIT.requests, LIMIT.seconds])
        self.lives += 1
        options = [addresses, limit, str(WORKERS), str(self.lives)]
        command = [sys.executable, "-c", CHILD, self.folder, *options]
        return subprocess.Popen(command, stderr=subprocess.PIPE)

    def _kill(self, child: subprocess.Popen) -> None:
        child.kill()
        child.wait()
        self.settled[self.lives] = self._settled()

    def _settled(self) -> set[int]:
        """Albums whose covers are in the catalogue or on the disk; a copy is opened, not theirs."""
        with tempfile.TemporaryDirectory() as folder:
            for file in self.folder.glob("catalog.sqlite*"):
                shutil.copy(file, folder)
            with Catalog(Path(folder) / "catalog.sqlite") as catalog:
                covers = catalog.covers().set_index("reference")["state"]
        known = set(covers.index[covers != "todo"])
        files = {file.stem for file in self.folder.glob("covers/*/*.jpg")}
        every = {album: _reference(album) for album in range(self.services.world.albums)}
        return {
            n for n, cover in every.items() if cover in known or _place(Path(), cover).name in files
        }

    # What became of it ------------------------------------------------------------------------

    def lost_and_doubled(self) -> tuple[int, int]:
        world = self.services.world
        with Catalog(self.folder / "catalog.sqlite") as catalog:
            tracks, covers = catalog.tracks().set_index("id"), catalog.covers()
        found = tracks.reindex([world.track_id(n) for n in range(world.tracks)])
        values = found[list(features.NAMES)].to_numpy(float)
        expected = np.array([world.labels(n) for n in range(world.tracks)])
        right = (values == expected) | (np.isnan(values) & np.isnan(expected))
        lost = int((~right.all(1) | found["name"].isna()).sum())
        states = covers.set_index("reference")
        for album in range(world.albums):
            row = states.loc[_reference(album)]
            lost += not self._is_right(row, album)
        return lost, int(tracks.duplicated(["album_id", "name"]).sum())

    def _is_right(self, cover, album: int) -> bool:
        world = self.services.world
        if not world.has_cover(album):
            return cover["state"] == "failed" and cover["reason"] == "HTTP 404"
        if cover["state"] != "done":
            return False
        return (self.folder / cover["file"]).read_bytes() == world.picture(album, 250)

    def repeated(self) -> Counter[str]:
        """Whole answers that were asked for again, by what is to blame."""
        every = sorted(self._asked(), key=lambda asked: asked.request.came)
        last = {asked.life: asked for asked in every}
        heard = set((self.folder / "heard").read_text().splitlines())
        whole: dict[str, Asked] = {}
        blamed: Counter[str] = Counter()
        for asked in every:
            before = whole.get(asked.url)
            if before and not asked.request.fault:
                timed_out = f"{before.life} {before.url}" not in heard
                if before.life < asked.life and self._was_in_flight(before, last):
                    blamed["in flight"] += 1
                else:
                    blamed["timed out" if timed_out else "otherwise"] += 1
            if asked.request.answered:
                whole[asked.url] = asked
        return blamed

    def _asked(self) -> Iterator[Asked]:
        for server in self.services.all.values():
            for request in server.requests:
                life = int(re.search(r"life (\d+)", request.agent)[1])
                yield Asked(request, server.url + request.path, life)

    def _was_in_flight(self, asked: Asked, last: dict[int, Asked]) -> bool:
        """Whether a kill came before what was answered could be kept.

        Covers come side by side; of all else, each answer is kept before the next request.
        """
        if asked.life not in self.settled:
            return False
        album = _album(asked.request.path)
        return last[asked.life] is asked if album < 0 else album not in self.settled[asked.life]

    def exceeded(self) -> int:
        """Windows in which more requests came than the limit allows."""
        return sum(
            max(0, server.most_in_window(LIMIT.seconds) - LIMIT.requests)
            for server in self.services.all.values()
        )

    def faults(self) -> dict[str, int]:
        met = Counter(r.fault for server in self.services.all.values() for r in server.requests)
        return {fault: met[fault] for fault in FAULTS}


def _reference(album: int) -> str:
    return f"release-group/{mbid(GROUP, album)}"


def _album(path: str) -> int:
    """The album that a request is about, if it is one for a cover; else -1."""
    found = re.match(r"/(release-group/|download/mbid-|items/mbid-)([0-9a-f-]{36})", path)
    return number_of(found[2]) if found else -1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4000, help="tracks")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    options = parser.parse_args()
    world = World(albums=options.n // World.length)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        clean = Run(world, Path(folder) / "clean", 0.0)
        clean_s = clean.gather([])
        run = Run(world, Path(folder) / "hard", 0.05)
        moments = sorted(rng.sample(range(1, int(0.95 * clean.requests)), options.kills))
        seconds = run.gather(moments)
        lost, doubled = run.lost_and_doubled()
        repeated = run.repeated()
    faults = run.faults()
    for fault, count in faults.items():
        print(f"{count:>6}  {fault}")
    print(json.dumps({
        "tracks": world.tracks, "kills": len(run.settled), "lost": lost, "doubled": doubled,
        "repeated_in_flight": repeated["in flight"],
        "repeated_timed_out": repeated["timed out"],
        "repeated_otherwise": repeated["otherwise"],
        "limit_exceeded": run.exceeded(), "requests": run.requests,
        "faults": sum(faults.values()), "ended_politely": run.restarts,
        "seconds": round(seconds, 1), "clean_s": round(clean_s, 1),
        "ratio": round(seconds / clean_s, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
