"""How well the detectors of text do, and how fast.

Precision and recall are against what the built-in imprint knows of its own clean covers. The alarms
are the proportion of photographs of clothes in which text is found: many bear a print or a maker's
name, so that not every alarm is false. Speed is of one core, the file's decoding included.

`real` is of real covers of 128 pixels, if they are there, against labels given by eye
(tests/cases/text_labels.csv: any text that can be seen counts, however small). Who wants covers
without text looks at `clean_without`: the proportion of the covers taken to be without text that
are, and at `kept_without`, the proportion of covers without text that are left to choose from.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from albumlib.dataset.text_detection import text_of
from albumlib.runtime.workers import spread
from albumlib.sources.imprint.imprint import Imprint

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/data"
LABELS = ROOT / "tests/cases/text_labels.csv"
DETECTORS = ("rapidocr", "strict", "strokes")


def searched(data: bytes) -> list[tuple[bool, float]]:
    """What each detector finds on a cover's bytes, and the seconds that it took."""
    found = []
    for detector in DETECTORS:
        start = time.process_time()
        found.append((bool(text_of(data, detector)), time.process_time() - start))
    return found


def searched_cover(imprint: Imprint, size: int, index: int) -> list:
    return searched(imprint.cover(f"album/{index}", size))


def searched_file(path: Path) -> list:
    return searched(path.read_bytes())


def labelled(most: int) -> tuple[list[Path], np.ndarray]:
    """Real covers with a label, evenly spaced, as far as they are there; whether they bear text."""
    with LABELS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if (SHARED / f"{row['cover']}.jpg").exists()]
    rows = rows[:: max(1, len(rows) // most)] if most else []
    paths = [SHARED / f"{row['cover']}.jpg" for row in rows]
    return paths, np.array([row["text"] == "yes" for row in rows], dtype=bool)


def ratio(part: int, whole: int) -> float | None:
    return round(float(part / whole), 4) if whole else None


def scores(found: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """Precision and recall of text, and of its absence."""
    right, absent = (found & truth).sum(), (~found & ~truth).sum()
    return {
        "precision": ratio(right, found.sum()),
        "recall": ratio(right, truth.sum()),
        "clean_without": ratio(absent, (~found).sum()),
        "kept_without": ratio(absent, (~truth).sum()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="covers of the built-in imprint")
    parser.add_argument("--size", type=int, default=300, help="their side in pixels")
    parser.add_argument("--seed", type=int, default=5, help="of the imprint")
    parser.add_argument("--photos", type=Path, default=SHARED / "photos")
    parser.add_argument("--n-photos", type=int, default=150, help="of them, evenly spaced")
    parser.add_argument("--n-real", type=int, default=200, help="real covers with a label")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)

    imprint = Imprint(seed=given.seed, albums=given.n, corruption=0)
    task = partial(searched_cover, imprint, given.size)
    shape = (-1, len(DETECTORS), 2)
    covers = np.array(list(spread(task, range(given.n), given.workers))).reshape(shape)
    truth = np.array([imprint.truth(index).text for index in range(given.n)], dtype=bool)
    photos = sorted(given.photos.glob("*.jpg"))
    photos = photos[:: max(1, len(photos) // given.n_photos)] if given.n_photos else []
    alarms = np.array(list(spread(searched_file, photos, given.workers))).reshape(shape)
    paths, bears_text = labelled(given.n_real)
    real = np.array(list(spread(searched_file, paths, given.workers))).reshape(shape)

    result: dict = {"n": given.n, "size": given.size, "photos": len(photos), "real_n": len(paths)}
    result["real_without_text"] = int((~bears_text).sum())
    result["real"] = {}
    for number, detector in enumerate(DETECTORS):
        figures = scores(covers[:, number, 0] > 0, truth)
        result[f"{detector}_precision"] = figures["precision"]
        result[f"{detector}_recall"] = figures["recall"]
        result[f"{detector}_photo_alarms"] = ratio(alarms[:, number, 0].sum(), len(photos))
        seconds = np.concatenate([covers, real])[:, number, 1]
        result[f"{detector}_covers_per_s"] = round(float(1 / np.median(seconds)), 4)
        result["real"][detector] = scores(real[:, number, 0] > 0, bears_text)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
