"""The sheet that a layout draws on: unit coordinates in, pixels out."""

import numpy as np
from PIL import Image, ImageDraw

from albumlib.sources.imprint.colour import Colour


class Canvas:
    """A square picture of `side` pixels, whose corners are (0, 0) and (1, 1) to those who draw.

    `count` says how many elements a pattern has across, `weight` (0 to 1) how much of each is
    filled, and `focus` where on the picture its middle shows best.
    """

    def __init__(
        self,
        side: int,
        palette: dict[str, Colour],
        rng: np.random.Generator,
        *,
        count: float = 6,
        weight: float = 0.5,
        focus: tuple[float, float] = (0.5, 0.5),
    ):
        self.side, self.palette, self.rng = side, palette, rng
        self.count, self.weight, self.focus = count, weight, focus
        self.image = Image.new("RGB", (side, side), palette["ground"])
        self.pen = ImageDraw.Draw(self.image)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        left, top, right, bottom = (
            round(self.side * value) for value in (left, top, right, bottom)
        )
        if right > left and bottom > top:
            self.pen.rectangle((left, top, right - 1, bottom - 1), self.palette[colour])

    def disc(self, x: float, y: float, radius: float, colour: str) -> None:
        if radius * self.side >= 0.5:
            self.pen.ellipse(self._around(x, y, radius), self.palette[colour])

    def wedge(self, x: float, y: float, radius: float, start: float, end: float, colour: str):
        """A piece of a disc between two angles in degrees, clockwise from the right."""
        self.pen.pieslice(self._around(x, y, radius), start, end, self.palette[colour])

    def polygon(self, points: np.ndarray, colour: str) -> None:
        """A filled polygon of points (n, 2)."""
        self.pen.polygon((points * self.side).ravel().tolist(), self.palette[colour])

    def bar(self, start: np.ndarray, end: np.ndarray, width: float, colour: str) -> None:
        """A straight stroke with square ends."""
        along = (end - start) / max(np.hypot(*(end - start)), 1e-9)
        across = np.array([-along[1], along[0]]) * width / 2
        self.polygon(np.stack([start + across, end + across, end - across, start - across]), colour)

    def tint(self, mask: Image.Image, colour: str) -> None:
        """Lay a colour over the whole picture through a greyscale mask."""
        mask = mask.resize((self.side, self.side), Image.Resampling.BICUBIC)
        self.image.paste(self.palette[colour], (0, 0), mask)

    def pick(self, *names: str) -> str:
        """One of some colours, by chance."""
        return names[self.rng.integers(len(names))]

    def _around(self, x: float, y: float, radius: float) -> tuple[float, ...]:
        x, y, radius = x * self.side, y * self.side, radius * self.side
        return (x - radius, y - radius, x + radius - 1, y + radius - 1)
