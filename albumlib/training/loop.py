"""Training both models of the course: one plain loop, exact resume.

The step itself is in trainer.py. The loop knows nothing of notebooks or progress bars: it calls
`progress` with a record of numbers every `log_every` steps.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from albumlib.dataset.coverset import Batches
from albumlib.models.checkpoint import TrainingError, load_generator
from albumlib.models.networks import Generator
from albumlib.training.config import TrainingConfig
from albumlib.training.distributed import best_device, join
from albumlib.training.monitor import CollapseWarning, Monitor
from albumlib.training.pace import Pace
from albumlib.training.trainer import Trainer

__all__ = [
    "CollapseWarning",
    "TrainingConfig",
    "TrainingDiverged",
    "TrainingError",
    "load_generator",
    "read_records",
    "train",
]

Progress = Callable[[dict], None]


class TrainingDiverged(TrainingError):
    """The losses are no longer numbers; the last checkpoint on disk is still good."""


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
    distributed, device = join(device or best_device())
    if config.batch_size % (distributed.world_size * max(1, config.minibatch_stddev)):
        raise TrainingError(
            f"batch_size {config.batch_size} cannot be shared among {distributed.world_size} "
            "processes"
            + (f" in groups of {config.minibatch_stddev}" if config.minibatch_stddev else "")
        )
    folder = Path(folder)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    batches = Batches(images, labels, rows, config.batch_size, config.seed, device)
    known = None if labels is None else torch.from_numpy(labels[rows])
    trainer = Trainer(config, known, device, words, distributed)
    resumed = resume and (folder / "training.safetensors").exists()
    if known is not None and not resumed:
        trainer.read_titles(known)
    if start:
        trainer.begin_from(start)
    if resumed:
        trainer.load(folder)
    if distributed.mean(torch.tensor(float(trainer.step), device=trainer.device)) != trainer.step:
        raise TrainingError(
            f"the processes found different checkpoints in {folder}: it must be one folder, on a "
            "disk that all of them share"
        )
    if distributed.main:
        _forget_later_records(folder / "metrics.jsonl", trainer.step)
    try:
        _loop(trainer, batches, folder, progress)
    except KeyboardInterrupt:
        trainer.save(folder)
        raise
    trainer.save(folder)
    return trainer.ema


def _loop(trainer: Trainer, batches: Batches, folder: Path, progress: Progress | None) -> None:
    config, since = trainer.config, time.monotonic()
    started = since - 60 * trainer.minutes
    watch = Monitor(trainer, batches, folder)
    forecast = Pace(config.steps, math.lcm(config.penalty_every, config.latent_every))
    last = trainer.finished
    while not last:
        with _undisturbed():
            record = trainer.advance(batches)
        trainer.minutes = (time.monotonic() - started) / 60
        last = trainer.finished
        if progress and trainer.distributed.main and (known := forecast.after(trainer.step)):
            progress({"step": trainer.step, "steps": config.steps, **known})
        if trainer.step % config.sample_every == 0 or last:
            watch.look()
        if trainer.step % config.log_every == 0 or last:
            now = time.monotonic()
            pace = config.log_every * config.batch_size / (now - since)
            since = now
            numbers = {
                key: round(trainer.distributed.mean(v).item(), 5) for key, v in record.items()
            }
            numbers = {"step": trainer.step, "steps": config.steps, **numbers}
            _guard(numbers, folder)
            numbers |= watch.news() | {"images_per_s": round(pace, 1)}
            if trainer.distributed.main:
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
