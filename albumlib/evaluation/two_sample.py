"""Can a classifier tell generated covers from real ones? Classifier two-sample tests.

A classifier learns from one half of both sets, and its accuracy is measured on the other half
(Lopez-Paz and Oquab 2017, arXiv 1610.06545): 0.5 if nothing that it can see tells them apart. Two
classifiers: a logistic regression on the power spectrum, which sees only how sharp covers are, and
a small network, whose training steps belong to the number.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from albumlib.evaluation.cover_network import CoverNetwork, apply, fit

STEPS = 100  # of 64 covers: the training budget of the network


class DetailNetwork(CoverNetwork):
    """A `CoverNetwork` that sees each pixel's difference from the mean of its neighbourhood: on
    covers themselves it would spend its steps on colours, which generators get right."""

    def forward(self, covers: Tensor) -> Tensor:
        smooth = F.avg_pool2d(F.pad(covers, (1, 1, 1, 1), mode="reflect"), 3, 1)
        return super().forward(4 * (covers - smooth))


def by_features(fake: np.ndarray, real: np.ndarray, seed: int = 0) -> float:
    """Held-out accuracy of a logistic regression on features (N, D), each half tested once.

    >>> rng = np.random.default_rng(0)
    >>> here, there, far = (rng.normal(shift, 1, (400, 3)) for shift in (0, 0, 3))
    >>> by_features(here, far) > 0.95, 0.4 < by_features(here, there) < 0.6
    (True, True)
    """
    values, classes, half = _shuffled(fake, real, seed)
    values, classes = (values - values.mean(0)) / (values.std(0) + 1e-9), classes.numpy()
    right = []
    for train, test in ((half, ~half), (~half, half)):
        # |w|² / 1000 beside the mean
        model = LogisticRegression(C=500 / train.sum(), max_iter=1000)
        guesses = model.fit(values[train], classes[train]).predict(values[test])
        right.append(guesses == classes[test])
    return float(np.concatenate(right).mean())


def by_network(fake: np.ndarray, real: np.ndarray, *, steps: int = STEPS, seed: int = 0) -> float:
    """Held-out accuracy of a `DetailNetwork` trained for `steps` of 64 covers."""
    pixels, classes, half = _shuffled(fake, real, seed)
    known, targets = pixels[half], classes[half]
    torch.manual_seed(seed)

    def loss(network: DetailNetwork, covers: Tensor, rows: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(network(covers).squeeze(1), targets[rows])

    network = fit(DetailNetwork(1, width=16), known, loss, steps, rate=2e-3, seed=seed)
    return float(((apply(network, pixels[~half])[:, 0] > 0) == classes[~half].numpy()).mean())


def chance_spread(count: int) -> float:
    """Standard deviation of the accuracy where `count` covers of each kind are alike: half of the
    2 * count covers are guessed by chance.

    >>> chance_spread(2500)
    0.01
    """
    return 0.5 / count**0.5


def _shuffled(
    fake: np.ndarray, real: np.ndarray, seed: int
) -> tuple[np.ndarray, Tensor, np.ndarray]:
    """As many of both, mixed, with their classes (real 1), and a mask of the half to learn from."""
    count = min(len(fake), len(real))
    rng = np.random.default_rng(seed)
    chosen = [some[rng.permutation(len(some))[:count]] for some in (fake, real)]
    classes = torch.from_numpy(np.repeat(np.float32([0, 1]), count))
    half = np.tile(np.arange(count) % 2 == 0, 2)
    return np.concatenate(chosen), classes, half
