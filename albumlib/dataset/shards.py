"""Covers decoded part by part, each part a file, so that a kill costs a few parts and no more.

A part's file is named after everything its content follows from: the versions, the sizes, and the
covers with their hashes. One that is there is therefore right, whenever it was made.
"""

import hashlib
import json
import math
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import PIL

from albumlib import __version__
from albumlib.dataset.duplicates import THUMBS, perceptual_hashes, thumbnails
from albumlib.dataset.images import ASPECT, CoverRejected, Decoded, decode, read_cover, resized
from albumlib.runtime.files import written_whole
from albumlib.runtime.progress import Progress, silent
from albumlib.runtime.workers import spread

PART = 256  # covers a file, and a task
ABOUT = ("width", "height", "mode", "cropped", "greyscale")  # of a decoded cover, for the table
HASHES = ("perceptual_hash", "inner_hash")  # of the whole cover, and of its inner part
FOUND = ("reference", "file", "sha256", "digest", *HASHES, *ABOUT)


@dataclass(frozen=True)
class Parts:
    """Decoded covers: a row for each, the refused with their reasons, and the pixels on disk."""

    paths: list[Path]
    found: pd.DataFrame  # FOUND: `digest` and the hashes are of the pixels
    refused: pd.DataFrame  # id, reason

    def thumbs(self, path: Path) -> np.ndarray:
        """Thumbnails (N,) of the found covers, of dtype THUMBS, memory-mapped from a new file."""
        return self._copied(path, "thumbs", THUMBS, (), np.arange(len(self.found)))

    def images(self, path: Path, size: int, rows: np.ndarray) -> None:
        """Write some of the found covers, by ascending row, into a .npy file (n, S, S, 3)."""
        self._copied(path, _pixels(size), np.dtype(np.uint8), (size, size, 3), rows)

    def _copied(
        self, path: Path, name: str, dtype: np.dtype, shape: tuple[int, ...], rows: np.ndarray
    ) -> np.ndarray:
        out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(len(rows), *shape))
        first = 0  # row of the part's first cover
        for file in self.paths:
            with np.load(file) as arrays:
                part = arrays[name]
            start, stop = np.searchsorted(rows, [first, first + len(part)])
            out[start:stop] = part[rows[start:stop] - first]
            first += len(part)
        out.flush()
        return out


def decode_covers(
    folder: Path,
    covers: pd.DataFrame,
    work: Path,
    sizes: tuple[int, ...],
    workers: int = 2,
    progress: Progress = silent,
    dask: str = "",
    released: frozenset[str] = frozenset(),
) -> Parts:
    """Decode fetched covers to one or more sizes in one pass.

    `covers` are rows of the catalogue, `work` is the folder for the parts: those found there are
    not made again. A file is decoded to the largest size, the others are made from that. Covers
    that were `released` may have any aspect: their middle counts.
    """
    covers = covers.assign(released=covers["reference"].isin(released))
    columns = ("reference", "file", "sha256", "released")
    files = list(zip(*(covers[name].tolist() for name in columns), strict=True))
    tasks = [files[start : start + PART] for start in range(0, len(files), PART)]
    work.mkdir(parents=True, exist_ok=True)
    task = partial(_decode_part, folder.resolve(), work.resolve(), sizes)
    paths = []
    for path in spread(task, tasks, workers if len(tasks) > 1 else 1, dask=dask):
        paths.append(path)
        progress("covers decoded", min(PART * len(paths), len(files)), len(files))
    return _joined(paths)


def _decode_part(folder: Path, work: Path, sizes: tuple[int, ...], part: list) -> Path:
    named = json.dumps([__version__, PIL.__version__, sizes, part])
    path = work / f"{hashlib.sha256(named.encode()).hexdigest()[:20]}.npz"
    if path.exists() and zipfile.is_zipfile(path):  # and not cut off by a power failure
        return path
    covers, found, refused = [], [], []
    for reference, file, sha256, released in part:
        try:
            data = read_cover(folder / file, sha256)
            cover = decode(data, max(sizes), aspect=math.inf if released else ASPECT)
        except CoverRejected as error:
            refused.append((reference, str(error)))
        else:
            covers.append(cover.pixels)
            found.append((reference, file, sha256, *_row(cover)))
    arrays = {
        _pixels(side): np.array([resized(c, side) for c in covers], np.uint8).reshape(
            -1, side, side, 3
        )
        for side in sizes
    }
    thumbs = np.array([thumbnails(pixels) for pixels in covers], dtype=THUMBS)
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, about=json.dumps([found, refused]), thumbs=thumbs, **arrays)
    return path


def _pixels(size: int) -> str:
    return f"pixels_{size}"


def _row(cover: Decoded) -> tuple:
    digest = hashlib.sha256(cover.pixels.tobytes()).hexdigest()[:32]
    return digest, *perceptual_hashes(cover.pixels), *(getattr(cover, name) for name in ABOUT)


def _joined(paths: list[Path]) -> Parts:
    found, refused = [], []
    for path in paths:
        with np.load(path) as part:
            rows, bad = json.loads(str(part["about"]))
        found += rows
        refused += bad
    table = pd.DataFrame(found, columns=list(FOUND)).astype(dict.fromkeys(HASHES, np.uint64))
    return Parts(paths, table, pd.DataFrame(refused, columns=["id", "reason"]))
