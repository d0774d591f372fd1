"""Decoding against plain Pillow: how many times as fast, and how near.

Plain is what one writes first: open the file, convert it to RGB, resample all of it by Lanczos'
filter. Both read the same JPEGs of the built-in imprint, 640 pixels wide by default; the error is
the mean difference in grey levels. Time is processor time, the best of several rounds in turn.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from albumlib.dataset.images import decode
from albumlib.sources.imprint.imprint import Imprint


def plain(data: bytes, size: int) -> np.ndarray:
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def ours(data: bytes, size: int) -> np.ndarray:
    return decode(data, size).pixels


def jpegs(count: int, side: int) -> list[bytes]:
    """Covers of the label that came as JPEG; some come as PNG."""
    imprint = Imprint(albums=2 * count, corruption=0)
    covers = (imprint.cover(f"album/{index}", side) for index in range(2 * count))
    return [data for data in covers if data.startswith(b"\xff\xd8")][:count]


def seconds(method: Callable, files: list[bytes], size: int) -> float:
    start = time.process_time()
    for data in files:
        method(data, size)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100, help="files")
    parser.add_argument("--side", type=int, default=640, help="their width in pixels")
    parser.add_argument("--size", type=int, default=64, help="the covers' width in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    files = jpegs(given.n, given.side)
    took = [[seconds(m, files, given.size) for m in (ours, plain)] for _ in range(given.rounds)]
    ours_s, plain_s = np.min(took, axis=0)
    pairs = ((ours(data, given.size), plain(data, given.size)) for data in files)
    error = np.mean([np.abs(first.astype(int) - second).mean() for first, second in pairs])
    result = {
        "n": len(files),
        "images_per_s": round(len(files) / ours_s),
        "pillow_images_per_s": round(len(files) / plain_s),
        "ratio": round(plain_s / ours_s, 2),
        "mean_error": round(float(error), 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
