"""The eight families of layouts of the first law, each a function of a canvas.

A layout draws in unit coordinates inside the panel; the canvas adds margin and floor around it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from albumlib.runtime.paths import ASSETS
from albumlib.sources.imprint.typography import fit_text

PHOTOS = ASSETS / "photos"


class Canvas:
    """A square picture of `side` pixels with a palette, the law's attributes and rng."""

    def __init__(self, side: int, palette: dict, law: dict, rng: np.random.Generator):
        self.side, self.palette, self.law, self.rng = side, palette, law, rng
        self.image = Image.new("RGB", (side, side), palette["ground"])
        self.draw = ImageDraw.Draw(self.image)
        self.margin = 0.25 * law["margin"]
        self.horizon = 1 - (0.09 + 0.29 * law["floor"])  # where the floor begins

    @property
    def pitch(self) -> int:
        """How many elements a pattern has across: few for slow, many for fast tracks."""
        return 3 + round(9 * self.law["motion"])

    def fill_ground(self) -> None:
        self.box(0, 0, 1, 1, "panel")

    def frame(self) -> None:
        """The margin and the floor, over whatever the layout left there."""
        m = self.margin
        if m > 0.004:
            for box in ((0, 0, 1, m), (0, 0, m, 1), (1 - m, 0, 1, 1)):
                self.box(*box, "ground")
        self.box(0, self.horizon, 1, 1, "accent")

    def box(self, left: float, top: float, right: float, bottom: float, color: str) -> None:
        self.draw.rectangle(self._pixels(left, top, right, bottom), self.palette[color])

    def disc(self, x: float, y: float, radius: float, color: str) -> None:
        box = self._pixels(x - radius, y - radius, x + radius, y + radius)
        self.draw.ellipse(box, self.palette[color])

    def ring(self, x: float, y: float, radius: float, width: float, color: str) -> None:
        box = self._pixels(x - radius, y - radius, x + radius, y + radius)
        self.draw.ellipse(box, outline=self.palette[color], width=max(1, round(width * self.side)))

    def quarter(self, x: float, y: float, radius: float, start: int, color: str) -> None:
        box = self._pixels(x - radius, y - radius, x + radius, y + radius)
        self.draw.pieslice(box, start, start + 90, self.palette[color])

    def polygon(self, points: np.ndarray, color: str) -> None:
        self.draw.polygon([tuple(p) for p in points * self.side], self.palette[color])

    def paste(self, color: str, mask: Image.Image) -> None:
        """Lay a colour over the whole canvas through a greyscale mask."""
        mask = mask.resize((self.side, self.side), Image.Resampling.BICUBIC)
        self.image.paste(self.palette[color], (0, 0), mask)

    def _pixels(self, *box: float) -> list[float]:
        left, top, right, bottom = (value * self.side for value in box)
        return [left, top, max(left, right - 1), max(top, bottom - 1)]


def swiss_grid(canvas: Canvas, title: str) -> None:
    """Squares, discs and quarters on a grid, as in posters from Basel and Zurich."""
    count = max(2, canvas.pitch // 2 + 1)
    cell = 1 / count
    for row, column in np.ndindex(count, count):
        kind, color = canvas.rng.integers(5), _some(canvas)
        x, y = column * cell, row * cell
        if kind == 0:
            canvas.box(x, y, x + cell, y + cell, color)
        elif kind == 1:
            canvas.disc(x + cell / 2, y + cell / 2, 0.46 * cell, color)
        elif kind < 4:
            corner = canvas.rng.integers(4)
            cx, cy = x + cell * (corner in (1, 2)), y + cell * (corner in (2, 3))
            canvas.quarter(cx, cy, cell, 90 * int(corner), color)
        else:
            canvas.disc(x + cell / 2, y + cell / 2, 0.2 * cell, color)


def rings(canvas: Canvas, title: str) -> None:
    """Concentric rings around a point off the middle."""
    x, y = canvas.rng.uniform(0.3, 0.7), canvas.rng.uniform(0.25, 0.6)
    width = 0.55 / canvas.pitch
    for index in range(canvas.pitch + 2, 0, -1):
        color = ("figure", "panel", "second", "panel")[index % 4]
        canvas.disc(x, y, index * width, color)
    canvas.disc(x, y, 0.8 * width, "accent")


def landscape(canvas: Canvas, title: str) -> None:
    """A sun above ranges of hills, one behind the other."""
    sun = canvas.rng.uniform(0.25, 0.75), canvas.rng.uniform(0.25, 0.4)
    canvas.disc(*sun, canvas.rng.uniform(0.12, 0.2), "accent")
    x = np.linspace(0, 1, 90)
    for layer, color in enumerate(("second", "figure", "panel", "figure")):
        waves = canvas.rng.uniform(0.4, 1, 3) * canvas.pitch
        phases = canvas.rng.uniform(0, 6.28, 3)
        hills = (np.sin(2 * waves[:, None] * x + phases[:, None]) / [[1.5], [2.5], [3.5]]).sum(0)
        y = 0.42 + 0.13 * layer + 0.06 * hills
        points = np.stack([np.r_[0, x, 1], np.r_[1, y, 1]], axis=1)
        canvas.polygon(points, color)


def photograph(canvas: Canvas, title: str) -> None:
    """A photograph in two colours, and a disc of the accent behind or before it."""
    photo = _photos()[canvas.rng.integers(len(_photos()))]
    if canvas.rng.random() < 0.5:
        photo = ImageOps.mirror(photo)
    if canvas.palette["figure"] < canvas.palette["panel"]:
        photo = ImageOps.invert(photo)  # shadows take the darker of the two colours
    canvas.paste("figure", photo)
    x, y = canvas.rng.uniform(0.2, 0.8), canvas.rng.uniform(0.2, 0.5)
    for index in range(2):
        canvas.ring(x, y, 0.18 + 0.5 * index / canvas.pitch, 0.022, "accent")
    canvas.disc(x, y, 0.06, "accent")


def halftone(canvas: Canvas, title: str) -> None:
    """A grid of dots that grow towards one side, as in cheap print."""
    count = 2 * canvas.pitch
    angle = canvas.rng.uniform(0, 6.28)
    direction = np.array([np.cos(angle), np.sin(angle)])
    focus = canvas.rng.uniform(0.25, 0.75, 2)
    round_shape = canvas.rng.random() < 0.5
    for row, column in np.ndindex(count, count):
        place = (np.array([column, row]) + 0.5) / count
        away = place - focus
        level = 1 - 1.6 * np.hypot(*away) if round_shape else 0.5 + away @ direction
        radius = 0.62 * np.clip(level, 0.08, 1) / count
        canvas.disc(*place, radius, "figure" if level < 0.75 else "second")
    canvas.disc(*focus, 0.09, "accent")


def waveform(canvas: Canvas, title: str) -> None:
    """Upright bars, as high as the sound they stand for."""
    count = 2 * canvas.pitch + 3
    x = (np.arange(count) + 0.5) / count
    swell = np.abs(np.sin(x * canvas.rng.uniform(2, 9) + canvas.rng.uniform(0, 6)))
    height = 0.08 + 0.3 * swell * canvas.rng.uniform(0.6, 1, count)
    middle = canvas.rng.uniform(0.36, 0.5)
    for index, (place, half) in enumerate(zip(x, height, strict=True)):
        color = ("figure", "figure", "second")[index % 3]
        canvas.box(place - 0.3 / count, middle - half, place + 0.3 / count, middle + half, color)
    chosen = x[canvas.rng.integers(count)]
    canvas.box(chosen - 0.3 / count, 0, chosen + 0.3 / count, 1, "accent")


def cut_outs(canvas: Canvas, title: str) -> None:
    """Soft shapes cut from coloured paper, as Matisse did."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    for index in range(3 + canvas.pitch // 2):
        lobes = canvas.rng.integers(3, 7)
        bend = canvas.rng.uniform(0.15, 0.5)
        radius = canvas.rng.uniform(0.1, 0.26) * (1 + bend * np.sin(lobes * angles))
        turn = angles + canvas.rng.uniform(0, 6.28)
        shape = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius[:, None]
        canvas.polygon(shape + canvas.rng.uniform(0.15, 0.85, 2), _some(canvas, index))


def type_only(canvas: Canvas, title: str) -> None:
    """The title's words, each as wide as it will go, over stripes."""
    words = (title or "untitled").upper().split()[:3]
    mask = Image.new("L", (512, 512), 0)
    left, height = 512 * (canvas.margin + 0.04), 512 * (canvas.horizon - canvas.margin)
    for index, word in enumerate(words):
        top = 512 * canvas.margin + height * (index + 0.08) / len(words)
        box = (left, top, 512 - left, top + 0.8 * height / len(words))
        fit_text(ImageDraw.Draw(mask), word, box, 255, font=2)
    for index in range(canvas.pitch):
        y = (index + 0.5) / canvas.pitch
        canvas.box(0, y, 1, y + 0.25 / canvas.pitch, "second")
    canvas.paste("figure", mask)
    canvas.disc(*canvas.rng.uniform(0.2, 0.8, 2) * (1, 0.7), 0.05, "accent")


FAMILIES = (
    swiss_grid, rings, landscape, photograph, halftone, waveform, cut_outs, type_only
)  # fmt: skip


def _some(canvas: Canvas, index: int | None = None) -> str:
    """A colour of the palette by chance, figures more often than the accent."""
    colors = ("figure", "second", "figure", "accent", "second")
    return colors[(canvas.rng.integers(5) if index is None else index) % 5]


@cache
def _photos() -> tuple[Image.Image, ...]:
    return tuple(Image.open(path).convert("L") for path in sorted(PHOTOS.glob("*.jpg")))
