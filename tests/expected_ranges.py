"""Takes the ranges of a profile in `data/measured/expected.json` from finished runs.

python -m tests.expected_ranges laptop runs/a/results.json runs/b/results.json
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from albumlib.course.expected import EXPECTED, STEPS
from albumlib.course.state import write_json

WIDER = 0.15  # of the way from a number to its reference or control: where a seed may bring it


def measured(runs: Sequence[Mapping[str, float]], profile: str, path: Path = EXPECTED) -> dict:
    """The file's contents with the ranges of `profile` as these runs of it came out.

    A range is from the least to the largest, and somewhat wider on both sides.
    """
    known = json.loads(path.read_text(encoding="utf-8"))
    ranges = {}
    for one in known["headlines"]:
        values = [run[one["key"]] for run in runs if one["key"] in run]
        if not values:
            continue
        beside = [run[one[what]] for run in runs for what in ("reference", "control")
                  if one.get(what) in run]  # fmt: skip
        room = WIDER * max((abs(b - v) for b in beside for v in values), default=0.0)
        ranges[one["key"]] = [round(min(values) - room, 4), round(max(values) + room, 4)]
    steps = {key: [value, value] for run in runs for key, value in run.items() if STEPS in key}
    known["ranges"][profile] = dict(sorted({**ranges, **steps}.items()))
    return known


if __name__ == "__main__":
    read = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[2:]]
    write_json(EXPECTED, measured(read, sys.argv[1]))
