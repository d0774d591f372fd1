"""The accent of a cover: one area of one colour, in one of ten forms, with a row of beats.

Whatever the form, its area is `area` of the cover's, and the beats along its inner edge are
`period` apart. A form draws itself and returns that edge, a line of points (n, 2), and its middle.
"""

from functools import partial

import numpy as np

from albumlib.sources.imprint.canvas import Canvas

BEATS = ("ticks", "dots", "bites")
Edge = tuple[np.ndarray, np.ndarray]


def side(canvas: Canvas, area: float, *, upright: bool, far: bool) -> Edge:
    """A band along an edge: the upper or the left one, or the `far` one of each pair."""
    start, end, inner = (1 - area, 1, 1 - area) if far else (0, area, area)
    points = _line([0, start], [1, end], [0, inner], [1, inner], [0.5, (start + end) / 2])
    points = points[:, ::-1] if upright else points
    canvas.box(*points[:2].ravel(), "accent")
    return points[2:4], points[4]


def block(canvas: Canvas, area: float) -> Edge:
    """A square in a corner."""
    side, right, low = np.sqrt(area), *canvas.rng.integers(0, 2, 2)
    x, y = right * (1 - side), low * (1 - side)
    canvas.box(x, y, x + side, y + side, "accent")
    inner = y + side * (1 - low)
    return _line([x, inner], [x + side, inner]), np.array([x + side / 2, y + side / 2])


def triangle(canvas: Canvas, area: float) -> Edge:
    """A corner cut off."""
    side, right, low = np.sqrt(2 * area), *canvas.rng.integers(0, 2, 2)
    first, second = [abs(right - side), low], [right, abs(low - side)]
    corners = _line(first, second, [right, low])
    canvas.polygon(corners, "accent")
    return corners[:2], corners.mean(0)


def disc(canvas: Canvas, area: float) -> Edge:
    """A disc that lies wholly on the cover."""
    radius = np.sqrt(area / np.pi)
    return _round(canvas, canvas.rng.uniform(radius + 0.03, 0.97 - radius, 2), radius, 0, 1)


def half_disc(canvas: Canvas, area: float) -> Edge:
    """Half a disc, rising from one of the four edges."""
    radius, side = np.sqrt(2 * area / np.pi), int(canvas.rng.integers(4))
    along = canvas.rng.uniform(radius + 0.02, 0.98 - radius)
    middle = ((1, along), (along, 1), (0, along), (along, 0))[side]
    return _round(canvas, np.array(middle), radius, 0.25 * side + 0.25, 0.5)


def quarter_disc(canvas: Canvas, area: float) -> Edge:
    """A quarter of a disc in a corner."""
    corner = int(canvas.rng.integers(4))
    middle = np.array(((0, 0), (1, 0), (1, 1), (0, 1))[corner], dtype=float)
    return _round(canvas, middle, np.sqrt(4 * area / np.pi), 0.25 * corner, 0.25)


def belt(canvas: Canvas, area: float) -> Edge:
    """A band across the cover."""
    top = canvas.rng.uniform(0.15, 0.85 - area)
    canvas.box(0, top, 1, top + area, "accent")
    return _line([0, top], [1, top]), np.array([0.5, top + area / 2])


FORMS = (
    partial(side, upright=False, far=True), partial(side, upright=False, far=False),
    partial(side, upright=True, far=False), partial(side, upright=True, far=True),
    belt, block, triangle, disc, half_disc, quarter_disc,
)  # fmt: skip


def beats(canvas: Canvas, edge: Edge, period: float, kind: str) -> None:
    """A row of beats along the edge of an accent, of one of the kinds of BEATS."""
    radius = 0.18 * period
    for place, out in _along(*edge, period):
        if kind == "ticks":
            canvas.bar(place, place + 0.5 * period * out, 0.3 * period, "accent")
        elif kind == "dots":
            canvas.disc(*(place + 1.6 * radius * out), radius, "accent")
        else:
            canvas.disc(*place, 1.3 * radius, "mount")


def _along(line: np.ndarray, middle: np.ndarray, period: float) -> list[np.ndarray]:
    """Points on a line, one period apart, as far from its one end as from the other, each with
    the direction away from a middle and square to the line: [(2, 2), ...]."""
    steps = np.diff(line, axis=0)
    lengths = np.hypot(*steps.T)
    place = np.r_[0, lengths.cumsum()]
    count = max(1, int(place[-1] / period))
    at = (place[-1] - (count - 1) * period) / 2 + period * np.arange(count)
    points = np.stack([np.interp(at, place, line[:, axis]) for axis in (0, 1)], axis=1)
    part = (np.searchsorted(place, at) - 1).clip(0, len(steps) - 1)
    normal = (steps[:, ::-1] * (-1, 1) / lengths[:, None])[part]
    outwards = np.sign(((points - middle) * normal).sum(1, keepdims=True))
    return list(zip(points, outwards * normal, strict=True))


def _round(canvas: Canvas, middle: np.ndarray, radius: float, start: float, turns: float) -> Edge:
    """A disc, and as its edge the part of it that begins at `start` and goes on for `turns`,
    both in turns, clockwise from the right."""
    canvas.disc(*middle, radius, "accent")
    angle = 2 * np.pi * (start + turns * np.linspace(0, 1, 73))
    return middle + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), middle


def _line(*points: list[float]) -> np.ndarray:
    return np.array(points, dtype=float)
