"""Builds compared, with several seeds: the measurements that chapters 4, 5 and 8 show.

    python -m albumlib.studies.ablations ladder         the model of 2021, repaired step by step
    python -m albumlib.studies.ablations bugs_alone     each of its bugs in a repaired variant
    python -m albumlib.studies.ablations logan          LOGAN's step: off, gd, ngd detached, ngd
    python -m albumlib.studies.ablations conditioning   three ways to tell a network its labels

Each writes `data/measured/NAME.jsonl`, a line for each run, and goes on where it was stopped.
All is done in small, at 32 px and with narrow networks, so that many runs are affordable: the
differences count, not the levels. Labels are predicted from the covers by an independent
regressor, which is of 64 px and sees them enlarged; its values on real covers treated likewise
are measured too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.dataset.coverset import Batches, CoverSet
from albumlib.evaluation import label_recovery, metrics
from albumlib.evaluation.extractor import SIDE, extract, load_extractor
from albumlib.evaluation.label_recovery import LabelRegressor
from albumlib.models.blocks import StridedBlock
from albumlib.models.networks import Critic, to_covers, to_pixels
from albumlib.runtime.paths import MEASURED
from albumlib.runtime.progress import milestones
from albumlib.sampling import latent
from albumlib.studies.legacy2021 import DIFFERENCES, Build, bugs_alone, build_config, ladder
from albumlib.training.config import recipe
from albumlib.training.trainer import Trainer

SIZE = 32  # pixels a side of the covers that are learned
NARROW = {"size": SIZE, "generator_width": 8, "critic_width": 16}
REGRESSOR = MEASURED.parent / "pretrained" / "reader.safetensors"
COUNT = 2000  # covers that labels are read off
STRIP = 8  # covers of each build that are kept
STEPS = (
    "2021",
    *DIFFERENCES,
)  # builds of the ladder: with all differences, then by what was repaired
LATER = 2.5  # times as long as a run without a latent step: about the price of the full one
REAL = "real covers"  # the ceiling and the floor, as if they were a build

Progress = Callable[[str, int, int], None]
Runs = Iterator[tuple[dict, np.ndarray]]


# The setup that all builds share -------------------------------------------------------------


@dataclass(frozen=True)
class Setup:
    """Covers to learn, held-out ones to be compared with, and who judges."""

    train: np.ndarray  # (N, 32, 32, 3) uint8
    labels: np.ndarray  # (N, L)
    heldout: np.ndarray  # (M, 32, 32, 3)
    asked: np.ndarray  # (M, L): the labels of the held-out covers
    regressor: LabelRegressor
    regressor_side: int  # pixels of the covers that the regressor was trained on

    @classmethod
    def of(
        cls, coverset: CoverSet, regressor: LabelRegressor | None = None, most: int = COUNT
    ) -> Setup:
        """The setup of a cover set of 32 px or more, with up to `most` held-out covers.

        Without a `regressor`, the pretrained regressor, which knows covers of the built-in imprint.
        """
        rows, held = coverset.rows("train"), coverset.rows("test")[:most]
        small = [shrink(coverset.images[some]) for some in (rows, held)]
        known = [coverset.labels[some] for some in (rows, held)]
        regressor_side = SIZE if regressor else SIDE
        regressor = regressor or label_recovery.load_label_regressor(REGRESSOR)
        return cls(small[0], known[0], small[1], known[1], regressor, regressor_side)

    def batches(self, config) -> Batches:
        labels = self.labels if config.labels else None
        rows = np.arange(len(self.train))
        return Batches(self.train, labels, rows, config.batch_size, config.seed)

    @cached_property
    def extractor(self):
        return load_extractor()

    @cached_property
    def seen(self) -> np.ndarray:
        return extract(self.extractor, self.heldout)

    @cached_property
    def recoverable(self) -> np.ndarray:
        """The labels that the regressor can read off real covers; all that are known where it can
        read none."""
        real = self._recovery(self.heldout)[0]
        seen = real.r2 >= label_recovery.RECOVERABLE
        return seen if seen.any() else ~real.absent

    def _recovery(self, pixels: np.ndarray):
        asked = np.resize(self.asked, (len(pixels), self.asked.shape[1]))
        read = label_recovery.predict_labels(self.regressor, enlarge(pixels, self.regressor_side))
        return label_recovery.label_recovery(read, asked), label_recovery.shuffled_recovery(
            read, asked
        )

    def recovered(self, pixels: np.ndarray) -> dict[str, float]:
        """Label recovery of covers drawn for `asked`, over and over, and its control."""
        found = zip(("", "_shuffled"), self._recovery(pixels), strict=True)
        means = {ending: score.mean(self.recoverable) for ending, score in found}
        return {
            f"label_{name}{ending}": value
            for ending, pair in means.items()
            for name, value in zip(("correlation", "r2"), pair, strict=True)
        }

    def likeness(self, pixels: np.ndarray, most: int = 500) -> dict[str, float]:
        """Sliced Wasserstein distance and KID to the held-out covers."""
        pixels = pixels[:most]
        return {
            "swd": metrics.sliced_wasserstein(self.heldout[:most], pixels, directions=64),
            "kid": metrics.kid(extract(self.extractor, pixels), self.seen[:most])[0],
        }

    def real(self) -> dict:
        """The ceiling of label recovery, and the floors of the distances."""
        fresh = self.train[np.random.default_rng(0).permutation(len(self.train))]
        ceiling = self.recovered(self.heldout) if np.isfinite(self.asked).any() else {}
        return {"build": REAL, **ceiling, **self.likeness(fresh)}


def shrink(pixels: np.ndarray, side: int = SIZE) -> np.ndarray:
    """Covers (N, S, S, 3) uint8 at `side` px, each pixel the mean of those that it replaces."""
    parts = np.array_split(pixels, -(-len(pixels) // 1024))
    small = [to_pixels(F.adaptive_avg_pool2d(to_covers(part), side)) for part in parts]
    return np.concatenate(small)


def enlarge(pixels: np.ndarray, side: int) -> np.ndarray:
    """Covers (N, S, S, 3) uint8 at `side` px, bicubic."""
    if pixels.shape[1] == side:
        return pixels
    return to_pixels(F.interpolate(to_covers(pixels), side, mode="bicubic"))


# Experiments: each yields a record and covers for each build that is wanted --------------------


def climb(setup: Setup, seed: int, images: int, builds: Sequence[str] = STEPS) -> Runs:
    """The ladder: from the build of 2021 to ours, one difference less on each step."""
    yield from variants(setup, seed, images, {name: ladder()[STEPS.index(name)] for name in builds})


def alone(setup: Setup, seed: int, images: int, builds: Sequence[str] = ()) -> Runs:
    """Each bug of 2021 alone, and the variants without one."""
    every = bugs_alone()
    yield from variants(setup, seed, images, {name: every[name] for name in builds or every})


def variants(
    setup: Setup, seed: int, images: int, differences: Mapping[str, Sequence[str]]
) -> Runs:
    """Builds with the named differences from ours, trained one after the other."""
    labels = torch.from_numpy(setup.labels)
    for name, some in differences.items():
        config = build_config(some, steps=1, seed=seed, **NARROW)
        yield _trained(setup, name, Build(config, labels, some), images)


CONDITIONS = {
    "concatenation": {"one map"},
    "ACGAN": {"one map", "no projection", "reads drawn covers"},
    "ours": set(),
}


def conditioning(
    setup: Setup, seed: int, images: int, builds: Sequence[str] = tuple(CONDITIONS)
) -> Runs:
    """Labels as a channel for both networks; an auxiliary head as published; and our way.

    The loss is our relativistic one for all three.
    """
    labels = torch.from_numpy(setup.labels)
    for name in builds:
        config, critic = build_config(CONDITIONS[name], steps=1, seed=seed, **NARROW), None
        if name == "concatenation":
            config = replace(config, auxiliary_weight=0.0)
            torch.manual_seed(seed)
            critic = MapCritic(labels.shape[1], config.critic_width)
        yield _trained(setup, name, Build(config, labels, CONDITIONS[name], critic), images)


class MapCritic(nn.Module):
    """A critic that is shown the labels as a fourth channel of the cover, as cGAN does.

    Mirza and Osindero 2014, arXiv 1411.1784. It has a label head, which is not to be used.
    """

    def __init__(self, labels: int, width: int):
        super().__init__()
        self.critic = Critic(SIZE, labels, width, projection=False)
        self.map = nn.Linear(labels, SIZE * SIZE)
        first = self.critic.blocks[0]
        self.critic.blocks[0] = StridedBlock(4, first.out_channels)
        self.scale = self.critic.scale

    def forward(self, covers: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        channel = self.map(self.scale(labels)).view(-1, 1, SIZE, SIZE)
        return self.critic(torch.cat([covers, channel], dim=1))


def _trained(setup: Setup, name: str, build: Build, images: int) -> tuple[dict, np.ndarray]:
    started, batches = time.process_time(), setup.batches(build.config)
    while build.step * build.config.batch_size < images:
        build.advance(batches)
    seconds = round(time.process_time() - started, 1)
    asked = np.resize(setup.asked, (COUNT, setup.asked.shape[1]))
    pixels = to_pixels(build.covers(torch.from_numpy(asked)))
    record = {"build": name, "images": images, "seconds": seconds}
    return record | setup.recovered(pixels) | setup.likeness(pixels), pixels[:STRIP]


LATENT_STEPS = {
    "off": {"latent_method": "off"},
    "gd": {"latent_method": "gd"},
    "ngd, detached": {"latent_through": False},
    "ngd": {},
}


def logan(
    setup: Setup, seed: int, images: int, builds: Sequence[str] = tuple(LATENT_STEPS)
) -> Runs:
    """LOGAN's latent step at every update, against variants and none.

    Each is judged after `images`, and as `later` after LATER times as many seconds as a run
    without the step needs for them, all on one core. The natural step takes about so long.
    """
    plain = recipe("wgan_logan", steps=1, seed=seed, latent_method="off", **NARROW)
    allowed = LATER * _seconds_a_step(Trainer(plain, None), setup) * images / plain.batch_size
    for name in builds:
        changes = {"latent_method": "ngd", "latent_every": 1} | LATENT_STEPS[name]
        config = replace(plain, **changes)
        trainer, batches = Trainer(config, None), setup.batches(config)
        z = latent.latents(trainer.ema, list(range(500)))
        record = {"build": name, "images": images}
        record["seconds"] = train_for(trainer, batches, images // config.batch_size, 0.0)
        pixels = latent.draw(trainer.ema, z)
        record |= setup.likeness(pixels)
        train_for(trainer, batches, 0, allowed - record["seconds"])
        later = setup.likeness(latent.draw(trainer.ema, z))
        record |= {f"{key}_later": value for key, value in later.items()}
        yield record | {"images_later": trainer.step * config.batch_size}, pixels[:STRIP]


def train_for(trainer: Trainer, batches: Batches, steps: int, seconds: float) -> float:
    """Train until so many steps are done, and for so many seconds of the processor or more."""
    started = time.process_time()
    while trainer.step < steps or time.process_time() - started < seconds:
        trainer.advance(batches)
    return round(time.process_time() - started, 1)


def _seconds_a_step(trainer: Trainer, setup: Setup, steps: int = 24) -> float:
    batches = setup.batches(trainer.config)
    trainer.advance(batches)  # the first one is slower
    return train_for(trainer, batches, steps + 1, 0.0) / steps


EXPERIMENTS = {  # how it is run, the builds that it compares, and the covers that each sees
    "ladder": (climb, STEPS, 4096),
    "bugs_alone": (alone, tuple(bugs_alone()), 4096),
    "logan": (logan, tuple(LATENT_STEPS), 4096),
    "conditioning": (conditioning, tuple(CONDITIONS), 4096),
}


# Many seeds, on file --------------------------------------------------------------------------


def measure(
    name: str,
    setup: Setup,
    out: Path,
    seeds: Sequence[int],
    images: int = 0,
    builds: Sequence[str] = (),
    progress: Progress | None = None,
    experiment: tuple | None = None,
) -> list[dict]:
    """Run an experiment for each seed, appending to `out`/NAME.jsonl what is not there yet.

    `images` is how many covers each build sees, `builds` are those to compare, by default all.
    `experiment` is one that is not in EXPERIMENTS. Covers of the first seed are kept in
    `out`/NAME/BUILD.png, a row each. Returns all records.
    """
    run, every, usual = experiment or EXPERIMENTS[name]
    file, folder = out / f"{name}.jsonl", out / name
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        _append(file, setup.real())
    for seed in seeds:
        done = {(record["build"], record.get("seed")) for record in read_measured(file)}
        todo = [build for build in builds or every if (build, seed) not in done]
        for number, (record, covers) in enumerate(run(setup, seed, images or usual, todo), 1):
            _append(file, {"seed": seed, **record})
            if seed == seeds[0]:
                strip = np.concatenate(covers, axis=1)
                Image.fromarray(strip).save(folder / f"{record['build']}.png")
            if progress:
                progress(f"{name}, seed {seed}", number, len(todo))
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
        prog="python -m albumlib.studies.ablations", description=main.__doc__
    )
    parser.add_argument("name", choices=EXPERIMENTS)
    parser.add_argument("--data", type=Path, default=Path("data/big/coverset"), help="a cover set")
    parser.add_argument("--out", type=Path, default=MEASURED, help="where the records go")
    parser.add_argument("--seeds", type=int, default=3, help="how many [3]")
    parser.add_argument("--images", type=int, default=0, help="covers that each build sees")
    given = parser.parse_args()
    torch.set_num_threads(1)  # `seconds` are then those of one core
    setup = Setup.of(CoverSet.open(given.data))
    measure(
        given.name,
        setup,
        given.out,
        range(1, given.seeds + 1),
        given.images,
        progress=milestones(100),
    )


if __name__ == "__main__":
    main()
