"""A small network that draws covers four times as large: edges as sharp as at the larger size.

Residual blocks at the small size and one step of pixel shuffle, as in EDSR (arXiv 1707.02921), on
top of bicubic interpolation. `python -m albumlib.sampling.upscaling` trains it anew on covers of
the built-in imprint.
"""

import argparse
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.dataset.images import resized
from albumlib.evaluation.cover_network import fit, halved, load_trained
from albumlib.evaluation.perfect import as_cleaned
from albumlib.models.checkpoint import write_tensors
from albumlib.models.networks import to_covers, to_pixels
from albumlib.runtime.console import run
from albumlib.runtime.paths import PRETRAINED
from albumlib.runtime.progress import training_milestones
from albumlib.sources.imprint.imprint import Imprint

FILE = PRETRAINED / "upscaler.safetensors"
FACTOR = 4
SIDE, TILE = 64, 32  # pixels a side of a small cover, and of the parts that it learns from
SEED, FIRST = 31, 6_000_000  # of the imprint that it learns from, and the first of its albums
ALBUMS, STEPS, BATCH = 1500, 2500, 16
NOISE = 4 / 127.5  # most that is added to small covers, since generated ones are not clean either
LARGEST = 1024  # pixels a side from which on edges are sharp enough to be enlarged smoothly
CONTEXT = 16  # pixels around a part that is enlarged, which its edge depends on


class Upscaler(nn.Module):
    """Covers (B, 3, S, S) in [-1, 1] to (B, 3, 4 S, 4 S). Some 270,000 weights."""

    def __init__(self, width: int = 48, blocks: int = 6):
        super().__init__()
        inner = partial(nn.Conv2d, width, width, 3, padding=1)
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(inner(), nn.ReLU(), inner()) for _ in range(blocks)
        )
        self.last = nn.Conv2d(width, 3 * FACTOR**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)  # it begins as bicubic interpolation
        nn.init.zeros_(self.last.bias)

    def forward(self, covers: Tensor) -> Tensor:
        found = self.first(covers)
        for block in self.blocks:
            found = found + block(found)
        smooth = F.interpolate(covers, scale_factor=FACTOR, mode="bicubic")
        return smooth + F.pixel_shuffle(self.last(found), FACTOR)


@cache
def load_upscaler(path: Path = FILE) -> Upscaler:
    """The frozen upscaler. Raises TrainingError if there is none."""
    return load_trained(
        path, None, "upscaler", "sampling.upscaling",
        lambda _, about: Upscaler(about["width"], about["blocks"]),
    )  # fmt: skip


def upscale(network: Upscaler, pixels: np.ndarray, part: int = 256) -> np.ndarray:
    """A cover (S, S, 3) uint8 at four times its size, (4 S, 4 S, 3) uint8.

    Large ones are enlarged in parts of so many pixels, so that memory stays below some 300 MB.
    """
    padded = np.pad(pixels, ((CONTEXT, CONTEXT), (CONTEXT, CONTEXT), (0, 0)), "edge")
    side, edge = len(pixels), FACTOR * CONTEXT
    large = np.empty((FACTOR * side, FACTOR * side, 3), np.uint8)
    for top in range(0, side, part):
        for left in range(0, side, part):
            piece = padded[top : top + part + 2 * CONTEXT, left : left + part + 2 * CONTEXT]
            with torch.no_grad():
                found = to_pixels(network(to_covers(piece[None])))[0, edge:-edge, edge:-edge]
            rows, columns = FACTOR * top, FACTOR * left
            large[rows : rows + len(found), columns : columns + found.shape[1]] = found
    return large


def upscaled(cover: np.ndarray, size: int) -> np.ndarray:
    """A cover (S, S, 3) uint8 at `size` pixels a side: four times as large until it is large
    enough or 1,024 pixels wide, the rest by Lanczos' filter.

    Raises TrainingError if there is no upscaler.
    """
    network = load_upscaler()
    while len(cover) < min(size, LARGEST):
        cover = upscale(network, cover)
    return resized(cover, size)


def pairs(imprint: Imprint, albums: range) -> tuple[np.ndarray, np.ndarray]:
    """Covers of albums as a cover set has them, (N, 64, 64, 3) uint8, and as they were drawn at
    four times the size."""
    large = [imprint.picture(album, FACTOR * SIDE) for album in albums]
    small = np.stack([as_cleaned(cover, SIDE, place) for place, cover in enumerate(large)])
    return small, np.stack([np.asarray(cover) for cover in large])


def train(
    small: np.ndarray,
    large: np.ndarray,
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[dict], None] | None = None,
) -> Upscaler:
    """Train on pairs of covers by the mean absolute error, from parts of 32 × 32 pixels."""
    torch.manual_seed(seed)
    small, large = _tiles(small, TILE), _tiles(large, FACTOR * TILE)

    def loss(network: Upscaler, covers: Tensor, rows: Tensor) -> Tensor:
        noisy = covers + NOISE * torch.rand(len(covers), 1, 1, 1) * torch.randn_like(covers)
        return F.l1_loss(network(noisy), to_covers(large[rows.numpy()]))

    return fit(
        Upscaler(), small, loss, steps, batch_size=BATCH, rate=1e-3, seed=seed, progress=progress
    )


def _tiles(pixels: np.ndarray, side: int) -> np.ndarray:
    """Covers (N, S, S, 3) in parts (M, side, side, 3).

    >>> _tiles(np.arange(16).reshape(1, 4, 4, 1), 2)[1, ..., 0].tolist()
    [[2, 3], [6, 7]]
    """
    count, parts = len(pixels), pixels.shape[1] // side
    cut = pixels.reshape(count, parts, side, parts, side, -1).swapaxes(2, 3)
    return cut.reshape(count * parts**2, side, side, -1)


def main() -> None:
    """Train the upscaler on covers of the imprint, and write its file."""
    parser = argparse.ArgumentParser(
        prog="python -m albumlib.sampling.upscaling", description=main.__doc__
    )
    parser.add_argument("--albums", type=int, default=ALBUMS, help=f"to learn from [{ALBUMS}]")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"[{STEPS}]")
    parser.add_argument("--out", type=Path, default=FILE, help="the file to write")
    given = parser.parse_args()
    last = FIRST + given.albums
    imprint = Imprint(SEED, albums=last, corruption=0)
    known = pairs(imprint, range(FIRST, last))
    network = train(*known, steps=given.steps, seed=SEED, progress=training_milestones(10))
    shape = {"width": network.first.out_channels, "blocks": len(network.blocks)}
    learned = {"seed": SEED, "albums": given.albums, "steps": given.steps}
    write_tensors(given.out, halved(network), shape | learned)


if __name__ == "__main__":
    run(main)
