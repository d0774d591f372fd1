"""Settings of a training: what is allowed, and the one sentence about what is not."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from albumlib.runtime import LARGEST_SEED
from albumlib.runtime.rng import Rng
from albumlib.training.config import COUNT, RECIPES, TrainingConfig, TrainingError, recipe

INF, NAN = float("inf"), float("nan")
VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(), st.none(), st.just(10**400),
    st.lists(st.integers()), st.sampled_from(["color", "shift,flip", "year", "words", "rpgan"]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sise": 64}, "unknown setting 'sise'"),
        ({"steps": 2.5}, "steps must be int, got 2.5"),
        ({"labels": 1}, "labels must be bool"),
        ({"size": 48}, "size must be one of 32, 64, 128, 256, got 48"),
        ({"critic_loss": "hinge"}, "critic_loss must be one of"),
        ({"penalty_every": 0}, "penalty_every must be from 1 to 1,000,000,000, got 0"),
        ({"augment": "colour"}, "some of flip, shift, color, cutout, joined by commas, got 'col"),
        ({"augment": "shift,"}, "got ''"),
        ({"generator_rate": -1.0}, "generator_rate must be above 0 and finite, got -1.0"),
        ({"critic_rate": NAN}, "critic_rate must be above 0 and finite, got nan"),
        ({"critic_rate": INF}, "got inf"),
        ({"generator_rate": 0}, "got 0.0"),
        ({"beta1": 1.0}, "beta1 must be at least 0 and below 1, got 1.0"),
        ({"beta2": -0.1}, "beta2 must be at least 0 and below 1"),
        ({"generator_width": 0}, "generator_width must be from 1 to 4,096, got 0"),
        ({"critic_width": -8}, "critic_width must be from 1"),
        ({"label_dropout": 1.5}, "label_dropout must be from 0 to 1, got 1.5"),
        ({"label_noise": NAN}, "label_noise must be at least 0 and finite"),
        ({"ema_halflife": 0}, "ema_halflife must be from 1"),
        ({"minibatch_stddev": -4}, "minibatch_stddev must be from 0"),
        ({"freeze_critic": -1}, "freeze_critic must be from 0"),
        ({"max_minutes": NAN}, "max_minutes must be at least 0"),
        ({"seed": -1}, "seed must be from 0 to 9,000,000,000,000, got -1"),
        ({"seed": 20240601123045}, "seed must be from 0 to 9,000,000,000,000"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(settings, message):
    with pytest.raises(TrainingError) as refused:
        TrainingConfig.from_dict(settings)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.sampled_from([one.name for one in fields(TrainingConfig)]), VALUES)
def test_any_value_is_a_setting_or_a_training_error(name, value):
    try:
        config = TrainingConfig.from_dict({name: value})
    except TrainingError as refused:
        assert str(refused).startswith((name, "extras", "batch_size", "freeze_generator", "qubits"))
    else:
        assert getattr(config, name) == value


def test_every_number_and_every_choice_has_its_range():
    free = {one.name for one in fields(TrainingConfig) if one.metadata.get("allowed") is None}
    kinds = {one.name: one.type for one in fields(TrainingConfig)}
    assert {kinds[name] for name in free} == {"bool"}


def test_the_largest_seed_has_a_generator_for_every_step():
    steps = int(COUNT.right)
    assert torch.isfinite(Rng(LARGEST_SEED * 1_000_003 + steps).rand(1))
    assert TrainingConfig(seed=LARGEST_SEED).seed == LARGEST_SEED


def test_all_recipes_are_within_the_ranges():
    for name in RECIPES:
        assert recipe(name, steps=3).steps == 3


def test_former_names_are_taken_with_a_warning():
    with pytest.warns(FutureWarning, match="average_halflife is now called ema_halflife"):
        assert TrainingConfig.from_dict({"average_halflife": 7}).ema_halflife == 7
