"""Builds compared, with several seeds: the measurements that chapters 4, 5 and 8 show.

    python -m albumlib.studies.ablations ladder         the model of 2021, repaired step by step
    python -m albumlib.studies.ablations bugs_first     the same, bugs before design choices
    python -m albumlib.studies.ablations choices_first  the same, design choices before bugs
    python -m albumlib.studies.ablations bugs_alone     each of its bugs in a repaired variant
    python -m albumlib.studies.ablations logan          LOGAN's step: off, gd, ngd detached, ngd
    python -m albumlib.studies.ablations conditioning   three ways to condition a network on labels

Each writes `data/measured/NAME.jsonl`, the references first, then a line for each run, and goes on
where it was stopped. `logan_search` chooses the settings of `logan`, on the validation split.
What is measured, and by which covers, is in `setup`.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from albumlib.dataset.coverset import CoverSet
from albumlib.models.blocks import StridedBlock
from albumlib.models.networks import Critic, to_pixels
from albumlib.runtime.console import run
from albumlib.runtime.paths import MEASURED
from albumlib.runtime.progress import Progress, milestones
from albumlib.studies import latent_steps
from albumlib.studies.legacy2021 import ORDERS, Build, bugs_alone, build_config, ladder
from albumlib.studies.records import REAL, Runs, append, keep_strip, read_measured
from albumlib.studies.setup import NARROW, SIZE, Setup

# Experiments: each yields a record and covers for each build that is wanted --------------------


def steps(order: str = "ladder") -> tuple[str, ...]:
    """Builds of a cumulative ablation: with all differences, then by what was repaired."""
    return ("2021", *ORDERS[order])


def climb(
    setup: Setup, seed: int, images: int, builds: Sequence[str] = (), order: str = "ladder"
) -> Runs:
    """A cumulative ablation: from the build of 2021 to ours, one difference less on each step."""
    left = dict(zip(steps(order), ladder(order), strict=True))
    yield from variants(setup, seed, images, {name: left[name] for name in builds or left})


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
    "concatenation": {"concatenation"},
    "ACGAN": {"concatenation", "no projection", "head on generated covers"},
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
    pixels = to_pixels(build.covers(torch.from_numpy(setup.asked)))
    record = {"build": name, "images": images, "seconds": seconds}
    return record | setup.numbers(pixels), pixels


def logan(setup: Setup, seed: int, images: int, builds: Sequence[str] = ()) -> Runs:
    """LOGAN's latent step at every update, as in the course and as the search on file tuned it."""
    yield from latent_steps.logan(setup, seed, images, builds, latent_variants())


STEPS = steps()
EXPERIMENTS = {  # how it is run, the builds that it compares, and the covers that each sees
    **{order: (partial(climb, order=order), steps(order), 4096) for order in ORDERS},
    "bugs_alone": (alone, tuple(bugs_alone()), 4096),
    "logan": (logan, tuple(latent_steps.METHODS), 4096),
    "conditioning": (conditioning, tuple(CONDITIONS), 4096),
}


# Many seeds, on file --------------------------------------------------------------------------


def latent_variants() -> dict[str, dict[str, float]]:
    """The builds of `logan` and their settings: the course's, and those of the search on file."""
    return latent_steps.variants(read_measured(MEASURED / "logan_search.jsonl"))


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
    out.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        append(file, {"build": REAL} | setup.references())
    for seed in seeds:
        done = {(record["build"], record.get("seed")) for record in read_measured(file)}
        todo = [build for build in builds or every if (build, seed) not in done]
        if not todo:
            continue
        for number, (record, covers) in enumerate(run(setup, seed, images or usual, todo), 1):
            append(file, {"seed": seed, **record})
            if seed == seeds[0]:
                keep_strip(folder, record["build"], covers)
            if progress:
                progress(f"{name}, seed {seed}", number, len(todo))
    return read_measured(file)


def search_latent_steps(coverset: CoverSet, out: Path, images: int = 0) -> list[dict]:
    """Choose the settings of `logan` by the validation split: the trials, in logan_search.jsonl."""
    setup = Setup.of(coverset, conditional=False, split="validation")
    file = out / "logan_search.jsonl"
    images = images or EXPERIMENTS["logan"][2]
    if not file.exists():
        append(file, {"build": REAL} | setup.references())
    for record in latent_steps.search(setup, images, read_measured(file)):
        append(file, record)
    return read_measured(file)


def main() -> None:
    """Measure what a chapter shows."""
    parser = argparse.ArgumentParser(
        prog="python -m albumlib.studies.ablations", description=main.__doc__
    )
    parser.add_argument("name", choices=[*EXPERIMENTS, "logan_search"])
    parser.add_argument("--data", type=Path, default=Path("data/big/coverset"), help="a cover set")
    parser.add_argument("--out", type=Path, default=MEASURED, help="where the records go")
    parser.add_argument("--seeds", type=int, default=3, help="how many [3]")
    parser.add_argument("--images", type=int, default=0, help="covers that each build sees")
    given = parser.parse_args()
    torch.set_num_threads(1)  # `seconds` are then those of one core
    coverset = CoverSet.open(given.data)
    if given.name == "logan_search":
        search_latent_steps(coverset, given.out, given.images)
        return
    setup = Setup.of(coverset, conditional=given.name != "logan")
    seeds = range(1, given.seeds + 1)
    builds = tuple(latent_variants()) if given.name == "logan" else ()
    measure(given.name, setup, given.out, seeds, given.images, builds, milestones(100))


if __name__ == "__main__":
    run(main)
