import pytest
import torch

from albumlib.models.augment import POLICIES, augment
from albumlib.runtime.rng import Rng


def rng(seed=0):
    return Rng(seed)


def test_flip_mirrors_about_half_and_leaves_the_rest():
    covers = torch.randn(400, 3, 8, 8)
    out = augment(covers, "flip", rng())
    same = (out == covers).flatten(1).all(1)
    mirrored = (out == covers.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_shift_moves_the_middle_by_at_most_an_eighth():
    covers = torch.zeros(50, 1, 32, 32)
    covers[:, :, 16, 16] = 1
    places = augment(covers, "shift", rng()).flatten(1).argmax(1)
    ys, xs = places // 32 - 16, places % 32 - 16
    assert ys.abs().max() == 4 and xs.abs().max() == 4  # both ends occur


@pytest.mark.parametrize("policy", POLICIES)
def test_gradients_pass_and_seeds_repeat(policy):
    covers = torch.randn(4, 3, 16, 16, requires_grad=True)
    first, second = augment(covers, policy, rng(1)), augment(covers, policy, rng(1))
    torch.testing.assert_close(first, second)
    first.sum().backward()
    assert covers.grad.abs().sum() > 0


def test_color_keeps_what_is_where():
    covers = torch.randn(1, 3, 16, 16)
    out = augment(covers, "color", rng())
    grey_in, grey_out = covers.mean(1).flatten(), out.mean(1).flatten()
    assert torch.corrcoef(torch.stack([grey_in, grey_out]))[0, 1] > 0.999


def test_cutout_greys_one_square_wherever_it_may_lie():
    covers = torch.ones(2000, 3, 16, 16)
    holes = (augment(covers, "cutout", rng()) == 0).all(1)
    high, wide = (holes.any(side).sum(1) for side in (2, 1))
    assert (holes.sum((1, 2)) == high * wide).all(), "rectangles"
    assert high.min() == wide.min() == 4 and high.max() == wide.max() == 8  # of 16; some stick out
    share = holes.float().mean(0)
    assert share[0, 0] > 0.05 and share.std() / share.mean() < 0.4  # no place is spared


def test_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="'twist'"):
        augment(torch.zeros(1, 3, 8, 8), "flip,twist", rng())
