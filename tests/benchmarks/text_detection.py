"""How well both detectors of text do, and how fast.

Precision and recall are against what the built-in imprint knows of its own clean covers. The alarms
are the share of photographs of clothes in which text is found: many bear a print or a maker's
name, so that not every alarm is false. Speed is of one core, the file's decoding included.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np

from albumlib.dataset.text_detection import text_of
from albumlib.runtime.workers import spread
from albumlib.sources.imprint.imprint import Imprint

ROOT = Path(__file__).parents[2]
DETECTORS = ("rapidocr", "strokes")


def judged(data: bytes) -> list[tuple[bool, float]]:
    """The verdict of each detector on a cover's bytes, and the seconds that it took."""
    found = []
    for detector in DETECTORS:
        start = time.process_time()
        found.append((bool(text_of(data, detector)), time.process_time() - start))
    return found


def judged_cover(imprint: Imprint, size: int, index: int) -> list:
    return judged(imprint.cover(f"album/{index}", size))


def judged_file(path: Path) -> list:
    return judged(path.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="covers of the built-in imprint")
    parser.add_argument("--size", type=int, default=300, help="their side in pixels")
    parser.add_argument("--seed", type=int, default=5, help="of the label")
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared/data/photos")
    parser.add_argument("--n-photos", type=int, default=150, help="of them, evenly spaced")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()

    imprint = Imprint(seed=given.seed, albums=given.n, dirt=0)
    task = partial(judged_cover, imprint, given.size)
    covers = np.array(list(spread(task, range(given.n), given.workers)))  # (N, detectors, 2)
    truth = np.array([imprint.truth(index).text for index in range(given.n)])
    photos = sorted(given.photos.glob("*.jpg"))
    photos = photos[:: max(1, len(photos) // given.n_photos)]
    alarms = np.array(list(spread(judged_file, photos, given.workers))).reshape(-1, 2, 2)
    result: dict = {"n": given.n, "size": given.size, "photos": len(photos)}
    for number, detector in enumerate(DETECTORS):
        found = covers[:, number, 0] > 0
        right = (found & truth).sum()
        figures = {
            "precision": right / max(1, found.sum()),
            "recall": right / truth.sum(),
            "photo_alarms": alarms[:, number, 0].mean() if len(photos) else None,
            "covers_per_s": 1 / np.median(covers[:, number, 1]),
        }
        for name, value in figures.items():
            result[f"{detector}_{name}"] = None if value is None else round(float(value), 4)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
