"""The losses of the course, each a function of a few lines that reads like its formula.

Scores are a critic's outputs, (B,). `critic` stands for a function from covers to scores (B,).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Scoring = Callable[[Tensor], Tensor]


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(fake)] - E[D(real)]: minus the Wasserstein estimate (arXiv 1701.07875)."""
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """-E[D(fake)]."""
    return -fake.mean()


def relativistic(winner: Tensor, loser: Tensor) -> Tensor:
    """E[softplus(-(D(winner) - D(loser)))]: the pair loss of RpGAN (arXiv 1807.00734).

    The critic wants real to win over fake, the generator fake over real.

    >>> relativistic(torch.tensor([3.0]), torch.tensor([3.0])).exp()  # undecided: log 2
    tensor(2.)
    """
    return F.softplus(loser - winner).mean()


def input_gradient_norms(critic: Scoring, covers: Tensor) -> Tensor:
    """Squared norm of the score's gradient at each cover, (B,); can be differentiated again."""
    covers = covers.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(covers).sum(), covers, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def zero_centred_penalty(critic: Scoring, covers: Tensor) -> Tensor:
    """E[|grad D|^2] / 2: R1 at real covers, R2 at fake ones (arXiv 1801.04406, 2501.05441)."""
    return input_gradient_norms(critic, covers).mean() / 2


def gradient_penalty(critic: Scoring, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|grad D| - 1)^2] between real and fake: WGAN-GP (arXiv 1704.00028).

    `mix` (B,) in [0, 1] says how far each point lies from fake to real.
    """
    mix = mix.view(-1, 1, 1, 1)
    norms = (input_gradient_norms(critic, mix * real + (1 - mix) * fake) + 1e-12).sqrt()
    return (norms - 1).square().mean()


def label_error(
    predicted: Tensor, labels: Tensor, known: Tensor, count: Tensor | None = None
) -> Tensor:
    """Mean Huber loss of labels predicted from covers, (B, L), over those that are `known`.

    `count` is how many these are, if not all of the batch is here.
    """
    error = F.smooth_l1_loss(predicted, labels, reduction="none")
    count = known.sum() if count is None else count
    return (error * known).sum() / (count + (count == 0))


def latent_step(
    score: Callable[[Tensor], Tensor],
    z: Tensor,
    *,
    method: str = "ngd",
    rate: float = 0.9,
    damping: float = 0.1,
    steps: int = 1,
    chosen: Tensor | None = None,
    through: bool = True,
) -> tuple[Tensor, Tensor]:
    """LOGAN's step of the latents towards covers of a higher score (arXiv 1912.00953).

    With f(z) = D(G(z)) and its gradient g for each sample: `gd` moves by rate * g, `ngd` by the
    natural gradient rate * g / (damping + |g|^2), the closed form of the damped inverse of the
    empirical Fisher matrix g g^T. `chosen`, (Z,) or (B, Z) of 0 and 1, says which latents move;
    the result is clipped to the prior's support [-1, 1]. `through` keeps the step in the graph,
    so that losses of G(z') reach both networks through the step too: the second-order term that
    makes LOGAN more than a choice of latents. Of several `steps`, each starts where the one before
    has come to. Returns z' and the way from z to it, both (B, Z).

    >>> score = lambda z: z.sum(1)  # the gradient is 1 everywhere
    >>> latent_step(score, torch.zeros(1, 2), rate=0.9, damping=1.0)[0]
    tensor([[0.3000, 0.3000]], grad_fn=<ClampBackward1>)
    """
    if method not in ("gd", "ngd"):
        raise ValueError(f"latent method must be 'gd' or 'ngd', got {method!r}")
    moved = z = z.detach().requires_grad_(True)
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(score(moved).sum(), moved, create_graph=through)
        if method == "ngd":
            gradient = gradient / (damping + gradient.square().sum(1, keepdim=True))
        step = rate * gradient if chosen is None else rate * gradient * chosen
        moved = (moved + step).clamp(-1, 1)
        moved = moved if through else moved.detach().requires_grad_(True)
    return (moved, moved - z) if through else (moved.detach(), (moved - z).detach())


def latent_cost(step: Tensor) -> Tensor:
    """E[|dz|^2]: what a latent step costs, weighted into both losses (LOGAN, equation 17)."""
    return step.square().sum(1).mean()
