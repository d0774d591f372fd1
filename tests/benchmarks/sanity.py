"""Which measure notices which damage: the sanity ladder on covers of the built-in imprint.

    python tests/benchmarks/sanity.py --n 1000 --out data/measured/sanity.csv

A row of the table for each kind of damage, its strength and each number: its value, what real
covers get, their spread, and how many spreads the value lies away.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import instruments, perfect
from albumlib.evaluation.scorecard import Bench
from albumlib.sources.imprint.imprint import Imprint
from tests.benchmarks import damage

FIRST = 50_000  # albums that no shipped model has seen


def cover_set(imprint: Imprint, train: int, test: int, size: int = 64) -> CoverSet:
    """A cover set in memory: albums to learn from, and albums to test on."""
    albums = [imprint.album(index) for index in range(FIRST, FIRST + train + test)]
    pixels = [
        perfect.as_cleaned(imprint.picture(album.index, size), size, album.index)
        for album in albums
    ]
    table = pd.DataFrame([album.mean for album in albums], columns=features.NAMES).assign(
        album=[album.title for album in albums],
        album_id=[f"album-{album.index}" for album in albums],
        split=["train"] * train + ["test"] * test,
        width=size,
    )
    return CoverSet(np.stack(pixels), table, table, {"source": imprint.identity})


def without_network(bench: Bench) -> Bench:
    """The network's two-sample test takes too long for each step of the ladder."""
    kept = tuple(measure for measure in bench.measures if measure.needs != "pixels")
    return dataclasses.replace(bench, measures=kept)


def steps_for(bench: Bench, covers: CoverSet, imprint: Imprint) -> dict:
    """The ladder for a bench's own covers."""
    rows, train = covers.rows("test")[bench.partings[0][0]], covers.rows("train")
    known = covers.images[train], covers.labels[train]
    return damage.ladder(imprint, perfect.numbers(covers, rows), known, covers.size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="covers on each side [300]")
    parser.add_argument("--imagenet", action="store_true", help="also by ImageNet features")
    parser.add_argument("--out", type=Path, help="the CSV to write")
    given = parser.parse_args()
    imprint = Imprint(2021, albums=10**9, corruption=0, text=True)
    covers = cover_set(imprint, given.n, 2 * given.n)
    bench = without_network(instruments.bench_for(covers, imprint, imagenet=given.imagenet))
    rows = []
    for kind, strength, scores in damage.climb(bench, steps_for(bench, covers, imprint)):
        about = {"damage": kind, "strength": strength}
        for name, score in scores.items():
            rows.append(about | {"measure": name, "value": score.value, "real": score.real,
                                 "spread": score.spread, "away": score.away})  # fmt: skip
        print(kind, strength, {n: round(s.away, 1) for n, s in scores.items()}, flush=True)
    table = pd.DataFrame(rows)
    if given.out:
        table.round(5).to_csv(given.out, index=False)
    strongest = table.assign(away=table["away"].abs()).groupby(["damage", "strength"])["away"].max()
    seen = {f"{kind} {strength:g}": round(v, 1) for (kind, strength), v in strongest.items()}
    print(json.dumps({"n": given.n, "most_spreads_away": seen}))


if __name__ == "__main__":
    main()
