"""Builds compared, with several seeds: the measurements that chapters 4, 5 and 8 show.

    python -m albumlib.experiments ladder          the model of 2021, one fault less on each rung
    python -m albumlib.experiments logan           LOGAN's step: off, gd, ngd detached, ngd
    python -m albumlib.experiments conditioning    three ways to tell a network its labels

Each writes `data/measured/NAME.jsonl`, a line for each run, and goes on where it was stopped.
All is done in small, at 32 px and with narrow networks, so that many runs are affordable: the
differences count, not the levels. Labels are read off the covers by the course's reader, which
is of 64 px and sees them enlarged; its ceiling on real covers treated likewise is measured too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib import latent, metrics, recovery
from albumlib.build2021 import FAULTS, Build, build_config, ladder
from albumlib.config import recipe
from albumlib.coverset import Batches, CoverSet
from albumlib.extractor import SIDE, extract, load_extractor
from albumlib.networks import Critic, to_covers, to_pixels
from albumlib.progress import milestones
from albumlib.recovery import LabelReader
from albumlib.training import Trainer

SIZE = 32  # pixels a side of the covers that are learned
NARROW = {"size": SIZE, "generator_width": 8, "critic_width": 16}
MEASURED = Path(__file__).parent.parent / "data" / "measured"
READER = MEASURED.parent / "pretrained" / "reader.safetensors"
STRIP = 8  # covers of each build that are kept
AS_IT_WAS = "2021"  # the rung with all faults; the others are named by what was repaired
REAL = "real covers"  # the ceiling and the floor, as if they were a build

Progress = Callable[[str, int, int], None]
Runs = Iterator[tuple[dict, np.ndarray]]


# The ground that all builds share -------------------------------------------------------------


@dataclass(frozen=True)
class Ground:
    """Covers to learn, held-out ones to be compared with, and who judges."""

    train: np.ndarray  # (N, 32, 32, 3) uint8
    labels: np.ndarray  # (N, L)
    heldout: np.ndarray  # (M, 32, 32, 3)
    asked: np.ndarray  # (M, L): the labels of the held-out covers
    judge: LabelReader
    judge_side: int  # pixels of the covers that the judge was trained on

    @classmethod
    def of(cls, coverset: CoverSet, judge: LabelReader | None = None, most: int = 2000) -> Ground:
        """The ground of a cover set of 32 or 64 px, with up to `most` held-out covers.

        Without a `judge`, the pretrained reader, which knows covers of the built-in label.
        """
        coverset = coverset.with_labels()
        rows, held = coverset.rows("train"), coverset.rows("heldout")[:most]
        small = [shrink(coverset.images[some]) for some in (rows, held)]
        known = [coverset.labels[some] for some in (rows, held)]
        judge_side = SIZE if judge else SIDE
        judge = judge or recovery.load_reader(READER)
        return cls(small[0], known[0], small[1], known[1], judge, judge_side)

    def batches(self, config) -> Batches:
        labels = self.labels if config.labels else None
        rows = np.arange(len(self.train))
        return Batches(self.train, labels, rows, config.batch_size, config.seed)

    @cached_property
    def eyes(self):
        return load_extractor()

    @cached_property
    def seen(self) -> np.ndarray:
        return extract(self.eyes, self.heldout)

    @cached_property
    def recoverable(self) -> np.ndarray:
        return self._recovery(self.heldout)[0].r2 >= recovery.RECOVERABLE

    def _recovery(self, pixels: np.ndarray):
        asked = np.resize(self.asked, (len(pixels), self.asked.shape[1]))
        read = recovery.read_labels(self.judge, enlarge(pixels, self.judge_side))
        return recovery.label_recovery(read, asked), recovery.shuffled_recovery(read, asked)

    def obedience(self, pixels: np.ndarray) -> dict[str, float]:
        """Label recovery of covers that were asked for with `asked`, and its control."""
        found = zip(("", "_shuffled"), self._recovery(pixels), strict=True)
        means = {ending: score.mean(self.recoverable) for ending, score in found}
        return {
            f"label_{name}{ending}": value
            for ending, pair in means.items()
            for name, value in zip(("correlation", "r2"), pair, strict=True)
        }

    def likeness(self, pixels: np.ndarray, most: int = 1000) -> dict[str, float]:
        """Sliced Wasserstein distance and KID to the held-out covers."""
        pixels = pixels[:most]
        return {
            "swd": metrics.sliced_wasserstein(self.heldout[:most], pixels),
            "kid": metrics.kid(extract(self.eyes, pixels), self.seen[:most])[0],
        }

    def real(self) -> dict:
        """The ceiling of label recovery, and the floors of the distances."""
        fresh = self.train[np.random.default_rng(0).permutation(len(self.train))]
        return {"build": REAL, **self.obedience(self.heldout), **self.likeness(fresh)}


def shrink(pixels: np.ndarray) -> np.ndarray:
    """Covers (N, S, S, 3) uint8 at 32 px, each pixel the mean of those that it replaces."""
    parts = np.array_split(pixels, -(-len(pixels) // 1024))
    small = [to_pixels(F.adaptive_avg_pool2d(to_covers(part), SIZE)) for part in parts]
    return np.concatenate(small)


def enlarge(pixels: np.ndarray, side: int) -> np.ndarray:
    """Covers (N, S, S, 3) uint8 at `side` px, bicubic."""
    if pixels.shape[1] == side:
        return pixels
    return to_pixels(F.interpolate(to_covers(pixels), side, mode="bicubic"))


# Experiments: each yields records, and covers to look at, a run at a time ----------------------


def climb(ground: Ground, seed: int, images: int, done: Mapping = {}) -> Runs:
    """The ladder: from the build of 2021 to ours, one fault less on each rung."""
    labels = torch.from_numpy(ground.labels)
    for name, faults in zip((AS_IT_WAS, *FAULTS), ladder(), strict=True):
        if name not in done:
            config = build_config(faults, steps=1, seed=seed, **NARROW)
            yield _trained(ground, name, Build(config, labels, faults), images)


def conditioning(ground: Ground, seed: int, images: int, done: Mapping = {}) -> Runs:
    """Labels as a channel for both networks; an auxiliary head as published; and our way."""
    labels = torch.from_numpy(ground.labels)
    late, published = {"one map"}, {"one map", "no projection", "reads drawn covers"}
    for name, faults in [("concatenation", late), ("ACGAN", published), ("ours", set())]:
        if name in done:
            continue
        config, critic = build_config(faults, steps=1, seed=seed, **NARROW), None
        if name == "concatenation":
            config = build_config(faults, steps=1, seed=seed, reading_weight=0.0, **NARROW)
            torch.manual_seed(seed)
            critic = MapCritic(labels.shape[1], config.critic_width)
        yield _trained(ground, name, Build(config, labels, faults, critic), images)


class MapCritic(nn.Module):
    """A critic that is shown the labels as a fourth channel of the cover, as cGAN does.

    Mirza and Osindero 2014, arXiv 1411.1784. It has a label head, which is not to be used.
    """

    def __init__(self, labels: int, width: int):
        super().__init__()
        self.critic = Critic(SIZE, labels, width, projection=False)
        self.map = nn.Linear(labels, SIZE * SIZE)
        first = self.critic.blocks[0]
        self.critic.blocks[0] = nn.Conv2d(4, first.out_channels, 4, stride=2, padding=1)
        self.scale = self.critic.scale

    def forward(self, covers: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        channel = self.map(self.scale(labels)).view(-1, 1, SIZE, SIZE)
        return self.critic(torch.cat([covers, channel], dim=1))


def _trained(ground: Ground, name: str, build: Build, images: int) -> tuple[dict, np.ndarray]:
    started, batches = time.process_time(), ground.batches(build.config)
    while build.step * build.config.batch_size < images:
        build.advance(batches)
    seconds = round(time.process_time() - started, 1)
    pixels = to_pixels(build.covers(torch.from_numpy(ground.asked)))
    record = {"build": name, "images": images, "seconds": seconds}
    return record | ground.obedience(pixels) | ground.likeness(pixels), pixels[:STRIP]


LATENT_STEPS = {  # the full step first: the seconds that it takes are given to the others
    "ngd": {},
    "ngd, detached": {"latent_through": False},
    "gd": {"latent_method": "gd"},
    "off": {"latent_method": "off"},
}


def logan(ground: Ground, seed: int, images: int, done: Mapping = {}) -> Runs:
    """LOGAN's latent step at every update, against variants: after equal steps and equal seconds.

    The seconds are those of the full step (`ngd`) for all `images`, on one core.
    """
    allowed = done["ngd"]["seconds"] if "ngd" in done else 0.0
    for name, changes in LATENT_STEPS.items():
        if name in done:
            continue
        config = recipe("wgan_logan", steps=1, seed=seed, latent_every=1, **changes, **NARROW)
        trainer, batches = Trainer(config, None), ground.batches(config)
        z = latent.latents(trainer.average, list(range(1000)))
        steps, record = images // config.batch_size, {"build": name, "images": images}
        seconds = _train_for(trainer, batches, steps, 0.0)
        pixels = latent.draw(trainer.average, z)
        record |= {"seconds": seconds, **ground.likeness(pixels)}
        allowed = allowed or seconds
        _train_for(trainer, batches, steps, allowed - seconds)
        later = ground.likeness(latent.draw(trainer.average, z))
        record |= {f"{key}_later": value for key, value in later.items()}
        yield record | {"images_later": trainer.step * config.batch_size}, pixels[:STRIP]


def _train_for(trainer: Trainer, batches: Batches, steps: int, seconds: float) -> float:
    """Train until so many steps are done, and for so many seconds of the processor or more."""
    started = time.process_time()
    while trainer.step < steps or time.process_time() - started < seconds:
        trainer.advance(batches)
    return round(time.process_time() - started, 1)


EXPERIMENTS = {
    "ladder": (climb, 12_288),
    "logan": (logan, 10_240),
    "conditioning": (conditioning, 12_288),
}


# Many seeds, on file --------------------------------------------------------------------------


def measure(
    name: str,
    ground: Ground,
    out: Path,
    seeds: Sequence[int],
    images: int = 0,
    progress: Progress | None = None,
) -> list[dict]:
    """Run an experiment for each seed, appending to `out`/NAME.jsonl what is not there yet.

    Covers of the first seed are kept in `out`/NAME/BUILD.png, a row each. Returns all records.
    """
    run, usual = EXPERIMENTS[name]
    file, folder = out / f"{name}.jsonl", out / name
    folder.mkdir(parents=True, exist_ok=True)
    records = read_measured(file)
    if not records:
        _append(file, ground.real())
    for number, seed in enumerate(seeds):
        done = {record["build"]: record for record in records if record.get("seed") == seed}
        for record, covers in run(ground, seed, images or usual, done):
            _append(file, {"seed": seed, **record})
            if seed == seeds[0]:
                strip = np.concatenate(covers, axis=1)
                Image.fromarray(strip).save(folder / f"{record['build']}.png")
            if progress:
                progress(f"{name}, seed {seed}: {record['build']}", number + 1, len(seeds))
    return read_measured(file)


def read_measured(file: Path) -> list[dict]:
    """The records of an experiment, [] if there are none."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def by_build(records: Sequence[Mapping], key: str) -> dict[str, list[float]]:
    """The values of a number by build, one for each seed, without those of real covers."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record["build"] != REAL:
            found.setdefault(record["build"], []).append(record[key])
    return found


def _append(file: Path, record: dict) -> None:
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(rounded) + "\n")


def main() -> None:
    """Measure what a chapter shows."""
    parser = argparse.ArgumentParser(
        prog="python -m albumlib.experiments", description=main.__doc__
    )
    parser.add_argument("name", choices=EXPERIMENTS)
    parser.add_argument("--data", type=Path, default=Path("data/big/coverset"), help="a cover set")
    parser.add_argument("--out", type=Path, default=MEASURED, help="where the records go")
    parser.add_argument("--seeds", type=int, default=3, help="how many [3]")
    parser.add_argument("--images", type=int, default=0, help="covers that each build sees")
    given = parser.parse_args()
    torch.set_num_threads(1)  # `seconds` are then those of one core
    ground = Ground.of(CoverSet.open(given.data))
    measure(given.name, ground, given.out, range(1, given.seeds + 1), given.images, milestones(100))


if __name__ == "__main__":
    main()
