import numpy as np
import pytest
import torch

from albumlib.models.networks import Generator
from albumlib.sampling import latent


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


# Directions and mixtures ------------------------------------------------------------------------


def test_closed_form_directions_stretch_most_and_are_orthogonal(generator):
    found, strengths = latent.closed_form_directions(generator, 16)
    torch.testing.assert_close(found @ found.T, torch.eye(16), atol=1e-5, rtol=0)
    weight = generator.stem.weight[:, :16].detach()
    torch.testing.assert_close((weight @ found.T).norm(dim=0), strengths)  # an eigenproblem solved
    others = torch.nn.functional.normalize(torch.randn(500, 16), dim=1)
    assert (weight @ others.T).norm(dim=0).max() <= strengths[0] + 1e-5


def test_principal_directions_find_the_latent_that_matters(generator):
    with torch.no_grad():  # a generator that depends on its third latent, and a little on others
        for layer in (generator.stem, *[block.film for block in generator.blocks]):
            layer.weight[:, :16] *= torch.tensor([0.02] * 2 + [1.0] + [0.02] * 13)
    found, shares = latent.principal_directions(generator, 4, samples=200)
    assert found[0, 2] > 0.95 and shares[0] > 0.5  # the rest is chance, of 200 samples
    assert (shares.diff() <= 0).all() and shares.sum() <= 1 + 1e-5


def test_steering_goes_along_and_stays_inside():
    z, directions = torch.zeros(2, 3), torch.eye(3)
    assert torch.equal(latent.steer(z, directions, [0.5, -2])[1], torch.tensor([0.5, -1, 0]))


def test_mixing_goes_from_one_cover_to_the_other(generator):
    labels = np.random.default_rng(1).uniform(-1, 1, (2, 10))
    one, other = ((latent.latents(generator, s), labels[s : s + 1]) for s in (0, 1))
    layers = len(generator.blocks) + 1
    ends = [latent.mix(generator, one, other, layer)[0] for layer in (0, layers)]
    for end, (z, label) in zip(ends, (other, one), strict=True):
        assert np.abs(end.astype(int) - latent.draw(generator, z, label)[0]).max() <= 1
    middle = latent.mix(generator, one, other, 2)[0]
    assert (middle != ends[0]).any() and (middle != ends[1]).any()


# Projection -------------------------------------------------------------------------------------


def test_projection_finds_a_cover_that_the_generator_drew(generator):
    label = np.full(10, 0.4, np.float32)
    target = latent.draw(generator, latent.latents(generator, 999), label)[0]
    calls = []
    found = latent.project(generator, target, progress=lambda *call: calls.append(call))
    assert calls[-1] == ("project", 150, 150) and len(found.losses) == 150
    assert min(found.losses) < 0.05 * found.losses[0]
    drawn = latent.draw(generator, found.z, found.labels)[0]
    assert (drawn == found.stages[-1]).all() and found.z.abs().max() <= 1
    assert np.abs(drawn.astype(int) - target).mean() < 4  # grey levels of 255


def test_likeness_loss_against_a_sum_by_hand():
    covers, target = torch.rand(2, 3, 8, 8), torch.rand(1, 3, 8, 8)
    difference = (covers - target).double().numpy()
    expected = np.zeros(2)
    for side in (1, 2, 4, 8):
        blocks = difference.reshape(2, 3, 8 // side, side, 8 // side, side).mean((3, 5))
        expected += np.square(blocks).mean((1, 2, 3)) / 4
    assert np.allclose(latent.likeness_loss(covers, target).numpy(), expected, atol=1e-6)


# Albums and labels ------------------------------------------------------------------------------


def test_typical_song_and_medoid_can_differ():
    # The outlier draws the mean away from the cluster, but not the medoid.
    labels = np.zeros((5, 10), np.float32)
    labels[:, 0] = [0.0, 0.1, 0.2, 0.5, 1.2]  # mean 0.4, medoid at the median
    assert latent.most_typical(labels, np.ones(10)) == 3
    assert latent.medoid(labels, np.ones(10)) == 2


def test_distances_count_in_units_of_spread_and_leave_out_what_is_missing():
    labels = np.zeros((3, 10), np.float32)
    labels[:, 0], labels[:, 1] = [0, 0.1, 1], [0, 9, 0.1]
    assert latent.most_typical(labels, np.ones(10)) == 2  # feature 1 decides
    spread = np.ones(10)
    spread[1] = 1e3
    assert latent.most_typical(labels, spread) == 1  # now feature 0: mean 0.37
    labels[2] = np.nan
    labels[2, 0] = 0.05
    assert latent.most_typical(labels, spread) == 2


def test_what_follows_has_the_slope_of_a_regression():
    rng = np.random.default_rng(0)
    labels = rng.normal(0, 0.1, (300, 10))
    labels[:, 3] += 0.5 * labels[:, 6]
    labels[:, 8] = np.nan
    slopes = latent.regression_slopes(labels)
    for row, column in [(3, 6), (6, 3), (0, 1)]:
        expected = np.polyfit(labels[:, column], labels[:, row], 1)[0]
        assert slopes[row, column] == pytest.approx(expected, abs=1e-9)
    start = np.zeros(10)
    moved = latent.follow(start, 6, 0.2, slopes)
    assert moved[6] == 0.2 and moved[3] == pytest.approx(0.2 * slopes[3, 6])
    assert moved[8] == 0 and not start.any()
    assert np.abs(latent.follow(start, 6, 1.0, 5 * slopes)).max() <= 1
