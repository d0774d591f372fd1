"""Random batches of 64 covers: from a cover set, and from files as torchvision's ImageFolder does.

The baseline opens JPEG files of the same 64 pixels with Pillow, turns them into float tensors in
[-1, 1] and collates them in a DataLoader, with no or two processes, whichever is faster.
`disk_images_per_s` is for a set that does not fit on the device and is read in blocks.
`waiting_share` is the share of a training step's time that is spent on its batch.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from albumlib.config import TrainingConfig
from albumlib.coverset import Batches
from albumlib.training import Trainer

BATCH, SIZE = 64, 64


class Files(Dataset):
    """What ImageFolder with ToTensor and Normalize does for each file."""

    def __init__(self, paths: list[Path]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with self.paths[index].open("rb") as file:
            picture = Image.open(file).convert("RGB")
        tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
        return tensor.float().div(255).sub(0.5).div(0.5)


def from_files(paths: list[Path], processes: int) -> float:
    loader = DataLoader(Files(paths), BATCH, shuffle=True, drop_last=True, num_workers=processes)
    batches = iter(loader)
    next(batches)  # processes start here
    started = time.perf_counter()
    count = sum(len(batch) for batch in batches)
    return count / (time.perf_counter() - started)


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
    """The share of the default training's time that its batches take."""
    config = TrainingConfig(size=SIZE, labels=True, steps=10**6)
    batches = Batches(images, labels, np.arange(len(images)), config.batch_size, 0)
    waited, read = [], batches.batch

    def timed(step: int):
        started = time.perf_counter()
        batch = read(step)
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
    parser.add_argument("--files", type=int, default=3000, help="of them as files")
    parser.add_argument("--steps", type=int, default=12, help="of training")
    options = parser.parse_args()
    dice = np.random.default_rng(0)
    small = dice.integers(0, 256, (options.n, 8, 8, 3), dtype=np.uint8)
    images = small.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2)
    labels = dice.uniform(-1, 1, (options.n, 10)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.jpg" for number in range(options.files)]
        for path, image in zip(paths, images, strict=False):
            Image.fromarray(image).save(path, quality=85)
        files = max(from_files(paths, processes) for processes in (0, 2))
        np.save(Path(folder) / "images.npy", images)
        mapped = np.load(Path(folder) / "images.npy", mmap_mode="r")
        rows = np.arange(options.n)
        ours = rate(Batches(mapped, labels, rows, BATCH, 0).batch, 200)
        disk = rate(Batches(mapped, labels, rows, BATCH, 0, on_device=0).batch, 200)
    result = {
        "images_per_s": round(ours),
        "imagefolder_images_per_s": round(files),
        "ratio": round(ours / files, 1),
        "disk_images_per_s": round(disk),
        "waiting_share": round(waiting(images, labels, options.steps), 4),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
