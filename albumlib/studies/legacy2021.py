"""The conditional model of 2021, rebuilt to be taken apart, one named difference after the other.

With all of DIFFERENCES it does what the scripts of 2021 did, on networks of our size; without any
it is the variant that the course recommends. BUGS are those that do something other than was meant,
CHOICES the others. Wherever it matters, the difference and its repair
stand side by side. Facts about the scripts are from reading them
(github.com/icykip/Album_Cover_Generator). Which batch is drawn and how large it is, weight
averaging and the layers of the networks are the same for all, so that nothing but the differences
is compared.

Shapes: B covers a batch, S pixels a side, L labels, Z latents; labels and covers in [-1, 1].
"""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from albumlib.dataset.batches import Batches
from albumlib.models import losses
from albumlib.models.blocks import SLOPE, GeneratorBlock
from albumlib.models.networks import Critic, Generator, LabelScale, channels, draw_latents
from albumlib.training.config import TrainingConfig, recipe
from albumlib.training.trainer import average, ema_share

# In the order of repair: first what keeps the model from generating, then from using its labels.
DIFFERENCES = {
    "preview noise": "previews use latents from N(0, 1), though training used U(-1, 1)",
    "pace": "RMSprop at 0.00005, and the generator is updated on every fifth batch only",
    "signs": "both losses subtract the label error, so that wrong labels are rewarded",
    "clipped head": "weight clipping also holds the auxiliary head, whose output stays near zero",
    "clipped weights": "the critic's weights are clipped to ±0.01, without a gradient penalty",
    "norm of ones": "the latent step is divided by the norm of a tensor of ones: 4,670 times g",
    "moved labels": "the latent step moves the labels too, and they are drawn anew after it",
    "cut gradient": "no gradient passes through the latent step",
    "Wasserstein loss": "scores are averaged; no real cover is compared with a generated one",
    "labels by place": "every batch is given the labels of the first B tracks of the file",
    "uniform labels": "labels of generated covers are independent uniform numbers, not a song's",
    "head on generated covers": "the auxiliary head learns from generated covers too, as in ACGAN",
    "raw labels": "label errors on the scale of the labels, some a tenth as wide as others",
    "concatenation": "labels enter the generator once, as one channel of the first 4x4 features",
    "no projection": "the critic's score does not depend on the labels, as in ACGAN",
}
REPLACEMENTS = (  # what stands in the place of each, in the same order
    "latents of previews from U(-1, 1)", "Adam, an update of each a batch", "signs of label errors",
    "auxiliary head not clipped", "gradient penalty", "norm of the gradient", "labels stay",
    "gradient through latent step", "relativistic pairing", "each cover's own labels",
    "labels of real albums", "head trained on real covers", "standardised labels",
    "FiLM in every block", "projection",
)  # fmt: skip
# Lines that do something other than was meant; the others do what was meant, whether or not one
# would choose it today.
BUGS = (
    "preview noise", "signs", "clipped head", "norm of ones", "moved labels", "labels by place",
)  # fmt: skip
CHOICES = tuple(name for name in DIFFERENCES if name not in BUGS)
# Orders of repair, by the name of the cumulative ablation.
ORDERS = {
    "ladder": tuple(DIFFERENCES),
    "bugs_first": (*BUGS, *CHOICES),
    "choices_first": (*CHOICES, *BUGS),
}
# Each bug alone, with only the choices without which its line is never reached.
NEEDED = {
    "clipped head": ("clipped weights",),
    "norm of ones": ("Wasserstein loss",),  # the variant with a latent step
    "moved labels": ("Wasserstein loss",),
}
CLIP = 0.01  # bound of the critic's weights in 2021
PACE = 5  # batches per update of the generator in 2021


def latent_step_2021(
    score: Callable[[Tensor], Tensor], z: Tensor, *, through: bool = False
) -> Tensor:
    """The step of 2021, (B, Z): 500 g / (0.1 + |1| / 1000), clipped to [-1, 1].

    A norm of the gradient was meant. It was taken of a tensor of ones, over the batch, so that
    it is √B whatever the critic says: with 50 covers, plain gradient ascent at a rate of 4,670.
    """
    z = z.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(z).sum(), z, create_graph=through)
    norm = torch.ones_like(gradient).norm(dim=0)
    moved = (z + 500 * gradient / (0.1 + norm / 1000)).clamp(-1, 1)
    return moved if through else moved.detach()


class MapGenerator(nn.Module):
    """The generator, but labels enter it once: as one more channel of its first 4x4 features."""

    def __init__(self, size: int, latent: int, labels: int, width: int):
        super().__init__()
        self.latent, self.labels, self.size = latent, labels, size
        first = channels(size, width)[0]
        self.scale = LabelScale(labels)
        self.pyramid = Generator(size, latent, 0, width)
        self.pyramid.blocks[0] = GeneratorBlock(first + 1, first, latent, upsample=False)
        self.map = nn.Sequential(nn.Linear(labels, 256), nn.LeakyReLU(SLOPE), nn.Linear(256, 16))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        features = self.pyramid.stem(z).unflatten(1, (-1, 4, 4))
        x = torch.cat([features, self.map(self.scale(labels)).view(-1, 1, 4, 4)], dim=1)
        for block in self.pyramid.blocks:
            x = block(x, z)
        return torch.tanh(self.pyramid.to_rgb(x))


class Build:
    """Generator and critic with some of DIFFERENCES, their optimisers, and one step of training.

    `labels` (N, L) are all labels of the training set, in the order of the file; `critic`
    replaces the usual one. `ema` is the averaged generator to draw with. Raises ValueError for a
    difference that is none.
    """

    def __init__(
        self,
        config: TrainingConfig,
        labels: Tensor,
        differences: Iterable[str] = DIFFERENCES,
        critic: nn.Module | None = None,
    ):
        self.config, self.labels, self.differences, self.step = config, labels, set(differences), 0
        if unknown := self.differences - set(DIFFERENCES):
            raise ValueError(f"no such difference: {', '.join(sorted(unknown))}")
        torch.manual_seed(config.seed)
        count = labels.shape[1]
        kind = MapGenerator if "concatenation" in self.differences else Generator
        self.generator = kind(config.size, config.latent, count, config.generator_width)
        projection = "no projection" not in self.differences
        self.critic = critic or Critic(
            config.size, count, config.critic_width, projection=projection
        )
        if "raw labels" not in self.differences:
            self.generator.scale.fit(labels)
            self.critic.scale.fit(labels)
        for network in (self.generator, self.critic):
            network.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.critic_optimiser = self._optimiser(self.critic, config.critic_rate)
        self.generator_optimiser = self._optimiser(self.generator, config.generator_rate)

    def _optimiser(self, network: nn.Module, rate: float) -> torch.optim.Optimizer:
        if "pace" in self.differences:
            return torch.optim.RMSprop(network.parameters(), lr=5e-5)
        betas = (self.config.beta1, self.config.beta2)
        return torch.optim.Adam(network.parameters(), lr=rate, betas=betas)

    def advance(self, batches: Batches) -> None:
        """One batch: an update of the critic and, when it is due, one of the generator."""
        rng = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)
        covers, labels = batches.batch(self.step)
        if "labels by place" in self.differences:
            labels = self.labels[: len(covers)]  # the index within the batch
        if "uniform labels" not in self.differences:
            labels = self.smoothed(labels, rng)
        drawn = self._update_critic(covers, labels, rng)
        if "pace" not in self.differences or self.step % PACE == PACE - 1:
            self._update_generator(labels, None if self._moves() else drawn, rng)
        size = self.config.batch_size
        share = ema_share(size, self.config.ema_halflife, self.step * size)
        average(self.ema, self.generator, share)
        self.step += 1

    # Losses ---------------------------------------------------------------------------------

    def critic_loss(self, covers: Tensor, labels: Tensor, fakes: Tensor, asked: Tensor) -> Tensor:
        """The critic's loss of real covers with their labels, and fakes with those asked for."""
        scores, predicted = self.critic(torch.cat([covers, fakes]), torch.cat([labels, asked]))
        (real, fake), (reading, echo) = scores.chunk(2), predicted.chunk(2)
        self.scores = real.detach()
        if "Wasserstein loss" in self.differences:
            loss = losses.wasserstein_critic(real, fake)
        else:
            loss = losses.relativistic(real, fake)
        loss = loss + self._sign() * self.label_error(reading, labels)
        if "head on generated covers" in self.differences:
            loss = loss + self.label_error(echo, asked)
        return loss

    def generator_loss(self, fakes: Tensor, asked: Tensor) -> Tensor:
        """The generator's loss: the score, and the error of the labels asked for."""
        fake, echo = self.critic(fakes, asked)
        if "Wasserstein loss" in self.differences:
            loss = losses.wasserstein_generator(fake)
        else:
            loss = losses.relativistic(fake, self.scores)
        return loss + self._sign() * self.label_error(echo, asked)

    def _sign(self) -> int:
        """Of the label error in both losses."""
        return -1 if "signs" in self.differences else 1

    def label_error(self, reading: Tensor, labels: Tensor) -> Tensor:
        """The weighted error of predicted labels."""
        if "raw labels" in self.differences:
            return (reading - labels).abs().nanmean()
        error = losses.label_error(reading, self.critic.scale(labels), labels.isfinite())
        return self.config.auxiliary_weight * error

    # Labels, latents, covers ----------------------------------------------------------------

    def smoothed(self, labels: Tensor, rng: torch.Generator) -> Tensor:
        noise = torch.randn(labels.shape, generator=rng)
        return labels + self.config.label_noise * self.critic.scale.spread * noise

    def asked_labels(self, labels: Tensor, rng: torch.Generator) -> Tensor:
        """The labels that the generator is asked for, (B, L)."""
        if "uniform labels" in self.differences:
            return torch.rand(labels.shape, generator=rng) * 2 - 1
        return labels

    def latents(self, asked: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (B, Z), the labels to go with them (B, L), and what the latent step costs."""
        config, nothing = self.config, torch.zeros(())
        z = draw_latents(len(asked), config.latent, rng)
        through = "cut gradient" not in self.differences
        if not self._moves():
            return z, asked, nothing

        def score(z: Tensor) -> Tensor:
            return self._scored(z, asked)[0]

        if "norm of ones" in self.differences:
            moved, cost = latent_step_2021(score, z, through=through), nothing
        else:
            chosen = torch.rand(config.latent, generator=rng) < config.latent_fraction
            settings = config.latent_step | {"through": through}
            moved, step = losses.latent_step(score, z, chosen=chosen.to(z), **settings)
            cost = config.latent_weight * losses.latent_cost(step)
        if "moved labels" in self.differences:
            asked = latent_step_2021(lambda labels: self._scored(z, labels)[1].sum(1), asked)
        return moved, asked, cost

    def _moves(self) -> bool:
        """Whether this batch's latents are moved; those that are not serve both updates."""
        config, through = self.config, "cut gradient" not in self.differences
        return config.latent_method != "off" and not (through and self.step % config.latent_every)

    def _scored(self, z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.critic(self.generator(z, labels), labels)

    @torch.no_grad()
    def covers(self, labels: Tensor, seed: int = 0) -> Tensor:
        """Covers (n, 3, S, S) for labels (n, L), as the build previews them."""
        rng = torch.Generator().manual_seed(seed)
        if "preview noise" in self.differences:
            z = torch.randn(len(labels), self.config.latent, generator=rng)
        else:
            z = draw_latents(len(labels), self.config.latent, rng)
        parts = zip(z.split(256), labels.split(256), strict=True)
        return torch.cat([self.ema(z, labels) for z, labels in parts])

    # Updates --------------------------------------------------------------------------------

    def _update_critic(self, covers: Tensor, labels: Tensor, rng: torch.Generator) -> tuple:
        self.generator.requires_grad_(False)
        z, asked, cost = self.latents(self.asked_labels(labels, rng), rng)
        fakes = self.generator(z, asked)
        loss = self.critic_loss(covers, labels, fakes, asked) + cost
        if "clipped weights" not in self.differences:
            loss = loss + self._penalty(covers, labels, fakes.detach(), rng)
        _update(self.critic_optimiser, loss)
        self.clip()
        self.generator.requires_grad_(True)
        return z, asked, cost

    def _update_generator(self, labels: Tensor, drawn, rng) -> None:
        self.critic.requires_grad_(False)
        z, asked, cost = drawn or self.latents(self.asked_labels(labels, rng), rng)
        if "moved labels" in self.differences:
            asked = self.asked_labels(labels, rng)  # z was moved for other ones
        fakes = self.generator(z, asked)
        _update(self.generator_optimiser, self.generator_loss(fakes, asked) + cost)
        self.critic.requires_grad_(True)

    def _penalty(self, covers: Tensor, labels: Tensor, fakes: Tensor, rng) -> Tensor:
        """The gradient penalty that goes with the critic's loss."""
        config = self.config
        if self.step % config.penalty_every:
            return torch.zeros(())

        def score(x: Tensor) -> Tensor:
            return self.critic(x, labels)[0]

        if "Wasserstein loss" in self.differences:
            mix = torch.rand(len(covers), generator=rng)
            penalty = losses.gradient_penalty(score, covers, fakes, mix)
        else:
            labels = torch.cat([labels, labels])
            penalty = 2 * losses.zero_centred_penalty(score, torch.cat([covers, fakes]))
        return config.penalty * config.penalty_every * penalty

    @torch.no_grad()
    def clip(self) -> None:
        """Cut the critic's weights to ±0.01, those of the label head too or not."""
        if "clipped weights" not in self.differences:
            return
        for name, weight in self.critic.named_parameters():
            if "clipped head" in self.differences or not name.startswith("auxiliary"):
                weight.clamp_(-CLIP, CLIP)


def ladder(order: str = "ladder") -> list[tuple[str, ...]]:
    """The differences left at each step: all of them first, then one less each, then none."""
    names = ORDERS[order]
    return [names[step:] for step in range(len(names) + 1)]


def bugs_alone() -> dict[str, tuple[str, ...]]:
    """Each bug added to a variant without bugs, and the variants that it is compared with."""
    without = {name: NEEDED.get(name, ()) for name in BUGS}
    bases = {", ".join(("no bug", *needed)): needed for needed in without.values()}
    return bases | {name: (*needed, name) for name, needed in without.items()}


def build_config(differences: Iterable[str], **changes) -> TrainingConfig:
    """The settings to compare builds with: the course's own, by the critic's loss."""
    if "Wasserstein loss" in set(differences):
        return recipe("acgan_wgan_logan", **changes)
    return recipe("acgan", **{"penalty_every": 4} | changes)  # as the ladder was measured


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
