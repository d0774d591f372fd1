"""A circuit, an MLP or nothing before the latent: which generator comes nearer to real covers?

    python tests/benchmarks/quantum_priors.py --data FOLDER/coverset --seeds 3 --steps 120

The comparison of chapter 13 (`studies.quantum_prior.compare`); `--out` keeps its table. The last
line is JSON: the mean distance (KID) of each prior in each phase.
"""

import argparse
import json
from pathlib import Path

import torch

from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSet
from albumlib.dataset.gathering import gather
from albumlib.models import conditions
from albumlib.sources.imprint.imprint import Imprint
from albumlib.studies import quantum_prior
from albumlib.training.config import recipe

ROOT = Path(__file__).parents[2]
START = ROOT / "data" / "pretrained" / "acgan_start.safetensors"


def opened(options) -> CoverSet:
    if options.data:
        return CoverSet.open(options.data).with_labels()
    gather(Imprint(albums=800), options.work, size=64)
    return clean(options.work, size=64).with_labels()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a cover set at 64 px, in place of 800 albums")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5, help="in each phase; chapter 13 shows 120")
    parser.add_argument("--count", type=int, default=1000, help="covers to measure by, at the most")
    parser.add_argument("--work", type=Path, default=ROOT / "data" / "quantum_priors")
    parser.add_argument("--out", type=Path, help="the table, as CSV")
    options = parser.parse_args()
    torch.set_num_threads(1)
    covers = opened(options)
    given = recipe("acgan", start=START).conditions
    labels, _ = conditions.of_covers(covers, **given, optional="layout")
    table = quantum_prior.compare(
        START, covers.images, labels, options.work / "trainings", rows=covers.rows("train"),
        heldout=covers.rows("test")[: options.count], seeds=range(1, options.seeds + 1),
        steps=options.steps,
    )  # fmt: skip
    if options.out:
        table.to_csv(options.out, index=False)
    means = table.groupby(["phase", "prior"])["kid"].mean().round(4)
    print(json.dumps({f"{phase}, {prior}": v for (phase, prior), v in means.items()}))


if __name__ == "__main__":
    main()
