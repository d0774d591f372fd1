"""Where a caption stands on a picture, and in which colours.

Every style is tried in several sizes along the margins. It stands where the picture is quietest and
one of its colours has a contrast of at least 4.5 with *every* pixel beneath, else on a panel.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from albumlib.sampling.captions import MARGIN, STYLES, Caption, block, moved, writable
from albumlib.sources.imprint.colour import Colour, from_oklab, relative_luminance, to_oklab

SURE = 4.55  # contrast that is aimed at: black or white reaches 4.58 on any colour
GRID = 250  # cells a side on which places are compared
AROUND = 0.03  # how far off, in sides, an edge is still felt
SCALES = (1.0, 0.84, 0.7, 0.58, 0.48, 0.4)
NEUTRAL = np.array([(18, 18, 22), (250, 248, 242), (0, 0, 0), (255, 255, 255)], np.uint8)
# What a place costs: what goes on there, smaller type, inks that are not the picture's or are weak,
# distance from the margins, a panel; and up to how much chance adds to a style.
QUIET, LARGE, OWN, NEAR, PANEL, LUCK = 40.0, 0.8, 0.15, 0.1, 0.4, 0.5


def place(
    pixels: np.ndarray, palette: np.ndarray, title: str, artist: str, style: str = "", seed: int = 0
) -> Caption | None:
    """The caption of a finished cover (S, S, 3) uint8 with a palette (K, 3), most frequent first.

    `style` is one of STYLES, or "" for the one that suits the picture best; `seed` decides
    between those that suit it as well. None if there are no words. Raises CaptionError for words
    that cannot be written, or that would be too small to be read.
    """
    if not f"{title}{artist}".strip():
        return None
    tried = writable(title, artist, [style] if style else STYLES)
    luck = dict(zip(STYLES, LUCK * np.random.default_rng(seed).random(len(STYLES)), strict=True))
    surface, inks, options = _Surface(pixels), _Inks(palette), list[tuple[float, Caption]]()
    for chosen, scale in itertools.product(tried, SCALES):
        for align in STYLES[chosen].align:
            caption = block(STYLES[chosen], title, artist, scale, align)
            cost = luck[chosen] + LARGE * (1 - scale)
            options += surface.options(caption, align, inks, cost, STYLES[chosen].panel)
    return min(options, key=lambda option: option[0])[1]


def contrast(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The contrast ratio, 1 to 21, of relative luminances (WCAG 2)."""
    return (np.maximum(first, second) + 0.05) / (np.minimum(first, second) + 0.05)


class _Inks:
    """The colours that type on a picture may have: its palette, pale and dark tints of it, and
    last black and white."""

    def __init__(self, palette: np.ndarray):
        lab = to_oklab(palette[:6])
        pale, dark = lab * [0, 0.4, 0.4] + [0.96, 0, 0], lab * [0, 0.6, 0.6] + [0.2, 0, 0]
        self.colours = np.concatenate([palette, from_oklab(pale), from_oklab(dark), NEUTRAL])
        self.luminance = relative_luminance(self.colours)
        costs = {0.0: len(palette), 0.3: 2 * len(lab), 1.0: len(NEUTRAL)}
        self.cost = np.repeat(list(costs), list(costs.values()))
        self.own = len(palette)

    def over(self, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
        """The cost (..., K) of each ink over pixels with luminances from `lowest` to `highest`
        (...), infinite where it is not readable."""
        lowest, highest = lowest[..., None], highest[..., None]
        light, dark = self.luminance > highest, self.luminance < lowest
        found = np.where(light, contrast(self.luminance, highest), 1.0)
        found = np.where(dark, contrast(self.luminance, lowest), found)
        strength = np.minimum(found, 9.0) / 9.0
        return np.where(found >= SURE, OWN * (self.cost + 1 - strength), np.inf)

    def paint(self, caption: Caption, costs: np.ndarray) -> Caption:
        """A caption in the cheapest ink (costs (K,)), and the artist in the next that differs."""
        order = np.argsort(costs, kind="stable")
        order = order[np.isfinite(costs[order])]
        first = order[0]
        lab = to_oklab(self.colours[order])
        apart = np.linalg.norm(lab - lab[0], axis=1)
        others = order[(apart > 0.15) & (self.cost[order] == 0)]
        second = others[0] if len(others) else first
        inks = {"title": self._colour(first), "artist": self._colour(second)}
        lines = (replace(line, ink=inks[line.part]) for line in caption.lines)
        return replace(caption, lines=tuple(lines))

    def panel(self, caption: Caption) -> Caption:
        """A caption on a panel in the colour of the palette on which an ink costs least."""
        costs = self.over(self.luminance[: self.own], self.luminance[: self.own])
        best = int(np.min(costs, axis=1).argmin())
        painted = self.paint(caption, costs[best])
        return replace(painted, panel=self._colour(best))

    def _colour(self, index: int) -> Colour:
        return tuple(self.colours[index].tolist())


class _Surface:
    """A picture as captions see it: per cell of a grid the least and greatest luminance of its
    pixels, and how much goes on there."""

    def __init__(self, pixels: np.ndarray):
        edges = np.linspace(0, len(pixels), min(GRID, len(pixels)) + 1).astype(int)[:-1]
        self.cells = len(edges)
        luminance = relative_luminance(pixels)
        self.lowest = _pooled(np.minimum, luminance, edges)
        self.highest = _pooled(np.maximum, luminance, edges)
        lab = to_oklab(pixels[edges][:, edges])
        slopes = [ndimage.sobel(lab, axis=axis, mode="nearest") / 8 for axis in (0, 1)]
        busy = np.sqrt(sum((slope**2).sum(-1) for slope in slopes))
        self.busy = busy + ndimage.gaussian_filter(busy, AROUND * self.cells)

    def options(
        self, caption: Caption, align: str, inks: _Inks, cost: float, panel: bool
    ) -> Iterator[tuple[float, Caption]]:
        """The best places of a caption, each with its cost: without a panel, unless the style
        has one, and with one. None if it does not fit."""
        pad = 0.3 * max(line.size for line in caption.lines)
        _, _, width, height = caption.box
        margin = MARGIN + panel * pad  # a style's panel keeps the margin, not the type on it
        left, right = margin, 1 - margin - width
        x = {"left": left, "centre": (left + right) / 2, "right": right}[align]
        strip = slice(max(0, self._cell(x - pad)), self._cell(x + width + pad) + 2)
        window = min(self.cells, self._cell(height + 2 * pad) + 2)
        part = np.s_[:, strip]
        rows = self.busy[part].mean(1), self.lowest[part].min(1), self.highest[part].max(1)
        busy, lowest, highest = (sliding_window_view(row, window) for row in rows)
        tops = np.arange(len(busy)) / self.cells + pad
        inside = (tops >= margin) & (tops + height <= 1 - margin + 1e-6)
        if not inside.any():
            return
        away = np.minimum(tops, 1 - height - tops) - margin
        costs = np.where(inside, cost + QUIET * busy.mean(1) + NEAR * away, np.inf)
        ink_costs = inks.over(lowest.min(1), highest.max(1))
        plain = costs + ink_costs.min(1)
        best, covered = int(plain.argmin()), int(costs.argmin())
        if not panel and np.isfinite(plain[best]):
            placed = moved(caption, x, tops[best], pad)
            yield plain[best], inks.paint(placed, ink_costs[best])
        yield costs[covered] + PANEL, inks.panel(moved(caption, x, tops[covered], pad))

    def _cell(self, place: float) -> int:
        return int(np.floor(place * self.cells))


def _pooled(by: np.ufunc, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The least or greatest of values (S, S) in each cell of a grid whose cells begin at edges."""
    return by.reduceat(by.reduceat(values, edges, axis=0), edges, axis=1)
