"""Charts of what was gathered, cleaned and measured: chapters 1 to 3."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from albumlib.dataset import statistics
from albumlib.features import FEATURES, NAMES
from albumlib.figures.palette import BLUE, COLOURS, GREEN, GRID, INK, MUTED, ORANGE, PALE, SKY
from albumlib.figures.style import bare, empty_figure, heat_map, new_figure, sheet, unframed

UNITS = {feature.name: feature.unit for feature in FEATURES}
STATES = {"done": GREEN, "todo": "#d9d6cf", "failed": ORANGE}


# Gathering and cleaning -----------------------------------------------------------------------


def catalogue_state(snapshots: Mapping[str, Sequence[str]], title: str = "") -> Figure:
    """One small square a cover, in the catalogue's order, coloured by its state.

    `snapshots` maps a caption to states "done", "todo" or "failed"; each is a panel.
    """
    figure = new_figure(2.3, title or "The catalogue, one square a cover")
    panels = np.atleast_1d(figure.subplots(1, len(snapshots)))
    for axes, (words, states) in zip(panels, snapshots.items(), strict=True):
        states = list(states)
        columns = max(1, round((len(states) * 4.8 / len(snapshots)) ** 0.5))
        cells = np.ones((-(-len(states) // columns), columns, 3))
        for name, colour in STATES.items():
            chosen = np.flatnonzero([state == name for state in states])
            cells[chosen // columns, chosen % columns] = to_rgb(colour)
        axes.imshow(cells, interpolation="nearest")
        axes.set_anchor("NW")
        if len(states) <= 3000:  # beyond, the gaps would hide the cells
            axes.set_xticks(np.arange(-0.5, columns), minor=True)
            axes.set_yticks(np.arange(-0.5, len(cells)), minor=True)
            axes.grid(which="minor", color="white", linewidth=1.2)
        bare(axes)
        axes.set_title(words)
        counts = {name: states.count(name) for name in STATES if name in states}
        patches = [Patch(color=STATES[name], label=f"{name} {n:,}") for name, n in counts.items()]
        axes.legend(
            handles=patches, loc="upper left", bbox_to_anchor=(0, -0.02), ncols=len(patches),
            borderaxespad=0, handlelength=0.9, handletextpad=0.5, columnspacing=1.4, borderpad=0.1,
        )  # fmt: skip
    return figure


def timeline(seconds: Sequence[float], title: str = "", what: str = "cover") -> Figure:
    """How many covers, or what else, had come after how many seconds; a flat stretch is a pause."""
    arrived = np.sort(np.asarray(seconds, dtype=np.float64))
    figure = new_figure(2.2, title or "Covers on disk while gathering")
    axes = figure.subplots()
    counts = np.arange(1, len(arrived) + 1)
    axes.fill_between(arrived, counts, step="post", color=SKY, alpha=0.35)
    axes.step(arrived, counts, where="post", color=BLUE)
    axes.set(xlabel=f"seconds since the first {what}", ylabel=f"{what}s", ylim=(0, None))
    axes.margins(x=0)
    return figure


def funnel(counts: Mapping[str, int], title: str = "") -> Figure:
    """Bars of what is left after each stage, in order, and what each stage took away."""
    figure = new_figure(0.42 * len(counts) + 0.1, title or "What is left after each stage")
    axes, numbers = figure.subplots(), list(counts.values())
    axes.barh(range(len(counts)), numbers, color=BLUE, height=0.62)
    for row, number in enumerate(numbers):
        lost = numbers[row - 1] - number if row else 0
        words = f" {number:,}" + (f"   \N{MINUS SIGN}{lost:,}" if lost else "")
        axes.text(number, row, words, va="center", color=INK, size=9.5)
    axes.set_yticks(range(len(counts)), list(counts), color=INK, size=9.5)
    axes.set(xlim=(0, max(numbers) * 1.16), ylim=(len(counts) - 0.5, -0.5), xticks=[])
    unframed(axes, "bottom", "left")
    return figure


# Labels ---------------------------------------------------------------------------------------


def feature_histograms(table: pd.DataFrame, title: str = "") -> Figure:
    """Ten small histograms, each in its unit, with the median marked."""
    words = title or "Ten features, ten different shapes"
    figure = new_figure(3.6, words, "number of rows by value; the line is the median")
    for axes, name in zip(figure.subplots(2, 5).flat, NAMES, strict=True):
        values = table[name].dropna() if name in table else pd.Series(dtype=float)
        axes.set(title=name, xlabel=UNITS[name])
        axes.grid(axis="x", visible=False)
        axes.tick_params(axis="y", labelsize=7)
        if values.empty:
            bare(axes)
            axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=MUTED)
            continue
        axes.hist(values, bins=24, color=SKY)
        axes.axvline(values.median(), color=BLUE, linewidth=1.4)
        axes.yaxis.get_major_locator().set_params(nbins=3)
        axes.xaxis.get_major_locator().set_params(nbins=4)
    return figure


def feature_positions(
    covers: np.ndarray, values: Mapping[str, float | None], table: pd.DataFrame
) -> Figure:
    """Covers (n, S, S, 3) beside the features that they were drawn for, each marked among the
    real values of `table`; a feature that was left open has no mark."""
    columns = max(1, int(len(covers) ** 0.5))
    figure = new_figure(3.3, "What was asked for, among real values")
    grid = figure.add_gridspec(5, 3, width_ratios=[0.9, 1, 1])
    sheet(figure.add_subplot(grid[:, 0]), covers, columns, inches=3 / columns)
    for number, feature in enumerate(FEATURES):
        axes = figure.add_subplot(grid[number % 5, 1 + number // 5])
        known = table[feature.name].dropna() if feature.name in table else []
        bare(axes)
        axes.hist(known, bins=40, range=(feature.low, feature.high), color=SKY)
        axes.set_xlim(feature.low, feature.high)
        value = values.get(feature.name)
        words = "open" if value is None else f"{value:.3g} ({feature.unit})"
        axes.set_title(f"{feature.name}: {words}", size=8.5, pad=2, weight="normal")
        if value is not None:
            axes.axvline(value, color=ORANGE, linewidth=2)
    return figure


def correlations(table: pd.DataFrame) -> Figure:
    """Rank correlation of each pair of features, the lower triangle of the matrix."""
    matrix = statistics.rank_correlations(table)
    if matrix.empty:
        return empty_figure()
    note = "Spearman's rank correlation: blue together, orange against each other"
    figure = new_figure(4.6, "Which features go together", note, width=7.2)
    heat_map(figure.subplots(), matrix.iloc[1:, :-1], triangle=True)
    return figure


def visible(matrix: pd.DataFrame, title: str = "") -> Figure:
    """Correlation of each feature (a row) with each visual measure of the covers (a column)."""
    if matrix.empty:
        return empty_figure()
    note = "rank correlation of a label, at the left, with a measure of the cover, below"
    words = title or "Simple measures of a cover already follow some labels"
    figure = new_figure(0.36 * len(matrix) + 0.7, words, note, width=7.2)
    heat_map(figure.subplots(), matrix)
    return figure


def over_time(table: pd.DataFrame, feature: str, title: str = "", step: int = 2) -> Figure:
    """A feature by release year: median, the middle half as a band, and how many rows."""
    found = statistics.by_year(table, feature, step)
    if found.empty:
        return empty_figure("Without release years there is nothing to see over time.")
    words = title or f"{feature.capitalize()} by release year"
    figure = new_figure(3.0, words, "median and the middle half; below, the number of rows")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    middle = found.index + (step - 1) / 2
    axes.fill_between(middle, found["low"], found["high"], color=SKY, alpha=0.35, linewidth=0)
    axes.plot(middle, found["median"], color=BLUE)
    axes.set_ylabel(f"{feature} ({UNITS[feature]})")
    below.bar(middle, found["count"], width=0.8 * step, color=GRID)
    below.set_ylabel("rows")
    unframed(below, "left")
    below.yaxis.get_major_locator().set_params(nbins=2)
    return figure


def album_spread(tracks: pd.DataFrame) -> Figure:
    """How much of each feature's variance lies between albums, how much within them."""
    share = statistics.album_share(tracks).dropna().sort_values()
    if share.empty:
        return empty_figure()
    note = "blue: proportion of the variance between albums; grey: between the tracks of one album"
    figure = new_figure(0.3 * len(share) + 0.3, "What an album's tracks have in common", note)
    axes, rows = figure.subplots(), range(len(share))
    axes.barh(rows, [1] * len(share), color=PALE, height=0.66)
    axes.barh(rows, share, color=BLUE, height=0.66)
    for row, value in enumerate(share):
        axes.text(value + 0.01, row, f"{100 * value:.0f} %", va="center", size=9)
    axes.set_yticks(rows, share.index, color=INK, size=9.5)
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0 %", "50 %", "100 %"])
    unframed(axes, "bottom", "left")
    return figure


def real_and_independent(real: pd.DataFrame, drawn: pd.DataFrame) -> Figure:
    """Real pairs of energy and loudness beside independent draws, and how far each draw is from
    music. Up to 1,500 points of each are shown."""
    x, y = "energy", "loudness"
    if not {x, y} <= set(statistics.known(real)):
        return empty_figure()
    figure = new_figure(2.9, "Uniform, independent labels lie far from real ones")
    left, middle, right = figure.subplots(1, 3)
    for axes, table, colour, name in [
        (left, real, BLUE, "real labels"),
        (middle, drawn, ORANGE, "uniform, independent"),
    ]:
        axes.scatter(table[x][:1500], table[y][:1500], s=5, color=colour, alpha=0.35, linewidth=0)
        axes.set(xlabel=f"{x} ({UNITS[x]})", ylabel=f"{y} ({UNITS[y]})")
        axes.set_title(name, color=colour)
    middle.set(xlim=left.get_xlim(), ylim=left.get_ylim())
    whole = real[statistics.known(real)].dropna().drop_duplicates()
    half = len(whole) // 2
    near = statistics.nearest_real(whole[half:][:1500], whole[:half])
    far = statistics.nearest_real(drawn[:1500], whole[:half])
    bins = np.linspace(0, max(near.max(), far.max()), 40)
    for values, colour in [(near, BLUE), (far, ORANGE)]:
        right.hist(values, bins=bins, density=True, color=colour, alpha=0.6)
    title, xlabel = "distance to the nearest real label", "standard deviations per feature"
    right.set(title=title, xlabel=xlabel, yticks=[])
    right.grid(False)
    return figure


def distances(groups: Mapping[str, Sequence[float]], xlabel: str, title: str = "") -> Figure:
    """Histograms of distances, one for each group, on one scale, each with its median in words."""
    figure = new_figure(2.2, title or "How far it is")
    axes = figure.subplots()
    bins = np.linspace(0, max(np.max(values) for values in groups.values()), 50)
    for (name, values), colour in zip(groups.items(), COLOURS[1::-1], strict=False):
        words = f"{name}: median {np.median(values):.2f}"
        axes.hist(values, bins=bins, color=colour, alpha=0.65, label=words)
    axes.set(xlabel=xlabel, yticks=[])
    axes.grid(False)
    axes.legend()
    return figure


def shown_by_covers(
    tables: Mapping[str, pd.DataFrame], title: str = "", number: str = "r2"
) -> Figure:
    """A number of each label with its interval, a panel for each table: "r2" of
    `evaluation.visible` or "cosine" of `studies.real_covers`; a grey mark is the control."""
    words = {"r2": "R²", "cosine": "cosine"}[number]
    rows = list(dict.fromkeys(name for table in tables.values() for name in table.index))[::-1]
    note = f"{words} out of sample with its 95 % interval; grey: labels shuffled; mind the scales"
    figure = new_figure(0.27 * len(rows) + 1, title or "What covers show", note)
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        table = table.reindex(rows)
        place = range(len(rows))
        axes.axvline(0, color=MUTED, linewidth=0.9)
        axes.plot(table[f"{number}_permuted"], place, "|", color=MUTED, markersize=9)
        middle = table[number]
        reach = [middle - table[f"{number}_low"], table[f"{number}_high"] - middle]
        axes.errorbar(middle, place, xerr=reach, fmt="o", color=BLUE, markersize=5)
        axes.set(title=name, xlabel=words)
    panels[0].set_yticks(range(len(rows)), rows)
    return figure
