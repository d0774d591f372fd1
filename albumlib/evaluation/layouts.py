"""Does a generated cover have a layout that one can name? A classifier of layouts answers.

Only for covers of the built-in imprint, whose layout families are known to `Imprint.truth`. The
classifier is trained on albums of another seed, far beyond the numbers that any cover set has, and
knows the families' names; `python -m albumlib.evaluation.layouts` trains it anew. Two measures:

    recognised   proportion of covers whose family it names with probability 0.9 or more
    balance      total variation between the families' proportions in two sets of covers, 0 to 1

Both are to be read beside what real covers get: the classifier is sure of nine in ten of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from albumlib.dataset.images import decode
from albumlib.evaluation.cover_network import CoverNetwork, apply, fit, halved
from albumlib.models.checkpoint import TrainingError, read_tensors, write_tensors
from albumlib.runtime.paths import PRETRAINED
from albumlib.runtime.progress import training_milestones
from albumlib.sources.imprint.imprint import Imprint

VERSION = 1
SIDE = 64  # pixels a side that the network sees
SURE = 0.9  # probability from which a layout counts as recognised
SEED = 31  # of the imprint that it learns from
FIRST = 5_000_000  # the first of its albums: no cover set reaches so far
COVERS, EPOCHS = 10_000, 8


class LayoutClassifier(CoverNetwork):
    """Covers (B, 3, S, S) in [-1, 1], of any size, to logits (B, L) of the L families `names`."""

    def __init__(self, names: list[str], width: int = 24):
        super().__init__(len(names), width)
        self.names = names

    def forward(self, covers: Tensor) -> Tensor:
        if covers.shape[-1] != SIDE:
            covers = F.interpolate(covers, (SIDE, SIDE), mode="bilinear", antialias=True)
        return super().forward(covers)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """The probability (N, L) of each family for covers (N, S, S, 3) uint8."""
        return torch.softmax(torch.from_numpy(apply(self, pixels)), 1).numpy()


def recognised(probabilities: np.ndarray) -> float:
    """Proportion of covers, from `LayoutClassifier.probabilities`, of which it is sure."""
    return float((probabilities.max(1) >= SURE).mean())


def proportions(probabilities: np.ndarray) -> np.ndarray:
    """Each family's proportion (L,): the mean of the covers' probabilities."""
    return probabilities.mean(0)


def imbalance(first: np.ndarray, second: np.ndarray) -> float:
    """Total variation between the families' proportions in two sets, from 0 to 1.

    >>> imbalance(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]))
    0.5
    """
    return float(np.abs(proportions(first) - proportions(second)).sum() / 2)


def layouts_file(law: int = 1) -> Path:
    """Where the classifier of a law's layouts lies."""
    return PRETRAINED / f"layouts_{law}.safetensors"


def load_layouts(law: int = 1, path: str | Path = "") -> LayoutClassifier:
    """The frozen classifier of the imprint's `law`. Raises TrainingError if there is none."""
    path = Path(path or layouts_file(law))
    if not path.exists():
        raise TrainingError(
            f"there is no layout classifier {path}: work in a clone of the project, "
            f"or train one with `python -m albumlib.evaluation.layouts --law {law}`"
        )
    tensors, about = read_tensors(path)
    if about.get("version") != VERSION:
        raise TrainingError(f"{path} holds another version of the classifier than {VERSION}")
    classifier = LayoutClassifier(about["names"], len(tensors["stem.0.bias"]))
    classifier.load_state_dict(tensors)
    return classifier.to(memory_format=torch.channels_last).requires_grad_(False).eval()


# Training -------------------------------------------------------------------------------------


def labelled_covers(imprint: Imprint, first: int, count: int) -> tuple[np.ndarray, list[str]]:
    """Covers (count, 64, 64, 3) uint8 of albums from number `first`, and their layouts' names.

    Every other one is drawn at 128 px and shrunk, as cover sets are made.
    """
    indices = range(first, first + count)
    shown = (decode(imprint.cover(f"album/{i}", SIDE * (1 + i % 2)), SIDE) for i in indices)
    return np.stack([cover.pixels for cover in shown]), [imprint.truth(i).layout for i in indices]


def train_layouts(
    pixels: np.ndarray,
    layouts: list[str],
    *,
    epochs: float = EPOCHS,
    seed: int = SEED,
    progress=None,
) -> LayoutClassifier:
    """Train on covers (N, 64, 64, 3) uint8 and the names of their layouts."""
    torch.manual_seed(seed)
    names, classes = np.unique(layouts, return_inverse=True)
    targets = torch.from_numpy(classes)
    classifier = LayoutClassifier(names.tolist())

    def loss(network: LayoutClassifier, covers: Tensor, rows: Tensor) -> Tensor:
        return F.cross_entropy(network(covers), targets[rows])

    steps = max(1, round(epochs * len(pixels) / 64))
    return fit(classifier, pixels, loss, steps, seed=seed, progress=progress)


def accuracy(classifier: LayoutClassifier, pixels: np.ndarray, layouts: list[str]) -> float:
    """Proportion of covers whose layout is the likeliest one."""
    guesses = np.array(classifier.names)[classifier.probabilities(pixels).argmax(1)]
    return float((guesses == np.array(layouts)).mean())


def main() -> None:
    """Train the layout classifier and write its file."""
    parser = argparse.ArgumentParser(
        prog="python -m albumlib.evaluation.layouts", description=main.__doc__
    )
    parser.add_argument("--law", type=int, default=1, help="of the built-in imprint [1]")
    parser.add_argument("--covers", type=int, default=COVERS, help=f"to learn from [{COVERS}]")
    parser.add_argument("--epochs", type=float, default=EPOCHS, help=f"[{EPOCHS}]")
    parser.add_argument("--out", type=Path, help="the file to write")
    given = parser.parse_args()
    imprint = Imprint(SEED, albums=FIRST + given.covers + 1000, dirt=0, law=given.law)
    pixels, layouts = labelled_covers(imprint, FIRST, given.covers)
    told = training_milestones(10)
    classifier = train_layouts(pixels, layouts, epochs=given.epochs, progress=told)
    right = accuracy(classifier, *labelled_covers(imprint, FIRST + given.covers, 1000))
    about = {"version": VERSION, "names": classifier.names, "law": given.law, "seed": SEED,
             "covers": given.covers, "epochs": given.epochs, "accuracy": right}  # fmt: skip
    write_tensors(given.out or layouts_file(given.law), halved(classifier), about)
    print(f"{right:.1%} of 1,000 other covers are named right")


if __name__ == "__main__":
    main()
