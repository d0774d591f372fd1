"""A style from few covers: fine-tune a trained model on those of an artist, an imprint, a folder.

Few covers are soon learned by heart. So both networks see the covers moved and recoloured
(DiffAugment, arXiv 2006.10738), and held-out covers say when to stop: the checkpoint nearest to
them is kept, unless it copies. The critic's early layers, which know what edges are, may stay as
they are (`freeze_critic`; FreezeD, Mo et al. 2020, arXiv 2002.10964).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import __version__, features
from albumlib.evaluation import metrics
from albumlib.evaluation.extractor import Extractor, extract, load_extractor
from albumlib.models.checkpoint import TrainingError, load_generator, read_networks, save_generator
from albumlib.models.conditions import LAYOUT
from albumlib.models.networks import Generator
from albumlib.runtime.files import write_text
from albumlib.sampling.latent import generated
from albumlib.training.config import TrainingConfig, recipe
from albumlib.training.loop import train

FEWEST = 20  # covers to fine-tune on
EVERY = 50  # steps from one evaluation by held-out covers to the next
PATIENCE = 4  # evaluations without a nearer checkpoint after which it ends
INK, PAPER = np.array([24, 44, 104]), np.array([244, 236, 216])  # of `printed`, in sRGB
COPIED = 0.1  # proportion of copied covers, beyond the start's, from which a checkpoint is not kept


def printed(images: np.ndarray) -> np.ndarray:
    """The covers (N, S, S, 3) uint8 in blue ink on cream paper: a style that the built-in imprint
    has not, nor any model that has learned from it."""
    light = images.mean(axis=-1, keepdims=True) / 255
    return np.rint(PAPER * light + INK * (1 - light)).astype(np.uint8)


def style_config(start: str | Path, **changes) -> TrainingConfig:
    """The recipe `style`, for networks of the shape that `start` has."""
    shape = read_networks(start)[2]
    extras = {name for name in shape.get("extras", ()) if not name.startswith(LAYOUT)}
    if shape.get("titles") or extras or shape.get("prior"):
        raise TrainingError(
            f"{start} is conditioned on more than features and layouts; begin with a plain model"
        )
    return recipe("style", start=start, **changes)


def fine_tune(
    start: str | Path,
    images: np.ndarray,
    labels: np.ndarray | None,
    folder: str | Path,
    *,
    rows: np.ndarray,
    heldout: np.ndarray,
    config: TrainingConfig | None = None,
    every: int = EVERY,
    patience: int = PATIENCE,
    extractor: Extractor | None = None,
    progress: Callable[[dict], None] | None = None,
) -> Generator:
    """Fine-tune the networks of `start` on the covers `images[rows]`; the nearest one is kept.

    `images` (N, S, S, 3) uint8 and `labels` (N, 10) in [-1, 1], or None where they are not known:
    a conditional model then learns the style of the average song, and keeps what it knows of the
    features. Every `every` steps as many covers as there are training ones are compared with
    `images[heldout]`; after `patience` evaluations without a gain, or at `config.steps`, it ends.
    `folder` gets `generator.safetensors`, the nearest checkpoint that did not copy (the one it
    began with, if none came nearer), and `history.jsonl`, all evaluations. What was interrupted
    goes on. Raises TrainingError if the covers are too few or of another size.
    """
    config = config or style_config(start)
    _checked(config, images, rows, heldout)
    folder = Path(folder)
    labels = _labels(config, labels, len(images))
    history = read_history(folder)
    evaluate = _Evaluation(images, labels, rows, heldout, extractor)
    if not history:
        folder.mkdir(parents=True, exist_ok=True)
        generator = load_generator(start)
        save_generator(folder / "generator.safetensors", generator, {"version": __version__})
        _record(folder, history, 0, evaluate(generator))
    while not _over(history, config.steps, patience):
        step = min(history[-1]["step"] + every, config.steps)
        generator = train(
            replace(config, steps=step), images, labels, folder / "training",
            rows=rows, start=start, progress=progress,
        )  # fmt: skip
        _record(folder, history, step, evaluate(generator))
        if best(history)["step"] == step:
            shutil.copy(folder / "training" / "generator.safetensors", folder)
    return load_generator(folder)


def how_few(
    start: str | Path,
    images: np.ndarray,
    labels: np.ndarray | None,
    folder: str | Path,
    *,
    counts: Sequence[int],
    validation: np.ndarray,
    test: np.ndarray,
    seeds: Sequence[int] = (0,),
    **changes,
) -> pd.DataFrame:
    """Fine-tune on ever more of the covers: a row for each count and seed.

    The covers `images[validation]` choose the checkpoint of each; the row has its numbers on
    `images[test]`, beside those of the start (`kid_start`, ...) and, for the bias of having been
    chosen, its distance to the covers that chose it (`kid_validation`). What was trained is not
    trained again.
    """
    rows = []
    for count in counts:
        known = np.arange(count)
        evaluate = _Evaluation(images, labels, known, test, None)
        before = evaluate(load_generator(start))
        first = {f"{name}_start": before[name] for name in ("kid", "coverage", "copied")}
        for seed in seeds:
            config = style_config(start, seed=seed, **changes)
            here = Path(folder) / f"{count}_{seed}"
            kept = fine_tune(
                start, images, labels, here,
                rows=known, heldout=validation, config=config, every=config.steps // 5,
            )  # fmt: skip
            chosen = best(read_history(here))
            row = {"covers": count, "seed": seed, "step": chosen["step"]}
            rows.append(row | {"kid_validation": chosen["kid"]} | first | evaluate(kept))
    return pd.DataFrame(rows).round(6)


class _Evaluation:
    """Numbers of a generator against held-out covers, at the same latents each time.

    As many drawn covers as there are to learn from (metrics.evaluate), but the distance is taken
    of enough of them: a handful would tell nothing.
    """

    def __init__(self, images, labels, rows, heldout, extractor):
        self.real, self.known = np.asarray(images[heldout]), np.asarray(images[rows])
        self.extractor = extractor or load_extractor()
        self.seen = extract(self.extractor, self.real)
        count = max(len(rows), len(heldout))
        self.asked = count if labels is None else np.resize(labels[rows], (count, labels.shape[1]))

    def __call__(self, generator: Generator) -> dict[str, float]:
        fakes = generated(generator, self.asked)
        numbers = metrics.evaluate(fakes, self.real, self.known, extractor=self.extractor)
        numbers["kid"], numbers["kid_sd"] = metrics.kid(extract(self.extractor, fakes), self.seen)
        return numbers


def best(history: list[dict]) -> dict:
    """The evaluation with the least distance (KID) to held-out covers, of those that do not copy.

    Among few covers any other is near to one of them: what the start, which has seen none of
    them, seems to copy is the measure.
    """
    limit = history[0]["copied"] + COPIED
    kept = [one for one in history if one["copied"] <= limit]
    return min(kept, key=lambda one: one["kid"])


def read_history(folder: str | Path) -> list[dict]:
    """All evaluations of a fine-tuning, the first one before it began; empty if there is none."""
    path = Path(folder) / "history.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def _record(folder: Path, history: list[dict], step: int, numbers: dict) -> None:
    history.append({"step": step, **{key: round(value, 6) for key, value in numbers.items()}})
    write_text(folder / "history.jsonl", "".join(json.dumps(one) + "\n" for one in history))


def _over(history: list[dict], steps: int, patience: int) -> bool:
    since = len(history) - 1 - history.index(best(history))
    return history[-1]["step"] >= steps or since >= patience


def _labels(config: TrainingConfig, labels: np.ndarray | None, count: int) -> np.ndarray | None:
    if not config.labels:
        return None
    rows = np.full((count, features.COUNT + len(config.extra_names)), np.nan, np.float32)
    if labels is not None:
        rows[:, : labels.shape[1]] = labels
    return rows


def _checked(config: TrainingConfig, images: np.ndarray, rows, heldout) -> None:
    if images.shape[1] != config.size:
        raise TrainingError(
            f"the covers have {images.shape[1]} pixels a side, the model {config.size}: clean them "
            f"with --size {config.size}"
        )
    if min(len(rows) - FEWEST, len(heldout) - metrics.NEIGHBOURS) < 1:
        raise TrainingError(
            f"{len(rows)} covers to train on and {len(heldout)} held out are too few for a style: "
            f"gather {2 * FEWEST} or more"
        )
