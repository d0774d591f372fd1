"""How the course's figures look: one style, one palette, and the few strokes they share.
Sizes are inches."""

from collections.abc import Sequence
from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import font_manager, pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font
from matplotlib.patches import FancyArrowPatch, Rectangle

from albumlib.figures.palette import DIVERGING, GRID, INK, MUTED, PALE, STYLE
from albumlib.runtime.paths import ASSETS

WIDTH = 9.0
TITLE = ASSETS / "fonts" / "Inter-Black.otf"
CAPTION = 7.5  # points
Place = tuple[float, float]  # from the upper left corner
NO_LABELS = "These covers have no labels, so there is nothing to compare."


def use_style() -> None:
    """Make this style the default of every figure from here on, and let notebooks show figures,
    at twice the pixels of their size on the page."""
    pyplot.switch_backend(mpl.get_backend())  # loads it, which is when notebooks learn to
    mpl.rcParams.update(STYLE)
    if mpl.get_backend() == "inline":
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")


def new_figure(height: float, title: str, note: str = "", width: float = WIDTH) -> Figure:
    """An empty figure, `height` inches for its content, below a title and a softer note."""
    lines = [line for line in (title, *note.split("\n")) if line]
    top = 0.12 + (0.26 if title else 0) + 0.19 * (len(lines) - bool(title))
    whole = height + top
    figure = Figure(figsize=(width, whole), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, height / whole))
    left = 0.06 / width
    if title:
        figure.text(left, 1 - 0.04 / whole, title, va="top", size=13, color=INK, font=TITLE)
    if note:
        below = 1 - (0.04 + (0.28 if title else 0)) / whole
        figure.text(left, below, note, va="top", size=9.5, color=MUTED, linespacing=1.3)
    return figure


def drawing(width: float, height: float, title: str, note: str = "") -> tuple[Figure, Axes]:
    """A figure as wide as the page whose axes are `blank`, of `width` by `height` units."""
    figure = new_figure(WIDTH * height / width, title, note)
    return figure, blank(figure.subplots(), width, height)


def place(axes: Axes, pixels: np.ndarray, x: float, y: float, side: float = 1.0) -> None:
    """Put a picture (H, W, 3) uint8 with its upper left corner at (x, y); y grows downwards.

    A picture that is not square keeps its shape and is centred in the square of `side`. One that
    would fade into the page has a thin frame.
    """
    height, width = pixels.shape[:2]
    wide, high = side * width / max(height, width), side * height / max(height, width)
    left, top = x + (side - wide) / 2, y + (side - high) / 2
    smooth = "lanczos" if max(height, width) <= 64 else "auto"  # small ones are shown enlarged
    extent = (left, left + wide, top + high, top)
    axes.imshow(pixels, extent=extent, interpolation=smooth, aspect=axes.get_aspect())
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if (edge.min(axis=1) > 240).mean() > 0.1:
        axes.add_patch(Rectangle((left, top), wide, high, fill=False, ec=GRID, lw=0.6))


def empty_figure(words: str = NO_LABELS) -> Figure:
    """A figure that says why there is nothing to see."""
    figure, axes = drawing(WIDTH, 0.8, "")
    axes.fill_between([0, WIDTH], 0, 0.8, color=PALE)
    axes.text(WIDTH / 2, 0.4, words, ha="center", va="center", color=MUTED)
    return figure


def blank(axes: Axes, width: float, height: float) -> Axes:
    """Turn axes into an empty table of `width` by `height` units, the origin at the upper left."""
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", anchor="NW")
    axes.axis("off")
    return axes


def caption(axes: Axes, x: float, y: float, words: str, inches: float = 9, **options) -> None:
    """A line of small text at (x, y) in the axes' units, cut to a width of about `inches`."""
    options = {"size": CAPTION, "color": MUTED, "va": "top"} | options
    words = "".join(sign for sign in words if ord(sign) in _signs()).strip()
    most = int(inches * 72 / (0.57 * options["size"]))
    axes.text(x, y, words if len(words) <= most else words[: most - 1].rstrip() + "…", **options)


@cache
def _signs() -> set[int]:
    """What the text font can show; other signs in a title, emoji say, would come with warnings."""
    return set(get_font(font_manager.findfont(font_manager.FontProperties())).get_charmap())


def sheet(
    axes: Axes,
    pixels: Sequence[np.ndarray],
    columns: int,
    titles: Sequence[str] | None = None,
    inches: float = 1,
) -> None:
    """Covers in reading order, `columns` to a row, on axes whose unit is a cover of `inches`."""
    gap, line = 0.06, 0.2 if titles is not None else 0.0
    rows = -(-len(pixels) // columns)
    blank(axes, columns * (1 + gap) - gap, rows * (1 + gap + line) - gap)
    for number, cover in enumerate(pixels):
        row, column = divmod(number, columns)
        x, y = column * (1 + gap), row * (1 + gap + line)
        place(axes, cover, x, y)
        if titles is not None:
            caption(axes, x, y + 1.03, str(titles[number]), inches=inches)


def heat_map(axes: Axes, table: pd.DataFrame, triangle: bool = False) -> None:
    """Correlations as colours with their numbers on them; of a square one the lower triangle."""
    values = table.to_numpy()
    hidden = np.triu(np.ones_like(values), 1) > 0 if triangle else np.zeros(values.shape, bool)
    shown = np.ma.masked_where(hidden, values)
    axes.imshow(shown, cmap=DIVERGING, vmin=-0.8, vmax=0.8, aspect="auto")
    for row, column in np.argwhere(~hidden):
        value = values[row, column]
        words = f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
        colour = "white" if abs(value) > 0.45 else INK
        axes.text(column, row, words, ha="center", va="center", size=8.5, color=colour)
    axes.set_xticks(range(len(table.columns)), table.columns, rotation=35, ha="right", color=INK)
    axes.set_yticks(range(len(table)), table.index, color=INK)
    unframed(axes)


def arrow(axes: Axes, start: Place, end: Place, colour: str = MUTED, **options) -> None:
    """An arrow from `start` to `end`; the options are matplotlib's."""
    options = {"mutation_scale": 9, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0} | options
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", color=colour, **options))


def bare(axes: Axes) -> None:
    """Take ticks, grid and frame off."""
    axes.set(xticks=[], yticks=[])
    unframed(axes)
    axes.tick_params(which="minor", length=0)


def unframed(axes: Axes, *sides: str) -> None:
    """Take grid and frame off, or of the frame these sides."""
    axes.grid(False)
    axes.spines[list(sides) or slice(None)].set_visible(False)
