"""Concept drawings: the two players of a GAN, how a label enters, and what each loss compares."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from albumlib.figures.palette import BLUE, GREEN, INK, MUTED, ORANGE, SKY
from albumlib.figures.style import WIDTH, Place, arrow, blank, drawing, new_figure

HALF = 0.17  # of a box's height


def two_players() -> Figure:
    """Generator and critic, and which way the gradient of each one's loss goes."""
    figure, axes = drawing(WIDTH, 2.55, "Two networks, two updates")
    z = box(axes, 0.9, 0.75, "latent z", SKY)
    generator = box(axes, 2.8, 0.75, "generator G", BLUE)
    fake = box(axes, 4.9, 0.75, "generated G(z)", MUTED)
    real = box(axes, 4.9, 1.65, "real x", MUTED)
    data = box(axes, 2.8, 1.65, "training set", SKY)
    critic = box(axes, 6.9, 1.2, "critic D", GREEN)
    chain(axes, z, generator, fake, critic)
    chain(axes, data, real, critic)
    link(axes, critic, (8.1, 1.2), half=0.1)
    axes.text(8.15, 1.2, "score", va="center", size=10, color=INK)
    bent(axes, (6.9, 1.0), (2.8, 0.55), BLUE)
    axes.text(4.9, 0.1, "generator's update: through the critic, which stays as it is",
              ha="center", size=8.5, color=BLUE)  # fmt: skip
    bent(axes, (8.3, 1.32), (6.9, 1.4), GREEN, -0.6)
    axes.text(6.2, 2.2, "critic's update: samples are constants", size=8.5, color=GREEN)
    return figure


def label_ways() -> Figure:
    """Four ways for a label to enter, a panel each: two for the generator, two for the critic."""
    ways = {
        "concatenation": (_concatenation, "once, at the first layer"),
        "FiLM": (_film, "scales and shifts every layer"),
        "projection": (_projection, "part of the score"),
        "auxiliary head": (_auxiliary, "predicted from the cover"),
    }
    figure = new_figure(2.9, "How a label enters", "orange: whatever carries the label")
    for axes, (name, (draw, words)) in zip(figure.subplots(1, 4), ways.items(), strict=True):
        draw(blank(axes, 2.2, 2.9))
        axes.text(0.1, 0.0, name, va="top", size=10, weight="bold", color=INK)
        axes.text(1.1, 2.72, words, va="center", ha="center", size=8.5, color=MUTED)
    return figure


def losses() -> Figure:
    """What each loss compares, on sixteen invented scores and labels."""
    rng = np.random.default_rng(3)
    real, fake = rng.normal(0.8, 0.6, 16), rng.normal(-0.5, 0.6, 16)
    label = rng.uniform(-1, 1, 16)
    predicted = 0.8 * label + rng.normal(0, 0.15, 16)
    figure = new_figure(2.6, "What each loss compares")
    means, pairs, head = figure.subplots(1, 3)
    for axes, title in ((means, "Wasserstein: two means"), (pairs, "pairing: two of one label")):
        axes.plot(np.arange(16), real, "o", color=GREEN, label="real")
        axes.plot(np.arange(16), fake, "o", color=BLUE, label="generated")
        axes.set(title=title, xlabel="sample", ylabel="score", xticks=[])
    for values, colour in ((real, GREEN), (fake, BLUE)):
        means.axhline(values.mean(), color=colour)
    pairs.vlines(np.arange(16), fake, real, color=MUTED, linewidth=1, zorder=0)
    means.legend(loc="lower left", bbox_to_anchor=(0, -0.32), ncols=2)
    head.axline((0, 0), slope=1, color=MUTED, linewidth=1)
    head.plot(label, predicted, "o", color=ORANGE)
    head.set(title="auxiliary: label, prediction", xlabel="label", ylabel="predicted")
    return figure


def _concatenation(axes: Axes) -> None:
    z, y = box(axes, 0.55, 0.5, "latent", SKY, 0.85), box(axes, 1.6, 0.5, "label", ORANGE, 0.85)
    first, *_ = _generator(axes)
    link(axes, z, first)
    link(axes, y, first, ORANGE)


def _film(axes: Axes) -> None:
    z = box(axes, 0.55, 0.5, "latent", SKY, 0.85)
    box(axes, 1.6, 0.5, "label", ORANGE, 0.85)
    first, second, _ = _generator(axes)
    link(axes, z, first)
    axes.plot([1.9, 1.9], [0.67, 1.75], color=ORANGE, linewidth=1.2)
    for x, y in (first, second):
        link(axes, (1.9, y), (x + 0.5, y), ORANGE, half=0)


def _projection(axes: Axes) -> None:
    *_, features = _critic(axes)
    y = box(axes, 1.75, 0.5, "label", ORANGE, 0.75)
    product = box(axes, 1.75, 1.75, "⟨ V y, φ ⟩", ORANGE, 0.85)
    score = box(axes, 1.1, 2.3, "score", GREEN, 0.95)
    link(axes, y, product, ORANGE)
    link(axes, features, (product[0] - 0.43, product[1]), half=0.0, sideways=0.43)
    link(axes, features, score)
    link(axes, product, score, ORANGE)


def _auxiliary(axes: Axes) -> None:
    *_, features = _critic(axes)
    score = box(axes, 0.55, 2.3, "score", GREEN, 0.8)
    label = box(axes, 1.6, 2.3, "label?", ORANGE, 0.8)
    link(axes, features, score)
    link(axes, features, label, ORANGE)


def _generator(axes: Axes) -> tuple[Place, ...]:
    """Two layers of a generator, and the cover that they make."""
    rows = {1.2: ("layer", BLUE), 1.75: ("layer", BLUE), 2.3: ("cover", MUTED)}
    return chain(axes, *(box(axes, 1.0, y, *row, 0.95) for y, row in rows.items()))


def _critic(axes: Axes) -> tuple[Place, ...]:
    """Cover and layers of a critic, and its features φ."""
    rows = {0.5: ("cover", MUTED), 1.2: ("layers", GREEN), 1.75: ("φ", SKY)}
    return chain(axes, *(box(axes, 0.6, y, *row, 0.8) for y, row in rows.items()))


def box(axes: Axes, x: float, y: float, words: str, colour: str, width: float = 1.35) -> Place:
    """A box with its name, its middle at (x, y)."""
    style = "round,pad=0,rounding_size=0.07"
    corner = (x - width / 2, y - HALF)
    axes.add_patch(FancyBboxPatch(corner, width, 2 * HALF, fc=colour, alpha=0.22, boxstyle=style))
    axes.text(x, y, words, ha="center", va="center", size=9, color=INK)
    return x, y


def chain(axes: Axes, *boxes: Place) -> tuple[Place, ...]:
    """Arrows from each box to the next; returns the boxes."""
    for start, end in pairwise(boxes):
        link(axes, start, end)
    return boxes


def link(axes: Axes, start: Place, end: Place, colour: str = MUTED, half: float = HALF,
         sideways: float = 0.7) -> None:  # fmt: skip
    """An arrow between the edges of two boxes: down where one is below the other."""
    (x, y), (to_x, to_y) = start, end
    if x == to_x or (abs(to_y - y) > 0.5 and abs(to_x - x) < 1.3):
        start, end = (x, y + HALF), (to_x, to_y - half)
    elif to_x > x:
        start, end = (x + sideways, y), (to_x - sideways * (half == HALF), to_y)
    arrow(axes, start, end, colour, shrinkB=1)


def bent(axes: Axes, start: Place, end: Place, colour: str, bend: float = 0.25) -> None:
    """A dashed arrow along an arc: the way of a gradient."""
    look = {"linestyle": "--", "linewidth": 1.3, "mutation_scale": 10, "shrinkA": 2, "shrinkB": 2}
    arrow(axes, start, end, colour, connectionstyle=f"arc3,rad={bend}", **look)
