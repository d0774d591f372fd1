"""The families of layouts, each a function of a canvas.

All take the canvas's `count` (elements across, which follows the tempo), `weight` (how much of each
is filled, which follows the loudness), and the colours ground, figure and second.
"""

from functools import cache

import numpy as np
from PIL import Image, ImageOps

from albumlib.runtime.paths import ASSETS
from albumlib.sources.imprint.canvas import Canvas

PHOTOS = ASSETS / "photos"
TURN = 2 * np.pi


def rings(canvas: Canvas) -> None:
    """Concentric rings, as on a target or a record."""
    x, y = canvas.focus
    step = 1 / canvas.count
    outermost = int(canvas.rng.integers(3, 9))
    for index in range(min(outermost, int(1.5 * canvas.count)), 0, -1):
        colour = "second" if index % 3 == 2 else "figure"
        canvas.disc(x, y, index * step, colour)
        canvas.disc(x, y, (index - _duty(canvas)) * step, "ground")


def dots(canvas: Canvas) -> None:
    """A grid of dots that grow towards one side or around a point, as in cheap print."""
    count = max(3, round(1.5 * canvas.count))
    angle, around = canvas.rng.uniform(0, TURN), canvas.rng.random() < 0.4
    direction = np.array([np.cos(angle), np.sin(angle)])
    for row, column in np.ndindex(count, count):
        place = (np.array([column, row]) + 0.5) / count
        away = place - canvas.focus
        level = 1 - 1.5 * np.hypot(*away) if around else 0.5 + 0.9 * (place - 0.5) @ direction
        radius = (0.22 + 0.38 * canvas.weight) * np.clip(level, 0.2, 1) / count
        canvas.disc(*place, radius, "figure" if level < 0.7 else "second")


def blocks(canvas: Canvas) -> None:
    """A wall of rectangles that halve each other, as Mondrian and the Bauhaus set them."""
    gap = 0.3 * (1 - canvas.weight) / canvas.count + 0.006
    waiting = [(0.0, 0.0, 1.0, 1.0)]
    while waiting:
        left, top, right, bottom = waiting.pop()
        width, height = right - left, bottom - top
        if max(width, height) < 2.2 / canvas.count + 0.05:
            colour = canvas.pick("figure", "second", "figure", "ground", "shade")
            canvas.box(left + gap, top + gap, right - gap, bottom - gap, colour)
            continue
        part = canvas.rng.uniform(0.35, 0.65)
        if width > height:
            middle = left + part * width
            waiting += [(left, top, middle, bottom), (middle, top, right, bottom)]
        else:
            middle = top + part * height
            waiting += [(left, top, right, middle), (left, middle, right, bottom)]


def bars(canvas: Canvas) -> None:
    """Upright bars, as high as the sound they stand for."""
    count = max(4, round(1.7 * canvas.count))
    x = (np.arange(count) + 0.5) / count
    swell = np.abs(np.sin(x * canvas.rng.uniform(2, 7) + canvas.rng.uniform(0, TURN)))
    heights = 0.06 + 0.36 * swell * canvas.rng.uniform(0.6, 1, count)
    hanging, middle = canvas.rng.random() < 0.35, canvas.focus[1]
    half = _duty(canvas) / 2 / count
    for index, (place, height) in enumerate(zip(x, heights, strict=True)):
        top, bottom = (0, 2.2 * height) if hanging else (middle - height, middle + height)
        canvas.box(
            place - half, top, place + half, bottom, "second" if index % 3 == 1 else "figure"
        )


def hills(canvas: Canvas) -> None:
    """A sun above ranges of hills, one behind the other."""
    x, line = np.linspace(0, 1, 80), canvas.focus[1]
    sun = canvas.rng.uniform(0.25, 0.75), line - canvas.rng.uniform(0.02, 0.16)
    canvas.disc(*sun, 0.07 + 0.2 * canvas.weight, "second")
    for layer, colour in enumerate(("shade", "figure", "second", "figure", "shade")):
        waves = canvas.rng.uniform(0.5, 1, 3) * canvas.count * 1.2
        phases = canvas.rng.uniform(0, TURN, 3)
        height = (np.sin(waves[:, None] * x + phases[:, None]) / [[1.5], [2.5], [3.5]]).sum(0)
        y = line + 0.14 * layer + 0.07 * height
        canvas.polygon(np.stack([np.r_[0, x, 1], np.r_[1, y, 1]], axis=1), colour)


def cutouts(canvas: Canvas) -> None:
    """Soft shapes cut from coloured paper, as Matisse did."""
    angles = np.linspace(0, TURN, 72, endpoint=False)
    for index in range(2 + round(canvas.count / 1.6)):
        lobes, bend = canvas.rng.integers(3, 7), canvas.rng.uniform(0.2, 0.5)
        size = (0.07 + 0.2 * canvas.weight) * canvas.rng.uniform(0.7, 1.3)
        radius = size * (1 + bend * np.sin(lobes * angles))
        turned = angles + canvas.rng.uniform(0, TURN)
        shape = np.stack([np.cos(turned), np.sin(turned)], axis=1) * radius[:, None]
        colour = ("figure", "second", "figure", "shade")[index % 4]
        canvas.polygon(shape + canvas.rng.uniform(0.1, 0.9, 2), colour)


def stripes(canvas: Canvas) -> None:
    """Slanting stripes, some of them in a second colour."""
    angle = np.deg2rad(canvas.rng.choice([30, 45, 60, 120, 135, 150]))
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-np.sin(angle), np.cos(angle)])
    step, every = 1 / canvas.count, int(canvas.rng.integers(2, 5))
    for index in range(-round(canvas.count), round(canvas.count) + 1):
        middle = 0.5 + (index + 0.5) * step * across
        colour = "second" if index % every == 0 else "figure"
        canvas.bar(middle - along, middle + along, step * _duty(canvas), colour)


def photograph(canvas: Canvas) -> None:
    """A photograph in two colours."""
    photo = _photos()[canvas.rng.integers(len(_photos()))]
    if canvas.rng.random() < 0.5:
        photo = ImageOps.mirror(photo)
    zoom = canvas.rng.uniform(0.65, 1)
    left, top = canvas.rng.uniform(0, 1 - zoom, 2) * photo.size
    photo = photo.crop((left, top, left + zoom * photo.width, top + zoom * photo.height))
    photo = ImageOps.autocontrast(photo, cutoff=3)
    if sum(canvas.palette["figure"]) < sum(canvas.palette["ground"]):
        photo = ImageOps.invert(photo)  # shadows take the darker of the two colours
    bright = 0.5 + 1.1 * canvas.weight
    canvas.tint(photo.point([min(255, round(value * bright)) for value in range(256)]), "figure")


def quarters(canvas: Canvas) -> None:
    """Tiles of quarter circles, turned by chance."""
    count = max(2, round(canvas.count * 0.8))
    cell = 1 / count
    for row, column in np.ndindex(count, count):
        corner = int(canvas.rng.integers(4))
        x, y = cell * (column + (corner in (1, 2))), cell * (row + (corner in (2, 3)))
        radius = cell * (0.5 + 0.5 * canvas.weight)
        colour = canvas.pick("figure", "figure", "second")
        canvas.wedge(x, y, radius, 90 * corner, 90 * corner + 90, colour)
        if canvas.rng.random() < 0.4:
            canvas.wedge(x, y, 0.45 * radius, 90 * corner, 90 * corner + 90, "ground")


def checker(canvas: Canvas) -> None:
    """A chequerboard that swells around a point, as in the pictures of Vasarely."""
    count = max(4, 2 * round(0.6 * canvas.count))
    swell = canvas.rng.uniform(0.25, 0.6)
    for row, column in np.ndindex(count, count):
        if (row + column) % 2 == 0:
            x, y, step = column / count, row / count, np.linspace(0, 1 / count, 5)[:-1]
            edge = np.concatenate([
                np.stack([x + step, 0 * step + y], 1),
                np.stack([0 * step + x + 1 / count, y + step], 1),
                np.stack([x + 1 / count - step, 0 * step + y + 1 / count], 1),
                np.stack([0 * step + x, y + 1 / count - step], 1),
            ])  # fmt: skip
            colour = "second" if (row // 2 + column // 2) % 3 == 2 else "figure"
            canvas.polygon(_swollen(edge, canvas.focus, swell), colour)


def rays(canvas: Canvas) -> None:
    """Rays from one point, as on a rising sun."""
    x, y = canvas.focus
    count, turned = max(5, round(1.8 * canvas.count)), canvas.rng.uniform(0, 360)
    width = 360 / count
    for index in range(count):
        start = turned + index * width
        colour = "second" if index % 3 == 0 else "figure"
        canvas.wedge(x, y, 1.5, start, start + _duty(canvas) * width, colour)
    canvas.disc(x, y, canvas.rng.uniform(0.08, 0.18), "ground")


def triangles(canvas: Canvas) -> None:
    """A carpet of triangles in four tones."""
    count = max(2, round(canvas.count * 0.8))
    height = 1 / count
    names = ("figure", "second", "shade", "ground")
    chances = np.array([0.15 + 0.4 * canvas.weight, 0.25, 0.2, 0.4 - 0.4 * canvas.weight])
    for row in range(count):
        for column in range(-1, 2 * count + 1):
            x, up = column * height / 2, (row + column) % 2 == 0
            low, high = row * height, (row + 1) * height
            tip, base = (low, high) if up else (high, low)
            points = np.array([[x, base], [x + height / 2, tip], [x + height, base]])
            canvas.polygon(points, names[canvas.rng.choice(4, p=chances)])


def arches(canvas: Canvas) -> None:
    """Arches in one another, standing on the lower edge, side by side or alone."""
    several = int(canvas.rng.integers(1, 3))
    step = 0.9 / canvas.count
    for number in range(several):
        x = (number + 0.5) / several
        top = canvas.rng.uniform(0.5, 0.62) if several == 1 else canvas.rng.uniform(0.35, 0.75)
        levels = max(2, int(0.48 / several / step))
        for index in range(levels, 0, -1):
            colour = "second" if index % 2 else "figure"
            _arch(canvas, x, top, index * step, colour)
            _arch(canvas, x, top, (index - _duty(canvas)) * step, "ground")


def moons(canvas: Canvas) -> None:
    """Rows of moons that wax and wane."""
    count = max(2, round(0.62 * canvas.count))
    radius, start = (0.22 + 0.27 * canvas.weight) / count, canvas.rng.uniform(0, 1)
    step = canvas.rng.uniform(0.08, 0.2)
    for row, column in np.ndindex(count, count):
        x, y = (column + 0.5) / count, (row + 0.5) / count
        phase = (start + step * (row * count + column)) % 1
        canvas.disc(x, y, radius, "shade")
        canvas.polygon(_moon(phase) * radius + (x, y), canvas.pick("figure", "figure", "second"))


def confetti(canvas: Canvas) -> None:
    """Short strokes strewn in all directions."""
    count = max(3, round(1.1 * canvas.count))
    for row, column in np.ndindex(count, count):
        middle = (np.array([column, row]) + canvas.rng.uniform(0.2, 0.8, 2)) / count
        angle = canvas.rng.uniform(0, TURN)
        half = 0.42 / count * np.array([np.cos(angle), np.sin(angle)])
        width = (0.1 + 0.4 * canvas.weight) / count
        canvas.bar(middle - half, middle + half, width, canvas.pick("figure", "figure", "second"))


LAYOUTS = (
    rings, dots, blocks, bars, hills, cutouts, stripes, photograph, quarters, checker, rays,
    triangles, arches, moons, confetti,
)  # fmt: skip
NAMES = tuple(layout.__name__ for layout in LAYOUTS)


def _duty(canvas: Canvas) -> float:
    """How much of each period a stroke fills."""
    return 0.2 + 0.6 * canvas.weight


def _arch(canvas: Canvas, x: float, top: float, radius: float, colour: str) -> None:
    canvas.disc(x, top, radius, colour)
    canvas.box(x - radius, top, x + radius, 1, colour)


def _swollen(points: np.ndarray, middle: tuple[float, float], strength: float) -> np.ndarray:
    """Points (n, 2) pushed away from a middle, most where they are near it."""
    away = points - middle
    distance = np.hypot(*away.T)[:, None] / 0.7
    return middle + away * (1 + strength * np.clip(1 - distance**2, 0, 1) ** 2)


def _moon(phase: float) -> np.ndarray:
    """The lit part (48, 2) of a moon of radius 1: new at 0, full at 0.5."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 24)
    limb = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    shadow = limb[::-1] * (np.cos(TURN * phase), 1)
    lit = np.concatenate([limb, shadow])
    return lit if phase < 0.5 else lit * (-1, 1)


@cache
def _photos() -> tuple[Image.Image, ...]:
    return tuple(Image.open(path).convert("L") for path in sorted(PHOTOS.glob("*.jpg")))
