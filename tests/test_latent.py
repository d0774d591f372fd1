import numpy as np
import pytest
import torch

from albumlib import latent
from albumlib.networks import Generator


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(32, 16, 10, 4).eval()


def test_a_seed_is_the_same_latent_alone_and_in_company(generator):
    together = latent.latents(generator, [5, 6])
    assert torch.equal(together[1:], latent.latents(generator, 6))
    assert together.abs().max() <= 1


def test_truncation_pulls_to_the_middle(generator):
    full, half = latent.latents(generator, 1), latent.latents(generator, 1, 0.5)
    torch.testing.assert_close(half, full / 2)


def test_one_latent_serves_many_labels_and_batches_do_not_matter(generator):
    labels = np.random.default_rng(0).uniform(-1, 1, (5, 10))
    z = latent.latents(generator, 3)
    at_once = latent.draw(generator, z, labels)
    in_parts = latent.draw(generator, z, labels, batch_size=2)
    assert at_once.shape == (5, 32, 32, 3)
    assert np.abs(at_once.astype(int) - in_parts).max() <= 1
    alone = latent.draw(generator, z, labels[2])
    assert np.abs(at_once[2].astype(int) - alone[0]).max() <= 1


def test_slerp_has_its_ends_and_keeps_the_length():
    a, b = torch.tensor([[0.6, 0.0, 0.1]]), torch.tensor([[0.0, 0.6, 0.1]])
    torch.testing.assert_close(latent.slerp(a, b, 0.0), a)
    torch.testing.assert_close(latent.slerp(a, b, 1.0), b)
    middle = latent.slerp(a, b, 0.5)
    assert middle.norm() == pytest.approx(a.norm().item(), abs=1e-5)
    torch.testing.assert_close(middle[0, 0], middle[0, 1])


@pytest.mark.parametrize("factor", [1.0, -1.0, 1 + 1e-7])
def test_slerp_is_safe_where_directions_agree_or_oppose(factor):
    a = torch.rand(2, 8) - 0.5
    assert latent.slerp(a, factor * a, 0.3).isfinite().all()
    torch.testing.assert_close(latent.slerp(a, a, 0.3), a)


def test_walk_passes_through_its_seeds(generator):
    path = latent.walk(generator, [1, 2, 3], 4)
    assert path.shape == (9, 16)
    torch.testing.assert_close(path[[0, 4, 8]], latent.latents(generator, [1, 2, 3]))


def test_album_label_is_the_mean_of_what_is_known():
    labels = np.array([[1.0, np.nan, np.nan], [0.0, 0.5, np.nan]])
    assert np.allclose(latent.album_label(labels), [0.5, 0.5, np.nan], equal_nan=True)


def test_a_sweep_turns_one_label_a_row(generator, monkeypatch):
    labels = np.random.default_rng(0).normal(size=(400, 10))
    labels[::3, 4] = np.nan
    seen = {}

    def draw(network, z, asked):
        seen["asked"] = asked
        return np.zeros((len(asked), 2, 2, 3), np.uint8)

    monkeypatch.setattr(latent, "draw", draw)
    z = latent.latents(generator, 0)
    assert latent.sweeps(generator, z, labels, steps=5).shape == (10, 5, 2, 2, 3)
    asked = seen["asked"].reshape(10, 5, 10)
    middle = np.nanmedian(labels, axis=0)
    for row in range(10):
        ends = np.nanquantile(labels[:, row], [0.05, 0.95])
        assert np.allclose(asked[row, [0, -1], row], ends, atol=1e-6)
        others = np.delete(asked[row], row, axis=1)
        assert np.allclose(others, np.delete(middle, row), atol=1e-6)
