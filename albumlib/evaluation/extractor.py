"""The frozen feature extractor of the metrics: covers to 64 numbers, by a small network we ship.

Inception's 90 MB cannot be shipped. Ours is trained by `python -m albumlib.evaluation.extractor` on
covers of the built-in imprint and, if a folder of them is given, photographs, without labels: it
learns to recognise a picture from a piece of it in other colours, among 127 other pictures (SimCLR,
Chen et al. 2020, arXiv 2002.05709). The features are taken from all stages: what is there on
average, how much it varies over the cover, and what is there in each quarter.

Distances by other versions of the extractor cannot be compared: VERSION is in its file.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.evaluation.cover_network import apply, at_side, frozen, in_parts, load_trained
from albumlib.models.augment import augment
from albumlib.models.checkpoint import TrainingError, write_tensors
from albumlib.models.networks import to_covers, to_pixels
from albumlib.runtime.console import run
from albumlib.runtime.paths import PRETRAINED
from albumlib.runtime.progress import Progress, milestones, silent
from albumlib.runtime.rng import Rng
from albumlib.sources.imprint.imprint import LAW, Imprint

VERSION = 2
FILE = PRETRAINED / "extractor.safetensors"
SIDE = 64  # pixels a side that the network sees
WIDTHS = (32, 48, 96, 128)
FEATURES = 64  # few, so that some hundred covers are enough for their covariance
SEED = 7  # another imprint than that of the course, whose covers are compared
STEPS = 400  # of training: about three minutes on two CPU cores
SOURCE_SIDE = 96  # pixels a side of the pictures it is trained on
BATCH = 64  # covers that it sees at a time
PIECE = 48  # pixels a side of the pieces of them that it sees


class Extractor(nn.Module):
    """Covers (B, 3, S, S) in [-1, 1], of any size, to features (B, 64) of about unit variance.

    Covers are first brought to 64 px: bilinear, with antialiasing where that makes them smaller.
    The features are `summary` of all four stages, from texture to composition, in the 64 principal
    directions of the training pictures. Each is divided by the square root of its spread there:
    half way to whitening, so that neither the first few drown out the others nor the last ones'
    noise counts as much as they do.
    """

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([_convolution(3, WIDTHS[0], stride=2)])
        for inputs, outputs in itertools.pairwise(WIDTHS):
            both = _convolution(inputs, outputs, stride=2), _convolution(outputs, outputs)
            self.stages.append(nn.Sequential(*both))
        self.register_buffer("mean", torch.zeros(6 * sum(WIDTHS)))
        self.register_buffer("directions", torch.eye(6 * sum(WIDTHS), FEATURES))

    def activations(self, covers: Tensor) -> list[Tensor]:
        """The activations (B, C, S', S') of each stage, from texture to composition."""
        x, found = covers, []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def summary(self, covers: Tensor) -> Tensor:
        """Mean and spread of each stage's channels over the cover, and their means over its
        quarters: (B, 1824)."""
        parts = [
            part
            for x in self.activations(covers)
            for part in (x.mean((2, 3)), x.std((2, 3)), F.adaptive_avg_pool2d(x, 2).flatten(1))
        ]
        return torch.cat(parts, dim=1)

    def forward(self, covers: Tensor) -> Tensor:
        return (self.summary(at_side(covers, SIDE)) - self.mean) @ self.directions

    @torch.no_grad()
    def fit_directions(self, pixels: np.ndarray) -> None:
        """Take mean and principal directions from pictures (N, S, S, 3) uint8."""
        seen = torch.from_numpy(apply(self.summary, pixels, BATCH))
        self.mean.copy_(seen.mean(0))
        spread = seen.std(0).clamp_min(1e-6)  # of each activation, so that no stage drowns out
        _, lengths, axes = torch.linalg.svd((seen - self.mean) / spread, full_matrices=False)
        weights = lengths[:FEATURES].rsqrt()
        variance = (lengths[:FEATURES] * weights).square().mean() / len(seen)
        self.directions.copy_(axes[:FEATURES].T / spread[:, None] * weights / variance.sqrt())


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1),
    )


def load_extractor(path: str | Path = FILE) -> Extractor:
    """The extractor of the project. Raises TrainingError if its file is missing or another's."""
    module = "evaluation.extractor"
    return load_trained(path, VERSION, "extractor", module, lambda *_: Extractor())


def extract(extractor: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """The features (N, D) float32 of covers (N, S, S, 3) uint8: by this extractor D is 64, by
    `imagenet.load_imagenet` 1,280."""
    return apply(extractor, pixels, BATCH)


# Training -------------------------------------------------------------------------------------


def train_extractor(
    pixels: np.ndarray,
    *,
    steps: int = STEPS,
    batch_size: int = 128,
    seed: int = SEED,
    progress: Progress = silent,
) -> Extractor:
    """Train on pictures (N, 96, 96, 3) uint8, N >= batch_size, without labels."""
    torch.manual_seed(seed)
    rng = Rng(seed)
    extractor = Extractor().to(memory_format=torch.channels_last)
    head = nn.Sequential(nn.Linear(WIDTHS[-1], 128), nn.ReLU(), nn.Linear(128, 64))
    optimiser = torch.optim.AdamW([*extractor.parameters(), *head.parameters()], weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.randperm(len(pixels), generator=rng.generator)[:batch_size].numpy()
        covers = to_covers(pixels[rows])
        views = augment(torch.cat([pieces(covers, rng) for _ in range(2)]), "flip,color", rng)
        views = views.contiguous(memory_format=torch.channels_last)
        seen = extractor.activations(views)[-1].mean((2, 3))
        loss = contrast(head(seen), temperature=0.2)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        progress("steps of training", step + 1, steps)
    extractor.eval().fit_directions(_smaller(pixels))
    return frozen(extractor)


def contrast(embedded: Tensor, temperature: float) -> Tensor:
    """SimCLR's loss of embeddings (2B, D): row i and row B + i show the same picture."""
    unit = F.normalize(embedded, dim=1)
    likeness = unit @ unit.T / temperature
    likeness.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(unit)).roll(len(unit) // 2)
    return F.cross_entropy(likeness, partner)


def pieces(covers: Tensor, rng: Rng) -> Tensor:
    """A square piece of each cover (B, 3, S, S), half to all of its side, at PIECE pixels."""
    count = len(covers)
    share = 0.5 + 0.5 * rng.rand(count, 1, 1)
    middle = (1 - share) * (2 * rng.rand(count, 2, 1) - 1)
    place = torch.cat([share * torch.eye(2), middle], dim=2)  # (B, 2, 3)
    grid = F.affine_grid(place, [count, 3, PIECE, PIECE], align_corners=False)
    return F.grid_sample(covers, grid, align_corners=False)


def _smaller(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([to_pixels(at_side(part, SIDE)) for part in in_parts(pixels, BATCH)])


def training_pictures(covers: int, photos: str | Path = "", seed: int = SEED) -> np.ndarray:
    """Covers of the built-in imprint, and the JPEGs in a folder, each of those twice.

    Returns (N, 96, 96, 3) uint8. Raises TrainingError if the folder holds none.
    """
    from albumlib.dataset.images import decode

    imprint = Imprint(seed, albums=covers, corruption=0, text=True)
    found = [decode(imprint.cover(f"album/{i}", SOURCE_SIDE), SOURCE_SIDE) for i in range(covers)]
    pixels = [cover.pixels for cover in found]
    files = sorted(Path(photos).glob("*.jpg")) if photos else []
    if photos and not files:
        raise TrainingError(f"there are no photographs (*.jpg) in {photos}")
    for file in files:
        with Image.open(file) as photo:
            pixels += 2 * [np.asarray(ImageOps.fit(photo.convert("RGB"), (SOURCE_SIDE,) * 2))]
    return np.stack(pixels)


def main() -> None:
    """Train the extractor and write its file."""
    parser = argparse.ArgumentParser(
        prog="python -m albumlib.evaluation.extractor", description=main.__doc__
    )
    parser.add_argument("--covers", type=int, default=4500, help="of the built-in imprint [4500]")
    parser.add_argument("--photos", default="", help="a folder of JPEGs that may be shared")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training [{STEPS}]")
    parser.add_argument("--seed", type=int, default=SEED, help=f"[{SEED}]")
    parser.add_argument("--out", type=Path, default=FILE, help="the file to write")
    given = parser.parse_args()
    torch.set_num_threads(1)  # sums, and so the weights, depend on their number
    pixels = training_pictures(given.covers, given.photos, given.seed)
    print(f"{len(pixels):,} pictures, {len(pixels) - given.covers:,} of them photographs")
    extractor = train_extractor(pixels, steps=given.steps, seed=given.seed, progress=milestones(20))
    about = {"version": VERSION, "steps": given.steps, "seed": given.seed, "pictures": len(pixels)}
    write_tensors(given.out, extractor.state_dict(), about | {"law": LAW})
    print(given.out)


if __name__ == "__main__":
    run(main)
