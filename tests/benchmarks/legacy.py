"""How much memory the file of 2021 needs beyond its own pages, and how fast it is read.

A file of the real one's shape is generated (64×64×3 pictures, names, ten labels each, a picture
shared by eight tracks), piece by piece. A second process opens it, walks over all its tracks and
takes some covers, with its private memory capped at `--cap` MB beyond what it had before, by the
kernel (RLIMIT_DATA); the peak is sampled besides. The baseline is the file itself: what any
reader needs at least that holds the pictures, as `numpy.load` does. Linux only.

    python tests/benchmarks/legacy.py --n 500000    # 6.2 GB on the disk, some minutes
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

TRACKS_AN_ALBUM = 8


class Picture:
    """Pickles as the picture of an album, which is made at that moment."""

    def __init__(self, number: int):
        self.number = number

    def __reduce__(self):
        rng = np.random.default_rng(self.number // TRACKS_AN_ALBUM)
        return rng.integers(0, 256, (64, 64, 3), dtype=np.uint8).__reduce__()


class Writer(pickle._Pickler):
    """Writes what Python's own does, but forgets the pictures that it has written."""

    def memoize(self, obj: object) -> None:
        if not isinstance(obj, (bytes, tuple)):
            return super().memoize(obj)
        place = len(self.memo)
        self.write(self.put(place))
        self.memo[-1 - place] = place, None
        return None


def generate(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    found = np.empty((), object)
    found[()] = {
        "data": [Picture(number) for number in range(n)],
        "names": [f"the name of track {number}" for number in range(n)],
        "labels": [[number % 101, *rng.random(9).tolist()] for number in range(n)],
    }
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        Writer(file, 4).dump(found)


def read(path: Path, cap: int) -> dict[str, float]:
    """Open the file and use it, with a cap on private memory."""
    from albumlib.sources.legacy import Legacy

    before, data = _status("RssAnon"), _status("VmData")
    limit = int((data + cap) * 2**20)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    peak = [before]
    over = threading.Event()
    threading.Thread(target=_watch, args=(peak, over), daemon=True).start()
    start = time.perf_counter()
    source = Legacy(path)
    opened = time.perf_counter()
    covers = [track.cover for track in source.tracks()]
    walked = time.perf_counter()
    some = covers[:: max(1, len(covers) // 500)]
    for cover in some:
        source.cover(cover, 300)
    done = time.perf_counter()
    over.set()
    return {
        "n": len(covers),
        "extra_mb": round(max(peak) - before),
        "open_s": round(opened - start, 2),
        "tracks_per_s": round(len(covers) / (walked - opened)),
        "covers_per_s": round(len(some) / (done - walked)),
    }


def _status(key: str) -> float:
    """A line of the kernel's account of this process, MB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def _watch(peak: list[float], over: threading.Event) -> None:
    while not over.wait(0.02):
        peak.append(_status("RssAnon"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000, help="pictures")
    parser.add_argument("--cap", type=int, default=2000, help="MB of private memory")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(options.read, options.cap)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spd_train.npy"
        generate(path, options.n)
        command = [sys.executable, __file__, "--read", str(path), "--cap", str(options.cap)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(run.stdout)
        file_mb = path.stat().st_size / 2**20
        bytes_each = found["extra_mb"] * 2**20 / options.n
        found |= {
            "file_mb": round(file_mb),
            "ratio": round(found["extra_mb"] / file_mb, 3),
            "bytes_a_picture": round(bytes_each),
            "extra_mb_at_500k": round(bytes_each * 500_000 / 2**20),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
