"""Figures of what cleaning put aside: how often and why, duplicates, pictures of rejected files."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from albumlib.dataset import quarantine as rejects
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.images import MOST_PIXELS
from albumlib.figures.grids import covers
from albumlib.figures.palette import BLUE, PALE
from albumlib.figures.style import WIDTH, blank, empty_figure, new_figure, place

GREY = np.full((16, 16, 3), 225, dtype=np.uint8)
MOST = 40  # covers on a sheet
JPEG_END = b"\xff\xd9"  # makes decoders show what they have of a file that breaks off


def quarantine(
    reasons: Mapping[str, int],
    examples: Mapping[str, np.ndarray | None] | None = None,
    title: str = "",
) -> Figure:
    """Bars of how often each reason rejected something, with a picture of one where there is one.

    `examples` maps a reason to a picture (H, W, 3), or None for files that show nothing.
    """
    met = [pair for pair in reasons.items() if pair[1]]
    reasons = dict(sorted(met, key=lambda pair: -pair[1]))
    rows, most, examples = len(reasons), max(reasons.values(), default=1), examples or {}
    if not rows:
        return empty_figure("Nothing was rejected.")
    figure = new_figure(WIDTH / 13 * rows + 0.05, title or "Rejected, and why")
    axes = blank(figure.subplots(), 13, rows)
    for row, (reason, count) in enumerate(reasons.items()):
        picture, length = examples.get(reason), 6 * count / most
        if picture is None:
            axes.fill_between([0.05, 0.95], row + 0.05, row + 0.95, color=PALE)
            axes.text(0.5, row + 0.5, "nothing\nto see", ha="center", va="center", size=7)
        else:
            place(axes, picture, 0.05, row + 0.05, 0.9)
        axes.text(1.2, row + 0.5, reason, va="center", size=9.5)
        axes.barh(row + 0.5, length, left=5.6, height=0.5, color=BLUE)
        axes.text(5.75 + length, row + 0.5, f"{count:,}", va="center", size=9.5)
    return figure


def duplicates(folder: str | Path, coverset: str | Path, most: int = 16) -> Figure:
    """Duplicates that cleaning put aside, each at the right of the cover that stayed for it.

    If there are more than `most`, those that differ in their pixels come first.
    """
    bad = rejects.read(coverset).query("what == 'cover' and reason == 'duplicate'")
    if bad.empty:
        return empty_figure("No cover was rejected as a duplicate.")
    found = bad["reasons"].str.extract(r"^(same file|same pixels|nearly)(?: as)? (.+)$")
    found = found.assign(id=bad["id"]).sort_values(0, kind="stable").head(most)
    references = found[[1, "id"]].to_numpy().ravel()
    captions = found.assign(kept="kept, " + found[0])[["kept", "id"]].to_numpy().ravel()
    title = f"{len(bad):,} duplicates, each beside the cover that stayed"
    return covers(_glimpses(folder, references), captions, columns=8, title=title)


def write_quarantine(folder: str | Path, coverset: str | Path, out: str | Path) -> list[Path]:
    """A contact sheet for each reason against covers, as PNG files in `out`; returns their paths.

    Files that show nothing (empty ones, web pages, bombs) have a grey square. Duplicates stand
    beside the covers that stayed for them.
    """
    bad = rejects.read(coverset).query("what == 'cover'")
    bad = bad[bad["id"].isin(_files(folder).index)]
    Path(out).mkdir(parents=True, exist_ok=True)
    paths = []
    for reason, rows in bad.groupby("reason"):
        if reason == "duplicate":
            figure = duplicates(folder, coverset, MOST)
        else:
            shown = list(rows["id"].head(MOST))
            figure = covers(_glimpses(folder, shown), shown, title=f"{reason}: {len(rows):,}")
        paths.append(Path(out) / f"{re.sub('[^a-z0-9]+', '-', reason.casefold())}.png")
        figure.savefig(paths[-1])
    return paths


def _glimpses(folder: str | Path, references: Sequence[str]) -> list[np.ndarray]:
    """Gathered covers as their files are; those that show nothing are grey."""
    paths = [Path(folder) / file for file in _files(folder)[references]]
    seen = [glimpse(path.read_bytes()) if path.exists() else None for path in paths]
    return [GREY if picture is None else picture for picture in seen]


def _files(folder: str | Path) -> pd.Series:
    with Catalog(Path(folder) / "catalog.sqlite") as catalog:
        return catalog.covers().dropna(subset="file").set_index("reference")["file"]


def glimpse(data: bytes, side: int = 128) -> np.ndarray | None:
    """What a lenient viewer shows of a file, at most `side` pixels wide; None if nothing.

    For looking at rejects: no orientation is applied, transparency is ignored, and of a JPEG
    that breaks off the part that is there is shown.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data + JPEG_END)) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    return None
                shown = picture.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return None
    shown.thumbnail((side, side))
    return np.asarray(shown)
