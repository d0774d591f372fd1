"""Power by frequency: waves land in their ring, noise is flat, blur and grain are told apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from albumlib.evaluation import two_sample
from albumlib.evaluation.cover_network import CoverNetwork, fit
from albumlib.evaluation.spectrum import (
    edge_energy,
    frequencies,
    grain,
    luminance,
    radial_spectrum,
)


def grey(values):
    """Luminance (N, S, S) to covers (N, S, S, 3) uint8."""
    return np.repeat(values.round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)


@pytest.fixture(scope="module")
def boxes():
    """200 covers of sharp boxes under a little grain."""
    rng = np.random.default_rng(0)
    values = np.full((200, 64, 64), 90.0)
    for cover in values:
        for top, left, side in rng.integers(8, 40, (4, 3)):
            cover[top : top + side, left : left + side] += rng.uniform(-40, 60)
    return grey(values + rng.normal(0, 3, values.shape))


def blurred(pixels, sigma):
    shown = (Image.fromarray(one).filter(ImageFilter.GaussianBlur(sigma)) for one in pixels)
    return np.stack([np.asarray(one) for one in shown])


@settings(max_examples=20, deadline=None)
@given(wave=st.integers(1, 31), upright=st.booleans(), size=st.sampled_from([64, 96]))
def test_a_wave_lands_in_its_ring(wave, upright, size):
    place = np.arange(size) / size
    values = 128 + 100 * np.cos(2 * np.pi * wave * place) + np.zeros((size, 1))
    [found] = radial_spectrum(grey((values if upright else values.T)[None]))
    assert found.argmax() == wave - 1 and found.max() > 50 * np.delete(found, wave - 1).max()
    assert frequencies(size)[wave - 1] == wave / size


def test_white_noise_has_its_variance_in_every_ring():
    noise = grey(128 + np.random.default_rng(1).normal(0, 20, (100, 64, 64)))
    found = radial_spectrum(noise)
    assert found.shape == (100, len(frequencies(64)))
    assert found.mean(0) == pytest.approx(400, rel=0.15)
    assert edge_energy(found, 64) == pytest.approx(400, rel=0.02)
    assert grain(noise).mean() == pytest.approx(400, rel=0.03)


def test_luminance_is_what_pillow_takes_it_for():
    pixels = np.random.default_rng(2).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    wanted = [np.asarray(Image.fromarray(one).convert("L"), dtype=float) for one in pixels]
    assert luminance(pixels) == pytest.approx(np.stack(wanted), abs=1)


def test_blur_takes_edges_and_noise_is_grain(boxes):
    sharp = edge_energy(radial_spectrum(boxes), 64)
    soft = [edge_energy(radial_spectrum(blurred(boxes, sigma)), 64) for sigma in (0.5, 1, 2)]
    assert sharp > 1.3 * soft[0] > 2 * soft[1] > 3 * soft[2]
    assert grain(boxes).mean() == pytest.approx(9, rel=0.35)
    noise = np.random.default_rng(3).normal(0, 8, boxes.shape[:3])[..., None]
    assert grain((boxes + noise).clip(0, 255)).mean() == pytest.approx(73, rel=0.2)


def test_a_network_sees_batches_no_larger_than_the_set(boxes):
    seen = []

    def loss(network, covers, rows):
        seen.append(len(covers))
        return network(covers).mean()

    fit(CoverNetwork(1, width=2), boxes[:5], loss, 2)
    fit(CoverNetwork(1, width=2), boxes, loss, 1)
    assert seen == [5, 5, 64]


def test_two_samples_of_one_kind_are_not_told_apart_and_blurred_ones_are(boxes):
    first, second = boxes[:100], boxes[100:]
    sharp, soft, other = (
        np.log(radial_spectrum(some) + 1e-3) for some in (first, blurred(first, 1), second)
    )
    assert two_sample.by_features(sharp, other) == pytest.approx(0.5, abs=0.12)
    assert two_sample.by_features(soft, other) > 0.95
    soft, first, second = (some[:, 16:48, 16:48] for some in (blurred(first, 1), first, second))
    assert two_sample.by_network(first, second, steps=30) == pytest.approx(0.5, abs=0.16)
    assert two_sample.by_network(soft, second, steps=80) > 0.9
    once, again = (two_sample.by_network(first, second, steps=3) for _ in range(2))
    assert once == again
