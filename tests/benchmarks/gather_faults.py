"""Gathering from services that fail in every way, killed again and again: is anything lost?

Local stand-ins of MusicBrainz, the Cover Art Archive (with its redirects) and ReccoBeats answer;
5 % of all requests, redirects among them, meet one of `tests.servers.standin.FAULTS`. The real
clients gather tracks, labels and covers with eight workers in a process that is killed with
SIGKILL at `--kills` random moments, and started again each time. Then everything is counted, at
the servers and in the catalogue:

- `lost`: tracks, labels or covers that the world has and the catalogue has not, or has otherwise;
- `doubled`: tracks that stand in the catalogue twice;
- `repeated_in_flight`: whole answers that were asked for again because the process was killed
  before it could keep what they were for, which for a cover takes three; `repeated_otherwise`
  are those for which no kill is to blame;
- `limit_exceeded`: windows in which a server counted more requests than its limit.

The limits are a window of half a second each, so that it ends in minutes. As a baseline the same
is gathered once without faults and kills (`clean_s`, and `ratio` of the time to it).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from albumlib import features
from albumlib.catalog import Catalog
from albumlib.sources.web import Limit
from tests.servers.standin import FAULTS
from tests.servers.world import GROUP, Services, World, mbid, number_of

LIMIT = Limit(60, 0.5)
WORKERS = 8
IN_FLIGHT = 0.5  # seconds before a kill in which an answer may have been on its way
CHILD = """
import json, sys
from albumlib.gathering import gather
from albumlib.sources import web
from albumlib.sources.web import Limit
from tests.servers.world import sources_for, web_for
web.SLOW, web.TIMEOUT, web.GRACE = 0.5, (5, 5), 1.0
folder, addresses = sys.argv[1], json.loads(sys.argv[2])
polite = web_for(addresses, limit=Limit(*json.loads(sys.argv[3])), memory=folder + "/memory")
source, labels = sources_for(polite, addresses, label="The Label")
gather(source, folder, labels=labels, size=250, workers=int(sys.argv[4]))
"""


class Run:
    """One gathering from the stand-ins of a world, in processes of its own."""

    def __init__(self, world: World, folder: Path, faults: float):
        self.services, self.folder = Services(world, faults), folder
        self.kills: list[float] = []
        self.restarts = 0
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
        command = [sys.executable, "-c", CHILD, self.folder, addresses, limit, str(WORKERS)]
        return subprocess.Popen(command, stderr=subprocess.PIPE)

    def _kill(self, child: subprocess.Popen) -> None:
        child.kill()
        child.wait()
        self.kills.append(time.time())

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
            row = states.loc[f"release-group/{mbid(GROUP, album)}"]
            lost += not self._is_right(row, album)
        return lost, int(tracks.duplicated(["album_id", "name"]).sum())

    def _is_right(self, cover, album: int) -> bool:
        world = self.services.world
        if not world.has_cover(album):
            return cover["state"] == "failed" and cover["reason"] == "HTTP 404"
        if cover["state"] != "done":
            return False
        return (self.folder / cover["file"]).read_bytes() == world.picture(album, 250)

    def repeated(self) -> tuple[int, int]:
        """Whole answers that were asked for again: because of a kill, and otherwise."""
        in_flight = otherwise = 0
        kept = self._kept()
        for server in self.services.all.values():
            whole: dict[str, float] = {}
            for request in server.requests:
                before = whole.get(request.path)
                if before is not None and not request.fault:
                    album = _album(request.path)
                    end = before if album < 0 else kept.get(album, math.inf)
                    killed = self._was_killed(before, min(request.came, end + IN_FLIGHT))
                    in_flight, otherwise = in_flight + killed, otherwise + (not killed)
                if request.answered:
                    whole[request.path] = request.came
        return in_flight, otherwise

    def _was_killed(self, start: float, end: float) -> bool:
        return any(start <= kill <= end for kill in self.kills)

    def _kept(self) -> dict[int, float]:
        """When the last answer for a cover came that no kill followed at once; by album."""
        kept: dict[int, float] = {}
        for request in self.services.node.requests + self.services.coverart.requests:
            album = _album(request.path)
            last = request.path.startswith("/items") or not self.services.world.has_cover(album)
            at_once = self._was_killed(request.came, request.came + IN_FLIGHT)
            if request.answered and last and not at_once:
                kept.setdefault(album, request.came)
        return kept

    def exceeded(self) -> int:
        """Windows in which more requests came than the limit allows."""
        return sum(
            max(0, server.most_in_window(LIMIT.seconds) - LIMIT.requests)
            for server in self.services.all.values()
        )

    def faults(self) -> dict[str, int]:
        met: dict[str, int] = defaultdict(int)
        for server in self.services.all.values():
            for request in server.requests:
                met[request.fault] += 1
        return {fault: met[fault] for fault in FAULTS}


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
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        clean = Run(world, Path(folder) / "clean", 0.0)
        clean_s = clean.gather([])
        run = Run(world, Path(folder) / "hard", 0.05)
        moments = sorted(dice.sample(range(1, int(0.95 * clean.requests)), options.kills))
        seconds = run.gather(moments)
        lost, doubled = run.lost_and_doubled()
        in_flight, otherwise = run.repeated()
    faults = run.faults()
    for fault, count in faults.items():
        print(f"{count:>6}  {fault}")
    print(json.dumps({
        "tracks": world.tracks, "kills": len(run.kills), "lost": lost, "doubled": doubled,
        "repeated_in_flight": in_flight, "repeated_otherwise": otherwise,
        "limit_exceeded": run.exceeded(), "requests": run.requests,
        "faults": sum(faults.values()), "ended_politely": run.restarts,
        "seconds": round(seconds, 1), "clean_s": round(clean_s, 1),
        "ratio": round(seconds / clean_s, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
