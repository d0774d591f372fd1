"""Does LOGAN's latent step help? Variants of it at every update, after equal covers and equal time.

`search` chooses the settings of each variant by covers of the validation split, one setting after
the other, over a fair range; `logan` trains each as chosen, with other seeds, and compares it with
covers of the test split. Time is the processor's: what an update of each variant takes is measured
turn by turn in one process, so that whatever slows the machine slows all alike, and every variant
is trained for as long as the dearest needs for the covers.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from albumlib.dataset.batches import Batches
from albumlib.sampling.latent import generated
from albumlib.studies.records import Runs
from albumlib.studies.setup import NARROW, Setup
from albumlib.training.config import TrainingConfig, recipe
from albumlib.training.trainer import Trainer

SEEDS = (101, 102)  # that settings are chosen by; comparisons begin at 1
ROUNDS = 16  # updates of each variant, by turns, whose time is measured
METHODS = {  # of a step at every update
    "off": {"latent_method": "off"},
    "gd": {"latent_method": "gd"},
    "ngd, detached": {"latent_method": "ngd", "latent_through": False},
    "ngd": {"latent_method": "ngd"},
}
# What is tried for each setting in turn, beginning with what the course has. The paper's damping β
# is 0.1 with small networks and 5 with BigGAN's.
RANGES: dict[str, dict[str, tuple[float, ...]]] = {
    "gd": {"latent_rate": (0.9, 0.1, 9.0), "latent_weight": (0.1, 0.0, 1.0)},
    "ngd, detached": {"latent_damping": (0.1, 1.0, 10.0), "latent_rate": (0.9, 0.3)},
    "ngd": {
        "latent_damping": (0.1, 1.0, 10.0),
        "latent_weight": (0.1, 0.0, 1.0),
        "latent_rate": (0.9, 0.3),
    },
}
TUNED = ", tuned"  # ends the name of a variant with settings by `search` in place of the course's


def config_of(name: str, seed: int, settings: Mapping[str, float] | None = None) -> TrainingConfig:
    """The configuration of a variant, with the course's settings or others."""
    changes = {"latent_every": 1} | METHODS[name.removesuffix(TUNED)] | dict(settings or {})
    return recipe("wgan_logan", steps=1, seed=seed, **NARROW, **changes)


def variants(records: Sequence[Mapping]) -> dict[str, dict[str, float]]:
    """The settings of each variant, by name: the course's, and as `tuned` those that the trials on
    record have led to where these are others.

    >>> list(variants([]))
    ['off', 'gd', 'ngd, detached', 'ngd']
    """
    found: dict[str, dict[str, float]] = {name: {} for name in METHODS}
    for name, ranges in RANGES.items():
        settings, missing = trials(records, name)
        usual = {key: values[0] for key, values in ranges.items()}
        if not missing and settings != usual:
            found[name + TUNED] = settings
    return found


def logan(
    setup: Setup,
    seed: int,
    images: int,
    builds: Sequence[str] = (),
    settings: Mapping[str, Mapping[str, float]] | None = None,
) -> Runs:
    """Each variant after `images` covers, and as `later` after the time of the dearest."""
    settings = settings or variants([])
    configs = {name: config_of(name, seed, settings[name]) for name in builds or settings}
    methods = {name: config_of(name, seed) for name in METHODS}
    cost = seconds_a_step(setup, methods)
    for name, config in configs.items():
        own, steps = cost[name.removesuffix(TUNED)], images // config.batch_size
        trainer, batches = Trainer(config, None), setup.batches(config)
        train_until(trainer, batches, steps)
        pixels = generated(trainer.ema, len(setup.asked))
        record = {"build": name, **settings[name], "images": images}
        record |= {"seconds": own * steps} | setup.numbers(pixels)
        train_until(trainer, batches, round(max(cost.values()) * steps / own))
        later = setup.numbers(generated(trainer.ema, len(setup.asked)))
        record |= {f"{key}_later": value for key, value in later.items()}
        yield record | {"images_later": trainer.step * config.batch_size}, pixels


def train_until(trainer: Trainer, batches: Batches, steps: int) -> None:
    """Train until so many updates are done."""
    while trainer.step < steps:
        trainer.advance(batches)


def seconds_a_step(
    setup: Setup, configs: Mapping[str, TrainingConfig], rounds: int = ROUNDS
) -> dict[str, float]:
    """The processor's seconds for an update of each variant: the median of updates by turns."""
    pairs = {name: (Trainer(c, None), setup.batches(c)) for name, c in configs.items()}
    found: dict[str, list[float]] = {name: [] for name in configs}
    for _ in range(rounds + 1):
        for name, (trainer, batches) in pairs.items():
            started = time.process_time()
            trainer.advance(batches)
            found[name].append(time.process_time() - started)
    return {name: float(np.median(taken[1:])) for name, taken in found.items()}  # first is slower


# Choosing settings ----------------------------------------------------------------------------


def trials(records: Sequence[Mapping], name: str) -> tuple[dict[str, float], list[tuple]]:
    """The settings of a variant that the trials on record have led to, and those to be tried next,
    each with a seed; none once its search is over. Settings are chosen one after the other, by
    the mean Fréchet distance over the seeds.

    >>> trials([], "ngd, detached")[1][0]
    ({'latent_damping': 0.1, 'latent_rate': 0.9}, 101)
    """
    ranges = RANGES[name]
    settings = {key: values[0] for key, values in ranges.items()}
    found = {
        _place(record, record["seed"], ranges): record["fd"]
        for record in records
        if record["build"] == name
    }
    for key, values in ranges.items():
        options = [settings | {key: value} for value in values]
        pairs = list(itertools.product(options, SEEDS))
        if missing := [pair for pair in pairs if _place(*pair, ranges) not in found]:
            return settings, missing
        distances = [found[_place(*pair, ranges)] for pair in pairs]
        settings = options[int(np.reshape(distances, (len(options), -1)).mean(1).argmin())]
    return settings, []


def _place(settings: Mapping[str, float], seed: int, ranges: Mapping) -> tuple[float, ...]:
    return (*(settings[name] for name in ranges), seed)


def search(setup: Setup, images: int, records: Sequence[Mapping]) -> Iterator[dict]:
    """The trials of each variant that are not on record yet; stop and start as you like. `setup`
    must be of the validation split."""
    done = list(records)
    for name in RANGES:
        while missing := trials(done, name)[1]:
            for settings, seed in missing:
                done.append(trial(setup, name, settings, seed, images))
                yield done[-1]


def trial(
    setup: Setup, name: str, settings: Mapping[str, float], seed: int, images: int
) -> dict[str, float]:
    """A variant with some settings, trained and measured."""
    config = config_of(name, seed, settings)
    trainer = Trainer(config, None)
    train_until(trainer, setup.batches(config), images // config.batch_size)
    found = {"build": name, "seed": seed, **settings, "images": images}
    return found | setup.numbers(generated(trainer.ema, len(setup.asked)))
