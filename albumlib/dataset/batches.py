"""Batches of a cover set on the device that trains. What cleans covers needs none, nor torch."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from albumlib.dataset.coverset import CoverSetError

ON_DEVICE = 8 * 2**30  # bytes of uint8 covers up to which the whole set is put on the device
BLOCK = 4 * 2**20  # bytes read in one piece where the set stays on disk
MIXED = 32  # blocks that are shuffled together, in memory; as many more are being read
GAP = 16  # covers between two wanted ones that are read along


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
