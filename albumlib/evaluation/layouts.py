"""Does a generated cover have a layout that one can name? A classifier of layouts answers.

Only for covers of the built-in imprint; trained on albums of another seed (`instrument_training`).
What it says is to be read beside what real covers get: it is sure of nine in ten of them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from albumlib.dataset.images import decode
from albumlib.evaluation.cover_network import CoverNetwork, apply, fit, load_trained
from albumlib.runtime.paths import PRETRAINED
from albumlib.sources.imprint.imprint import Imprint

VERSION = 1
FILE = PRETRAINED / "layouts.safetensors"
SIDE = 64  # pixels a side that the network sees
SURE = 0.9  # probability from which a layout counts as recognised


class LayoutClassifier(CoverNetwork):
    """Covers (B, 3, S, S) in [-1, 1], of any size, to logits (B, L) of the L families `names`."""

    side = SIDE

    def __init__(self, names: list[str], width: int = 24):
        super().__init__(len(names), width)
        self.names = names

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """The probability (N, L) of each family for covers (N, S, S, 3) uint8."""
        return torch.softmax(torch.from_numpy(apply(self, pixels)), 1).numpy()


def recognised(probabilities: np.ndarray) -> float:
    """Proportion of covers, from `LayoutClassifier.probabilities`, whose family it names with
    probability 0.9 or more."""
    return float((probabilities.max(1) >= SURE).mean())


def imbalance(first: np.ndarray, second: np.ndarray) -> float:
    """Total variation between the families' proportions in two sets, from 0 to 1. A proportion is
    the mean of the covers' probabilities.

    >>> imbalance(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]))
    0.5
    """
    return float(np.abs(first.mean(0) - second.mean(0)).sum() / 2)


def rarest(first: np.ndarray, second: np.ndarray) -> float:
    """The least proportion of a family in the first set, relative to the second.

    >>> rarest(np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]]))
    0.2
    """
    return float((first.mean(0) / second.mean(0)).min())


def load_layouts(path: str | Path = FILE) -> LayoutClassifier:
    """The frozen classifier of the imprint's layouts. Raises TrainingError if there is none."""
    return load_trained(
        path, VERSION, "layout classifier", "evaluation.instrument_training layouts",
        lambda tensors, about: LayoutClassifier(about["names"], len(tensors["stem.0.bias"])),
    )  # fmt: skip


def labelled_covers(imprint: Imprint, albums: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """Covers (N, 64, 64, 3) uint8 of albums by number, every other one drawn at 128 px and shrunk,
    and their layouts' names.
    """
    files = (imprint.cover(f"album/{album}", SIDE * (1 + album % 2)) for album in albums)
    pixels = np.stack([decode(file, SIDE).pixels for file in files])
    return pixels, [imprint.truth(album).layout for album in albums]


def train_layouts(
    pixels: np.ndarray, layouts: list[str], *, seed: int = 0, **how
) -> LayoutClassifier:
    """Train on covers (N, 64, 64, 3) uint8 and the names of their layouts, as `fit` is told."""
    torch.manual_seed(seed)
    names, classes = np.unique(layouts, return_inverse=True)
    targets = torch.from_numpy(classes)

    def loss(network: LayoutClassifier, covers: Tensor, rows: Tensor) -> Tensor:
        return F.cross_entropy(network(covers), targets[rows])

    return fit(LayoutClassifier(names.tolist()), pixels, loss, seed=seed, **how)


def accuracy(classifier: LayoutClassifier, pixels: np.ndarray, layouts: list[str]) -> float:
    """Proportion of covers whose layout is the likeliest one."""
    guesses = np.array(classifier.names)[classifier.probabilities(pixels).argmax(1)]
    return float((guesses == np.array(layouts)).mean())
