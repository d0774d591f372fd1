"""Do the labels steer the covers? A reader that had no part in the training looks.

A label reader is trained on real covers, and reads the labels off generated ones; label recovery
says how well these agree with the labels that were asked for, feature by feature. What it is
worth is told by two other numbers: the same on held-out real covers, the ceiling, and with the
asked labels shuffled, the control.

Pixels are uint8 arrays (N, S, S, 3); labels are (N, 10) in [-1, 1], NaN where missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.models.checkpoint import read_tensors, write_tensors
from albumlib.models.networks import LabelScale, to_covers

RECOVERABLE = 0.3  # R² on real held-out covers from which a feature counts as recoverable


class LabelRegressor(nn.Module):
    """Reads the ten features off a cover: covers (B, 3, S, S) in [-1, 1] to labels (B, 10).

    An ordinary residual network that shares nothing with the critics, so that a generator
    cannot please it by having learned its weaknesses.
    """

    def __init__(self, labels: int = 10, width: int = 24):
        super().__init__()
        self.scale = LabelScale(labels)
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2), nn.BatchNorm2d(width), nn.ReLU()
        )
        widths = [width, 2 * width, 4 * width, 4 * width]
        self.blocks = nn.ModuleList(
            _ResidualBlock(inputs, outputs) for inputs, outputs in itertools.pairwise(widths)
        )
        self.head = nn.Sequential(
            nn.Linear(widths[-1] * 5, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, labels)
        )

    def standardised(self, covers: Tensor) -> Tensor:
        x = self.stem(covers)
        for block in self.blocks:
            x = block(x)
        # The mean over the whole cover, and over its quarters: where things are matters too.
        pooled = [F.adaptive_avg_pool2d(x, side).flatten(1) for side in (1, 2)]
        return self.head(torch.cat(pooled, dim=1))

    def forward(self, covers: Tensor) -> Tensor:
        return self.standardised(covers) * self.scale.spread + self.scale.mean


class _ResidualBlock(nn.Module):
    """Half the resolution, two convolutions beside a short cut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.short = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(y))
        return F.relu(y + self.short(F.avg_pool2d(x, 2)))


def train_label_regressor(
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: float = 8,
    batch_size: int = 64,
    seed: int = 0,
    progress: Callable[[dict], None] | None = None,
) -> LabelRegressor:
    """Train a reader on real covers (N, S, S, 3) uint8 and their labels (N, 10), some missing."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    targets = torch.as_tensor(labels, dtype=torch.float32)
    reader = LabelRegressor(labels.shape[1]).to(memory_format=torch.channels_last)
    reader.scale.fit(targets)
    steps = max(1, round(epochs * len(pixels) / batch_size))
    optimiser = torch.optim.AdamW(reader.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(len(pixels), (batch_size,), generator=rng)
        wanted = targets[rows]
        error = (reader.standardised(to_covers(pixels[rows.numpy()])) - reader.scale(wanted)) ** 2
        known = wanted.isfinite()
        loss = (error * known).sum() / known.sum().clamp_min(1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress and (step + 1 == steps or step % 20 == 0):
            progress({"step": step + 1, "steps": steps, "auxiliary_error": loss.item()})
    return reader.eval().requires_grad_(False)


def save_label_regressor(
    path: str | Path, reader: LabelRegressor, about: dict | None = None
) -> None:
    """Write a reader to a safetensors file."""
    write_tensors(Path(path), reader.state_dict(), about or {})


def load_label_regressor(path: str | Path) -> LabelRegressor:
    """A reader by `save_label_regressor`. Raises TrainingError if there is none."""
    tensors, _ = read_tensors(Path(path))
    reader = LabelRegressor(len(tensors["scale.mean"]), len(tensors["stem.0.bias"]))
    reader.load_state_dict(tensors)
    return reader.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def predict_labels(reader: LabelRegressor, pixels: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """The labels that a reader sees on covers (N, S, S, 3) uint8: (N, 10) in [-1, 1]."""
    parts = range(0, len(pixels), batch_size)
    with torch.no_grad():
        read = [reader(to_covers(pixels[start : start + batch_size])) for start in parts]
    return torch.cat(read).numpy()


# Label recovery -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recovery:
    """How well asked labels were recovered, feature by feature: arrays of ten."""

    correlation: np.ndarray
    r2: np.ndarray

    def recoverable(self) -> np.ndarray:
        """Which features count as recoverable: a mask of ten. On covers that show none of them
        well enough it is the one that they show best, so that there is something to compare."""
        return self.r2 >= min(RECOVERABLE, float(self.r2.max()))

    def mean(self, features: np.ndarray) -> tuple[float, float]:
        """Mean correlation and mean R² over chosen features, a mask or indices."""
        return float(self.correlation[features].mean()), float(self.r2[features].mean())


def label_recovery(read: np.ndarray, asked: np.ndarray) -> Recovery:
    """Compare labels read off covers with those asked for, both (N, 10); missing asked ones out.

    R² = 1 - sum (read - asked)² / sum (asked - mean asked)², not clamped: below zero means worse
    than always saying the mean. Features without spread get a correlation of 0 and R² of 0.

    >>> asked = np.tile([[-1.0], [0.0], [1.0]], 10)
    >>> label_recovery(asked / 2, asked).mean([0])  # in step, but too timid: correlation and R²
    (1.0, 0.75)
    """
    pairs = [_recovery(read[:, column], asked[:, column]) for column in range(asked.shape[1])]
    correlation, r2 = np.array(pairs).T
    return Recovery(correlation, r2)


def _recovery(read: np.ndarray, asked: np.ndarray) -> tuple[float, float]:
    known = np.isfinite(asked)
    read, asked = read[known].astype(np.float64), asked[known].astype(np.float64)
    if len(asked) < 2 or np.ptp(asked) == 0 or np.ptp(read) == 0:
        return 0.0, 0.0
    unexplained = np.square(read - asked).sum() / np.square(asked - asked.mean()).sum()
    return float(np.corrcoef(read, asked)[0, 1]), float(1 - unexplained)


def shuffled_recovery(read: np.ndarray, asked: np.ndarray, seed: int = 0) -> Recovery:
    """The control: the same with the rows of the asked labels permuted.

    In place of R², which a wrong pairing makes negative, its `r2` is the squared correlation.
    """
    order = np.random.default_rng(seed).permutation(len(asked))
    correlation = label_recovery(read, asked[order]).correlation
    return Recovery(correlation, correlation**2)
