"""Each difference does what the scripts of 2021 did; without any, it is ours, bit for bit."""

import numpy as np
import pytest
import torch

from albumlib.dataset.batches import Batches
from albumlib.studies.legacy2021 import (
    BUGS,
    CHOICES,
    CLIP,
    DIFFERENCES,
    ORDERS,
    REPLACEMENTS,
    Build,
    MapGenerator,
    bugs_alone,
    build_config,
    ladder,
)
from albumlib.studies.legacy2021 import latent_step_2021 as step_2021
from albumlib.training.trainer import Trainer

SMALL = {"size": 32, "steps": 1, "batch_size": 4, "latent": 8}
SMALL |= {"generator_width": 2, "critic_width": 2}
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
LABELS = (RNG.uniform(-1, 1, (24, 10)) * np.linspace(0.1, 1, 10)).astype(np.float32)
ROWS = np.arange(24)


def config(differences=(), **changes):
    return build_config(differences, **SMALL | changes)


def build(*differences: str, **changes) -> Build:
    return Build(config(differences, **changes), torch.from_numpy(LABELS), differences)


def batches(of) -> Batches:
    return Batches(IMAGES, LABELS, ROWS, of.batch_size, of.seed)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def weights(network) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in network.parameters()]


@pytest.mark.parametrize(
    "differences", [(), ("Wasserstein loss",)], ids=["recommended", "wgan_logan"]
)
def test_without_differences_it_is_our_training(differences):
    """Our two conditional recipes, by another loop."""
    ours, theirs = build(*differences), Trainer(config(differences), torch.from_numpy(LABELS))
    ours_batches, their_batches = batches(ours.config), batches(ours.config)
    for _ in range(5):  # a lazy penalty and a latent step are among them
        ours.advance(ours_batches)
        theirs.advance(their_batches)
    for name in ("generator", "critic", "ema"):
        torch.testing.assert_close(
            weights(getattr(ours, name)), weights(getattr(theirs, name)), rtol=0, atol=0
        )


@pytest.mark.parametrize("order", ORDERS)
def test_the_ablation_removes_one_difference_after_the_other(order):
    steps = ladder(order)
    assert set(steps[0]) == set(DIFFERENCES) and steps[-1] == ()
    for before, after, repaired in zip(steps, steps[1:], ORDERS[order], strict=False):
        assert set(before) - set(after) == {repaired}
        assert set(after) < set(before)


def test_each_difference_is_a_bug_or_a_choice_and_has_a_replacement():
    assert set(BUGS) | set(CHOICES) == set(DIFFERENCES) and not set(BUGS) & set(CHOICES)
    assert [name for name in DIFFERENCES if name in BUGS] == list(BUGS)
    assert len(REPLACEMENTS) == len(set(REPLACEMENTS)) == len(DIFFERENCES)


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_alone_is_added_to_a_variant_that_reaches_its_line(bug):
    found = bugs_alone()
    assert set(found[bug]) - {bug} <= set(CHOICES)
    assert set(found[bug]) - {bug} in map(set, (found[name] for name in found if name not in BUGS))
    without, with_bug = (build(*set(found[bug]) - without) for without in ({bug}, set()))
    if bug == "preview noise":
        labels = torch.from_numpy(LABELS)
        assert not torch.equal(without.covers(labels), with_bug.covers(labels))
        return
    for made in (without, with_bug):
        of = batches(made.config)
        for _ in range(made.config.latent_every):
            made.advance(of)
    same = zip(weights(without.critic), weights(with_bug.critic), strict=True)
    assert not all(torch.equal(one, other) for one, other in same)


def test_an_unknown_difference_is_refused():
    with pytest.raises(ValueError, match="no such difference: bad luck"):
        build("bad luck")


# Labels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("differences", [("labels by place",), ()])
def test_labels_by_place_are_those_of_the_first_covers_in_every_batch(differences, monkeypatch):
    made, given = build(*differences, "uniform labels"), []
    monkeypatch.setattr(made, "_update_critic", lambda covers, labels, rng: given.append(labels))
    monkeypatch.setattr(made, "_update_generator", lambda *_: None)
    of = batches(made.config)
    for step in range(5):
        made.advance(of)
        first = torch.from_numpy(LABELS[:4])
        own = of.batch(step)[1]
        torch.testing.assert_close(given[-1], first if differences else own)
        assert not torch.equal(first, own)


def test_uniform_labels_know_nothing_of_each_other():
    labels = torch.from_numpy(LABELS).repeat(200, 1)
    drawn = build("uniform labels").asked_labels(labels, rng())
    assert drawn.abs().max() <= 1
    assert drawn.std(0).sub(3**-0.5).abs().max() < 0.02  # of U(-1, 1)
    assert torch.equal(build().asked_labels(labels, rng()), labels)


def test_raw_labels_are_neither_scaled_nor_weighed():
    reading, labels = torch.zeros(24, 10), torch.from_numpy(LABELS)
    raw = build("raw labels").label_error(reading, labels)
    torch.testing.assert_close(raw, labels.abs().mean())
    narrow = labels * (torch.arange(10) == 0)  # only the first, which uses a tenth of the range
    made = build()
    errors = [made.label_error(reading, labels), made.label_error(reading, labels - narrow)]
    share = 1 - errors[1] / errors[0]
    raw_share = 1 - (labels - narrow).abs().mean() / labels.abs().mean()
    assert raw_share < 0.03 < share


# Signs ------------------------------------------------------------------------------------------


def slope_of_reading(made: Build, labels: torch.Tensor) -> float:
    """How the critic's loss changes as its readings of real covers move away from the truth."""
    reading = (labels + 0.5).requires_grad_(True)
    made.critic = lambda covers, asked: (covers.mean((1, 2, 3)), torch.cat([reading, asked[4:]]))
    covers, fakes = torch.ones(4, 3, 32, 32), torch.zeros(4, 3, 32, 32)
    loss = made.critic_loss(covers, labels, fakes, labels)
    return torch.autograd.grad(loss, reading)[0].sum().item()


def test_the_critic_was_paid_for_misreading_real_covers():
    labels = torch.from_numpy(LABELS[:4])
    assert slope_of_reading(build("signs", "raw labels"), labels) == pytest.approx(-1)
    assert slope_of_reading(build("raw labels"), labels) == pytest.approx(1)


def test_the_generator_was_paid_for_disobeying():
    labels, covers = torch.from_numpy(LABELS[:4]), torch.zeros(4, 3, 32, 32)
    slopes = []
    for differences in (("signs", "raw labels"), ("raw labels",)):
        made, echo = build(*differences), (labels + 0.5).requires_grad_(True)
        made.scores = torch.zeros(4)
        made.critic = lambda x, asked, echo=echo: (x.mean((1, 2, 3)), echo)
        loss = made.generator_loss(covers, labels)
        slopes.append(torch.autograd.grad(loss, echo)[0].sum().item())
    assert slopes == pytest.approx([-1, 1])


def test_critic_losses_of_2021_in_numbers():
    """-(mean score(real) + |error on real|) + (mean score(fake) + |error on fake|)."""
    made = build(*DIFFERENCES)
    covers, fakes = torch.rand(2, 4, 3, 32, 32)
    labels, asked = torch.from_numpy(LABELS[:8]).split(4)
    (real, reading), (fake, echo) = made.critic(covers, labels), made.critic(fakes, asked)
    expected = -(real.mean() + (reading - labels).abs().mean())
    expected = expected + fake.mean() + (echo - asked).abs().mean()
    torch.testing.assert_close(made.critic_loss(covers, labels, fakes, asked), expected)
    expected = -(fake.mean() + (echo - asked).abs().mean())
    torch.testing.assert_close(made.generator_loss(fakes, asked), expected)


# Weights and pace -------------------------------------------------------------------------------


def test_clipping_holds_the_label_head_too():
    whole, spared, free = (
        build("clipped weights", "clipped head"),
        build("clipped weights"),
        build(),
    )
    for made in (whole, spared, free):
        made.clip()
    reach = [made.critic.auxiliary.weight.abs().max().item() for made in (whole, spared, free)]
    assert reach[0] == pytest.approx(CLIP) and reach[1] > 5 * CLIP and reach[2] > 5 * CLIP
    assert spared.critic.dense.weight.abs().max() <= CLIP < free.critic.dense.weight.abs().max()


def test_the_generator_waited_for_every_fifth_batch():
    made, moved = build("pace"), []
    of = batches(made.config)
    for _ in range(10):
        before = weights(made.generator)
        made.advance(of)
        moved.append(
            any(map(torch.ne, map(torch.sum, before), map(torch.sum, weights(made.generator))))
        )
    assert moved == [False, False, False, False, True] * 2
    assert isinstance(made.critic_optimiser, torch.optim.RMSprop)


# Latents ----------------------------------------------------------------------------------------


def test_the_step_of_2021_is_gradient_ascent_whatever_the_gradient():
    gradient, count = torch.tensor([1e-4, -3e-5]), 50
    moved = step_2021(lambda z: z @ gradient, torch.zeros(count, 2))
    rate = 500 / (0.1 + count**0.5 / 1000)
    assert rate == pytest.approx(4670, rel=0.001)
    torch.testing.assert_close(moved, (rate * gradient).expand(count, 2))
    assert not moved.requires_grad


def test_the_step_of_2021_ends_in_the_corners():
    gradient = torch.randn(64, generator=rng())
    moved = step_2021(lambda z: z @ gradient, torch.zeros(16, 64))
    assert (moved.abs() == 1).float().mean() > 0.99


def test_labels_move_only_with_the_fault():
    labels = torch.from_numpy(LABELS[:4])
    z, asked, cost = build("Wasserstein loss", latent_every=1).latents(labels, rng())
    assert torch.equal(asked, labels) and cost > 0 and z.requires_grad
    made = build("Wasserstein loss", "moved labels", "cut gradient", "norm of ones")
    moved_z, moved, cost = made.latents(labels, rng())
    assert not torch.allclose(moved, labels) and cost == 0
    assert moved.abs().max() <= 1 and moved_z.abs().max() <= 1
    reading = lambda y: made._scored(z.detach(), y)[1].sum(1)  # noqa: E731
    assert moved.shape == step_2021(reading, labels).shape


def test_previews_had_noise_of_another_law():
    for difference, wanted in (("preview noise", 1.0), ("concatenation", 3**-0.5)):
        made, seen = build(difference), []
        made.ema = lambda z, labels, seen=seen: seen.append(z) or z
        made.covers(torch.zeros(4000, 10))
        assert torch.cat(seen).std().item() == pytest.approx(wanted, abs=0.02)


# Networks ---------------------------------------------------------------------------------------


def test_labels_enter_the_map_generator_once():
    torch.manual_seed(0)
    generator = MapGenerator(32, 8, 10, 2)
    z = torch.rand(3, 8)
    assert generator(z, torch.zeros(3, 10)).shape == (3, 3, 32, 32)
    assert not torch.allclose(generator(z, torch.zeros(3, 10)), generator(z, torch.ones(3, 10)))
    with torch.no_grad():
        generator.pyramid.blocks[0].convolution.weight[:, -1] = 0  # the map's channel
    torch.testing.assert_close(generator(z, torch.zeros(3, 10)), generator(z, torch.ones(3, 10)))


@pytest.mark.parametrize(
    "differences", ladder(), ids=lambda differences: differences[0] if differences else "none"
)
def test_every_step_trains_and_draws(differences):
    made = Build(config(differences), torch.from_numpy(LABELS), differences)
    of, before = batches(made.config), weights(made.generator)
    for _ in range(5):
        made.advance(of)
    changed = [not torch.equal(*pair) for pair in zip(before, weights(made.generator), strict=True)]
    assert np.mean(changed) > 0.8
    covers = made.covers(torch.from_numpy(LABELS))
    assert covers.shape == (24, 3, 32, 32) and covers.isfinite().all()
