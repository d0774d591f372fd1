"""How much memory a training takes, by the side of the covers and the size of a batch.

Each case trains the recommended build through two penalties in a process of its own. `peak_mb`
is what the process took at most beyond what it had before its networks were made: weights,
optimisers, activations and the penalty's second graph, without the covers, which stay on disk or
take size² · 3 bytes each. `ratio` is the largest case's peak over that of 64 px and the same
batch. With `--device cuda` it is what torch allocated there.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

import numpy as np
import torch

from albumlib.dataset.batches import Batches
from albumlib.training.config import recipe, widths
from albumlib.training.trainer import Trainer

STEPS = 9  # a penalty comes every eighth


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak(size: int, batch: int, device: str) -> float:
    """Megabytes that the training of one case takes."""
    config = recipe("acgan", size=size, batch_size=batch, labels=False, **widths(size))
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    batches = Batches(images, None, np.arange(batch), batch, 0, device)
    before = resident_mb()
    trainer = Trainer(config, None, device)
    for _ in range(STEPS):
        trainer.advance(batches)
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    return resident_mb() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(round(peak(*asked.case, asked.device)))
        return
    found = {}
    for size in asked.sizes:
        for batch in asked.batches:
            command = [sys.executable, __file__, "--device", asked.device, "--case"]
            run = subprocess.check_output([*command, str(size), str(batch)], text=True)
            found[f"{size} px, {batch} covers"] = int(run.split()[-1])
            print(f"{size} px, {batch} covers: {run.strip()} MB", file=sys.stderr, flush=True)
    first, last = (found[f"{size} px, {asked.batches[-1]} covers"] for size in
                   (asked.sizes[0], asked.sizes[-1]))  # fmt: skip
    about = {"device": asked.device, "threads": torch.get_num_threads()}
    print(json.dumps({"peak_mb": found, "ratio": round(last / first, 2), **about}))


if __name__ == "__main__":
    main()
