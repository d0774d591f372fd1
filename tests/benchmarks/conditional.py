"""Do the covers obey? Label recovery of three builds after equally many minutes, in one run.

ACGAN with relativistic pairs (`acgan`), ACGAN + WGAN + LOGAN, and the model of 2021 with all its
differences at the same network size, at 64 px. A pretrained label regressor that had no part in
their training predicts ten labels of 2,000 covers generated for held-out albums; means are over
the features that it can predict from real held-out covers, whose figures end in `_real`: the
ceiling. `_shuffled` is the control: the best build's covers with other albums' labels (its R² is
the squared correlation). The plain keys are the best build's; `share` is its R² over the ceiling's.

Targets at `--minutes 5` on two cores: `share` 0.6 or more, `_shuffled` within ±0.05, `_2021`
below 0.05. With less time the shares are smaller. `--clock cpu` counts the processor's minutes
on one thread, for machines that are busy with other things.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from albumlib.dataset.batches import Batches
from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSet
from albumlib.dataset.gathering import gather
from albumlib.evaluation import label_recovery
from albumlib.models.networks import to_pixels
from albumlib.sampling.latent import draw, latents
from albumlib.sources.imprint.imprint import Imprint
from albumlib.studies.legacy2021 import DIFFERENCES, Build, build_config
from albumlib.training.config import recipe
from albumlib.training.trainer import Trainer

COUNT = 2000  # covers that the labels are read off
ENOUGH = 5.0  # minutes that the targets are for


def drawn_set(folder: Path, albums: int) -> CoverSet:
    """Covers of the built-in imprint; its held-out albums are unknown to the regressor, too."""
    gather(Imprint(albums=albums), folder, size=64)
    return clean(folder, size=64, heldout=0.25)


def train(build: Trainer | Build, covers: CoverSet, minutes: float, clock: Callable) -> int:
    """Train for so long; returns the covers seen."""
    config, rows = build.config, covers.rows("train")
    batches = Batches(covers.images, covers.labels, rows, config.batch_size, config.seed)
    started = clock()
    while clock() - started < 60 * minutes:
        build.advance(batches)
    return build.step * config.batch_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=0.5, help="of training for each build")
    parser.add_argument("--albums", type=int, default=2000, help="of the built-in imprint")
    parser.add_argument("--data", type=Path, help="a cover set at 64 px, in place of drawn albums")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="[wall]")
    options = parser.parse_args()
    clock = time.monotonic
    if options.clock == "cpu":
        torch.set_num_threads(1)
        clock = time.process_time
    with tempfile.TemporaryDirectory() as name:
        given = CoverSet.open(options.data) if options.data else None
        report(given or drawn_set(Path(name), options.albums), options.minutes, clock)


def report(covers: CoverSet, minutes: float, clock: Callable) -> None:
    regressor, held = label_recovery.load_label_regressor(), covers.rows("test")
    asked = covers.labels[np.resize(held, COUNT)]
    known = torch.from_numpy(covers.labels[covers.rows("train")])
    some = held[:COUNT]
    real = label_recovery.label_recovery(
        label_recovery.predict_labels(regressor, covers.images[some]), covers.labels[some]
    )
    chosen = real.r2 >= label_recovery.RECOVERABLE
    builds = {
        "acgan": Trainer(recipe("acgan"), known),
        "acgan_wgan_logan": Trainer(recipe("acgan_wgan_logan"), known),
        "2021": Build(build_config(DIFFERENCES), known, DIFFERENCES),
    }
    found, read, seen = {"real": real.mean(chosen)}, {}, {}
    for name, build in builds.items():
        seen[name] = train(build, covers, minutes, clock)
        if isinstance(build, Build):
            pixels = to_pixels(build.covers(torch.from_numpy(asked)))
        else:
            z = latents(build.ema, list(range(COUNT)))
            pixels = draw(build.ema, z, asked)
        read[name] = label_recovery.predict_labels(regressor, pixels)
        found[name] = label_recovery.label_recovery(read[name], asked).mean(chosen)
    best = max(("acgan", "acgan_wgan_logan"), key=lambda name: found[name][1])
    found["shuffled"] = label_recovery.shuffled_recovery(read[best], asked).mean(chosen)
    figures = {"label_r2": found[best][1], "label_correlation": found[best][0]}
    for name, (correlation, r2) in found.items():
        figures |= {f"label_r2_{name}": r2, f"label_correlation_{name}": correlation}
    result = {name: round(value, 3) for name, value in figures.items()}
    result |= {"share": round(found[best][1] / found["real"][1], 3), "best": best}
    result |= {"images": seen, "minutes": minutes, "recoverable": int(chosen.sum())}
    if minutes < ENOUGH:
        print(f"{minutes} minutes for each build; the targets are for --minutes {ENOUGH:g}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
