import pytest
import torch
from torch.nn import functional

from albumlib.models.blocks import CRITICS, downsampled, spread_of_groups, upsampled
from albumlib.models.networks import SIZES, Critic, Generator, LabelScale, channels


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("labels", [0, 10])
def test_shapes_and_ranges(size, labels):
    generator, critic = Generator(size, 16, labels, 4), Critic(size, labels, 4)
    y = torch.rand(2, labels) if labels else None
    covers = generator(torch.rand(2, 16), y)
    assert covers.shape == (2, 3, size, size)
    assert covers.abs().max() <= 1
    score, predicted = critic(covers, y)
    assert score.shape == (2,)
    assert predicted is None if not labels else predicted.shape == (2, 10)


def test_channels_double_inwards_up_to_a_limit():
    assert channels(64, 16) == [256, 128, 64, 32, 16]
    assert channels(256, 32)[0] == 256
    with pytest.raises(ValueError, match="48"):
        channels(48, 16)


def test_labels_change_the_cover_and_missing_ones_count_as_the_mean():
    torch.manual_seed(0)
    generator = Generator(32, 8, 10, 4)
    labels = torch.rand(50, 10)
    generator.scale.fit(labels)
    z = torch.rand(1, 8)
    mean = generator.scale.mean[None]
    missing = torch.full((1, 10), torch.nan)
    torch.testing.assert_close(generator(z, missing), generator(z, mean))
    assert not torch.allclose(generator(z, mean), generator(z, mean + 0.5))


def test_the_auxiliary_head_does_not_look_at_the_labels():
    critic = Critic(32, 10, 4)
    covers = torch.randn(2, 3, 32, 32)
    first, second = (critic(covers, torch.full((2, 10), value)) for value in (0.0, 1.0))
    torch.testing.assert_close(first[1], second[1])
    assert not torch.allclose(first[0], second[0])  # the score does, by projection


def test_a_cover_is_scored_alone():
    """No batch statistics in either network: a gradient penalty is per cover."""
    generator, critic = Generator(32, 8, 0, 4), Critic(32, 0, 4)
    z = torch.rand(6, 8)
    covers = generator(z)
    torch.testing.assert_close(covers[:1], generator(z[:1]))
    torch.testing.assert_close(critic(covers)[0][:1], critic(covers[:1])[0])


def test_label_scale_standardises_and_leaves_out_missing():
    labels = torch.randn(500, 3) * torch.tensor([1.0, 0.1, 5.0]) + 2
    labels[::3, 1] = torch.nan
    labels[:, 2] = torch.nan
    scale = LabelScale(3)
    scale.fit(labels)
    out = scale(labels)
    assert out.isfinite().all()
    assert out[:, 0].std() == pytest.approx(1, abs=0.02)
    assert out[labels[:, 1].isfinite(), 1].std() == pytest.approx(1, abs=0.02)
    assert (out[:, 2] == 0).all()


def test_a_conditional_generator_asks_for_labels():
    generator = Generator(32, 8, 10, 4)
    with pytest.raises(ValueError, match=r"\(2, 10\)"):
        generator(torch.rand(2, 8))


def test_the_spread_of_groups_is_that_of_neighbours():
    x = torch.randn(8, 3, 4, 4)
    found = spread_of_groups(x, 4)
    assert found.shape == (8, 1, 4, 4)
    by_hand = [part.std(0, unbiased=False).mean() for part in x.split(4)]
    torch.testing.assert_close(found[[0, 4], 0, 0, 0], torch.stack(by_hand))
    assert spread_of_groups(x[:1].expand(8, -1, -1, -1), 4).max() < 1e-3  # all the same
    assert spread_of_groups(x[:3], 4).unique().numel() == 1  # one odd group


def test_the_fused_layer_is_doubling_and_then_a_convolution():
    convolution = torch.nn.Conv2d(3, 5, 3, padding=1).double()
    x = torch.randn(2, 3, 6, 6, dtype=torch.double)
    slow = convolution(functional.interpolate(x, scale_factor=2, mode="nearest"))
    torch.testing.assert_close(upsampled(x, convolution), slow)


def test_the_filtered_layer_is_a_blur_a_convolution_and_every_second_pixel():
    convolution = torch.nn.Conv2d(3, 5, 1).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.double)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.double) / 8
    blur = torch.outer(taps, taps).expand(3, 1, 4, 4)
    slow = convolution(
        functional.conv2d(functional.pad(x, (1, 2, 1, 2)), blur, groups=3)[..., ::2, ::2]
    )
    torch.testing.assert_close(downsampled(x, convolution, taps), slow)


@pytest.mark.parametrize("kind", CRITICS)
@pytest.mark.parametrize("size", SIZES)
def test_every_kind_of_critic_sees_every_pixel(kind, size):
    critic = Critic(size, 10, 4, blocks=kind, stddev_group=2)
    covers = torch.randn(2, 3, size, size, requires_grad=True)
    score, predicted = critic(covers, torch.zeros(2, 10))
    assert score.shape == (2,) and predicted.shape == (2, 10)
    score.sum().backward()
    assert (covers.grad != 0).all(), "the penalty's gradient needs every pixel"


def test_a_kind_of_critic_that_is_none():
    with pytest.raises(ValueError, match="strided, folded, residual"):
        Critic(32, blocks="deep")


def wide_awake(generator):
    """The generator with each noise as strong as if it had been learned."""
    for name, weight in generator.named_parameters():
        if name.endswith("grain"):
            weight.data.fill_(1.0)
    return generator


def test_noise_is_standard_normal_and_follows_from_the_latent():
    generator = Generator(64, 64, 0, 4, noise=True, residual=True)
    z = torch.rand(400, 64) * 2 - 1
    noise = generator.blocks[-1].noise(z)
    assert noise.shape == (400, 1, 64, 64)
    assert abs(noise.mean()) < 0.01 and noise.std() == pytest.approx(1, abs=0.02)
    flat = noise.flatten(1)
    neighbours = (flat[:, 1:] * flat[:, :-1]).mean()
    assert abs(neighbours) < 0.02, "white: pixels know nothing of each other"
    alike = functional.cosine_similarity(flat[:200], flat[200:]).abs().mean()
    assert alike < 0.15, "another latent, another grain"
    near = functional.cosine_similarity(
        flat[:9], generator.blocks[-1].noise(z[:9] + 0.01).flatten(1)
    )
    assert near.min() > 0.99, "a small step, nearly the same grain"


def test_with_noise_a_latent_still_means_one_cover():
    torch.manual_seed(0)
    generator = wide_awake(Generator(32, 8, 10, 4, noise=True))
    z, labels = torch.rand(5, 8), torch.rand(5, 10)
    torch.manual_seed(1)
    covers = generator(z, labels)
    torch.manual_seed(2)
    assert torch.equal(covers, generator(z, labels))
    torch.testing.assert_close(covers[:2], generator(z[:2], labels[:2]))


def test_noise_neither_moves_the_seed_nor_stands_in_the_checkpoint():
    torch.manual_seed(0)
    plain = Generator(32, 8, 0, 4)
    torch.manual_seed(0)
    noisy = Generator(32, 8, 0, 4, noise=True)
    z = torch.rand(2, 8)
    assert torch.equal(plain(z), noisy(z)), "each noise begins at nothing"
    more = noisy.state_dict().keys() - plain.state_dict().keys()
    assert more and all(name.endswith("grain") for name in more)


def test_a_latent_step_does_not_turn_the_noise():
    generator = wide_awake(Generator(32, 8, 0, 4, noise=True))
    z = torch.rand(2, 8, requires_grad=True)
    assert not generator.blocks[0].noise(z).requires_grad
