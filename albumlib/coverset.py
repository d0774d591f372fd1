"""The training set: images and labels in one row order, memory-mapped, and batches from it.

A cover set is a folder of four files, readable without this package:

    images.npy       (N, S, S, 3) uint8, one cover a row
    table.parquet    N rows in the same order: what is known of each cover's album, its split, and
                     the ten features in their own units (mean over the album's tracks)
    tracks.parquet   every kept track, with `row`, the row of its cover
    manifest.json    size, counts of every stage, hashes of the files, version
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from albumlib import AlbumlibError, features

ON_DEVICE = 8 * 2**30  # bytes of uint8 covers up to which the whole set is put on the device
BLOCK = 1024  # covers read in one piece where the set stays on disk


class CoverSetError(AlbumlibError):
    """There is no usable cover set; the message says what to do."""


@dataclass(frozen=True)
class CoverSet:
    """Covers with their labels. `images` stays on disk until rows of it are read."""

    images: np.ndarray  # (N, S, S, 3) uint8
    table: pd.DataFrame  # N rows
    tracks: pd.DataFrame
    manifest: dict

    @classmethod
    def open(cls, folder: str | Path) -> CoverSet:
        """Open a cover set. Raises CoverSetError if it is missing, incomplete or inconsistent."""
        folder = Path(folder)
        if not (folder / "manifest.json").exists():
            raise CoverSetError(
                f"there is no cover set in {folder}: run notebook 02, or `python -m albumlib clean`"
            )
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            images = np.load(folder / "images.npy", mmap_mode="r")
            table = pd.read_parquet(folder / "table.parquet")
            tracks = pd.read_parquet(folder / "tracks.parquet")
        except (OSError, ValueError) as error:
            raise CoverSetError(f"the cover set in {folder} is damaged ({error})") from error
        if len(images) != len(table):
            raise CoverSetError(
                f"the cover set in {folder} has {len(images)} images but {len(table)} rows; "
                "delete the folder and clean again"
            )
        return cls(images, table, tracks, manifest)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.images.shape[1]

    @property
    def labels(self) -> np.ndarray:
        """Labels (N, 10) float32 in [-1, 1], NaN where missing."""
        return features.to_unit(features.to_array(self.table)).astype(np.float32)

    @property
    def has_labels(self) -> bool:
        """Whether any cover has any label."""
        return bool(np.isfinite(self.labels).any())

    def with_labels(self) -> CoverSet:
        """This set. Raises CoverSetError if it has no labels to condition on."""
        if not self.has_labels:
            raise CoverSetError(
                "these covers have no audio features, so no model can be conditioned on them: "
                "use the built-in label or a table of tracks, or stop after chapter 4"
            )
        return self

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split, "train" or "heldout"."""
        return np.flatnonzero((self.table["split"] == split).to_numpy())

    def track_labels(self, tracks: pd.DataFrame) -> np.ndarray:
        """Labels (n, 10) float32 in [-1, 1] of some of `tracks`."""
        return features.to_unit(features.to_array(tracks)).astype(np.float32)


class Batches:
    """Shuffled batches of covers, addressed by step, so that a run resumes exactly.

    Each epoch is a permutation that follows from the seed and the epoch's number alone. A set of
    up to ON_DEVICE bytes lives on the device as uint8, and a batch is one gather there (many
    times faster than loading files). A larger one is read from disk in blocks of neighbours,
    several blocks mixed, since single rows from a cold disk are some forty times slower.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None,
        rows: np.ndarray,
        batch_size: int,
        seed: int,
        device: str | torch.device = "cpu",
        on_device: int = ON_DEVICE,
    ):
        if len(rows) < batch_size:
            raise CoverSetError(f"{len(rows)} covers cannot fill a batch of {batch_size}")
        self.batch_size, self.seed, self.device = batch_size, seed, torch.device(device)
        self.images, self.rows = images, np.sort(np.asarray(rows))
        self.per_epoch = len(self.rows) // batch_size
        self._epoch, self._order = -1, torch.empty(0)
        resident = images[0].nbytes * len(self.rows) <= on_device
        chosen = np.ascontiguousarray(images[self.rows]) if resident else None
        self._covers = None if chosen is None else torch.from_numpy(chosen).to(self.device)
        self._labels = None
        if labels is not None:
            wanted = np.asarray(labels, dtype=np.float32)[self.rows]
            self._labels = torch.from_numpy(wanted).to(self.device)

    def batch(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Covers (B, 3, S, S) in [-1, 1] and labels (B, 10) or None, for a step counted from 0."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permutation(epoch)
        places = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        here = places.to(self.device)
        covers = self._read(places) if self._covers is None else self._covers.index_select(0, here)
        covers = covers.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        return covers, None if self._labels is None else self._labels.index_select(0, here)

    def _read(self, places: Tensor) -> Tensor:
        order = np.argsort(places.numpy())  # neighbours first, then back into the drawn order
        taken = self.images[self.rows[places.numpy()[order]]]
        covers = np.empty_like(taken)
        covers[order] = taken
        return torch.from_numpy(covers).to(self.device)

    def _permutation(self, epoch: int) -> Tensor:
        dice = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        count = len(self.rows)
        if self._covers is not None or count <= 2 * BLOCK:
            return torch.randperm(count, generator=dice)
        blocks = torch.arange(count).split(BLOCK)
        shuffled = [blocks[i] for i in torch.randperm(len(blocks), generator=dice).tolist()]
        mixed = torch.cat(shuffled).split(16 * BLOCK)
        return torch.cat([part[torch.randperm(len(part), generator=dice)] for part in mixed])
