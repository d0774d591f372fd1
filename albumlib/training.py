"""Training both models of the course: one flat configuration, one plain loop, exact resume.

The loop knows nothing of notebooks or progress bars: it calls `progress` with a record of
numbers every `log_every` steps. Randomness is drawn on the CPU from the seed and the step alone,
so that a run which was interrupted goes on exactly as if it had not been, and a seed means the
same latents on every device.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib import __version__, losses
from albumlib.augment import augment
from albumlib.checkpoint import (
    TrainingError,
    load_generator,
    read_networks,
    read_tensors,
    restore_optimiser,
    save_generator,
    store_optimiser,
    write_tensors,
)
from albumlib.conditions import smoothed
from albumlib.config import TrainingConfig
from albumlib.coverset import Batches
from albumlib.networks import Critic, Generator, draw_latents, to_pixels
from albumlib.team import Dice, Team, join
from albumlib.titles import TOKENS

__all__ = ["TrainingConfig", "TrainingDiverged", "TrainingError", "load_generator", "train"]

Progress = Callable[[dict], None]


LOOKED_AT, NEIGHBOURS = 256, 5  # real covers and as many drawn; those that span a cover's ground
LOST = 0.4  # of the best coverage so far: less is a collapse
SPACING = 250  # steps from one measurement of it to the next, at least; before, nothing is settled


class CollapseWarning(UserWarning):
    """A generator that draws fewer different covers than it used to."""


class TrainingDiverged(TrainingError):
    """The losses are no longer numbers; the last checkpoint on disk is still good."""


class Trainer:
    """The two networks, their optimisers and the averaged generator, with one step of each.

    A critic step and a generator step read as the algorithm does; what they share is drawn from
    `dice`, the step's own random generator.
    """

    def __init__(
        self,
        config: TrainingConfig,
        labels: Tensor | None,
        device: str = "cpu",
        words: Sequence[str] = (),
        team: Team | None = None,
    ):
        self.config, self.device, self.step = config, torch.device(device), 0
        self.team, self.words = team or Team(), tuple(words)
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
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
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
        dice = Dice(self.config.seed * 1_000_003 + self.step, self.team)
        own = self.team.share(self.config.batch_size)
        for repeat in range(self.config.critic_steps):
            index = self.step * self.config.critic_steps + repeat
            covers, labels = batches.batch(index, own)
            labels, known, held = self._smoothed(labels, dice)
            fakes, cost = self._drawn(self.generator, labels, dice, len(covers))
            record = self._critic_step(covers, fakes, cost, labels, known, index, dice)
        if self._moves_latents():  # as the critic likes, which has just changed its mind
            fakes, cost = self._drawn(self.critic, labels, dice, len(covers))
        record |= self._generator_step(covers, fakes, cost, labels, held, dice)
        self._update_average()
        self.step += 1
        return record

    def _critic_step(
        self, covers: Tensor, fakes: Tensor, cost: Tensor, labels, known, index: int, dice
    ) -> dict[str, Tensor]:
        config = self.config
        # Covers of moved latents depend on the critic through the step; the others do not.
        fakes = fakes if self._moves_latents() else fakes.detach()
        covers, fakes = self._augmented(dice, covers, fakes)
        with self._precision():
            real, reading = self.critic(covers, labels)
            fake, _ = self.critic(fakes, labels)
        loss = self._critic_loss(real, fake) + config.latent_weight * cost
        record = {"critic_loss": loss.detach(), "score_gap": (real.mean() - fake.mean()).detach()}
        if reading is not None:
            error = self._label_error(reading, known)
            loss = loss + config.reading_weight * error
            record["reading_error"] = error.detach()
        if config.critic_loss != "wgan-clip" and index % config.penalty_every == 0:
            with self._precision():
                penalty = self._penalty(covers, fakes.detach(), labels, dice)
            loss = loss + config.penalty * config.penalty_every * penalty
        self._update(self.critic_optimiser, loss)
        if config.critic_loss == "wgan-clip":
            _clip_weights(self.critic, config.clip)
        return record

    def _generator_step(
        self, covers: Tensor, fakes: Tensor, cost: Tensor, labels, held, dice
    ) -> dict[str, Tensor]:
        config = self.config
        self.critic.requires_grad_(False)
        covers, fakes = self._augmented(dice, covers, fakes)
        with self._precision():
            fake, reading = self.critic(fakes, labels)
        if config.critic_loss == "r3":
            with torch.no_grad(), self._precision():
                real, _ = self.critic(covers, labels)
            loss = losses.relativistic(fake, real)
        else:
            loss = losses.wasserstein_generator(fake)
        record = {"generator_loss": loss.detach(), "latent_cost": cost.detach()}
        if reading is not None:
            error = self._label_error(reading, held)
            loss = loss + config.obedience_weight * error
            record["obedience_error"] = error.detach()
        self._update(self.generator_optimiser, loss + config.latent_weight * cost)
        self.critic.requires_grad_(True)
        return record

    # Its parts ------------------------------------------------------------------------------

    def _update(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.team.average_gradients(optimiser.param_groups[0]["params"])
        optimiser.step()

    def _label_error(self, reading: Tensor, labels: Tensor) -> Tensor:
        known = labels.isfinite()
        count = self.team.mean(known.sum().float())  # not every process has as many
        return losses.label_error(reading, self.critic.scale(labels), known, count)

    def _critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        if self.config.critic_loss == "r3":
            return losses.relativistic(real, fake)
        return losses.wasserstein_critic(real, fake)

    def _penalty(self, covers: Tensor, fakes: Tensor, labels, dice) -> Tensor:
        def score(x: Tensor) -> Tensor:
            return self.critic(x, labels)[0]

        if self.config.critic_loss == "wgan-gp":
            mix = dice.rand(len(covers)).to(self.device)
            return losses.gradient_penalty(score, covers, fakes, mix)
        r1 = losses.zero_centred_penalty(score, covers)
        return r1 + losses.zero_centred_penalty(score, fakes)

    def _drawn(self, still: nn.Module, labels, dice, count: int) -> tuple[Tensor, Tensor]:
        """Covers from fresh latents, and the cost of moving these. If they are moved, the network
        that is not being trained keeps `still`; else both steps share the covers."""
        if self._moves_latents():
            still.requires_grad_(False)
        z, cost = self._latents(count, labels, dice)
        with self._precision():
            covers = self.generator(z, labels)
        still.requires_grad_(True)
        return covers, cost

    def _precision(self) -> torch.autocast:
        half = self.config.precision == "bfloat16" and not self._moves_latents()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _moves_latents(self) -> bool:
        return self.config.latent_method != "off" and self.step % self.config.latent_every == 0

    def _latents(self, count: int, labels, dice) -> tuple[Tensor, Tensor]:
        """Latents from the prior, moved by LOGAN's step when it is due, and the step's cost."""
        config = self.config
        z = (2 * dice.rand(count, config.latent) - 1).to(self.device)
        if not self._moves_latents():
            return z, torch.zeros((), device=self.device)
        chosen = dice.whole(config.latent) < config.latent_fraction
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

    def _smoothed(self, labels: Tensor | None, dice) -> tuple:
        """What this step tells of a batch, what is known, and what it holds drawn covers to."""
        if labels is None or not self.generator.columns:
            return None, None, None
        return smoothed(labels, self.critic.scale.spread, self.config, dice)

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
        if not self.team.main:
            return
        tensors = {}
        for name in ("generator", "critic", "average"):
            state = getattr(self, name).state_dict()
            tensors |= {f"{name}.{key}": value for key, value in state.items()}
        for name in ("generator_optimiser", "critic_optimiser"):
            tensors |= store_optimiser(name, getattr(self, name))
        about = {"config": asdict(self.config), "step": self.step, "version": __version__}
        about |= {"words": self.words} if self.words else {}
        save_generator(folder / "generator.safetensors", self.average, about)
        write_tensors(folder / "training.safetensors", tensors, {**about, "minutes": self.minutes})

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint. TrainingError if it was made with other settings."""
        tensors, about = read_tensors(folder / "training.safetensors")
        free = {"steps", "max_minutes", "log_every", "sample_every", "save_every"}
        then = asdict(TrainingConfig()) | about["config"]  # older runs know fewer settings
        for name, value in asdict(self.config).items():
            if name not in free and then[name] != value:
                raise TrainingError(
                    f"{folder} holds a run with {name}={then[name]!r}, not "
                    f"{value!r}; choose another folder, or delete this one to start again"
                )
        for name in ("generator", "critic", "average"):
            prefix = name + "."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            getattr(self, name).load_state_dict(state)
        for name in ("generator_optimiser", "critic_optimiser"):
            restore_optimiser(name, getattr(self, name), tensors)
        self.step, self.minutes = about["step"], about.get("minutes", 0.0)

    def begin_from(self, path: str | Path) -> None:
        """Take the networks of another run. What is new in this one begins afresh: a prior, the
        weights of labels that the other did not hear, or the finest layers if it drew smaller
        covers (ProGAN's growing, arXiv 1710.10196, without the fading in). TrainingError if it
        cannot be."""
        generator, critic, about = read_networks(path)
        doublings = (self.config.size // about["size"]).bit_length() - 1
        if doublings > 0:
            generator, critic = _deepened(generator, critic, doublings)
        pairs = [(self.generator, generator), (self.average, generator), (self.critic, critic)]
        for network, state in pairs:
            try:
                network.load_state_dict(_grown(network.state_dict(), state))
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
            self.config.max_minutes and self.team.mean(torch.tensor(late, device=self.device))
        )


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
    words: Sequence[str] = (),
    start: str | Path | None = None,
) -> Generator:
    """Train on covers (N, S, S, 3) uint8 and, if conditional, rows of conditions (N, C).

    These are labels in [-1, 1], the ten features for a start (see conditions.py), and `words` is
    the vocabulary if there are titles. `start` is another run's folder to begin with the networks
    of; what is new in this one, such as a prior, begins afresh.

    `rows` are the rows to train on (all by default). `folder` gets the checkpoint, one line of
    numbers every `log_every` steps in `metrics.jsonl`, and sample grids at fixed latents. With
    `resume` a run found there goes on. Ctrl-C saves before it ends the run. Returns the averaged
    generator. Raises TrainingError for settings that do not fit, TrainingDiverged for losses
    that are no longer finite.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    labels = _checked(config, images, labels, rows, start)
    team, device = join(device or best_device())
    if config.batch_size % (team.size * max(1, config.minibatch_stddev)):
        raise TrainingError(
            f"batch_size {config.batch_size} cannot be shared among {team.size} processes"
            + (f" in groups of {config.minibatch_stddev}" if config.minibatch_stddev else "")
        )
    folder = Path(folder)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    batches = Batches(images, labels, rows, config.batch_size, config.seed, device)
    known = None if labels is None else torch.from_numpy(labels[rows])
    trainer = Trainer(config, known, device, words, team)
    if start:
        trainer.begin_from(start)
    if resume and (folder / "training.safetensors").exists():
        trainer.load(folder)
    if team.mean(torch.tensor(float(trainer.step), device=trainer.device)) != trainer.step:
        raise TrainingError(
            f"the processes found different checkpoints in {folder}: it must be one folder, on a "
            "disk that all of them share"
        )
    if team.main:
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
    watch = Watch(trainer, batches, folder)
    last = trainer.finished
    while not last:
        with _undisturbed():
            record = trainer.advance(batches)
        trainer.minutes = (time.monotonic() - started) / 60
        last = trainer.finished
        if trainer.step % config.sample_every == 0 or last:
            watch.look()
        if trainer.step % config.log_every == 0 or last:
            now = time.monotonic()
            pace = config.log_every * config.batch_size / (now - since)
            since = now
            numbers = {key: round(trainer.team.mean(v).item(), 5) for key, v in record.items()}
            numbers = {"step": trainer.step, "steps": config.steps, **numbers}
            _guard(numbers, folder)
            numbers |= watch.news() | {"images_per_s": round(pace, 1)}
            if trainer.team.main:
                _write_record(folder, numbers)
                if progress:
                    progress(numbers)
        if trainer.step % config.save_every == 0:
            trainer.save(folder)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits until this is over: one cannot go on from half a step."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears of it
        yield
        return
    pressed: list[tuple] = []
    before = signal.signal(signal.SIGINT, lambda *event: pressed.append(event))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):
        before(*pressed[0])


def _write_record(folder: Path, numbers: dict) -> None:
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(numbers) + "\n")


def _checked(config: TrainingConfig, images, labels, rows, start) -> np.ndarray | None:
    """The labels to train with, after all that can be wrong with the data was looked at."""
    if images.shape[1:] != (config.size, config.size, 3):
        found = "x".join(map(str, images.shape[1:]))
        raise TrainingError(f"the covers are {found}, but size={config.size} was asked for")
    if len(rows) < config.batch_size:
        raise TrainingError(
            f"{len(rows)} covers cannot fill a batch of {config.batch_size}; gather more covers "
            f"or lower batch_size"
        )
    if not config.conditional:
        return None
    if labels is None or (not start and not np.isfinite(labels[rows]).any()):
        raise TrainingError("a conditional model needs labels, and this cover set has none")
    return np.asarray(labels, dtype=np.float32)


def _guard(record: dict, folder: Path) -> None:
    bad = [name for name, value in record.items() if not np.isfinite(value)]
    if bad:
        raise TrainingDiverged(
            f"training diverged at step {record['step']}: {bad[0]} is no longer a number; the "
            f"last good checkpoint is kept in {folder}; lower the learning rates or raise penalty"
        )


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


def _deepened(
    generator: dict[str, Tensor], critic: dict[str, Tensor], doublings: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What is known of networks for covers of 2**doublings times the side: all but the layers
    at the picture. The generator's blocks count from the coarsest, the critic's from the finest."""

    def place(name: str) -> str:
        _, number, rest = name.split(".")
        return f"blocks.{int(number) + doublings}.{rest}"

    drawing = {name: weight for name, weight in generator.items() if "to_rgb" not in name}
    judging = {
        place(name) if name.startswith("blocks.") else name: weight
        for name, weight in critic.items()
        if not name.startswith("blocks.0.")
    }
    return drawing, judging


EARS = ("stem.weight", "film.weight", "projection.weight", "reading.", "scale.")


def _grown(fresh: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's fresh state with all that is known of it written over: where labels go in, over
    the corner that the other network's fewer labels fill. Raises KeyError or RuntimeError if the
    two differ in anything else."""
    state = {name: weight.clone() for name, weight in fresh.items()}
    for name, weight in known.items():
        hears = any(part in name for part in EARS)
        corner = tuple(slice(side) for side in weight.shape) if hears else ...
        state[name][corner] = weight
    return state


# Samples --------------------------------------------------------------------------


class Watch:
    """Looks at the averaged generator: sample grids at fixed latents, and whether it collapses.

    Coverage is the share of some real covers that have a drawn one near them (arXiv 2002.09797),
    by small thumbnails. A generator that draws ever the same loses it.
    """

    def __init__(self, trainer: Trainer, batches: Batches, folder: Path):
        self.trainer, self.folder, self.best, self.seen = trainer, folder, 0.0, {}
        self.last = 0  # step of the last measurement
        self.grid = fixed_latents(trainer, batches)
        wanted = range(max(1, LOOKED_AT // batches.batch_size))
        pairs = [batches.batch(step) for step in wanted if step < batches.per_epoch]
        self.real = torch.cat([covers for covers, _ in pairs])
        self.told = None if pairs[0][1] is None else torch.cat([rows for _, rows in pairs])
        dice = torch.Generator().manual_seed(trainer.config.seed + 1)
        self.z = draw_latents(len(self.real), trainer.config.latent, dice).to(trainer.device)

    @torch.no_grad()
    def look(self) -> None:
        """Write a sample grid and measure; warns CollapseWarning where coverage is lost."""
        trainer = self.trainer
        if not trainer.team.main:
            return
        path = self.folder / "samples" / f"{trainer.step:06d}.png"
        save_samples(trainer.average, *self.grid, path)
        if trainer.step - self.last < SPACING or len(self.real) <= 2 * NEIGHBOURS:
            return
        self.last = trainer.step
        coverage = self._coverage()
        self.seen = {"coverage": round(coverage, 3)}
        self.best = max(self.best, coverage)
        if coverage < LOST * self.best:
            warnings.warn(
                f"step {trainer.step}: drawn covers reach {coverage:.0%} of the real ones, and "
                f"reached {self.best:.0%} before: the generator may be collapsing; look at "
                f"{path}, and try a lower generator_rate or minibatch_stddev=4",
                CollapseWarning,
                stacklevel=2,
            )

    def news(self) -> dict[str, float]:
        """The `coverage`, if there was a look since this was last asked."""
        news, self.seen = self.seen, {}
        return news

    def _coverage(self) -> float:
        parts = zip(self.z.split(64), self._told_parts(), strict=True)
        drawn = torch.cat([self.trainer.average(z, told) for z, told in parts])
        real, fake = (F.adaptive_avg_pool2d(x, 8).flatten(1) for x in (self.real, drawn))
        reach = torch.cdist(real, real).kthvalue(NEIGHBOURS + 1, dim=1).values
        return (torch.cdist(real, fake) < reach[:, None]).any(1).float().mean().item()

    def _told_parts(self) -> Iterable[Tensor | None]:
        return (
            itertools.repeat(None, -(-len(self.z) // 64))
            if self.told is None
            else self.told.split(64)
        )


def fixed_latents(trainer: Trainer, batches: Batches, count: int = 64) -> tuple:
    """The latents and labels of the sample grids: the same at every step of a run."""
    dice = torch.Generator().manual_seed(trainer.config.seed)
    z = draw_latents(count, trainer.config.latent, dice).to(trainer.device)
    if not trainer.generator.columns:
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
