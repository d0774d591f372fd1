"""Training both models of the course: one flat configuration, one plain loop, exact resume.

The loop knows nothing of notebooks or progress bars: it calls `progress` with a record of
numbers every `log_every` steps. Randomness is drawn on the CPU from the seed and the step alone,
so that a run which was interrupted goes on exactly as if it had not been, and a seed means the
same latents on every device.
"""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from albumlib import __version__, losses
from albumlib.augment import augment
from albumlib.checkpoint import (
    TrainingError,
    load_generator,
    read_tensors,
    restore_optimiser,
    save_generator,
    store_optimiser,
    write_tensors,
)
from albumlib.config import TrainingConfig
from albumlib.coverset import Batches
from albumlib.networks import Critic, Generator, draw_latents, to_pixels

__all__ = ["TrainingConfig", "TrainingDiverged", "TrainingError", "load_generator", "train"]

Progress = Callable[[dict], None]


class TrainingDiverged(TrainingError):
    """The losses are no longer numbers; the last checkpoint on disk is still good."""


class Trainer:
    """The two networks, their optimisers and the averaged generator, with one step of each.

    A critic step and a generator step read as the algorithm does; what they share is drawn from
    `dice`, the step's own random generator.
    """

    def __init__(self, config: TrainingConfig, labels: Tensor | None, device: str = "cpu"):
        self.config, self.device, self.step = config, torch.device(device), 0
        self.minutes = 0.0  # trained so far, earlier parts of an interrupted run included
        count = 0 if labels is None else labels.shape[1]
        torch.manual_seed(config.seed)
        self.generator = Generator(config.size, config.latent, count, config.generator_width)
        self.critic = Critic(config.size, count, config.critic_width, config.projection)
        if labels is not None:
            self.generator.scale.fit(labels)
            self.critic.scale.fit(labels)
        for network in (self.generator, self.critic):  # channels last: twice as fast on CPUs
            network.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.critic_optimiser = self._adam(self.critic, config.critic_rate)
        self.generator_optimiser = self._adam(self.generator, config.generator_rate)

    def _adam(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        betas = (self.config.beta1, self.config.beta2)
        return torch.optim.Adam(network.parameters(), lr=rate, betas=betas)

    # One step of the algorithm --------------------------------------------------------------

    def advance(self, batches: Batches) -> dict[str, Tensor]:
        """All critic updates and the generator update of one step; numbers stay on the device."""
        dice = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)
        for repeat in range(self.config.critic_steps):
            index = self.step * self.config.critic_steps + repeat
            covers, labels = batches.batch(index)
            labels = self._smoothed(labels, dice)
            record = self._critic_step(covers, labels, index, dice)
        record |= self._generator_step(covers, labels, dice)
        self._update_average()
        self.step += 1
        return record

    def _critic_step(self, covers: Tensor, labels, index: int, dice) -> dict[str, Tensor]:
        config = self.config
        self.generator.requires_grad_(False)
        z, cost = self._latents(len(covers), labels, dice)
        covers, fakes = self._augmented(dice, covers, self.generator(z, labels))
        real, reading = self.critic(covers, labels)
        fake, _ = self.critic(fakes, labels)
        loss = self._critic_loss(real, fake) + config.latent_weight * cost
        record = {"critic_loss": loss.detach(), "score_gap": (real.mean() - fake.mean()).detach()}
        if reading is not None:
            error = losses.label_error(reading, self.critic.scale(labels), labels.isfinite())
            loss = loss + config.reading_weight * error
            record["reading_error"] = error.detach()
        if config.critic_loss != "wgan-clip" and index % config.penalty_every == 0:
            penalty = self._penalty(covers, fakes.detach(), labels, dice)
            loss = loss + config.penalty * config.penalty_every * penalty
        _update(self.critic_optimiser, loss)
        if config.critic_loss == "wgan-clip":
            _clip_weights(self.critic, config.clip)
        self.generator.requires_grad_(True)
        return record

    def _generator_step(self, covers: Tensor, labels, dice) -> dict[str, Tensor]:
        config = self.config
        self.critic.requires_grad_(False)
        z, cost = self._latents(len(covers), labels, dice)
        covers, fakes = self._augmented(dice, covers, self.generator(z, labels))
        fake, reading = self.critic(fakes, labels)
        if config.critic_loss == "r3":
            with torch.no_grad():
                real, _ = self.critic(covers, labels)
            loss = losses.relativistic(fake, real)
        else:
            loss = losses.wasserstein_generator(fake)
        record = {"generator_loss": loss.detach(), "latent_cost": cost.detach()}
        if reading is not None:
            error = losses.label_error(reading, self.critic.scale(labels), labels.isfinite())
            loss = loss + config.obedience_weight * error
            record["obedience_error"] = error.detach()
        _update(self.generator_optimiser, loss + config.latent_weight * cost)
        self.critic.requires_grad_(True)
        return record

    # Its parts ------------------------------------------------------------------------------

    def _critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        if self.config.critic_loss == "r3":
            return losses.relativistic(real, fake)
        return losses.wasserstein_critic(real, fake)

    def _penalty(self, covers: Tensor, fakes: Tensor, labels, dice) -> Tensor:
        def score(x: Tensor) -> Tensor:
            return self.critic(x, labels)[0]

        if self.config.critic_loss == "wgan-gp":
            mix = torch.rand(len(covers), generator=dice).to(self.device)
            return losses.gradient_penalty(score, covers, fakes, mix)
        r1 = losses.zero_centred_penalty(score, covers)
        return r1 + losses.zero_centred_penalty(score, fakes)

    def _latents(self, count: int, labels, dice) -> tuple[Tensor, Tensor]:
        """Latents from the prior, moved by LOGAN's step when it is due, and the step's cost."""
        config = self.config
        z = draw_latents(count, config.latent, dice).to(self.device)
        if config.latent_method == "off" or self.step % config.latent_every:
            return z, torch.zeros((), device=self.device)
        chosen = torch.rand(config.latent, generator=dice) < config.latent_fraction
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

    def _augmented(self, dice, covers: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """Real and fake covers, each augmented by chance (DiffAugment, arXiv 2006.10738)."""
        policy = self.config.augment
        if not policy:
            return covers, fakes
        return augment(covers, policy, dice), augment(fakes, policy, dice)

    def _smoothed(self, labels: Tensor | None, dice) -> Tensor | None:
        if labels is None or self.generator.labels == 0:
            return None
        noise = torch.randn(labels.shape, generator=dice).to(labels)
        return labels + self.config.label_noise * self.critic.scale.spread * noise

    def _update_average(self) -> None:
        seen = (self.step + 1) * self.config.batch_size
        halflife = min(self.config.average_halflife, max(1.0, seen * 0.1))  # quick at the start
        keep = 0.5 ** (self.config.batch_size / halflife)
        with torch.no_grad():
            averages, weights = self.average.parameters(), self.generator.parameters()
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight, 1 - keep)

    # Checkpoints ----------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write `generator.safetensors` (to use) and `training.safetensors` (to go on)."""
        tensors = {}
        for name in ("generator", "critic", "average"):
            state = getattr(self, name).state_dict()
            tensors |= {f"{name}.{key}": value for key, value in state.items()}
        for name in ("generator_optimiser", "critic_optimiser"):
            tensors |= store_optimiser(name, getattr(self, name))
        about = {"config": asdict(self.config), "step": self.step, "version": __version__}
        save_generator(folder / "generator.safetensors", self.average, about)
        write_tensors(folder / "training.safetensors", tensors, {**about, "minutes": self.minutes})

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint. TrainingError if it was made with other settings."""
        tensors, about = read_tensors(folder / "training.safetensors")
        free = {"steps", "max_minutes", "log_every", "sample_every", "save_every"}
        for name, value in asdict(self.config).items():
            if name not in free and about["config"].get(name) != value:
                raise TrainingError(
                    f"{folder} holds a run with {name}={about['config'].get(name)!r}, not "
                    f"{value!r}; choose another folder, or delete this one to start again"
                )
        for name in ("generator", "critic", "average"):
            prefix = name + "."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            getattr(self, name).load_state_dict(state)
        for name in ("generator_optimiser", "critic_optimiser"):
            restore_optimiser(name, getattr(self, name), tensors)
        self.step, self.minutes = about["step"], about.get("minutes", 0.0)

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or the time is over."""
        late = self.config.max_minutes and self.minutes > self.config.max_minutes
        return bool(late) or self.step >= self.config.steps


def train(
    config: TrainingConfig,
    images: np.ndarray,
    labels: np.ndarray | None,
    folder: str | Path,
    *,
    rows: np.ndarray | None = None,
    device: str = "",
    resume: bool = True,
    progress: Progress | None = None,
) -> Generator:
    """Train on covers (N, S, S, 3) uint8 and, if `config.labels`, labels (N, 10) in [-1, 1].

    `rows` are the rows to train on (all by default). `folder` gets the checkpoint, one line of
    numbers every `log_every` steps in `metrics.jsonl`, and sample grids at fixed latents. With
    `resume` a run found there goes on. Ctrl-C saves before it ends the run. Returns the averaged
    generator. Raises TrainingError for settings that do not fit, TrainingDiverged for losses
    that are no longer finite.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    labels = _checked(config, images, labels, rows)
    device = device or best_device()
    folder = Path(folder)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    batches = Batches(images, labels, rows, config.batch_size, config.seed, device)
    trainer = Trainer(config, None if labels is None else torch.from_numpy(labels[rows]), device)
    if resume and (folder / "training.safetensors").exists():
        trainer.load(folder)
    _forget_later_records(folder / "metrics.jsonl", trainer.step)
    try:
        _loop(trainer, batches, folder, progress)
    except KeyboardInterrupt:
        trainer.save(folder)
        raise
    trainer.save(folder)
    return trainer.average


def _loop(trainer: Trainer, batches: Batches, folder: Path, progress: Progress | None) -> None:
    config, since = trainer.config, time.monotonic()
    started = since - 60 * trainer.minutes
    grid = fixed_latents(trainer, batches)
    last = trainer.finished
    while not last:
        record = trainer.advance(batches)
        trainer.minutes = (time.monotonic() - started) / 60
        last = trainer.finished
        if trainer.step % config.log_every == 0 or last:
            now = time.monotonic()
            pace = config.log_every * config.batch_size / (now - since)
            since = now
            numbers = {key: round(value.item(), 5) for key, value in record.items()}
            numbers = {"step": trainer.step, "steps": config.steps, **numbers}
            _guard(numbers, folder)
            numbers["images_per_s"] = round(pace, 1)
            with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(numbers) + "\n")
            if progress:
                progress(numbers)
        if trainer.step % config.sample_every == 0 or last:
            save_samples(trainer.average, *grid, folder / "samples" / f"{trainer.step:06d}.png")
        if trainer.step % config.save_every == 0:
            trainer.save(folder)


def _checked(config: TrainingConfig, images, labels, rows) -> np.ndarray | None:
    """The labels to train with, after all that can be wrong with the data was looked at."""
    if images.shape[1:] != (config.size, config.size, 3):
        found = "x".join(map(str, images.shape[1:]))
        raise TrainingError(f"the covers are {found}, but size={config.size} was asked for")
    if len(rows) < config.batch_size:
        raise TrainingError(
            f"{len(rows)} covers cannot fill a batch of {config.batch_size}; gather more covers "
            f"or lower batch_size"
        )
    if not config.labels:
        return None
    if labels is None or not np.isfinite(labels[rows]).any():
        raise TrainingError("a conditional model needs labels, and this cover set has none")
    return np.asarray(labels, dtype=np.float32)


def _guard(record: dict, folder: Path) -> None:
    bad = [name for name, value in record.items() if not np.isfinite(value)]
    if bad:
        raise TrainingDiverged(
            f"training diverged at step {record['step']}: {bad[0]} is no longer a number; the "
            f"last good checkpoint is kept in {folder}; lower the learning rates or raise penalty"
        )


def _update(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _clip_weights(critic: nn.Module, bound: float) -> None:
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-bound, bound)


def read_records(folder: str | Path) -> list[dict]:
    """The numbers that a run wrote into its folder, a record every `log_every` steps."""
    lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _forget_later_records(path: Path, step: int) -> None:
    """Drop records of steps that the run is about to repeat."""
    lines = path.read_text(encoding="utf-8").splitlines() if step and path.exists() else []
    kept = itertools.takewhile(lambda line: json.loads(line)["step"] <= step, lines)
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    temporary.replace(path)


# Samples --------------------------------------------------------------------------


def fixed_latents(trainer: Trainer, batches: Batches, count: int = 64) -> tuple:
    """The latents and labels of the sample grids: the same at every step of a run."""
    dice = torch.Generator().manual_seed(trainer.config.seed)
    z = draw_latents(count, trainer.config.latent, dice).to(trainer.device)
    if trainer.generator.labels == 0:
        return z, None
    labels = batches.batch(0)[1]
    return z, labels[torch.arange(count) % len(labels)]


@torch.no_grad()
def save_samples(generator: Generator, z: Tensor, labels: Tensor | None, path: Path) -> None:
    """Covers in a grid of eight columns, as a PNG."""
    pixels = to_pixels(generator(z, labels))
    count, size = pixels.shape[:2]
    grid = pixels.reshape(count // 8, 8, size, size, 3).swapaxes(1, 2)
    Image.fromarray(grid.reshape(count // 8 * size, 8 * size, 3)).save(path)


def best_device() -> str:
    """`cuda`, `mps` or `cpu`, whichever is the fastest at hand."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
