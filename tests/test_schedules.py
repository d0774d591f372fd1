"""Learning rates, penalty, beta2 and the average's half-life in the course of a training."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from albumlib.dataset.batches import Batches
from albumlib.models.checkpoint import TrainingError
from albumlib.training.config import TrainingConfig
from albumlib.training.loop import train
from albumlib.training.schedules import scheduled
from albumlib.training.trainer import Trainer

SMALL = {
    "size": 32, "latent": 8, "generator_width": 4, "critic_width": 4, "batch_size": 8,
    "log_every": 1, "latent_method": "off",
}  # fmt: skip
FALLING = {
    "schedule": 80, "burn_in": 16, "final_rate": 0.1, "penalty": 2.0, "final_penalty": 0.1,
    "beta2": 0.9, "final_beta2": 0.99, "ema_halflife": 10, "final_ema_halflife": 1000,
}  # fmt: skip


def test_without_a_schedule_everything_stays_as_it_is():
    config = TrainingConfig(final_rate=0.1, final_penalty=0.1, final_beta2=0.5)
    assert scheduled(config, 0) == scheduled(config, 10**9)
    now = scheduled(config, 10**6)
    assert now.generator_rate == config.generator_rate and now.beta2 == config.beta2
    assert now.penalty == config.penalty and now.ema_halflife == config.ema_halflife


def test_values_begin_with_the_burn_in_and_go_by_half_a_cosine():
    config = TrainingConfig(**FALLING, generator_rate=1.0, critic_rate=3.0)
    assert scheduled(config, 0) == scheduled(config, 16)
    quarter, middle, end = (scheduled(config, seen) for seen in (32, 48, 80))
    assert quarter.generator_rate == pytest.approx(1 - 0.9 * (1 - math.cos(math.pi / 4)) / 2)
    assert middle.generator_rate == pytest.approx(0.55)
    assert middle.critic_rate == pytest.approx(1.65)
    assert middle.penalty == pytest.approx(1.1)
    assert middle.beta2 == pytest.approx(0.945)
    assert (end.generator_rate, end.penalty) == (pytest.approx(0.1), pytest.approx(0.2))
    assert (end.beta2, end.ema_halflife) == (0.99, 1000)
    assert scheduled(config, 10**9) == end


@given(
    seen=st.integers(0, 10**10), burn_in=st.integers(0, 10**6), longer=st.integers(1, 10**6),
    last=st.floats(1e-6, 10),
)  # fmt: skip
def test_values_stay_between_the_first_and_the_last(seen, burn_in, longer, last):
    config = TrainingConfig(burn_in=burn_in, schedule=burn_in + longer, final_rate=last)
    now, later = scheduled(config, seen), scheduled(config, seen + 1)
    low, high = sorted((config.generator_rate, config.generator_rate * last))
    assert low * 0.999 <= now.generator_rate <= high * 1.001
    assert (later.generator_rate - now.generator_rate) * (last - 1) >= -1e-12


def test_a_burn_in_beyond_the_schedule_is_refused():
    with pytest.raises(TrainingError, match="burn_in must be at most schedule"):
        TrainingConfig(burn_in=11, schedule=10)


def test_the_trainer_follows_them_and_an_interrupted_run_too(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    config = TrainingConfig(steps=9, **SMALL, **FALLING)
    trainer = Trainer(config, None)
    batches = Batches(images, None, np.arange(64), 8, 0)
    for _ in range(7):
        trainer.advance(batches)
    for optimiser in (trainer.critic_optimiser, trainer.generator_optimiser):
        group, now = optimiser.param_groups[0], scheduled(config, 6 * 8)
        assert group["lr"] == now.generator_rate and group["betas"] == (0.0, now.beta2)

    whole = train(config, images, None, tmp_path / "whole")

    def interrupt(record):
        if record["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, images, None, tmp_path / "parts", progress=interrupt)
    resumed = train(config, images, None, tmp_path / "parts")
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_schedule_changes_what_is_learned(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    config = TrainingConfig(steps=4, **SMALL)
    plain = train(config, images, None, tmp_path / "plain")
    slow = replace(config, schedule=1, final_rate=0.01)
    slowed = train(slow, images, None, tmp_path / "slow")
    assert not torch.equal(plain.stem.weight, slowed.stem.weight)
