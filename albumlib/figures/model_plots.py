"""Charts of trainings and of what came of them: chapters 4 to 13."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albumlib.figures.palette import BLUE, COLOURS, DISTANCES, GREEN, INK, MUTED, ORANGE, PALE, SKY
from albumlib.figures.style import empty_figure, new_figure, place, unframed

# Training and its results ---------------------------------------------------------------------

CURVES = {
    "critic_loss": "critic's loss",
    "generator_loss": "generator's loss",
    "score_gap": "score gap: real minus generated",
    "latent_cost": "length of LOGAN's latent step",
    "auxiliary_error": "critic's auxiliary error, real covers",
    "generator_auxiliary_error": "generator's auxiliary error",
    "images_per_s": "covers a second",
}


def training_curves(
    records: Sequence[Mapping] | Mapping[str, Sequence[Mapping]],
    keys: Sequence[str] = ("critic_loss", "score_gap", "generator_loss"),
) -> Figure:
    """One panel for each key, over training steps: the values, pale, and their running mean, by
    which the axis is scaled (a single spike leaves the panel).

    `records` is what `metrics.jsonl` holds, or several such lists by name, to be compared.
    """
    runs = records if isinstance(records, Mapping) else {"": records}
    columns = 2 if len(keys) == 4 else min(3, len(keys))
    rows = -(-len(keys) // columns)
    figure = new_figure(2.3 * rows + (0.25 if len(runs) > 1 else 0), "How training went")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in panels[len(keys) :]:
        axes.set_visible(False)
    for axes, key in zip(panels, keys, strict=False):
        axes.set(title=CURVES.get(key, key), xlabel="step")
        axes.xaxis.get_major_locator().set_params(nbins=4)
        means = []
        for (name, run), colour in zip(runs.items(), COLOURS, strict=False):
            kept = [record for record in run if key in record]
            steps = [record["step"] for record in kept]
            values = pd.Series([record[key] for record in kept], dtype=float)
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=1)
            window = max(1, len(values) // 12)
            smooth = values.rolling(window, center=True, min_periods=1).mean()
            axes.plot(steps, smooth, color=colour, label=name)
            means += smooth.dropna().tolist()
        if len(set(means)) > 1:
            margin = 0.2 * (max(means) - min(means))
            axes.set_ylim(min(means) - margin, max(means) + margin)
    if len(runs) > 1:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
    return figure


def comparison(measures: Mapping[str, Mapping[str, Sequence[float]]], title: str = "") -> Figure:
    """A panel for each measure: what each variant reached, a dot a seed, and mean ± sd.

    `measures` is measure → variant → values over seeds; every variant has a row, also if it has
    no value. Panels with the same variants share their names.
    """
    columns, same = min(3, len(measures)), len(set(map(tuple, measures.values()))) == 1
    rows = -(-len(measures) // columns)
    height = 0.9 + rows * (0.8 + 0.26 * max(len(variants) for variants in measures.values()))
    figure = new_figure(height, title or "Runs compared", "a dot a seed; bars: mean ± sd")
    panels = figure.subplots(rows, columns, sharey=same, squeeze=False).ravel()
    for axes in panels[len(measures) :]:
        axes.set_visible(False)
    for axes, (measure, variants) in zip(panels, measures.items(), strict=False):
        for row, values in enumerate(variants.values()):
            _seeds(axes, values, row)
        axes.set_yticks(range(len(variants)), list(variants))
        axes.set_title(measure, fontsize=9)
        axes.xaxis.get_major_locator().set_params(nbins=4)
        axes.grid(axis="y", visible=False)
        axes.set_ylim(len(variants) - 0.5, -0.5)  # the first row on top
    return figure


def ladder(
    rows: Sequence[str],
    strips: Sequence[np.ndarray],
    measures: Mapping[str, Sequence[Sequence[float]]],
    marks: Mapping[str, float],
    title: str = "",
    note: str = "",
) -> Figure:
    """A row a variant: its name, some covers (n, S, S, 3), and a panel for each measure.

    `measures` is measure → variant → values over seeds, drawn as pale dots, their mean and their
    standard deviation; `marks` is measure → the value to reach, dotted.
    """
    count = max(map(len, strips))
    figure = new_figure(0.46 * len(rows) + 0.5, title or "One difference less on each row", note)
    widths = [0.49 * count, *[1.3] * len(measures)]
    left, *panels = figure.subplots(1, 1 + len(measures), sharey=True, width_ratios=widths)
    left.set_yticks(range(len(rows)), rows, color=INK, size=8.5)
    left.set(xlim=(0, count * 1.06), ylim=(len(rows) - 0.5, -0.5), xticks=[], aspect="auto")
    unframed(left)
    for row, strip in enumerate(strips):
        for column, cover in enumerate(strip):
            place(left, cover, column * 1.06, row - 0.5, 0.96)
    for axes, (name, values) in zip(panels, measures.items(), strict=True):
        for row, dots in enumerate(values):
            _seeds(axes, dots, row)
        axes.axvline(marks[name], color=MUTED, linestyle=":", linewidth=1.4)
        axes.set_title(name, fontsize=9)
        axes.grid(axis="y", visible=True)
        axes.tick_params(axis="y", labelleft=False)
    return figure


def _seeds(axes, values: Sequence[float], row: int) -> None:
    """Values over seeds as dots in a row, with mean and standard deviation."""
    axes.plot(values, [row] * len(values), "o", color=SKY, markersize=5, zorder=3)
    if len(values):
        spread = np.std(values, ddof=1) if len(values) > 1 else 0
        axes.errorbar(np.mean(values), row, xerr=spread, fmt="|", color=INK, lw=1.2, ms=12)


def label_recovery_bars(
    names: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    recoverable: Sequence[bool] | None = None,
    title: str = "",
    ylabel: str = "correlation",
) -> Figure:
    """Bars side by side for each feature, e.g. real covers, this model, shuffled labels.

    Features that are not `recoverable` (all are by default) stand on a grey background and in grey:
    not even real covers show them, so no model can be blamed.
    """
    words = title or "Which labels can be read off the covers"
    note = "on a grey background: features that real covers do not show either"
    figure = new_figure(3.1, words, note)
    axes, width = figure.subplots(), 0.8 / len(groups)
    others = [colour for colour in COLOURS if colour not in (SKY, BLUE, ORANGE, GREEN)]
    colours = [*[SKY, BLUE, ORANGE, GREEN, *others][: len(groups) - 1], "#c9c5bc"]
    for number, ((group, values), colour) in enumerate(zip(groups.items(), colours, strict=True)):
        x = np.arange(len(names)) + (number - (len(groups) - 1) / 2) * width
        axes.bar(x, values, width * 0.92, color=colour, label=group)
    shown = [True] * len(names) if recoverable is None else list(recoverable)
    for column, seen in enumerate(shown):
        if not seen:
            axes.axvspan(column - 0.5, column + 0.5, color=PALE, zorder=-1)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xticks(range(len(names)), names, rotation=25, ha="right")
    for tick, seen in zip(axes.get_xticklabels(), shown, strict=True):
        tick.set_color(INK if seen else MUTED)
    axes.set(ylabel=ylabel, xlim=(-0.5, len(names) - 0.5))
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside lower left", ncols=len(groups))
    return figure


def curves(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    title: str = "",
    logarithmic: bool = False,
) -> Figure:
    """Plain lines over a common x, each named at its right end."""
    figure = new_figure(2.9, title)
    axes = figure.subplots()
    for y, colour in zip(lines.values(), COLOURS, strict=False):
        axes.plot(x, y, color=colour)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    _name_ends(axes, x[-1], {name: y[-1] for name, y in lines.items()})
    return figure


def _name_ends(axes: Axes, x: float, ends: Mapping[str, float]) -> None:
    """The name of each line beside its end (x, y), a line of text or more apart."""
    points = 72 / axes.figure.dpi
    heights = {name: points * axes.transData.transform((x, y))[1] for name, y in ends.items()}
    colours, taken = dict(zip(ends, COLOURS, strict=False)), -np.inf
    for name in sorted(colours, key=heights.get):
        taken = max(heights[name], taken + 12)
        axes.annotate(name, (x, ends[name]), xytext=(6, taken - heights[name]),
                      textcoords="offset points", color=colours[name], va="center")  # fmt: skip


def scatters(groups: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Points (n, 2) in [-1, 1], a panel for each group."""
    figure = new_figure(3.2, title)
    panels = figure.subplots(1, len(groups), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, points) in zip(panels, groups.items(), strict=True):
        axes.plot(*np.asarray(points).T, "o", color=BLUE, markersize=2, alpha=0.4)
        axes.set(title=name, xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
    return figure


def agreement(real: pd.DataFrame, drawn: pd.DataFrame, title: str = "") -> Figure:
    """One panel a column, such as a filter: a dot a row, such as a measure of covers, to the right
    by how the real covers differ and upwards by how the generated ones do."""
    if real.empty:
        return empty_figure("Nothing was selected: there is nothing to compare.")
    figure = new_figure(3.2, title, "in standard deviations of all covers; on the line: the same")
    panels = figure.subplots(1, len(real.columns), sharey=True, squeeze=False)[0]
    reach = 1.15 * max(real.abs().max().max(), drawn.abs().max().max(), 0.1)
    for axes, name in zip(panels, real, strict=True):
        axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.9)
        looks = itertools.product("os", COLOURS)
        for (measure, x), y, look in zip(real[name].items(), drawn[name], looks, strict=False):
            axes.plot(x, y, look[0], color=look[1], markersize=6, label=measure)
        ends = (-reach, reach)
        axes.set(title=name, xlim=ends, ylim=ends, xlabel="real", aspect="equal")
    panels[0].set_ylabel("generated")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
    return figure


# Evaluation -----------------------------------------------------------------------------------


def damage_curves(found: pd.DataFrame, reference: Mapping[str, float]) -> Figure:
    """One panel a number: a line for each kind of damage over its strength, the reference dotted.

    `found` has columns `kind` and `strength`, and one a number; `reference` has some of these.
    """
    names = [name for name in found if name not in ("kind", "strength")]
    columns = -(-len(names) // 2)
    note = "dotted: the reference: fresh real covers against the same held-out ones"
    figure = new_figure(4.1, "What each kind of damage does to each number", note)
    panels = figure.subplots(2, columns, sharex=True, squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        for (kind, rows), colour in zip(found.groupby("kind", sort=False), COLOURS, strict=False):
            axes.plot(rows["strength"], rows[name], "o-", color=colour, markersize=3, label=kind)
        if name in reference:
            axes.axhline(reference[name], color=MUTED, linestyle=":", linewidth=1.4)
        axes.set(title=name, ylim=(min(0, found[name].min()), 1.06 * found[name].max()))
    for axes in panels[-1]:
        axes.set_xlabel("strength")
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    lines = panels.flat[0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower left", ncols=len(COLOURS))
    return figure


def sanity(found: pd.DataFrame) -> Figure:
    """Which number sees which damage: a row for each kind and strength, a column for each number,
    in it how many spreads of real covers the number moved; what is below three stays pale.

    `found` has the columns `damage`, `strength`, `measure` and `away`.
    """
    order = found["measure"].drop_duplicates()
    found = found.assign(row=found["damage"] + " " + found["strength"].map("{:g}".format))
    table = found.pivot(index="row", columns="measure", values="away")[order]
    table = table.loc[found["row"].drop_duplicates()].abs()
    figure = new_figure(0.24 * len(table) + 1.5, "Which number sees which damage")
    axes = figure.subplots()
    axes.imshow(np.log10(table.clip(1, 100)), cmap=DISTANCES, vmin=0, vmax=2, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        words = "" if value < 3 else f"{value:.0f}" if value < 1000 else ">999"
        colour = "white" if value > 12 else INK
        axes.text(column, row, words, ha="center", va="center", size=7, color=colour)
    axes.set_xticks(range(len(order)), order, rotation=50, ha="right", color=INK)
    axes.set_yticks(range(len(table)), table.index, color=INK)
    unframed(axes)
    return figure
