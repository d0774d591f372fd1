"""The files of a cover set: written beside their place, then put there whole."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import features
from albumlib.dataset.coverset import CoverSetError, image_file
from albumlib.dataset.quarantine import QUARANTINE, write_quarantine
from albumlib.dataset.shards import ABOUT, Parts
from albumlib.runtime.progress import Progress

FILES = {"table.parquet", "tracks.parquet", QUARANTINE, "manifest.json"}
IMAGES = re.compile(r"images(_\d+)?\.npy")
COLUMNS = (  # of every set
    "cover", "album_id", "album", "artist", "release_date", "year", "genre", "split", "group",
    "n_tracks", *features.NAMES, "file", *ABOUT,
)  # fmt: skip
READ = ("text", "text_area")  # that the search for text adds
LAYOUT = "layout"  # of the built-in imprint's covers: the family of each


def write(
    out: Path,
    table: pd.DataFrame,
    parts: Parts,
    tracks: pd.DataFrame,
    quarantine: pd.DataFrame,
    manifest: dict,
    sizes: Sequence[int],
    progress: Progress,
) -> None:
    """Write all of a set's files to `out`; its pictures are taken from the decoded `parts`."""
    shutil.rmtree(out, ignore_errors=True)  # what a killed run may have left
    out.mkdir(parents=True)
    for done, size in enumerate(sizes, 1):
        parts.images(out / image_file(size, sizes[0]), size, table["row"].to_numpy())
        progress("sizes written", done, len(sizes))
    rows = pd.Series(np.arange(len(table)), index=table["album_id"], name="row")
    tracks = tracks[tracks["album_id"].isin(table["album_id"])]
    tracks = tracks.assign(row=tracks["album_id"].map(rows))
    more = [name for name in (LAYOUT, *READ) if name in table]
    for frame, name in ((table[[*COLUMNS, *more]], "table"), (tracks, "tracks")):
        frame.reset_index(drop=True).to_parquet(out / f"{name}.parquet", index=False)
    write_quarantine(quarantine, out / QUARANTINE)
    manifest["sha256"] = {path.name: _sha256(path) for path in sorted(out.iterdir())}
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (out / "manifest.json").write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def check_place(out: Path) -> None:
    """Refuse to replace anything but a cover set."""
    if out.exists() and not out.is_dir():
        raise CoverSetError(f"{out} is a file: choose another place for the cover set")
    there = {path.name for path in out.glob("[!.]*") if not IMAGES.fullmatch(path.name)}
    if foreign := sorted(there - FILES):
        raise CoverSetError(
            f"{out} is no cover set, it holds {foreign[0]}: choose another folder for the set"
        )


def publish(work: Path, out: Path) -> None:
    """Put the finished set in its place; the old one goes only once the new one is there."""
    old = work / "old"
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    (work / "set").rename(out)
    shutil.rmtree(work, ignore_errors=True)
