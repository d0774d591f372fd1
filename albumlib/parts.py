"""Covers decoded part by part, each part a file, so that a kill costs a few parts and no more.

A part's file is named after everything its content follows from: the version, the size, and the
covers with their hashes. One that is there is therefore right, whenever it was made.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import __version__
from albumlib.covers import CoverRejected, decode, fingerprint, read_cover
from albumlib.workers import spread

Progress = Callable[[str, int, int], None]
PART = 256  # covers a file, and a task
FOUND = (
    "reference", "sha256", "fingerprint", "file", "width", "height", "mode", "cropped", "greyscale",
)  # fmt: skip


def decode_covers(
    folder: Path,
    covers: pd.DataFrame,
    work: Path,
    size: int,
    workers: int = 2,
    progress: Progress | None = None,
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Decode fetched covers: pixels (M, S, S, 3), a row for each, and the refused with reasons.

    `covers` are rows of the catalogue, `work` is the folder for the parts: those found there are
    not made again.
    """
    columns = ("reference", "file", "sha256")
    files = list(zip(*(covers[name] for name in columns), strict=True))
    tasks = [files[start : start + PART] for start in range(0, len(files), PART)]
    work.mkdir(parents=True, exist_ok=True)
    task = partial(_decode_part, folder, work, size)
    paths = []
    for path in spread(task, tasks, workers if len(tasks) > 1 else 1):
        paths.append(path)
        if progress:
            progress("covers decoded", min(PART * len(paths), len(files)), len(files))
    return _joined(paths, size)


def _decode_part(folder: Path, work: Path, size: int, part: list) -> Path:
    named = json.dumps([__version__, size, part])
    path = work / f"{hashlib.sha256(named.encode()).hexdigest()[:20]}.npz"
    if path.exists() and zipfile.is_zipfile(path):  # and not cut off by a power failure
        return path
    pixels, found, refused = [], [], []
    for reference, file, digest in part:
        try:
            cover, row = _decode_file(folder / file, digest, size)
        except CoverRejected as error:
            refused.append((reference, str(error)))
        else:
            pixels.append(cover)
            found.append({"reference": reference, "sha256": digest, "file": file, **row})
    temporary = path.with_suffix(".tmp.npz")
    covers = np.array(pixels, dtype=np.uint8).reshape(-1, size, size, 3)
    np.savez(temporary, pixels=covers, about=json.dumps([found, refused]))
    temporary.replace(path)
    return path


def _decode_file(path: Path, digest: str, size: int) -> tuple[np.ndarray, dict]:
    cover = decode(read_cover(path, digest), size)
    row = {name: getattr(cover, name) for name in FOUND[4:]}
    return cover.pixels, {"fingerprint": fingerprint(cover.pixels), **row}


def _joined(paths: list[Path], size: int) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    found, refused, pixels = [], [], [np.empty((0, size, size, 3), dtype=np.uint8)]
    for path in paths:
        with np.load(path) as part:
            rows, bad = json.loads(str(part["about"]))
            pixels.append(part["pixels"])
        found += rows
        refused += bad
    table = pd.DataFrame(found, columns=list(FOUND)).astype({"fingerprint": np.uint64})
    return np.concatenate(pixels), table, pd.DataFrame(refused, columns=["id", "reason"])
