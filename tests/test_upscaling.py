"""The upscaler: parts and wholes, what it begins as, and whether edges come nearer to the truth."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from albumlib.models.checkpoint import TrainingError
from albumlib.models.networks import to_covers
from albumlib.sampling.upscaling import (
    FACTOR,
    Upscaler,
    load_upscaler,
    pairs,
    train,
    upscale,
    upscaled,
)
from albumlib.sources.imprint.imprint import Imprint


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, np.ndarray]:
    """Covers of an imprint that it did not learn from, small and large."""
    return pairs(Imprint(seed=77, albums=24, corruption=0), range(24))


def bicubic(pixels: np.ndarray) -> np.ndarray:
    return F.interpolate(to_covers(pixels), scale_factor=FACTOR, mode="bicubic").clamp(-1, 1)


def error(found: torch.Tensor, large: np.ndarray) -> float:
    return F.l1_loss(found, to_covers(large)).item()


def test_untrained_it_is_bicubic_interpolation(known):
    covers = to_covers(known[0][:2])
    assert torch.equal(Upscaler()(covers), F.interpolate(covers, scale_factor=4, mode="bicubic"))


def test_a_few_steps_bring_covers_nearer_to_the_truth(known):
    small, large = known
    network = train(small[:16], large[:16], steps=25)
    with torch.no_grad():
        found = network(to_covers(small[16:]))
    assert error(found, large[16:]) < error(bicubic(small[16:]), large[16:])


def test_the_shipped_one_takes_a_quarter_off_the_error_of_interpolation(known):
    small, large = known
    found = to_covers(np.stack([upscale(load_upscaler(), cover) for cover in small]))
    assert error(found, large) < 0.75 * error(bicubic(small), large)


@pytest.mark.parametrize("side", [40, 64, 65])
def test_parts_make_the_whole(known, side):
    cover = known[0][0].repeat(2, 0)[:side].repeat(2, 1)[:, :side]
    network = load_upscaler()
    whole, parts = upscale(network, cover), upscale(network, cover, part=16)
    assert whole.shape == (4 * side, 4 * side, 3)
    assert np.abs(whole.astype(int) - parts).max() <= 1


@pytest.mark.parametrize("size", [64, 200, 256, 300, 1024, 1100])
def test_any_size_can_be_asked_for(known, size):
    cover = known[0][1]
    large = upscaled(cover, size)
    assert large.shape == (size, size, 3) and large.dtype == np.uint8
    assert np.abs(large.mean((0, 1)) - cover.mean((0, 1))).max() < 2  # its colours stay


def test_without_its_file_one_sentence_says_what_to_do(tmp_path):
    with pytest.raises(TrainingError, match="train one with"):
        load_upscaler(tmp_path / "none.safetensors")
