import pytest
import torch

from albumlib.models.networks import (
    SIZES,
    Critic,
    Generator,
    LabelScale,
    channels,
    spread_of_groups,
    upsampled,
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("labels", [0, 10])
def test_shapes_and_ranges(size, labels):
    generator, critic = Generator(size, 16, labels, 4), Critic(size, labels, 4)
    y = torch.rand(2, labels) if labels else None
    covers = generator(torch.rand(2, 16), y)
    assert covers.shape == (2, 3, size, size)
    assert covers.abs().max() <= 1
    score, reading = critic(covers, y)
    assert score.shape == (2,)
    assert reading is None if not labels else reading.shape == (2, 10)


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


def test_reading_does_not_look_at_the_labels():
    critic = Critic(32, 10, 4)
    covers = torch.randn(2, 3, 32, 32)
    first, second = (critic(covers, torch.full((2, 10), value)) for value in (0.0, 1.0))
    torch.testing.assert_close(first[1], second[1])
    assert not torch.allclose(first[0], second[0])  # the score does, by projection


def test_a_cover_is_judged_alone():
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
    slow = convolution(torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest"))
    torch.testing.assert_close(upsampled(x, convolution), slow)
