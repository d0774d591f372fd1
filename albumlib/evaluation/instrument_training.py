"""Trains the networks that know the imprint's covers, from albums of another seed, far beyond the
numbers that any cover set has; they are tested on albums after those.

    python -m albumlib.evaluation.instrument_training {layouts,text,labels}
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from albumlib import features
from albumlib.evaluation import label_recovery, layouts, legibility
from albumlib.evaluation.cover_network import halved
from albumlib.models.checkpoint import write_tensors
from albumlib.runtime.console import run
from albumlib.runtime.progress import training_milestones
from albumlib.sources.imprint.imprint import LAW, Imprint

SEED = 31  # of the imprint that they learn from
FIRST = 5_000_000  # the first of its albums: no cover set reaches so far


@dataclass(frozen=True)
class Task:
    """What a network learns: `examples` gives covers (N, 64, 64, 3) and answers of albums,
    `train` a network from them, and `right` how right its answers are, 1 at best."""

    file: Path
    examples: Callable
    train: Callable[..., nn.Module]
    right: Callable[[nn.Module, np.ndarray, np.ndarray], float]
    albums: int = 20_000


def covers_and_labels(imprint: Imprint, albums: range) -> tuple[np.ndarray, np.ndarray]:
    """Covers (N, 64, 64, 3) uint8 of albums, and their labels (N, 10) in [-1, 1]."""
    pixels, _ = layouts.labelled_covers(imprint, albums)
    means = np.stack([imprint.album(album).mean for album in albums])
    return pixels, features.to_unit(means).astype(np.float32)


def mean_r2(regressor: nn.Module, pixels: np.ndarray, labels: np.ndarray) -> float:
    """Mean R² over the labels that covers show."""
    found = label_recovery.label_recovery(label_recovery.predict_labels(regressor, pixels), labels)
    return found.mean(found.recoverable())[1]


TASKS = {
    "layouts": Task(layouts.FILE, layouts.labelled_covers, layouts.train_layouts, layouts.accuracy),
    "text": Task(
        legibility.FILE,
        legibility.examples,
        legibility.train_text_reader,
        legibility.accuracy,
        3000,
    ),
    "labels": Task(
        label_recovery.FILE, covers_and_labels, label_recovery.train_label_regressor, mean_r2
    ),
}


def train(
    name: str, *, albums: int = 0, epochs: float = 8, half: bool = False, progress=None
) -> tuple[nn.Module, dict]:
    """A network of TASKS for covers of the imprint, and what its file says of it."""
    task = TASKS[name]
    albums = albums or task.albums
    last = FIRST + albums
    tested = max(50, min(1000, albums // 5))
    imprint = Imprint(SEED, albums=last + tested, corruption=0, text=True)
    # Without the cache of cast weights, which would keep those of the first step.
    with torch.autocast("cpu", torch.bfloat16, enabled=half, cache_enabled=False):
        known = task.examples(imprint, range(FIRST, last))
        network = task.train(*known, epochs=epochs, seed=SEED, progress=progress)
    right = task.right(network, *task.examples(imprint, range(last, last + tested)))
    about = {"version": layouts.VERSION, "law": LAW, "seed": SEED, "albums": albums}
    about |= {"epochs": epochs, "names": getattr(network, "names", []), "accuracy": right}
    return network, about


def main() -> None:
    """Train one of the networks that know the imprint's covers, and write its file."""
    parser = argparse.ArgumentParser(
        prog="python -m albumlib.evaluation.instrument_training", description=main.__doc__
    )
    parser.add_argument("name", choices=TASKS)
    parser.add_argument("--albums", type=int, default=0, help="to learn from")
    parser.add_argument("--epochs", type=float, default=8, help="[8]")
    parser.add_argument("--bfloat16", action="store_true", help="faster where the CPU has it")
    parser.add_argument("--out", type=Path, help="the file to write")
    given = parser.parse_args()
    network, about = train(
        given.name, albums=given.albums, epochs=given.epochs, half=given.bfloat16,
        progress=training_milestones(10),
    )  # fmt: skip
    write_tensors(given.out or TASKS[given.name].file, halved(network), about)
    print(f"{about['accuracy']:.1%} right on other covers")


if __name__ == "__main__":
    run(main)
