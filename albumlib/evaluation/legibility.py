"""Is there text on a cover that could be read? Two measures, each in its own way.

`TextReader` is a small network at 64 px, trained on covers of the built-in imprint with names,
without, and with smeared ones. `known_words` asks an OCR engine (`pip install 'albumlib[text]'`)
and counts covers on which it reads a word that is in the titles. Both miss much at 64 px: compare
with what real covers get.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from albumlib.dataset.text_detection import SIDE as OCR_SIDE
from albumlib.dataset.text_detection import read_words
from albumlib.evaluation.cover_network import CoverNetwork, apply, fit, load_trained
from albumlib.evaluation.perfect import as_cleaned
from albumlib.runtime.paths import PRETRAINED
from albumlib.sources.imprint.imprint import Imprint

VERSION = 1
SIDE = 64  # pixels a side that the network sees
FILE = PRETRAINED / "text_reader.safetensors"
LETTERS = 3  # that a word has at least


class TextReader(CoverNetwork):
    """Covers (B, 3, S, S) in [-1, 1], of any size, to logits (B, 1): legible text or none."""

    side = SIDE

    def __init__(self, width: int = 24):
        super().__init__(1, width)


def legible(classifier: TextReader, pixels: np.ndarray) -> np.ndarray:
    """Which covers (N, S, S, 3) uint8 bear legible text, a mask (N,)."""
    return apply(classifier, pixels)[:, 0] > 0


def known_words(pixels: np.ndarray, words: Iterable[str]) -> np.ndarray:
    """On which covers (N, S, S, 3) uint8 an OCR engine reads one of the words, a mask (N,).

    Covers are enlarged to 416 px. Words of less than three letters do not count. Raises
    AlbumlibError if the engine is not installed.
    """
    wanted = {word for text in words for word in _words(text)}
    shown = (Image.fromarray(one).resize((OCR_SIDE,) * 2, Image.Resampling.BICUBIC)
             for one in pixels)  # fmt: skip
    return np.array([bool(wanted & _words(read_words(np.asarray(one)))) for one in shown])


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) >= LETTERS}


def load_text_reader(path: str | Path = FILE) -> TextReader:
    """The frozen classifier for covers of the imprint. Raises TrainingError if there is none."""
    return load_trained(
        path, VERSION, "text classifier", "evaluation.instrument_training text",
        lambda tensors, _: TextReader(len(tensors["stem.0.bias"])),
    )  # fmt: skip


def examples(imprint: Imprint, albums: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Covers (n, 64, 64, 3) uint8 and whether they bear legible text (n,): of each album one with
    names, one without, and one with smeared names."""
    covers, answers = [], []
    for album in albums:
        drawn = SIDE * (1 + album % 2)
        names, none = (imprint.picture(album, drawn, text=text) for text in (True, False))
        shown = (names, none, smeared(names, none, album))
        covers += [as_cleaned(picture, SIDE, album) for picture in shown]
        answers += [True, False, False]
    return np.stack(covers), np.array(answers)


def smeared(names: Image.Image, none: Image.Image, seed: int) -> Image.Image:
    """A cover whose letters run into each other: what a blurred memory of writing looks like.

    `none` is the same cover without names. Where the two differ, the letters are blurred, half of
    the time after they were broken into blots and shuffled.
    """
    rng = np.random.default_rng((seed, 6))
    unit = names.width / SIDE
    changed = ImageChops.difference(names, none).convert("L").point(lambda value: 255 * (value > 8))
    mask = changed.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(unit / 2))
    blots = _shuffled(names, max(2, round(2 * unit)), rng) if rng.random() < 0.5 else names
    soft = blots.filter(ImageFilter.GaussianBlur(unit * rng.uniform(0.8, 2)))
    return Image.composite(soft, names, mask)


def _shuffled(picture: Image.Image, reach: int, rng: np.random.Generator) -> Image.Image:
    """A picture whose pixels have moved by up to `reach` to the side, in blots of that size."""
    pixels, side = np.asarray(picture), picture.width
    coarse = rng.integers(-reach, reach + 1, (side // reach + 1, side // reach + 1))
    moves = coarse.repeat(reach, 0).repeat(reach, 1)[:side, :side]
    columns = (np.arange(side) + moves).clip(0, side - 1)
    return Image.fromarray(np.take_along_axis(pixels, columns[..., None], axis=1))


def train_text_reader(
    pixels: np.ndarray, answers: np.ndarray, *, seed: int = 0, **how
) -> TextReader:
    """Train on covers (N, 64, 64, 3) uint8 and whether they bear legible text (N,), as `fit` is
    told."""
    torch.manual_seed(seed)
    targets = torch.from_numpy(answers.astype(np.float32))

    def loss(network: TextReader, covers: Tensor, rows: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(network(covers).squeeze(1), targets[rows])

    return fit(TextReader(), pixels, loss, seed=seed, **how)


def accuracy(classifier: TextReader, pixels: np.ndarray, answers: np.ndarray) -> float:
    """Proportion of covers of which the classifier is right about whether they bear text."""
    return float((legible(classifier, pixels) == answers).mean())
