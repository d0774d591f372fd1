"""From gathered files to a cover set: covers per second and core, and hours for a million.

Files of 640, 300 and 64 pixels are cleaned to 64 x 64 by one process: decoded, fingerprinted,
compared and written. `covers_per_s_per_core` and `hours_per_million` are by the files' size; the
hours are those of one core, from the time that the sizes take here.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from albumlib.dataset.cleaning import clean
from albumlib.dataset.gathering import gather
from albumlib.sources.imprint.imprint import Imprint


def measure(count: int, size: int) -> float:
    """Covers per second of CPU time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gather(Imprint(albums=count), folder, size=size)
        started = time.process_time()
        clean(folder, workers=1)
        return count / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=600, help="covers of each size")
    options = parser.parse_args()
    rates = {str(size): measure(options.n, size) for size in (640, 300, 64)}
    result = {
        "n": options.n,
        "covers_per_s_per_core": {size: round(rate) for size, rate in rates.items()},
        "hours_per_million": {size: round(1e6 / rate / 3600, 2) for size, rate in rates.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
