"""The training set: images and labels in one row order, memory-mapped.

A cover set is a folder of files that are readable without this package:

    images.npy       (N, S, S, 3) uint8, one cover a row; images_128.npy for another size
    table.parquet    N rows in the same order: what is known of each cover's album, its split, and
                     the ten features in their own units (mean over the album's tracks)
    tracks.parquet   every kept track, with `row`, the row of its cover
    manifest.json    sizes, filters, counts of every stage, hashes of the files, versions
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import AlbumlibError, features
from albumlib.dataset.splits import HELDOUT, SPLITS, split_of
from albumlib.runtime.names import today

FOLDER = "coverset"  # its usual name, beside what it was cleaned from


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
