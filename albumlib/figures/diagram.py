"""The two networks as a drawing, measured from the modules themselves."""

import itertools
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from albumlib.figures import style
from albumlib.figures.palette import BLUE, GREEN, INK, MUTED, ORANGE, SKY
from albumlib.figures.style import WIDTH, drawing, place
from albumlib.models.networks import Critic, Generator

HEIGHT = 4.0  # inches
MIDDLES = 0.85, 3.3  # where the middles of the two rows are, inches from the top
LEFT, RIGHT, END = 1.75, 7.0, 7.75  # of the layers, and of what comes out
SIDE = 0.9  # inches of a cover
BAR = 0.34  # inches that a vector is high
Shape = tuple[int, int]  # channels, pixels a side
arrow = partial(style.arrow, mutation_scale=7, linewidth=1)


def networks(generator: Generator, critic: Critic, cover: np.ndarray, title: str = "") -> Figure:
    """Both networks, one above the other, with a `cover` (S, S, 3) uint8 at their ends.

    Each map is as high as it has pixels and as deep as it has channels, both on a logarithmic
    scale; what conditions the networks is orange, the outputs of the critic are green.
    """
    figure, axes = drawing(WIDTH, HEIGHT, title or "The two networks")
    generated, scored = shapes(generator, critic)
    _generator(axes, generator, generated, bool(generator.columns))
    _critic(axes, critic, scored, bool(generator.columns))
    place(axes, cover, END, MIDDLES[0] - SIDE / 2, SIDE)
    place(axes, cover, 0, MIDDLES[1] - SIDE / 2, SIDE)
    return figure


@torch.no_grad()
def shapes(generator: Generator, critic: Critic) -> tuple[list[Shape], list[Shape]]:
    """What goes from layer to layer in each network: channels and pixels a side."""
    found: tuple[list[Shape], list[Shape]] = ([], [])
    hooks = [
        block.register_forward_hook(lambda _, __, x, to=to: to.append((x.shape[1], x.shape[2])))
        for network, to in zip((generator, critic), found, strict=True)
        for block in network.blocks
    ]
    rows = torch.zeros(1, generator.columns) if generator.columns else None
    critic(generator(torch.zeros(1, generator.latent), rows), rows)
    for hook in hooks:
        hook.remove()
    return found


def _generator(axes: Axes, generator: Generator, maps: Sequence[Shape], conditional: bool) -> None:
    y, bend = MIDDLES[0], 1.05
    axes.text(0, 0.02, "generator", va="top", size=10.5, weight="bold", color=INK)
    vector(axes, 0.35, y - 0.2, f"latent\n{generator.latent} numbers", SKY)
    if conditional:
        vector(axes, 0.35, y + 0.62, f"label\n{generator.labels} numbers", ORANGE)
    places = row(axes, y, maps, RIGHT)
    low = y + 1.1  # a line along which the condition reaches every block
    for height in (y - 0.2, y + 0.62)[: 1 + conditional]:
        axes.plot([0.47, bend, bend], [height, height, low], color=MUTED, linewidth=1)
    arrow(axes, (bend, y), (LEFT - 0.08, y))
    axes.plot([bend, places[-1][0] + 0.1], [low, low], color=MUTED, linewidth=1)
    for x, half in places:
        arrow(axes, (x + 0.1, low), (x + 0.1, y + half + 0.17))
    words = f"latent{' and label' * conditional} scale and shift the channels of every block"
    axes.text(LEFT + 0.2, low + 0.04, words, va="top", size=8, color=MUTED)
    arrow(axes, (RIGHT + 0.38, y), (END - 0.06, y))


def _critic(axes: Axes, critic: Critic, maps: Sequence[Shape], conditional: bool) -> None:
    y, x = MIDDLES[1], RIGHT + 0.4
    axes.text(0, y - 0.9, "critic", va="top", size=10.5, weight="bold", color=INK)
    axes.text(0, y + SIDE / 2 + 0.04, "real or generated", va="top", size=8, color=MUTED)
    places = row(axes, y, maps, RIGHT - 0.7)
    arrow(axes, (SIDE + 0.06, y), (LEFT - 0.08, y))
    vector(axes, x, y, str(critic.score.in_features), SKY)
    arrow(axes, (places[-1][0] + 0.46, y), (x - 0.12, y))
    rise = 0.4 if conditional else 0
    says(axes, x, y, -rise, "score")
    if conditional:
        says(axes, x, y, rise, f"prediction\nof {critic.labels} labels")
    if conditional and critic.projection is not None:
        vector(axes, x + 0.3, y - 1.0, "label", ORANGE, beside=True)
        arrow(axes, (x + 0.3, y - 0.8), (x + 0.3, y - 0.32), ORANGE)


def says(axes: Axes, x: float, y: float, rise: float, words: str) -> None:
    """What comes out of the critic's vector at (x, y)."""
    arrow(axes, (x + 0.12, y + rise / 6), (x + 0.56, y + rise))
    axes.text(x + 0.6, y + rise, words, va="center", size=9, color=GREEN, weight="bold")


def row(axes: Axes, y: float, maps: Sequence[Shape], right: float) -> list[tuple[float, float]]:
    """Maps from left to right around `y`; where each begins, and half of its height."""
    step = (right - LEFT) / (len(maps) - 1)
    places = []
    for number, (channels, side) in enumerate(maps):
        x, half = LEFT + number * step, 0.5 * (0.11 * side.bit_length())
        box(axes, x, y, half, 0.035 * channels.bit_length(), BLUE)
        axes.text(x + 0.1, y + half + 0.03, f"{channels} × {side}²", va="top", ha="center", size=8,
                  color=MUTED)  # fmt: skip
        places.append((x, half))
    for (x, _), (after, _) in itertools.pairwise(places):
        arrow(axes, (x + 0.44, y), (after - 0.06, y))
    return places


def box(axes: Axes, x: float, y: float, half: float, depth: float, colour: str) -> None:
    """A map seen slanted from the front: `half` its height, `depth` for its channels."""
    front, slant = 0.1, 0.5 * depth
    top, bottom = y - half, y + half
    faces = [
        [(x, top), (x + front, top), (x + front, bottom), (x, bottom)],
        [(x + front, top), (x + front + depth, top - slant),
         (x + front + depth, bottom - slant), (x + front, bottom)],
        [(x, top), (x + depth, top - slant), (x + front + depth, top - slant), (x + front, top)],
    ]  # fmt: skip
    for face, shade in zip(faces, (1.0, 0.75, 0.5), strict=True):
        axes.add_patch(Polygon(face, facecolor=colour, alpha=shade, edgecolor="white", lw=0.8))


def vector(axes: Axes, x: float, y: float, words: str, colour: str, beside: bool = False) -> None:
    """A column of numbers with its name, below it or `beside` it."""
    axes.add_patch(Rectangle((x - 0.06, y - BAR / 2), 0.12, BAR, facecolor=colour))
    place = (x + 0.12, y) if beside else (x, y + BAR / 2 + 0.03)
    how = {"va": "center", "ha": "left"} if beside else {"va": "top", "ha": "center"}
    axes.text(*place, words, size=8, color=MUTED, linespacing=1.1, **how)
