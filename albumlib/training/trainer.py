"""One step of the algorithm: what loop.py repeats. Randomness is drawn on the CPU from the seed and
the step alone, so that a run which was interrupted goes on exactly as if it had not been, and a
seed means the same latents on every device.
"""

import copy
from collections.abc import Sequence
from dataclasses import asdict, astuple
from pathlib import Path

import torch
from torch import Tensor, nn

from albumlib import __version__
from albumlib.dataset.batches import Batches
from albumlib.models import checkpoint, losses
from albumlib.models.augment import augment
from albumlib.models.conditions import smoothed
from albumlib.models.networks import Critic, Generator
from albumlib.models.titles import TOKENS, with_words
from albumlib.runtime.rng import Rng
from albumlib.training.captured import Draw, Numbers, Steps
from albumlib.training.config import TrainingConfig
from albumlib.training.distributed import Distributed
from albumlib.training.resume import changed_settings
from albumlib.training.schedules import scheduled


class Trainer:
    """The two networks, their optimisers and the averaged generator, with one step of each.

    A critic step and a generator step read as the algorithm does; all randomness of a step comes
    from its own `rng`. Shapes: B covers a batch, C numbers in a row of conditions, L labels.
    """

    def __init__(
        self,
        config: TrainingConfig,
        labels: Tensor | None,
        device: str = "cpu",
        words: Sequence[str] = (),
        distributed: Distributed | None = None,
    ):
        self.config, self.device, self.step = config, torch.device(device), 0
        self.distributed, self.words = distributed or Distributed(), tuple(words)
        self.minutes = 0.0  # trained so far, earlier parts of an interrupted run included
        self.saved: int | None = None  # step of the good checkpoint on disk
        self.changes: list[dict] = []  # of settings, when the run went on
        count = 0 if labels is None else labels.shape[1] - (TOKENS if config.titles else 0)
        torch.manual_seed(config.seed)
        self.generator = Generator(
            config.size, config.latent, count, config.generator_width, config.extra_names, words,
            config.titles, config.prior, config.qubits, config.prior_layers,
            config.generator_residual, config.generator_noise, limit=config.generator_limit,
        )  # fmt: skip
        self.critic = Critic(
            config.size, count, config.critic_width, config.projection, len(words), config.titles,
            config.minibatch_stddev, config.critic_blocks,
        )  # fmt: skip
        if labels is not None:
            self.generator.scale.fit(labels[:, :count])
            self.critic.scale.fit(labels[:, :count])
        for network in (self.generator, self.critic):  # channels last: twice as fast on CPUs
            network.to(self.device, memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False).eval()
        compiled = torch.compile if config.compile else lambda network: network
        self.fast_generator, self.fast_critic = compiled(self.generator), compiled(self.critic)
        frozen = set(self.critic.blocks[: config.freeze_critic].parameters())
        trained = [weight for weight in self.critic.parameters() if weight not in frozen]
        generator = self.generator.prior if config.freeze_generator else self.generator
        alone = self.distributed.world_size == 1  # processes exchange gradients within a step
        self.steps = Steps(self.device) if config.graphs and alone else None
        # All weights in one call: alone, each small one costs more in Python than in arithmetic.
        # Captured steps, whose rates are tensors, need what CUDA takes by itself.
        kept = {"capturable": self.device.type == "cuda"} if self.steps else {"foreach": True}
        self.critic_optimiser = torch.optim.Adam(trained, **kept)  # rates and betas: see _step
        self.generator_optimiser = torch.optim.Adam(generator.parameters(), **kept)

    # One step of the algorithm --------------------------------------------------------------

    def advance(self, batches: Batches) -> dict[str, Tensor]:
        """All critic updates and the generator update of one step; numbers stay on the device."""
        rng = Rng(self.config.seed * 1_000_003 + self.step, *astuple(self.distributed))
        own = self.distributed.share(self.config.batch_size)
        seen = self.step * self.config.batch_size
        now = asdict(scheduled(self.config, seen))
        now["ema_share"] = ema_share(self.config.batch_size, now.pop("ema_halflife"), seen)
        first = self.step * self.config.critic_steps

        def draw(update: int) -> tuple[Tensor, Tensor | None]:
            return batches.batch(first + update, own)

        if self.steps is None:
            record = self._step(draw, rng, now)
        else:
            kind = self._moves_latents(), tuple(map(self._due, range(self.config.critic_steps)))
            record = self.steps.run(kind, self._step, draw, rng, now)
        self.step += 1
        return record

    def _step(self, draw: Draw, rng, now: Numbers) -> dict[str, Tensor]:
        """All that changes the networks, by the batches of `draw` and the settings of `now`."""
        betas = self.config.beta1, self.config.beta2 if self.steps else now["beta2"]
        self.critic_optimiser.param_groups[0].update(lr=now["critic_rate"], betas=betas)
        self.generator_optimiser.param_groups[0].update(lr=now["generator_rate"], betas=betas)
        for repeat in range(self.config.critic_steps):
            covers, labels = draw(repeat)  # (B, 3, S, S), (B, C)
            labels, known, held = self._smoothed(labels, rng)
            fakes, cost = self._generated(self.generator, labels, rng, len(covers))
            penalty = now["penalty"] if self._due(repeat) else None
            real, record = self._critic_step(covers, fakes, cost, labels, known, penalty, rng)
        if self._moves_latents():  # along the gradient of the critic, which has just changed
            fakes, cost = self._generated(self.critic, labels, rng, len(covers))
        record |= self._generator_step(real, fakes, cost, labels, held, rng)
        average(self.ema, self.generator, now["ema_share"])
        return record

    def _due(self, repeat: int) -> bool:
        """Whether a critic update of this step has the gradient penalty."""
        config = self.config
        index = self.step * config.critic_steps + repeat
        wanted = config.penalty and config.critic_loss != "wgan-clip"
        return bool(wanted) and index % config.penalty_every == 0

    def _critic_step(
        self, covers: Tensor, fakes: Tensor, cost: Tensor, labels, known, penalty, rng
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Update the critic. Returns the scores of the real covers, (B,), and numbers."""
        config = self.config
        # Covers of moved latents depend on the critic through the step; the others do not.
        fakes = fakes if self._moves_latents() else fakes.detach()
        covers, fakes = self._augmented(covers, rng), self._augmented(fakes, rng)
        with self._precision():  # real and fake in one call, neighbours staying neighbours
            scores, predicted = self.fast_critic(torch.cat([covers, fakes]), _twice(labels))
        real, fake = scores.chunk(2)
        loss = self._critic_loss(real, fake)
        record = {"critic_loss": loss.detach(), "score_gap": (real.mean() - fake.mean()).detach()}
        loss = loss + config.latent_weight * cost
        if predicted is not None:
            error = self._label_error(predicted[: len(covers)], known)
            loss = loss + config.auxiliary_weight * error
            record["auxiliary_error"] = error.detach()
        if penalty is not None:
            with self._precision():
                norms = self._penalty(covers, fakes.detach(), labels, rng)
            loss = loss + penalty * config.penalty_every * norms
        self._update(self.critic_optimiser, loss)
        if config.critic_loss == "wgan-clip":
            _clip_weights(self.critic, config.clip)
        return real.detach(), record

    def _generator_step(
        self, real: Tensor, fakes: Tensor, cost: Tensor, labels, held, rng
    ) -> dict[str, Tensor]:
        """Update the generator. `real` are the scores (B,) that the real covers had a moment ago,
        before the critic's update: to score them once more would cost a tenth of the time.
        """
        config = self.config
        self.critic.requires_grad_(False)
        with self._precision():
            fake, predicted = self.fast_critic(self._augmented(fakes, rng), labels)
        if config.critic_loss == "rpgan":
            loss = losses.relativistic(fake, real)
        else:
            loss = losses.wasserstein_generator(fake)
        record = {"generator_loss": loss.detach(), "latent_cost": cost.detach()}
        if predicted is not None:
            error = self._label_error(predicted, held)
            loss = loss + config.generator_auxiliary_weight * error
            record["generator_auxiliary_error"] = error.detach()
        self._update(self.generator_optimiser, loss + config.latent_weight * cost)
        self.critic.requires_grad_(True)
        return record

    # Its parts ------------------------------------------------------------------------------

    def _update(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.distributed.average_gradients(optimiser.param_groups[0]["params"])
        optimiser.step()

    def _label_error(self, predicted: Tensor, labels: Tensor) -> Tensor:
        known = labels.isfinite()
        count = self.distributed.mean(known.sum().float())  # not every process has as many
        return losses.label_error(predicted, self.critic.scale(labels), known, count)

    def _critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        if self.config.critic_loss == "rpgan":
            return losses.relativistic(real, fake)
        return losses.wasserstein_critic(real, fake)

    def _penalty(self, covers: Tensor, fakes: Tensor, labels, rng) -> Tensor:
        if self.config.critic_loss == "wgan-gp":
            mix = rng.rand(len(covers)).to(self.device)
            return losses.gradient_penalty(lambda x: self.critic(x, labels)[0], covers, fakes, mix)
        # R1 at real covers and R2 at fake ones, twice the mean over both
        both = torch.cat([covers, fakes])
        return 2 * losses.zero_centred_penalty(lambda x: self.critic(x, _twice(labels))[0], both)

    def _generated(self, fixed: nn.Module, labels, rng, count: int) -> tuple[Tensor, Tensor]:
        """Covers (B, 3, S, S) from fresh latents, and the cost of moving these. If they are moved,
        the `fixed` network, which this update does not train, gets no gradients; else both updates
        share the covers."""
        moves = self._moves_latents()
        fixed.requires_grad_(not moves)
        z, cost = self._latents(count, labels, rng)
        with self._precision():
            covers = (self.generator if moves else self.fast_generator)(z, labels)
        fixed.requires_grad_(True)
        return covers, cost

    def _precision(self) -> torch.autocast:
        half = self.config.precision == "bfloat16" and not self._moves_latents()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _moves_latents(self) -> bool:
        return self.config.latent_method != "off" and self.step % self.config.latent_every == 0

    def _latents(self, count: int, labels, rng) -> tuple[Tensor, Tensor]:
        """Latents from the prior, moved by LOGAN's step when it is due, and the step's cost."""
        config = self.config
        z = (2 * rng.rand(count, config.latent) - 1).to(self.device)
        if not self._moves_latents():
            return z, torch.zeros((), device=self.device)
        chosen = rng.whole(config.latent) < config.latent_fraction
        moved, step = losses.latent_step(
            lambda z: self.critic(self.generator(z, labels), labels)[0],
            z, chosen=chosen.to(z), **config.latent_step,
        )  # fmt: skip
        return moved, losses.latent_cost(step)

    def _augmented(self, covers: Tensor, rng) -> Tensor:
        """Covers, augmented by chance where the settings ask for it (DiffAugment)."""
        return augment(covers, self.config.augment, rng) if self.config.augment else covers

    def _smoothed(self, labels: Tensor | None, rng) -> tuple:
        """What the networks are conditioned on, the labels that are known of the covers, and the
        labels that generated covers are held to."""
        if labels is None or not self.generator.columns:
            return None, None, None
        config = self.config
        return smoothed(
            labels, self.critic.scale.spread, rng, noise=config.label_noise,
            dropout=config.label_dropout, word_dropout=config.word_dropout,
            extras=len(config.extra_names),
        )  # fmt: skip

    # Checkpoints ----------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write `generator.safetensors` (to use) and `training.safetensors` (to go on from), and
        keep the ones before. Raises NotFiniteError, and writes nothing, if weights are not finite.
        """
        networks = {name: getattr(self, name) for name in ("generator", "critic", "ema")}
        tensors = nn.ModuleDict(networks).state_dict()
        for name in ("generator_optimiser", "critic_optimiser"):
            tensors |= checkpoint.store_optimiser(name, getattr(self, name))
        checkpoint.check_finite(tensors, f"step {self.step}")
        if not self.distributed.main:
            return
        about = {"config": asdict(self.config), "step": self.step, "version": __version__}
        about |= {"words": self.words, "changes": self.changes}
        with checkpoint.replaced(folder, keep=self.saved not in (None, self.step)) as new:
            checkpoint.save_generator(new / checkpoint.GENERATOR, self.ema, about)
            checkpoint.write_tensors(
                new / checkpoint.TRAINING, tensors, about | {"minutes": self.minutes}
            )
        self.saved = self.step

    def load(self, folder: Path) -> None:
        """Go on from the newest checkpoint that can be read. TrainingError if it was made with
        settings that cannot be changed."""
        tensors, about, path = checkpoint.read_newest(folder)
        changes = changed_settings(self.config, about, folder)
        self.changes = [*about.get("changes", ()), *changes]
        for name in ("generator", "critic", "ema"):
            state = checkpoint.part(tensors, name, "average" if name == "ema" else name)
            getattr(self, name).load_state_dict(with_words(state, self.words))
        for name in ("generator_optimiser", "critic_optimiser"):
            checkpoint.restore_optimiser(name, getattr(self, name), tensors)
        self.step, self.minutes = about["step"], about.get("minutes", 0.0)
        self.saved = self.step if path.parent == folder else None

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or the time is over."""
        if self.step >= self.config.steps:
            return True
        late = float(self.minutes > self.config.max_minutes)
        # All processes end together, when the clock of any of them says so.
        return bool(
            self.config.max_minutes
            and self.distributed.mean(torch.tensor(late, device=self.device))
        )


def ema_share(batch_size: int, halflife: float, seen: int) -> float:
    """The share of today's weights in the average, where `seen` covers came before this batch."""
    halflife = min(halflife, max(1.0, (seen + batch_size) * 0.1))  # quick at the start
    return 1 - 0.5 ** (batch_size / halflife)


@torch.no_grad()
def average(ema: nn.Module, network: nn.Module, share: float | Tensor) -> None:
    """Move averaged weights by a share of the way to a network's."""
    torch._foreach_lerp_(list(ema.parameters()), list(network.parameters()), share)


def _clip_weights(critic: nn.Module, bound: float) -> None:
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-bound, bound)


def _twice(labels: Tensor | None) -> Tensor | None:
    """The conditions of real and fake covers in one batch: the same."""
    return None if labels is None else torch.cat([labels, labels])
