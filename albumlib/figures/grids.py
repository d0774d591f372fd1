"""Figures that consist of covers: contact sheets, pairs, rows, extremes.

Covers are uint8 arrays (S, S, 3), several of them (N, S, S, 3) or a list; the unit of axes is the
width of a cover.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from albumlib.dataset import statistics
from albumlib.figures.palette import BLUE, INK, ORANGE
from albumlib.figures.style import WIDTH, caption, drawing, empty_figure, new_figure, place, sheet


def covers(
    pixels: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int = 8,
    title: str = "",
    note: str = "",
) -> Figure:
    """A contact sheet. `titles` stand below the covers, `title` and `note` above all."""
    rows = -(-len(pixels) // columns)
    unit = WIDTH / (columns * 1.06)
    figure = new_figure(rows * unit * (1.26 if titles is not None else 1.06), title, note)
    sheet(figure.subplots(), pixels, columns, titles, unit)
    return figure


def framed(pixels: np.ndarray, boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """A copy of a cover with boxes (left, top, right, bottom) drawn in, 0 to 1 along its sides."""
    picture, side = Image.fromarray(pixels), len(pixels)
    for box in boxes:
        corners = [round(share * (side - 1)) for share in box]
        ImageDraw.Draw(picture).rectangle(corners, outline=ORANGE, width=max(1, side // 64))
    return np.asarray(picture)


def before_after(
    before: Sequence[np.ndarray], after: Sequence[np.ndarray], titles: Sequence[str]
) -> Figure:
    """Pictures as they came, of any shape, above the squares that cleaning made of them."""
    rows = {"as it came": before, "repaired": after}
    return named_rows(rows, titles, "The same files as they came, and repaired")


def pairs(
    top: Sequence[np.ndarray],
    bottom: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    names: tuple[str, str] = ("generated", "real"),
    title: str = "",
) -> Figure:
    """Generated covers, each above the real cover that shares its label."""
    rows = dict(zip(names, (top, bottom), strict=True))
    return named_rows(rows, titles, title or "Generated, and real with the same label")


def named_rows(
    rows: Mapping[str, Sequence[np.ndarray]], titles: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Rows of as many covers each, their names at the left, `titles` below the columns."""
    count, gap = min(map(len, rows.values())), 0.06
    if not count:
        return empty_figure(f"{title}: there are none.")
    names = max(0.85, 0.085 * max(map(len, rows)) + 0.12)  # inches at the left
    unit = (WIDTH - names) / (count * (1 + gap))  # inches a cover
    margin, below = names / unit, 0.22 / unit if titles is not None else 0
    width, height = WIDTH / unit, len(rows) * (1 + gap) + below
    figure, axes = drawing(width, height, title)
    for row, (name, pictures) in enumerate(rows.items()):
        axes.text(0, row * (1 + gap) + 0.5, name, va="center", size=9, color=INK)
        for column, picture in enumerate(pictures[:count]):
            place(axes, picture, margin + column * (1 + gap), row * (1 + gap))
    for column, words in enumerate(titles if titles is not None else ()):
        y = len(rows) * (1 + gap) + 0.04
        caption(axes, margin + column * (1 + gap), y, str(words), unit)
    return figure


def album_row(
    generated: Sequence[np.ndarray],
    real: np.ndarray,
    averaged: np.ndarray,
    song_titles: Sequence[str],
    title: str = "",
) -> Figure:
    """One album: its real cover, the cover from its averaged labels, then one for each song."""
    gap, big = 0.06, 2.2
    columns = max(1, -(-len(generated) // 2))
    width, height = 2 * (big + 0.2) + columns * (1 + gap), 2.5
    unit = WIDTH / width  # inches a cover
    figure, axes = drawing(width, height, title or "One album: the whole, and its songs")
    wholes = (0, real, "the real cover"), (big + 0.1, averaged, "from the album's mean label")
    for x, picture, words in wholes:
        place(axes, picture, x, 0, big)
        caption(axes, x, big + 0.05, words, color=INK, size=9)
    for number, (picture, words) in enumerate(zip(generated, song_titles, strict=True)):
        row, column = divmod(number, columns)
        x, y = 2 * (big + 0.2) + column * (1 + gap), row * 1.26
        place(axes, picture, x, y)
        caption(axes, x, y + 1.02, words, unit)
    return figure


def feature_sweeps(
    grid: np.ndarray, names: Sequence[str], title: str = "", ends: tuple[str, str] = ("low", "high")
) -> Figure:
    """One row a feature, from its low end at the left to its high end: (rows, steps, S, S, 3)."""
    rows, steps, gap = len(grid), len(grid[0]), 0.05
    room = WIDTH - 0.075 * max(map(len, names)) - 0.2
    unit = min(room / (steps * (1 + gap)), 1.0)  # inches a cover
    margin = WIDTH / unit - steps * (1 + gap)
    width, height = WIDTH / unit, 0.3 + rows * (1 + gap)
    words = title or "One latent, one label changed from low to high"
    figure, axes = drawing(width, height, words)
    caption(axes, margin, 0.24, ends[0], va="bottom", size=9)
    caption(axes, width - gap, 0.24, ends[1], va="bottom", ha="right", size=9)
    for row, (name, pictures) in enumerate(zip(names, grid, strict=True)):
        y = 0.3 + row * (1 + gap)
        axes.text(margin - 0.12, y + 0.5, name, ha="right", va="center", size=9.5)
        for column, picture in enumerate(pictures):
            place(axes, picture, margin + column * (1 + gap), y)
    return figure


def interpolation(rows: Sequence[Sequence[np.ndarray]], title: str = "") -> Figure:
    """Interpolations between covers, one a row, without gaps, so that the eye can follow."""
    words = title or "From one cover to the next"
    figure, axes = drawing(len(rows[0]), len(rows) * 1.08, words)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            place(axes, picture, column, row * 1.08)
    return figure


def sample_history(folder: str | Path, steps: int = 5, cells: int = 4, columns: int = 8) -> Figure:
    """Sample grids of a training run at some of its steps, side by side.

    `folder` holds PNG files named by step, `columns` covers a row; the upper left `cells` by
    `cells` of each are shown. Raises FileNotFoundError if there are none.
    """
    files = sorted(Path(folder).glob("*.png"))
    if not files:
        raise FileNotFoundError(f"there are no sample grids in {folder}: train first")
    chosen = np.unique(np.linspace(0, len(files) - 1, steps).round().astype(int))
    unit = WIDTH / len(chosen)
    figure = new_figure(min(unit, 3.4) + 0.25, "The same latents at different steps of training")
    panels = np.atleast_1d(figure.subplots(1, len(chosen)))
    for axes, number in zip(panels, chosen, strict=True):
        with Image.open(files[number]) as image:
            side = image.width // columns * cells
            axes.imshow(np.asarray(image.convert("RGB"))[:side, :side])
        axes.set_title(f"step {int(files[number].stem):,}")
        axes.axis("off")
    return figure


def extremes(pixels: np.ndarray, table: pd.DataFrame, examples: int = 4) -> Figure:
    """For each known feature, covers at its low and at its high end, and their mean covers.

    Each row reads from low to high: the mean cover of the lowest tenth and some of that tenth,
    then some of the highest tenth and its mean cover. `pixels` (N, S, S, 3) and `table` share
    their rows.
    """
    names, margin, gap, step = statistics.known(table), 1.9, 0.06, 1.08
    if not names:
        return empty_figure()
    width = margin + (2 * examples + 2) * (1 + gap) + 0.5
    height = 0.35 + len(names) * step
    note = "at the outside the mean of the lowest and of the highest tenth, between them examples"
    figure, axes = drawing(width, height, "What the eye can see of each label", note)
    caption(axes, margin, 0.28, "low", va="bottom", size=9.5, color=BLUE)
    caption(axes, width, 0.28, "high", va="bottom", ha="right", size=9.5, color=BLUE)
    for row, name in enumerate(names):
        y = 0.35 + row * step
        axes.text(margin - 0.15, y + 0.5, name, ha="right", va="center", size=9.5)
        low, high = statistics.ends(table[name])
        shown = [_mean(pixels, low), *(pixels[i] for i in _spread(low, examples))]
        shown += [*(pixels[i] for i in _spread(high, examples)[::-1]), _mean(pixels, high)]
        for column, picture in enumerate(shown):
            aside = 0.5 if column > examples else 0.0
            place(axes, picture, margin + column * (1 + gap) + aside, y)
    return figure


def _mean(pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The mean cover of some rows, at most 512 of them."""
    return pixels[np.sort(rows[:512])].mean(axis=0).round().astype(np.uint8)


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` of `rows`, evenly apart, in order."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]
