"""Do the labels steer the covers? A regressor that had no part in the training answers.

It is trained on real covers and predicts the labels of generated ones; label recovery says how well
these agree with the labels that were asked for, feature by feature. Compare it with the same on
held-out real covers, the most that can be reached, and with the asked labels shuffled, the control.

Pixels are uint8 arrays (N, S, S, 3); labels are (N, 10) in [-1, 1], NaN where missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from albumlib.evaluation.cover_network import CoverNetwork, apply, fit, frozen
from albumlib.evaluation.extractor import extract
from albumlib.evaluation.imagenet import strongest
from albumlib.models.checkpoint import read_tensors
from albumlib.models.networks import LabelScale
from albumlib.runtime.paths import PRETRAINED

FILE = PRETRAINED / "label_regressor.safetensors"  # for covers of the imprint, 64 px
RECOVERABLE = 0.3  # R² on real held-out covers from which a feature counts as recoverable
PENALTIES = np.logspace(0, 6, 13)  # of a ridge regression, chosen within the training covers


class LabelRegressor(CoverNetwork):
    """Predicts the ten features: covers (B, 3, S, S) in [-1, 1] to labels (B, 10).

    It shares nothing with the critics, so that a generator cannot please it by having learned
    its weaknesses.
    """

    def __init__(self, labels: int = 10, width: int = 24):
        super().__init__(labels, width)
        self.scale = LabelScale(labels)

    standardised = CoverNetwork.forward

    def forward(self, covers: Tensor) -> Tensor:
        return self.standardised(covers) * self.scale.spread + self.scale.mean


def train_label_regressor(
    pixels: np.ndarray, labels: np.ndarray, *, seed: int = 0, **how
) -> LabelRegressor:
    """Train on real covers (N, S, S, 3) uint8 and their labels (N, 10), some missing; `epochs`,
    `progress` and what else `cover_network.fit` is told may be given."""
    torch.manual_seed(seed)
    targets = torch.as_tensor(labels, dtype=torch.float32)
    regressor = LabelRegressor(labels.shape[1])
    regressor.scale.fit(targets)

    def loss(network: LabelRegressor, covers: Tensor, rows: Tensor) -> Tensor:
        wanted = targets[rows]
        error = (network.standardised(covers) - network.scale(wanted)) ** 2
        known = wanted.isfinite()
        return (error * known).sum() / known.sum().clamp_min(1)

    return fit(regressor, pixels, loss, seed=seed, **how)


class RidgeRegressor(nn.Module):
    """Predicts labels (B, L) linearly from a frozen network's features of covers (B, 3, S, S)."""

    def __init__(self, network: nn.Module, weight: np.ndarray, bias: np.ndarray):
        super().__init__()
        self.network = network
        self.register_buffer("weight", torch.as_tensor(weight, dtype=torch.float32))  # (D, L)
        self.register_buffer("bias", torch.as_tensor(bias, dtype=torch.float32))

    def forward(self, covers: Tensor) -> Tensor:
        return self.network(covers) @ self.weight + self.bias


def ridge() -> Pipeline:
    """The regression on standardised features, with a penalty of its own for each label."""
    return make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True))


def ridge_regressor(
    pixels: np.ndarray, labels: np.ndarray, network: nn.Module | None = None
) -> RidgeRegressor:
    """For covers that are few and show little: fitted to real covers (N, S, S, 3) uint8 and their
    labels (N, L), some missing.

    A network trained from scratch on 1,900 real covers learns next to nothing. `network` is the
    ImageNet extractor where it is installed, else the project's own.
    """
    network = network or strongest()
    seen = extract(network, pixels)
    weight, bias = np.zeros((seen.shape[1], labels.shape[1])), np.zeros(labels.shape[1])
    for known, columns in known_together(labels):
        scaler, fitted = ridge().fit(seen[known], labels[known][:, columns]).named_steps.values()
        weight[:, columns] = (np.atleast_2d(fitted.coef_) / scaler.scale_).T
        bias[columns] = fitted.intercept_ - scaler.mean_ @ weight[:, columns]
    return RidgeRegressor(network, weight, bias).eval()


def known_together(labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which of the covers (N,) have the same labels, and which labels (L,) these are, by and by:
    one regression serves for all of them. Labels of less than two covers are left out."""
    finite = np.isfinite(labels)
    for known in np.unique(finite, axis=1).T:
        if known.sum() > 1:
            yield known, (finite == known[:, None]).all(0)


def load_label_regressor(path: str | Path = FILE) -> LabelRegressor:
    """The frozen regressor in a file, by default the one that ships. Raises TrainingError if there
    is none."""
    tensors, _ = read_tensors(Path(path))
    regressor = LabelRegressor(len(tensors["scale.mean"]), len(tensors["stem.0.bias"]))
    regressor.load_state_dict(tensors)
    return frozen(regressor)


def predict_labels(regressor: LabelRegressor, pixels: np.ndarray) -> np.ndarray:
    """The labels that a regressor predicts for covers (N, S, S, 3) uint8: (N, 10) in [-1, 1]."""
    return apply(regressor, pixels)


# Label recovery -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recovery:
    """How well asked labels were recovered, feature by feature: arrays of ten, NaN for a feature
    that is absent."""

    correlation: np.ndarray
    r2: np.ndarray
    n: np.ndarray  # covers of which the asked label is known

    @property
    def absent(self) -> np.ndarray:
        """Which features nobody knows, or have one value throughout: a mask of ten."""
        return np.isnan(self.r2)

    @property
    def low(self) -> np.ndarray:
        """The lower ends of the correlations' 95 % intervals (Fisher's transformation)."""
        scores = np.arctanh(self.correlation.clip(-0.999999, 0.999999))
        return np.tanh(scores - 1.96 / np.sqrt((self.n - 3).clip(1)))

    def recoverable(self) -> np.ndarray:
        """Which features count as recoverable: a mask of ten, without absent ones. Where none is,
        as on real covers, it is those with an R² above zero and a correlation above zero beyond its
        interval; if there is none, the one with the highest R².
        """
        if self.absent.all():
            return ~self.absent
        for found in (self.r2 >= RECOVERABLE, (self.low > 0) & (self.r2 > 0)):
            if found.any():
                return found
        return self.r2 == np.nanmax(self.r2)

    def promise(self) -> str:
        """What these held-out real covers let one expect of any model, as a sentence."""
        best = 0.0 if self.absent.all() else max(0.0, float(np.nanmax(self.r2)))
        if best >= RECOVERABLE:
            return "these covers show their music: a model can be expected to follow its labels"
        if not (self.low > 0).any():
            return (
                "these covers show nothing of their music to this regressor: no model can be held "
                "to its labels by it"
            )
        return (
            f"these covers show little of their music, an R² of {best:.2f} at best: expect a "
            "tendency over many covers of any model, and no more"
        )

    def mean(self, features: np.ndarray) -> tuple[float, float]:
        """Mean correlation and mean R² over those of the chosen features, a mask or indices, that
        are not absent; NaN if all of them are."""
        chosen = np.stack([self.correlation, self.r2])[:, features]
        correlation, r2 = chosen[:, ~np.isnan(chosen[1])].mean(1) if chosen.size else (np.nan,) * 2
        return float(correlation), float(r2)


def label_recovery(read: np.ndarray, asked: np.ndarray) -> Recovery:
    """Compare labels read off covers with those asked for, both (N, 10); missing asked ones out.

    R² = 1 - sum (read - asked)² / sum (asked - mean asked)², not clamped: below zero means worse
    than always saying the mean. Both are NaN for a feature that is absent: known for less than two
    covers, or with one value throughout. The correlation is 0 where the same label is read always.

    >>> asked = np.tile([[-1.0], [0.0], [1.0]], 10)
    >>> label_recovery(asked / 2, asked).mean([0])  # in step, but too timid: correlation and R²
    (1.0, 0.75)
    """
    pairs = [_recovery(read[:, column], asked[:, column]) for column in range(asked.shape[1])]
    correlation, r2 = np.array(pairs).T
    return Recovery(correlation, r2, np.isfinite(asked).sum(0))


def _recovery(read: np.ndarray, asked: np.ndarray) -> tuple[float, float]:
    known = np.isfinite(asked)
    read, asked = read[known].astype(np.float64), asked[known].astype(np.float64)
    if len(asked) < 2 or np.ptp(asked) == 0:
        return np.nan, np.nan
    unexplained = np.square(read - asked).sum() / np.square(asked - asked.mean()).sum()
    correlation = np.corrcoef(read, asked)[0, 1] if np.ptp(read) else 0.0
    return float(correlation), float(1 - unexplained)


def shuffled_recovery(read: np.ndarray, asked: np.ndarray, seed: int = 0) -> Recovery:
    """The control: the same with the rows of the asked labels permuted. In place of R², which a
    wrong pairing makes negative, its `r2` is the squared correlation.
    """
    order = np.random.default_rng(seed).permutation(len(asked))
    found = label_recovery(read, asked[order])
    return replace(found, r2=found.correlation**2)
