"""Training both models of the course: one plain loop, exact resume.

The step itself is in trainer.py. The loop knows nothing of notebooks or progress bars: it calls
`progress` with a record of numbers every `log_every` steps.
"""

import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from albumlib.dataset.batches import Batches
from albumlib.models.checkpoint import (
    NotFiniteError,
    TrainingError,
    checkpoints,
    load_generator,
    read_tensors,
)
from albumlib.models.networks import Generator
from albumlib.models.titles import renumbered
from albumlib.runtime import threads
from albumlib.runtime.affinity import Together
from albumlib.training.beginning import begin_from, read_titles
from albumlib.training.config import TrainingConfig
from albumlib.training.distributed import Distributed, best_device, join
from albumlib.training.monitor import CollapseWarning, Monitor
from albumlib.training.resume import (
    alone,
    forget_former_run,
    forget_later_records,
    read_records,
    vocabulary,
)
from albumlib.training.trainer import Trainer

__all__ = ["CollapseWarning", "TrainingDiverged", "load_generator", "read_records", "train"]

Progress = Callable[[dict], None]
SECONDS = 4.0  # of training before anything is said of how long it will take


class TrainingDiverged(TrainingError):
    """Losses or weights are no longer finite; the message says which checkpoints are left."""


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

    `rows` are the rows to train on (all by default). `folder` gets the checkpoint and the one
    before it, one line of numbers every `log_every` steps in `metrics.jsonl`, and sample grids at
    fixed latents. With `resume` a run found there goes on: a warning says which settings were
    changed, and titles keep the vocabulary that they began with, with new words behind it. Ctrl-C
    saves before it ends the run. Returns the averaged generator. Raises TrainingError for settings
    that do not fit, and where another training is at work in `folder`; TrainingDiverged for losses
    or weights that are no longer finite.
    """
    threads.shorten_slices()
    rows = np.arange(len(images)) if rows is None else np.asarray(rows)
    labels = _checked(config, images, labels, rows, start)
    distributed, device = join(device or best_device())
    _check_share(config, distributed)
    folder = Path(folder)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    with alone(folder) if distributed.main else contextlib.nullcontext():
        resumed = resume and any(checkpoints(folder))
        known = vocabulary(words, folder if resumed else None, start)
        if config.titles:
            labels = renumbered(labels, words, known)
        learned = None if labels is None else torch.from_numpy(labels[rows])
        trainer = Trainer(config, learned, device, known, distributed)
        _begin(trainer, learned, folder, resumed, start)
        batches = Batches(images, labels, rows, config.batch_size, config.seed, device)
        _finish(trainer, batches, folder, progress)
    return trainer.ema


def _finish(trainer: Trainer, batches: Batches, folder: Path, progress: Progress | None) -> None:
    """All steps that are left, and a checkpoint behind them or where Ctrl-C ends the run."""
    try:
        with Together(torch.get_num_threads() if trainer.device.type == "cpu" else 1) as together:
            _loop(trainer, batches, folder, progress, together)
    except KeyboardInterrupt:
        _save(trainer, folder)
        raise
    _save(trainer, folder)


def _begin(
    trainer: Trainer, known: torch.Tensor | None, folder: Path, resumed: bool, start
) -> None:
    """The networks as they begin: from a checkpoint, another run's networks, or afresh."""
    if known is not None and not resumed:
        read_titles(trainer, known)
    if start:
        begin_from(trainer, start)
    if resumed:
        trainer.load(folder)
    step = torch.tensor(float(trainer.step), device=trainer.device)
    if trainer.distributed.mean(step) != trainer.step:
        raise TrainingError(
            f"the processes found different checkpoints in {folder}: it must be one folder, on a "
            "disk that all of them share"
        )
    if trainer.distributed.main:
        if not resumed:
            forget_former_run(folder)
        forget_later_records(folder, trainer.step)


def _loop(
    trainer: Trainer, batches: Batches, folder: Path, progress: Progress | None, together: Together
) -> None:
    config, since = trainer.config, time.monotonic()
    started = since - 60 * trainer.minutes
    monitor = Monitor(trainer, batches, folder)
    forecast = Pace(config.steps, math.lcm(config.penalty_every, config.latent_every))
    last = trainer.finished
    while not last:
        with _undisturbed():
            record = trainer.advance(batches)
        together.look()
        trainer.minutes = (time.monotonic() - started) / 60
        last = trainer.finished
        if progress and trainer.distributed.main and (known := forecast.after(trainer.step)):
            progress({"step": trainer.step, "steps": config.steps, **known})
        if trainer.step % config.sample_every == 0 or last:
            monitor.look()
        if trainer.step % config.log_every == 0 or last:
            now = time.monotonic()
            pace = config.log_every * config.batch_size / (now - since)
            since = now
            numbers = {"step": trainer.step, "steps": config.steps}
            numbers |= {k: round(trainer.distributed.mean(v).item(), 5) for k, v in record.items()}
            _guard(numbers, folder)
            numbers |= monitor.news() | {"images_per_s": round(pace, 1)}
            if trainer.distributed.main:
                _write_record(folder, numbers)
                if progress:
                    progress(numbers)
        if trainer.step % config.save_every == 0:
            _save(trainer, folder)


def _save(trainer: Trainer, folder: Path) -> None:
    try:
        trainer.save(folder)
    except NotFiniteError as error:
        raise TrainingDiverged(_diverged(trainer.step, "a weight", folder)) from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits until this is over: one cannot go on from half a step."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
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


def _check_share(config: TrainingConfig, distributed: Distributed) -> None:
    if config.batch_size % (distributed.world_size * max(1, config.minibatch_stddev)):
        raise TrainingError(
            f"batch_size {config.batch_size} cannot be shared among {distributed.world_size} "
            "processes"
            + (f" in groups of {config.minibatch_stddev}" if config.minibatch_stddev else "")
        )


def _guard(record: dict, folder: Path) -> None:
    bad = [name for name, value in record.items() if not np.isfinite(value)]
    if bad:
        raise TrainingDiverged(_diverged(record["step"], bad[0], folder))


def _diverged(step: int, what: str, folder: Path) -> str:
    """The sentence about a training that diverged; it promises the checkpoints that exist."""
    kept = []
    for path in checkpoints(folder):
        with contextlib.suppress(TrainingError):
            kept.append(f"step {read_tensors(path)[1]['step']} ({path.parent})")
    return (
        f"training diverged at step {step}: {what} is no longer finite; "
        + (f"there is a good checkpoint of {' and of '.join(kept)}" if kept else "nothing is saved")
        + "; lower the learning rates or raise penalty, and start it again"
    )


class Pace:
    """Measures the first seconds of a training, and says once how long the rest will take.

    The first step is left out: memory is found and code is compiled in it. Dear steps, such as
    those with a penalty, come every `cycle` steps, so whole cycles are counted.
    """

    def __init__(self, steps: int, cycle: int):
        self.steps, self.cycle = steps, cycle
        self.first, self.began, self.said = 0, 0.0, False

    def after(self, step: int) -> dict[str, float]:
        """What is known after a step: "seconds_left", once, if it is worth saying; else {}."""
        now = time.monotonic()
        if not self.began:
            self.first, self.began = step, now
        done = step - self.first
        if self.said or now - self.began < SECONDS or done % self.cycle or step >= self.steps:
            return {}
        self.said = True
        left = (now - self.began) / done * (self.steps - step)
        return {"seconds_left": round(left)} if left > SECONDS else {}
