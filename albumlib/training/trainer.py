"""One step of the algorithm: what training.py repeats.

The two networks, their optimisers and the averaged generator. Randomness is drawn on the CPU from
the seed and the step alone, so that a run which was interrupted goes on exactly as if it had not
been, and a seed means the same latents on every device.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from pathlib import Path

import torch
from torch import Tensor, nn

from albumlib import __version__
from albumlib.dataset.coverset import Batches
from albumlib.models import losses
from albumlib.models.augment import augment
from albumlib.models.checkpoint import (
    TrainingError,
    read_networks,
    read_tensors,
    restore_optimiser,
    save_generator,
    store_optimiser,
    write_tensors,
)
from albumlib.models.conditions import smoothed
from albumlib.models.networks import Critic, Generator
from albumlib.models.progressive import deepened, grown
from albumlib.models.titles import TOKENS, titles_to_labels
from albumlib.runtime.names import renamed
from albumlib.runtime.rng import Rng
from albumlib.training.config import TrainingConfig
from albumlib.training.distributed import Distributed


class Trainer:
    """The two networks, their optimisers and the averaged generator, with one step of each.

    A critic step and a generator step read as the algorithm does; what they share is drawn from
    `rng`, the step's own random generator.
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
        count = 0 if labels is None else labels.shape[1] - (TOKENS if config.titles else 0)
        torch.manual_seed(config.seed)
        self.generator = Generator(
            config.size, config.latent, count, config.generator_width, config.extra_names,
            words, config.titles, config.prior, config.qubits, config.prior_layers,
        )  # fmt: skip
        self.critic = Critic(
            config.size, count, config.critic_width, config.projection, len(words), config.titles,
            config.minibatch_stddev,
        )  # fmt: skip
        if labels is not None:
            self.generator.scale.fit(labels[:, :count])
            self.critic.scale.fit(labels[:, :count])
        for network in (self.generator, self.critic):  # channels last: twice as fast on CPUs
            network.to(self.device, memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False).eval()
        compiled = torch.compile if config.compile else lambda network: network
        self.draws, self.judges = compiled(self.generator), compiled(self.critic)
        # What an optimiser does not know stays as it is.
        still = set(self.critic.blocks[: config.freeze_critic].parameters())
        moving = [weight for weight in self.critic.parameters() if weight not in still]
        drawing = self.generator.prior if config.freeze_generator else self.generator
        self.critic_optimiser = self._adam(moving, config.critic_rate)
        self.generator_optimiser = self._adam(drawing.parameters(), config.generator_rate)

    def _adam(self, weights: Iterable[nn.Parameter], rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(weights, lr=rate, betas=(self.config.beta1, self.config.beta2))

    # One step of the algorithm --------------------------------------------------------------

    def advance(self, batches: Batches) -> dict[str, Tensor]:
        """All critic updates and the generator update of one step; numbers stay on the device."""
        rng = Rng(self.config.seed * 1_000_003 + self.step, *astuple(self.distributed))
        own = self.distributed.share(self.config.batch_size)
        for repeat in range(self.config.critic_steps):
            index = self.step * self.config.critic_steps + repeat
            covers, labels = batches.batch(index, own)
            labels, known, held = self._smoothed(labels, rng)
            fakes, cost = self._drawn(self.generator, labels, rng, len(covers))
            record = self._critic_step(covers, fakes, cost, labels, known, index, rng)
        if self._moves_latents():  # as the critic likes, which has just changed its mind
            fakes, cost = self._drawn(self.critic, labels, rng, len(covers))
        record |= self._generator_step(covers, fakes, cost, labels, held, rng)
        self._update_ema()
        self.step += 1
        return record

    def _critic_step(
        self, covers: Tensor, fakes: Tensor, cost: Tensor, labels, known, index: int, rng
    ) -> dict[str, Tensor]:
        config = self.config
        # Covers of moved latents depend on the critic through the step; the others do not.
        fakes = fakes if self._moves_latents() else fakes.detach()
        covers, fakes = self._augmented(rng, covers, fakes)
        with self._precision():
            real, reading = self.judges(covers, labels)
            fake, _ = self.judges(fakes, labels)
        loss = self._critic_loss(real, fake) + config.latent_weight * cost
        record = {"critic_loss": loss.detach(), "score_gap": (real.mean() - fake.mean()).detach()}
        if reading is not None:
            error = self._label_error(reading, known)
            loss = loss + config.auxiliary_weight * error
            record["auxiliary_error"] = error.detach()
        if config.critic_loss != "wgan-clip" and index % config.penalty_every == 0:
            with self._precision():
                penalty = self._penalty(covers, fakes.detach(), labels, rng)
            loss = loss + config.penalty * config.penalty_every * penalty
        self._update(self.critic_optimiser, loss)
        if config.critic_loss == "wgan-clip":
            _clip_weights(self.critic, config.clip)
        return record

    def _generator_step(
        self, covers: Tensor, fakes: Tensor, cost: Tensor, labels, held, rng
    ) -> dict[str, Tensor]:
        config = self.config
        self.critic.requires_grad_(False)
        covers, fakes = self._augmented(rng, covers, fakes)
        with self._precision():
            fake, reading = self.judges(fakes, labels)
        if config.critic_loss == "rpgan":
            with torch.no_grad(), self._precision():
                real, _ = self.judges(covers, labels)
            loss = losses.relativistic(fake, real)
        else:
            loss = losses.wasserstein_generator(fake)
        record = {"generator_loss": loss.detach(), "latent_cost": cost.detach()}
        if reading is not None:
            error = self._label_error(reading, held)
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

    def _label_error(self, reading: Tensor, labels: Tensor) -> Tensor:
        known = labels.isfinite()
        count = self.distributed.mean(known.sum().float())  # not every process has as many
        return losses.label_error(reading, self.critic.scale(labels), known, count)

    def _critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        if self.config.critic_loss == "rpgan":
            return losses.relativistic(real, fake)
        return losses.wasserstein_critic(real, fake)

    def _penalty(self, covers: Tensor, fakes: Tensor, labels, rng) -> Tensor:
        def score(x: Tensor) -> Tensor:
            return self.critic(x, labels)[0]

        if self.config.critic_loss == "wgan-gp":
            mix = rng.rand(len(covers)).to(self.device)
            return losses.gradient_penalty(score, covers, fakes, mix)
        r1 = losses.zero_centred_penalty(score, covers)
        return r1 + losses.zero_centred_penalty(score, fakes)

    def _drawn(self, still: nn.Module, labels, rng, count: int) -> tuple[Tensor, Tensor]:
        """Covers from fresh latents, and the cost of moving these. If they are moved, the network
        that is not being trained keeps `still`; else both steps share the covers."""
        if self._moves_latents():
            still.requires_grad_(False)
        z, cost = self._latents(count, labels, rng)
        with self._precision():
            covers = (self.generator if self._moves_latents() else self.draws)(z, labels)
        still.requires_grad_(True)
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
            z,
            method=config.latent_method,
            rate=config.latent_rate,
            damping=config.latent_damping,
            steps=config.latent_steps,
            chosen=chosen.to(z),
            through=config.latent_through,
        )
        return moved, losses.latent_cost(step)

    def _augmented(self, rng, covers: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """Real and fake covers, each augmented by chance (DiffAugment, arXiv 2006.10738)."""
        policy = self.config.augment
        if not policy:
            return covers, fakes
        return augment(covers, policy, rng), augment(fakes, policy, rng)

    def _smoothed(self, labels: Tensor | None, rng) -> tuple:
        """What this step tells of a batch, what is known, and what it holds drawn covers to."""
        if labels is None or not self.generator.columns:
            return None, None, None
        config = self.config
        return smoothed(
            labels, self.critic.scale.spread, rng, noise=config.label_noise,
            dropout=config.label_dropout, word_dropout=config.word_dropout,
            extras=len(config.extra_names),
        )  # fmt: skip

    def _update_ema(self) -> None:
        seen = (self.step + 1) * self.config.batch_size
        halflife = min(self.config.ema_halflife, max(1.0, seen * 0.1))  # quick at the start
        keep = 0.5 ** (self.config.batch_size / halflife)
        with torch.no_grad():
            averages, weights = self.ema.parameters(), self.generator.parameters()
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight, 1 - keep)

    # Checkpoints ----------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write `generator.safetensors` (to use) and `training.safetensors` (to go on)."""
        if not self.distributed.main:
            return
        tensors = {}
        for name in ("generator", "critic", "ema"):
            state = getattr(self, name).state_dict()
            tensors |= {f"{name}.{key}": value for key, value in state.items()}
        for name in ("generator_optimiser", "critic_optimiser"):
            tensors |= store_optimiser(name, getattr(self, name))
        about = {"config": asdict(self.config), "step": self.step, "version": __version__}
        about |= {"words": self.words} if self.words else {}
        save_generator(folder / "generator.safetensors", self.ema, about)
        write_tensors(folder / "training.safetensors", tensors, {**about, "minutes": self.minutes})

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint. TrainingError if it was made with other settings."""
        tensors, about = read_tensors(folder / "training.safetensors")
        free = {"steps", "max_minutes", "log_every", "sample_every", "save_every", "compile"}
        then = asdict(TrainingConfig()) | renamed(about["config"])  # older runs know fewer settings
        for name, value in asdict(self.config).items():
            if name not in free and then[name] != value:
                raise TrainingError(
                    f"{folder} holds a run with {name}={then[name]!r}, not "
                    f"{value!r}; choose another folder, or delete this one to start again"
                )
        for name, former in (("generator", ""), ("critic", ""), ("ema", "average.")):
            prefixes = tuple(filter(None, (name + ".", former)))
            state = {
                key.split(".", 1)[1]: value
                for key, value in tensors.items()
                if key.startswith(prefixes)
            }
            getattr(self, name).load_state_dict(state)
        for name in ("generator_optimiser", "critic_optimiser"):
            restore_optimiser(name, getattr(self, name), tensors)
        self.step, self.minutes = about["step"], about.get("minutes", 0.0)

    def read_titles(self, rows: Tensor) -> None:
        """Teach the encoders what the titles among training rows (N, C) lead to expect, before a
        cover is drawn: what regression finds in seconds, the two networks alone had found for one
        title in seven after 25 minutes."""
        encoder = self.generator.titles
        if encoder is None or encoder.guess is None:
            return
        labels, titles = rows.to(self.device).tensor_split([self.generator.labels], dim=1)
        wanted = self.generator.scale(labels).where(labels.isfinite(), torch.nan)
        titles_to_labels(encoder, titles, wanted, self.config.word_dropout, self.config.seed)
        with torch.no_grad():
            for weight in encoder.parameters():  # processes may differ in the last bits
                weight.copy_(self.distributed.mean(weight))
        for network in (self.ema, self.critic):
            network.titles.load_state_dict(encoder.state_dict())

    def begin_from(self, path: str | Path) -> None:
        """Take the networks of another run. What is new in this one begins afresh: a prior, the
        weights of labels that the other did not hear, or the finest layers if it drew smaller
        covers (ProGAN's growing, arXiv 1710.10196, without the fading in). TrainingError if it
        cannot be."""
        generator, critic, about = read_networks(path)
        doublings = (self.config.size // about["size"]).bit_length() - 1
        if doublings > 0:
            generator, critic = deepened(generator, critic, doublings)
        pairs = [(self.generator, generator), (self.ema, generator), (self.critic, critic)]
        for network, state in pairs:
            try:
                network.load_state_dict(grown(network.state_dict(), state))
            except (KeyError, ValueError, RuntimeError) as error:
                raise TrainingError(
                    f"{path} holds networks of another shape than this configuration asks for; "
                    "set latent, labels and the widths as that run had them, and half the widths "
                    "for twice the size"
                ) from error

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


def _clip_weights(critic: nn.Module, bound: float) -> None:
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-bound, bound)
