"""The smoke course, killed at random moments and started again: does it end with the same numbers?

The course runs once unbroken, which says when each of its cells begins. Then it runs again, is
killed with SIGKILL at `--kills` moments drawn uniformly from the time of the first run, and started
again at once each time. At random a kill takes the whole tree of processes, as when a machine loses
its power, or the runner alone, as `kill -9` does: its kernel is then left to end by itself. At last
the numbers in `results.json` are compared: `equal` of how many `numbers`, and the `differing` ones
by name. `again_s` is one more start, for which nothing is left to do; `ratio` is the time of all
the broken runs to that of the unbroken one.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from albumlib.course.runner import read_results

CELL = re.compile(r"\d+/\d+ \w+: cell \d+ of \d+")
Moment = tuple[int, float]  # how many cells have begun, and seconds since the last of them


def start(out: Path) -> subprocess.Popen:
    """The course in a process of its own, as a user would start it."""
    command = [sys.executable, "-m", "albumlib", "course", "--profile", "smoke", "--out", out]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def begun(process: subprocess.Popen) -> Iterator[str]:
    """Its cells as they begin. SystemExit if it does not end well."""
    for line in process.stdout:
        print(line, end="", file=sys.stderr)
        if CELL.match(line):
            yield line.strip()
    if process.wait():
        raise SystemExit("the course failed, see above")


def unbroken(out: Path) -> tuple[list[str], list[float]]:
    """Every cell of the course, and when it began; the end of the run is the last of the times."""
    began, cells, times = time.monotonic(), [], []
    for cell in begun(start(out)):
        cells.append(cell)
        times.append(time.monotonic() - began)
    return cells, [*times, time.monotonic() - began]


def drawn(times: list[float], kills: int, rng: random.Random) -> list[Moment]:
    """Moments drawn uniformly from the time of a run, in order, each after the cell it falls in."""
    moments = sorted(rng.uniform(times[0], times[-1]) for _ in range(kills))
    within = [sum(time <= moment for time in times) - 1 for moment in moments]
    return [(cell, moment - times[cell]) for cell, moment in zip(within, moments, strict=True)]


def broken(out: Path, cells: list[str], left: list[Moment], rng: random.Random) -> list[str]:
    """Run until nothing is left to do, killed at each of the moments; returns where that was."""
    killed: list[str] = []
    while True:
        process = start(out)
        for cell in begun(process):
            if left and cells.index(cell) >= left[0][0]:
                time.sleep(left.pop(0)[1])
                killed.append(kill(process, rng.random() < 0.5, cell))
                break
        else:
            return killed


def kill(process: subprocess.Popen, whole: bool, cell: str) -> str:
    """SIGKILL to the runner, or to all its tree; what was killed where, in words."""
    runner = psutil.Process(process.pid)
    for one in [runner, *(runner.children(recursive=True) if whole else [])]:
        one.kill()
    process.wait()
    process.stdout.close()
    return f"{'everything' if whole else 'the runner'} at {cell}"


def main() -> None:
    """Run it, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--seed", type=int, default=2021)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = Path(folder) / "whole", Path(folder) / "parts"
        cells, times = unbroken(whole)
        began = time.monotonic()
        killed = broken(parts, cells, drawn(times, asked.kills, rng), rng)
        took = time.monotonic() - began
        began = time.monotonic()
        assert not list(begun(start(parts))), "a finished run has something left to do"
        again = time.monotonic() - began
        one, other = (read_results(out / "results.json") for out in (whole, parts))
    differing = sorted(name for name in one | other if one.get(name) != other.get(name))
    found = {
        "kills": len(killed), "killed": killed, "numbers": len(one),
        "equal": len(one) - len(differing), "differing": differing,
        "unbroken_s": round(times[-1], 1), "broken_s": round(took, 1),
        "ratio": round(took / times[-1], 2), "again_s": round(again, 1),
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
