"""On a busy machine, the threads of a training keep together, on as many cores as it gets.

The threads of an operation wait for each other at its end. Where each has to wait for its turn on
a core of its own, they wait most of all for each other. On one core they take turns: what one does
not need is the other's. What is computed does not depend on it, for the number of threads stays.

Beside two processes that spin, on two cores, a training makes 38 images a second so, 29 without;
beside twelve as many as without. Threads that spin at the end of an operation, as they do where the
machine was not busy when the process started, would be in each other's way: 28 for 33.
"""

import contextlib
import math
import os
import sys
import time
from pathlib import Path
from random import SystemRandom

from albumlib.runtime import threads

APART = 1.0  # seconds from one look to the next
HELD = 15.0  # seconds after which the threads spread for a look, to see what they would get
FULL = 0.02  # of the cores' time is idle: less, and the machine is busy
ALONE = 0.9  # of the cores where the threads are held is theirs: less, and others are there
ROOM = 0.1  # of it is idle: more, and there is room to spread


class Together:
    """Holds this process's threads on some of its cores, or lets them spread over all.

    They are spread at first, and at the end. A look at a machine without idle time holds them on
    as many cores as they had the time of. Nothing happens on other systems than Linux, where they
    do not sleep at once (`threads.BUSY`), or where a person has bound them.

    >>> with Together(count=2) as together:
    ...     together.look()  # as often as one likes
    """

    def __init__(self, count: int):
        asleep = threads.BUSY.items() <= os.environ.items()
        bound = {"GOMP_CPU_AFFINITY", "OMP_PROC_BIND"} & os.environ.keys()
        able = sys.platform == "linux" and count > 1 and asleep and not bound
        self.cores = sorted(os.sched_getaffinity(0)) if able else []
        self.most = min(count, len(self.cores))
        self.held_since: float | None = None
        self._choose()
        self._mark()

    def __enter__(self) -> "Together":
        return self

    def __exit__(self, *_) -> None:
        self._spread()

    def look(self) -> None:
        """Hold the threads or let them spread, by what happened since the last look."""
        now = time.monotonic()
        took = now - self.seen
        if self.most < 2 or took < APART:
            return
        idle = (_idle(self.cores) - self.idle) / took / len(self.cores)
        used = (time.process_time() - self.used) / took  # cores' worth of time
        own = max(1, math.ceil(used))
        if self.held_since is None and idle < FULL and own < self.most:
            _move(self.cores[self.first :] + self.cores[: self.first], own)
            self.held_since = now
        elif self.held_since is not None and (idle > ROOM or now - self.held_since > HELD):
            if used < ALONE * own:
                self._choose()
            self._spread()
        self._mark()

    def _spread(self) -> None:
        if self.held_since is not None:
            _move(self.cores, len(self.cores))
            self.held_since = None

    def _choose(self) -> None:
        """Where to be held, by chance: others that are held there, too, choose again as we do."""
        self.first = SystemRandom().randrange(max(1, len(self.cores)))

    def _mark(self) -> None:
        self.seen, self.used = time.monotonic(), time.process_time()
        self.idle = _idle(self.cores)


def _move(cores: list[int], count: int) -> None:
    for path in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            os.sched_setaffinity(int(path.name), cores[:count])


def _idle(cores: list[int]) -> float:
    """Seconds that these cores have been idle since the machine was started."""
    if not cores:
        return 0.0
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    ticks = {line.split()[0]: sum(map(int, line.split()[4:6])) for line in lines}
    return sum(ticks[f"cpu{core}"] for core in cores) / os.sysconf("SC_CLK_TCK")
