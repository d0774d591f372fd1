"""Larger covers: what 128 and 256 px cost and give, from scratch and grown, at equal time.

    python -m albumlib.studies.sizes --data data/imprint/coverset   writes data/measured/sizes.jsonl

The cover set must hold 64, 128 and 256 px (`clean --size 64 --size 128 --size 256`). Each build
trains for as many seconds of one core. Twice the size is one more layer at the picture and half
the width everywhere, so that all other layers keep their shapes; a grown model spends equal parts
of its time at each size and hands these layers on. Three builds at 64 px change the critic's loss
in place of the size, one of them nothing else. All are measured at 64 px, to be comparable, and
`swd` by their own pixels.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from albumlib.dataset.batches import Batches
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import label_recovery, metrics
from albumlib.runtime.console import run
from albumlib.runtime.paths import MEASURED
from albumlib.runtime.progress import milestones
from albumlib.sampling.latent import generated
from albumlib.studies import ablations
from albumlib.studies.records import Runs
from albumlib.studies.setup import Setup, shrink
from albumlib.training.beginning import begin_from
from albumlib.training.config import TrainingConfig, recipe, widths
from albumlib.training.trainer import Trainer

SMALLEST = 64
DRAWN = 1000  # covers that a build is measured by
SECONDS = 150  # of training for each build
CLIPPED = {  # as in 2021, at the paper's pace (arXiv 1701.07875)
    "critic_loss": "wgan-clip",
    "critic_steps": 5,
    "critic_rate": 5e-5,
    "generator_rate": 5e-5,
}
PENALISED = {"critic_loss": "wgan-gp", "penalty": 10.0, "penalty_every": 1, "critic_rate": 1e-3}
BUILDS: dict[str, tuple[tuple[int, ...], Mapping]] = {  # the sizes it goes through, and changes
    "64": ((64,), {}),
    "64, wgan-gp": ((64,), PENALISED),
    "64, wgan-clip": ((64,), CLIPPED),
    "64, wgan-clip, loss only": ((64,), {"critic_loss": "wgan-clip"}),
    "128": ((128,), {}),
    "128, grown": ((64, 128), {}),
    "256": ((256,), {}),
    "256, grown": ((64, 128, 256), {}),
}


@dataclass(frozen=True)
class Sets:
    """One cover set at several sizes, and what all of them are compared with at the smallest."""

    at: Mapping[int, CoverSet]

    @cached_property
    def setup(self) -> Setup:
        """What generated covers are compared with, at 64 px."""
        covers = self.at[SMALLEST]
        rows, held = covers.rows("train"), covers.rows("test")
        known = covers.images[rows], covers.labels[rows], covers.images[held], covers.labels[held]
        return Setup(*known, label_recovery.load_label_regressor(), SMALLEST, most=DRAWN)

    def batches(self, config: TrainingConfig) -> Batches:
        covers = self.at[config.size]
        rows = covers.rows("train")
        return Batches(covers.images, covers.labels, rows, config.batch_size, config.seed)

    def compared(self, size: int, part: int = 1) -> np.ndarray:
        """The covers at a size that generated ones are compared with; part 0 are those whose
        labels are asked for."""
        covers = self.at[size]
        return covers.images[covers.rows("test")[self.setup.bench.partings[0][part]]]

    def references(self) -> dict[str, float]:
        """What real covers get: all measures at 64 px, and the distance at each size."""
        own = {
            f"swd_{size}": _distance(self.compared(size), self.compared(size, 0))
            for size in self.at
        }
        return self.setup.references() | own


def sizes(sets: Sets, seed: int, seconds: int, builds: Sequence[str] = tuple(BUILDS)) -> Runs:
    """Train each build for so many seconds of the processor, and measure it."""
    for name in builds:
        stages, changes = BUILDS[name]
        trainer, images = None, 0
        for size in stages:
            config = recipe("acgan", size=size, seed=seed, **widths(size), **changes)
            trainer = _begun(config, sets, trainer)
            spent = train_for(trainer, sets.batches(config), seconds / len(stages))
            images += trainer.step * config.batch_size
        pace = trainer.step * config.batch_size / spent
        weights = sum(weight.numel() for weight in trainer.generator.parameters())
        record = {"build": name, "size": size, "seconds": seconds, "images": images}
        record |= {"images_per_s": round(pace, 1), "generator_weights": weights}
        pixels = generated(trainer.ema, sets.setup.asked)
        record |= sets.setup.numbers(shrink(pixels, SMALLEST))
        record["swd_at_64"] = record.pop("swd")
        yield record | {"swd": _distance(sets.compared(size), pixels)}, pixels


def _begun(config: TrainingConfig, sets: Sets, before: Trainer | None) -> Trainer:
    """A trainer at the start, or with what a smaller one has learned."""
    covers = sets.at[config.size]
    trainer = Trainer(config, torch.from_numpy(covers.labels[covers.rows("train")]))
    if before:
        with tempfile.TemporaryDirectory() as folder:
            before.save(Path(folder))
            begin_from(trainer, folder)
    return trainer


def _distance(held: np.ndarray, pixels: np.ndarray) -> float:
    return metrics.sliced_wasserstein(held, pixels, directions=64)


def train_for(trainer: Trainer, batches: Batches, seconds: float) -> float:
    """Train for so many seconds of the processor; returns how many it were."""
    started = time.process_time()
    while time.process_time() - started < seconds:
        trainer.advance(batches)
    return time.process_time() - started


def main() -> None:
    """Measure what chapter 7 shows of sizes."""
    parser = argparse.ArgumentParser(
        prog="python -m albumlib.studies.sizes", description=main.__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="a cover set at 64, 128, 256 px")
    parser.add_argument("--out", type=Path, default=MEASURED)
    parser.add_argument("--seeds", type=int, default=2, help="how many [2]")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for each build [{SECONDS}]")
    given = parser.parse_args()
    torch.set_num_threads(1)
    wanted = sorted({size for stages, _ in BUILDS.values() for size in stages})
    sets = Sets({size: CoverSet.open(given.data, size).with_labels() for size in wanted})
    seeds = range(1, given.seeds + 1)
    run = (sizes, tuple(BUILDS), SECONDS)
    ablations.measure(
        "sizes", sets, given.out, seeds, given.seconds, progress=milestones(100), experiment=run
    )


if __name__ == "__main__":
    run(main)
