"""The losses against hand-made values, finite differences and a second implementation."""

import math

import pytest
import torch
from torch.nn import functional as F

from albumlib.models import losses


def linear(weight):
    return lambda covers: covers.flatten(1) @ weight


def test_wasserstein_losses_are_differences_of_means():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0])
    assert losses.wasserstein_critic(real, fake) == -1.5
    assert losses.wasserstein_generator(fake) == -0.5


def test_relativistic_loss_is_cross_entropy_of_the_difference():
    winner, loser = torch.randn(50), torch.randn(50)
    expected = F.binary_cross_entropy_with_logits(winner - loser, torch.ones(50))
    torch.testing.assert_close(losses.relativistic(winner, loser), expected)
    assert losses.relativistic(torch.zeros(1), torch.zeros(1)).item() == pytest.approx(math.log(2))


def test_gradient_penalties_of_a_linear_critic_are_known():
    weight = torch.randn(3 * 8 * 8)
    norm = weight.norm()
    real, fake, mix = torch.randn(5, 3, 8, 8), torch.randn(5, 3, 8, 8), torch.rand(5)
    penalty = losses.gradient_penalty(linear(weight), real, fake, mix)
    torch.testing.assert_close(penalty, (norm - 1) ** 2)
    torch.testing.assert_close(losses.zero_centred_penalty(linear(weight), real), norm**2 / 2)


def test_gradient_penalty_looks_between_real_and_fake():
    def score(covers):
        seen.append(covers.detach())
        return covers.flatten(1).sum(1)

    seen = []
    real, fake, mix = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2), torch.tensor([0, 0.25, 1])
    losses.gradient_penalty(score, real, fake, mix)
    torch.testing.assert_close(seen[0][:, 0, 0, 0], mix)


def test_penalties_can_be_differentiated_again():
    weight = torch.randn(12, dtype=torch.double, requires_grad=True)
    covers = torch.randn(2, 3, 2, 2, dtype=torch.double)

    def penalty(weight):
        return losses.zero_centred_penalty(lambda x: (x.flatten(1) @ weight).tanh(), covers)

    assert torch.autograd.gradcheck(penalty, weight)


def test_label_error_ignores_missing_labels():
    predicted = torch.tensor([[1.0, 5.0], [2.0, 7.0]], requires_grad=True)
    labels = torch.tensor([[0.0, 0.0], [2.0, 7.0]])
    known = torch.tensor([[True, False], [True, True]])
    error = losses.label_error(predicted, labels, known)
    assert error.item() == pytest.approx(0.5 / 3)  # Huber(1) = 0.5, over three known ones
    error.backward()
    assert predicted.grad[0, 1] == 0
    assert losses.label_error(predicted, labels, torch.zeros_like(known)) == 0


def test_label_error_of_parts_is_that_of_the_whole_even_if_one_label_is_known():
    predicted, labels = torch.randn(4, 10), torch.zeros(4, 10)
    known = torch.zeros(4, 10, dtype=torch.bool)
    known[1, 3] = True
    parts = [slice(0, 2), slice(2, 4)]
    count = known.sum().float() / len(parts)
    errors = [losses.label_error(predicted[p], labels[p], known[p], count) for p in parts]
    assert sum(errors) / len(parts) == pytest.approx(losses.label_error(predicted, labels, known))


# LOGAN ------------------------------------------------------------------------------------------


def test_natural_step_of_a_linear_score_is_the_closed_form():
    weight = torch.tensor([3.0, 4.0])
    z = torch.zeros(2, 2)
    moved, step = losses.latent_step(lambda z: z @ weight, z, rate=0.9, damping=0.1)
    expected = 0.9 * weight / (0.1 + 25)
    torch.testing.assert_close(step, expected.expand(2, 2))
    torch.testing.assert_close(moved, expected.expand(2, 2))


def test_natural_step_inverts_the_damped_fisher_matrix():
    gradient = torch.randn(6, dtype=torch.double) * 0.3
    fisher = gradient.outer(gradient) + 0.1 * torch.eye(6, dtype=torch.double)
    _, step = losses.latent_step(
        lambda z: z @ gradient, torch.zeros(1, 6, dtype=torch.double), rate=0.2, damping=0.1
    )
    torch.testing.assert_close(step[0], 0.2 * torch.linalg.solve(fisher, gradient))


def test_plain_step_is_gradient_ascent_and_is_clipped_to_the_prior():
    weight = torch.tensor([0.5, -8.0])
    moved, step = losses.latent_step(
        lambda z: z @ weight, torch.tensor([[0.2, -0.9]]), method="gd", rate=1.0
    )
    torch.testing.assert_close(moved, torch.tensor([[0.7, -1.0]]))
    torch.testing.assert_close(step, torch.tensor([[0.5, -0.1]]))  # what was really moved


def test_each_sample_has_its_own_norm():
    """The 2021 code took a norm over the batch: there, one sample's step depended on the rest."""
    weight = torch.randn(4, 4)
    z = torch.rand(5, 4) * 0.2

    def score(z):
        return (z @ weight).square().sum(1)

    together, _ = losses.latent_step(score, z)
    alone = torch.cat([losses.latent_step(score, row[None])[0] for row in z])
    torch.testing.assert_close(together, alone)


def test_steps_of_the_natural_gradient_are_bounded():
    for scale in (1e-3, 0.3, 1e3):
        weight = torch.full((8,), scale)
        _, step = losses.latent_step(lambda z, w=weight: z @ w, torch.zeros(1, 8))
        assert step.norm() <= 0.9 / (2 * math.sqrt(0.1)) + 1e-6


def test_only_chosen_latents_move():
    chosen = torch.tensor([1.0, 0.0])
    _, step = losses.latent_step(lambda z: z.sum(1), torch.zeros(1, 2), chosen=chosen)
    assert step[0, 0] > 0 and step[0, 1] == 0


def test_gradients_pass_through_the_step_by_finite_differences():
    z = torch.rand(3, 4, dtype=torch.double) * 0.2
    weight = torch.randn(4, 4, dtype=torch.double, requires_grad=True)

    def loss(weight):
        def score(z):
            return (z @ weight).tanh().sum(1)

        moved, step = losses.latent_step(score, z, damping=1.0)
        return losses.wasserstein_generator(score(moved)) + 0.1 * losses.latent_cost(step)

    assert torch.autograd.gradcheck(loss, weight)


def test_gradients_of_the_whole_loss_reach_both_networks_by_finite_differences():
    """Algorithm 1 of the paper: f, the step, the second pass and the cost, in one graph."""
    z = torch.rand(3, 4, dtype=torch.double) * 0.2
    generator = torch.randn(4, 5, dtype=torch.double, requires_grad=True)
    critic = torch.randn(5, dtype=torch.double, requires_grad=True)

    for method, steps in (("ngd", 1), ("gd", 1), ("ngd", 2)):

        def loss(generator, critic, method=method, steps=steps):
            def score(z):
                return (z @ generator).tanh() @ critic

            moved, step = losses.latent_step(
                score, z, method=method, rate=0.1, damping=1.0, steps=steps
            )
            return losses.wasserstein_generator(score(moved)) + 300 * losses.latent_cost(step)

        assert torch.autograd.gradcheck(loss, (generator, critic))


def test_the_gain_does_not_depend_on_how_latents_are_measured():
    """The natural gradient's invariance, without damping: stretch and turn the latents as you
    like, the score rises by `rate` to first order, and by the same for each sample."""
    weight = torch.randn(4, dtype=torch.double)
    z = torch.zeros(3, 4, dtype=torch.double)
    for stretch in (torch.eye(4), 100 * torch.eye(4), 30 * torch.randn(4, 4)):

        def score(z, stretch=stretch):
            return z @ stretch.double() @ weight

        _, step = losses.latent_step(score, z, rate=1e-3, damping=0.0)
        torch.testing.assert_close(score(step), torch.full((3,), 1e-3, dtype=torch.double))
        _, step = losses.latent_step(score, z, rate=1e-3, method="gd")
        assert not torch.allclose(score(step), torch.full((3,), 1e-3, dtype=torch.double))


def test_turning_the_latents_turns_the_step():
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.double))[0]
    weight, z = torch.randn(6, dtype=torch.double), torch.rand(2, 6, dtype=torch.double) * 0.1

    def score(z):
        return (z @ weight).sin()

    _, step = losses.latent_step(score, z @ turn, rate=0.1)
    _, turned = losses.latent_step(lambda z: score(z @ turn), z, rate=0.1)
    torch.testing.assert_close(turned @ turn, step)


def test_several_steps_are_steps_one_after_the_other():
    weight = torch.randn(4, 4, dtype=torch.double)
    z = torch.rand(3, 4, dtype=torch.double) * 0.1

    def score(z):
        return (z @ weight).tanh().sum(1)

    expected = z
    for _ in range(3):
        expected, _ = losses.latent_step(score, expected, rate=0.2)
    for through in (True, False):
        moved, way = losses.latent_step(score, z, rate=0.2, steps=3, through=through)
        torch.testing.assert_close(moved, expected)
        torch.testing.assert_close(way, expected - z)
        assert moved.requires_grad == through


def test_any_step_stays_in_the_prior_s_support():
    z = torch.rand(5, 4) * 2 - 1
    for method, rate, steps in (("gd", 4670.0, 1), ("ngd", 50.0, 1), ("ngd", 0.9, 20)):
        moved, step = losses.latent_step(
            lambda z: 3 * z.sum(1), z, method=method, rate=rate, steps=steps
        )
        assert moved.abs().max() <= 1
        torch.testing.assert_close(z + step, moved)


def test_detached_equals_full_where_the_second_order_term_is_zero():
    """A score linear in z with a constant gradient: the step does not depend on the weights."""
    bias = torch.zeros(1, requires_grad=True)
    gradients = []
    for through in (True, False):

        def score(z):
            return z.sum(1) + bias

        moved, _ = losses.latent_step(score, torch.zeros(2, 3), through=through)
        gradients.append(torch.autograd.grad(score(moved).mean(), bias)[0])
    torch.testing.assert_close(*gradients)
    weight = torch.ones(3, requires_grad=True)
    differ = []
    for through in (True, False):
        moved, _ = losses.latent_step(lambda z: z @ weight, torch.zeros(2, 3), through=through)
        differ.append(torch.autograd.grad((moved @ weight).mean(), weight)[0])
    assert not torch.allclose(*differ)


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'newton'"):
        losses.latent_step(lambda z: z.sum(1), torch.zeros(1, 2), method="newton")
