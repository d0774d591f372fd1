"""How many covers a second the imprint draws at 64 and at 640 pixels.

Drawing alone, without text and without writing a JPEG; processor time of one core, the best of
several rounds.
"""

from __future__ import annotations

import argparse
import json
import time

from albumlib.sources.imprint import artwork
from albumlib.sources.imprint.imprint import Imprint

SIZES = {64: 200, 640: 10}  # pixels, and how many covers are drawn in a round


def covers_per_s(size: int, rounds: int) -> float:
    imprint = Imprint(albums=SIZES[size], corruption=0)
    means = [imprint.album(index).mean for index in range(imprint.albums)]
    took = []
    for _ in range(rounds + 1):  # the first one fills caches
        start = time.process_time()
        for index, mean in enumerate(means):
            artwork.draw_cover(mean, seed=index, artist_seed=index, size=size, text=False)
        took.append(time.process_time() - start)
    return len(means) / min(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    result = {f"covers_per_s_{size}": round(covers_per_s(size, given.rounds), 1) for size in SIZES}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
