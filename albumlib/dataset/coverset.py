"""The training set: images and labels in one row order, memory-mapped, and batches from it.

A cover set is a folder of files that are readable without this package:

    images.npy       (N, S, S, 3) uint8, one cover a row; images_128.npy for another size
    table.parquet    N rows in the same order: what is known of each cover's album, its split, and
                     the ten features in their own units (mean over the album's tracks)
    tracks.parquet   every kept track, with `row`, the row of its cover
    manifest.json    sizes, filters, counts of every stage, hashes of the files, versions
"""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from albumlib import AlbumlibError, features
from albumlib.dataset.splits import HELDOUT, SPLITS, split_of
from albumlib.runtime.names import today

FOLDER = "coverset"  # its usual name, beside what it was cleaned from
ON_DEVICE = 8 * 2**30  # bytes of uint8 covers up to which the whole set is put on the device
BLOCK = 4 * 2**20  # bytes read in one piece where the set stays on disk
MIXED = 32  # blocks that are shuffled together, in memory; as many more are being read
GAP = 16  # covers between two wanted ones that are read along


def image_file(size: int, main: int) -> str:
    """The file of the covers of a size, in a set whose main size is `main`."""
    return "images.npy" if size == main else f"images_{size}.npy"


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
    def open(cls, folder: str | Path, size: int | None = None) -> "CoverSet":
        """Open a cover set, in its main size or in another one that it was made with.

        The folder that it was cleaned from will do, if it lies there under its usual name.
        Raises CoverSetError if it is missing, incomplete or inconsistent.
        """
        folder = Path(folder)
        if (folder / FOLDER / "manifest.json").exists():
            folder = folder / FOLDER
        if not (folder / "manifest.json").exists():
            raise CoverSetError(
                f"there is no cover set in {folder}: run notebook 02, or `python -m albumlib clean`"
            )
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            name = image_file(size or manifest["size"], manifest["size"])
            if not (folder / name).exists():
                sizes = ", ".join(map(str, manifest.get("sizes", [manifest["size"]])))
                raise CoverSetError(
                    f"the cover set in {folder} has no {name}, only covers of {sizes} pixels: "
                    "clean again with the sizes that you want"
                )
            images = np.load(folder / name, mmap_mode="r")
            table = pd.read_parquet(folder / "table.parquet").rename(columns=today)
            tracks = pd.read_parquet(folder / "tracks.parquet")
        except (OSError, ValueError, KeyError) as error:
            raise CoverSetError(f"the cover set in {folder} is damaged ({error})") from error
        if len(images) != len(table):
            raise CoverSetError(
                f"the cover set in {folder} has {len(images)} images but {len(table)} rows; "
                "delete the folder and clean again"
            )
        return cls(images, table.assign(split=_three_splits(table, manifest)), tracks, manifest)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.images.shape[1]

    @property
    def labels(self) -> np.ndarray:
        """Labels (N, 10) float32 in [-1, 1], NaN where missing."""
        return self.track_labels(self.table)

    @property
    def has_labels(self) -> bool:
        """Whether any cover has any label."""
        return bool(np.isfinite(self.labels).any())

    def with_labels(self) -> "CoverSet":
        """This set. Raises CoverSetError if it has no labels to condition on."""
        if not self.has_labels:
            raise CoverSetError(
                "these covers have no audio features, so no model can be conditioned on them: "
                "use the built-in imprint or a table of tracks, or stop after chapter 4"
            )
        return self

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split: "train", "validation" or "test", or "heldout" for the two that
        no model learns from."""
        if split not in (*SPLITS, "heldout"):
            raise CoverSetError(f"a cover set has the splits {', '.join(SPLITS)}, not {split!r}")
        sides = self.table["split"]
        return np.flatnonzero(sides != "train" if split == "heldout" else sides == split)

    def track_labels(self, tracks: pd.DataFrame) -> np.ndarray:
        """Labels (n, 10) float32 in [-1, 1] of some of `tracks`."""
        return features.to_unit(features.to_array(tracks)).astype(np.float32)


def _three_splits(table: pd.DataFrame, manifest: dict) -> pd.Series:
    """The splits of a set; those of older ones, with "heldout" alone, as they are made today."""
    groups = table.get("group", pd.Series([str(row) for row in range(len(table))], table.index))
    now = split_of(groups.astype(str), manifest.get("heldout", HELDOUT))
    held = now.where(now != "train", "validation")  # where the groups' names are not known
    return table["split"].mask(table["split"] == "heldout", held)


class Batches:
    """Shuffled batches of covers, addressed by step, so that a run resumes exactly.

    Each epoch is a permutation that follows from the seed and the epoch's number alone. A set of up
    to ON_DEVICE bytes lives on the device as uint8. A larger one is read from disk in blocks of
    neighbours, many mixed, since single rows from a cold disk are some forty times slower.
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
        self._covers = _resident(images, self.rows, self.device) if resident else None
        self._disk = None if resident else _Disk(images, self.rows)
        self._labels = None
        if labels is not None:
            wanted = np.asarray(labels, dtype=np.float32)[self.rows]
            self._labels = torch.from_numpy(wanted).to(self.device)

    def batch(self, step: int, own: slice = slice(None)) -> tuple[Tensor, Tensor | None]:
        """Covers (B, 3, S, S) in [-1, 1] and labels (B, L) or None, for a step counted from 0.

        `own` are the rows of the batch that are wanted here, all by default.
        """
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permutation(epoch)
        start, stop, _ = (position * self.batch_size + end for end in own.indices(self.batch_size))
        here = self._order[start:stop].to(self.device)
        if self._disk:
            covers = self._disk.read(epoch, self._order, start, stop)
        else:
            covers = self._covers.index_select(0, here)
        covers = covers.to(self.device).float().div_(127.5).sub_(1)
        return covers, None if self._labels is None else self._labels.index_select(0, here)

    def _permutation(self, epoch: int) -> Tensor:
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        if not self._disk:
            return torch.randperm(len(self.rows), generator=rng)
        blocks = torch.arange(len(self.rows)).split(self._disk.block)
        shuffled = [blocks[i] for i in torch.randperm(len(blocks), generator=rng).tolist()]
        mixed = torch.cat(shuffled).split(self._disk.mixed)
        return torch.cat([part[torch.randperm(len(part), generator=rng)] for part in mixed])


def _resident(images: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor:
    """All covers (N, 3, S, S) uint8 on the device, put there a piece at a time."""
    side = images.shape[1]
    covers = torch.empty((len(rows), 3, side, side), dtype=torch.uint8, device=device)
    for start in range(0, len(rows), 1024):
        piece = torch.from_numpy(images[rows[start : start + 1024]])
        covers[start : start + len(piece)] = piece.permute(0, 3, 1, 2)
    return covers


class _Disk:
    """Covers read from disk in long pieces: while some are used, a thread reads the next."""

    def __init__(self, images: np.ndarray, rows: np.ndarray):
        self.images, self.rows = images, rows
        self.block = max(1, BLOCK // images[0].nbytes)
        self.mixed = MIXED * self.block
        self._thread = ThreadPoolExecutor(1)
        self._pieces: dict[tuple[int, int], Future] = {}

    def read(self, epoch: int, order: Tensor, start: int, stop: int) -> Tensor:
        """Covers (stop - start, 3, S, S) at these places of the epoch's order."""
        first, last = start // self.mixed, (stop - 1) // self.mixed
        keys = [(epoch, piece) for piece in range(first, last + 2)]  # one ahead
        self._pieces = {
            key: self._pieces.get(key) or self._thread.submit(self._piece, order, key[1])
            for key in keys
        }
        some = [
            self._pieces[key].result()[max(0, start - key[1] * self.mixed) :][: stop - start]
            for key in keys[:-1]
        ]
        return torch.cat(some)[: stop - start].permute(0, 3, 1, 2)

    def _piece(self, order: Tensor, piece: int) -> Tensor:
        """The covers of a piece of the order, (n, S, S, 3), each run of neighbours in one read."""
        places = order[piece * self.mixed : (piece + 1) * self.mixed].numpy()
        found = np.empty((len(places), *self.images.shape[1:]), dtype=np.uint8)
        by_place = np.argsort(places)
        rows = self.rows[places[by_place]]
        breaks = np.flatnonzero(np.diff(rows) > GAP) + 1
        for some in np.split(by_place, breaks) if len(rows) else ():
            wanted = self.rows[places[some]]
            run = np.array(self.images[wanted[0] : wanted[-1] + 1])  # other threads go on meanwhile
            found[some] = run[wanted - wanted[0]]
        return torch.from_numpy(found)
