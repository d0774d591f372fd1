"""Requests stay within what a model has learned; where they do not, that is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from albumlib import features
from albumlib.__main__ import app
from albumlib.models.checkpoint import load_generator, save_generator
from albumlib.models.networks import FAR, Generator, LabelScale
from albumlib.sampling.request import Request, beyond

POPULARITY = features.NAMES.index("popularity")


def labels_of_one_singer(count: int = 64) -> torch.Tensor:
    """Popularity 0 throughout, instrumentalness hardly above 0, liveness unknown."""
    rng = np.random.default_rng(0)
    values = np.stack([features.from_unit(rng.uniform(-0.5, 0.5, 10)) for _ in range(count)])
    values[:, POPULARITY] = 0
    values[:, features.NAMES.index("instrumentalness")] = rng.uniform(0, 0.0013, count)
    values[:, features.NAMES.index("liveness")] = np.nan
    return torch.from_numpy(features.to_unit(values)).float()


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    generator = Generator(32, latent=8, labels=10, width=4)
    generator.scale.fit(labels_of_one_singer())
    save_generator(tmp_path / "generator.safetensors", generator, {})
    return tmp_path


def asked(**values) -> Request:
    return Request(features=tuple(values.get(name) for name in features.NAMES))


def test_labels_that_were_learned_are_not_changed_and_no_other_is_far_away():
    labels = labels_of_one_singer()
    scale = LabelScale(10)
    scale.fit(labels)
    expected = ((labels - scale.mean) / scale.spread).nan_to_num()
    torch.testing.assert_close(scale(labels), expected)
    assert scale(torch.linspace(-1, 1, 201)[:, None].expand(-1, 10)).abs().max() <= FAR
    assert (scale(torch.full((1, 10), torch.nan)) == 0).all()


@pytest.mark.parametrize("name", ["popularity", "liveness"])
def test_a_constant_or_unknown_feature_changes_nothing(model, name):
    generator = load_generator(model)
    plain = asked(energy=0.5).draw(generator)
    high = features.FEATURES[features.NAMES.index(name)].high
    assert np.array_equal(asked(energy=0.5, **{name: high}).draw(generator), plain)
    assert not np.array_equal(asked(energy=0.6).draw(generator), plain)


def test_a_request_outside_of_what_was_learned_is_limited_and_said(model):
    generator = load_generator(model)
    assert beyond(asked(energy=0.5, popularity=0), generator) == []
    [said] = beyond(asked(energy=0.5, popularity=10), generator)
    assert said.startswith("popularity 10 is outside of what this model learned, 0 to 0:")
    [said] = beyond(asked(instrumentalness=0.9), generator)
    assert said.startswith("instrumentalness 0.9 is outside")


def test_the_command_line_says_so_in_one_line(model):
    out = ["--out", str(model / "a.png")]
    result = CliRunner().invoke(app, ["generate", str(model), "--popularity", "10", *out])
    assert result.exit_code == 0
    assert result.stderr.startswith("note: popularity 10 is outside")
    assert result.stderr.count("\n") == 1


def test_a_checkpoint_without_a_range_limits_to_ten_standard_deviations():
    scale = LabelScale(3)
    assert scale(torch.full((1, 3), 99.0)).tolist() == [[FAR] * 3]


def test_extra_labels_have_their_limits_in_their_own_units():
    generator = Generator(32, latent=8, labels=11, width=4, extras=["year"])
    years = torch.tensor([[-0.5], [0.0]])
    generator.scale.fit(torch.cat([labels_of_one_singer(2), years], dim=1))
    [said] = beyond(Request(year=2030.0), generator)
    assert said == (
        "year 2030 is outside of what this model learned, 1960 to 2000: the nearer of these is "
        "taken"
    )
