"""Random batches of 64 covers: from a cover set, and from files by torchvision's ImageFolder.

The baseline is the usual recipe: ImageFolder over the JPEG files as they were gathered, Resize,
CenterCrop, ToTensor and Normalize, and a DataLoader that shuffles, with no or two processes,
whichever is faster. `imagefolder_images_per_s` and `ratio` are for files of 640 pixels, as services
give them; the same keys with `_300` and `_64` are for smaller ones. Files that somebody has
already scaled to 64 pixels are the kindest case: there a `ratio_64` remains of the difference
between decoding and indexing alone.

`disk_images_per_s` is for a set that does not fit on the device and is read in blocks.
`waiting_share` is the share of a training step's time (the recipe acgan) spent on its batch.
"""

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from albumlib.dataset.batches import Batches
from albumlib.sources.imprint.imprint import Imprint
from albumlib.training.config import recipe
from albumlib.training.trainer import Trainer

BATCH, SIZE = 64, 64
SIDES = (640, 300, 64)  # of files, in pixels
PREPARE = transforms.Compose(
    [
        transforms.Resize(SIZE),
        transforms.CenterCrop(SIZE),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
)


def write_files(folder: Path, count: int) -> None:
    """Covers of the imprint as JPEG files: a folder for each size, with one class in it."""
    imprint = Imprint(albums=count, corruption=0)
    for index in range(count):
        picture = Image.open(io.BytesIO(imprint.cover(f"album/{index}", SIDES[0]))).convert("RGB")
        for side in SIDES:
            path = folder / str(side) / "covers" / f"{index}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.resize((side, side), Image.Resampling.LANCZOS).save(path, quality=90)


def from_files(folder: Path, processes: int, epochs: int = 3) -> float:
    """Images per second, the best of a few epochs after the one that starts the processes."""
    loader = DataLoader(
        ImageFolder(folder, PREPARE),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=processes,
        persistent_workers=processes > 0,
    )
    rates = []
    for _ in range(1 + epochs):
        started = time.perf_counter()
        count = sum(len(covers) for covers, _ in loader)
        rates.append(count / (time.perf_counter() - started))
    return max(rates[1:])


def rate(read: Callable[[int], object], steps: int) -> float:
    """Images per second, the better of five runs."""
    best = float("inf")
    for run in range(5):
        started = time.perf_counter()
        for step in range(steps):
            read(run * steps + step)
        best = min(best, time.perf_counter() - started)
    return steps * BATCH / best


def waiting(images: np.ndarray, labels: np.ndarray, steps: int) -> float:
    """The share of the recommended training's time that its batches take."""
    config = recipe("acgan", size=SIZE, steps=10**6)
    batches = Batches(images, labels, np.arange(len(images)), config.batch_size, 0)
    waited, read = [], batches.batch

    def timed(*which):
        started = time.perf_counter()
        batch = read(*which)
        waited.append(time.perf_counter() - started)
        return batch

    batches.batch = timed
    trainer = Trainer(config, torch.from_numpy(labels))
    trainer.advance(batches)
    waited.clear()
    started = time.perf_counter()
    for _ in range(steps):
        trainer.advance(batches)
    return sum(waited) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000, help="covers of the set")
    parser.add_argument("--files", type=int, default=256, help="JPEG files of each size")
    parser.add_argument("--steps", type=int, default=12, help="of training")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (options.n, 8, 8, 3), dtype=np.uint8)
    images = small.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2)
    labels = rng.uniform(-1, 1, (options.n, 10)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, options.files)
        files = {s: max(from_files(folder / str(s), p) for p in (0, 2)) for s in SIDES}
        np.save(folder / "images.npy", images)
        mapped = np.load(folder / "images.npy", mmap_mode="r")
        rows = np.arange(options.n)
        ours = rate(Batches(mapped, labels, rows, BATCH, 0).batch, 200)
        disk = rate(Batches(mapped, labels, rows, BATCH, 0, on_device=0).batch, 200)
    result = {"images_per_s": round(ours)}
    for side in SIDES:
        suffix = "" if side == SIDES[0] else f"_{side}"
        result[f"imagefolder_images_per_s{suffix}"] = round(files[side])
        result[f"ratio{suffix}"] = round(ours / files[side], 1)
    result["disk_images_per_s"] = round(disk)
    result["waiting_share"] = round(waiting(images, labels, options.steps), 4)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
