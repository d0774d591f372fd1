"""The explorer: sliders for the ten features, and a cover that follows them.

Widgets only ask; drawing happens on a thread that always takes the newest request and drops those
in between, so that a slider never waits for pictures that nobody will see. Pictures travel as
JPEG, errors appear over the picture, and the explorer goes on.
"""

from __future__ import annotations

import html
import io
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from albumlib import AlbumlibError, drawing, features, latent, metrics, plots
from albumlib.checkpoint import load_generator
from albumlib.covers import CoverRejected, decode
from albumlib.coverset import CoverSet
from albumlib.drawing import ALBUM, SONG, Drawing
from albumlib.features import FEATURES, NAMES
from albumlib.networks import Generator

GRIDS = (1, 4, 9, 16, 64)  # covers at a time
NEAREST = 5  # training covers beside the drawn one
AVERAGES = ("mean", "most typical song", "medoid")
SHOWN = 320  # pixels a side, of a projection's curve and of the picture on a screen
LOST = (AlbumlibError, OSError, RuntimeError)  # what a person may meet: RuntimeError is torch's


class Stopped(Exception):
    """A newer request has come; the work on this one is given up."""


class Newest:
    """Runs one piece of work at a time on a thread; of those that wait only the newest is run."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: Callable[[], None] | None = None
        self._running = False

    def ask(self, work: Callable[[], None]) -> None:
        """Run `work` as soon as the present one is done, unless something newer comes."""
        with self._changed:
            self._waiting = work
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True).start()

    def check(self) -> None:
        """To be called by long work: raises Stopped if something newer waits."""
        if self._waiting is not None:
            raise Stopped

    def wait(self, timeout: float = 60) -> bool:
        """Until nothing runs or waits; False if that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                work, self._waiting = self._waiting, None
                if work is None:
                    self._running = False
                    self._changed.notify_all()
                    return
            work()


class Explorer:
    """Sliders, pickers and a picture, for one or several checkpoints by name.

    `checkpoints` are files or folders; they are opened when chosen. `coverset` gives the songs,
    the albums and the distributions of real values. `folder` is where pictures are saved. Show it
    as the last value of a notebook's cell. Raises TrainingError if the first checkpoint cannot be
    opened, CoverSetError if the set has no labels.
    """

    def __init__(
        self,
        checkpoints: Mapping[str, str | Path],
        coverset: CoverSet,
        folder: str | Path = ".",
        seed: int = 2021,
    ):
        self.checkpoints, self.coverset = dict(checkpoints), coverset.with_labels()
        self.folder, self.newest = Path(folder), Newest()
        self.rows = coverset.rows("train")
        self.labels = coverset.labels[self.rows]
        self.middle = np.nan_to_num(latent.album_label(self.labels))
        self.spread = pd.DataFrame(self.labels).std(ddof=0).fillna(1).clip(lower=1e-3).to_numpy()
        self.slopes = latent.regression_slopes(self.labels)
        self.generator = load_generator(next(iter(self.checkpoints.values())))
        self._beside: Generator | None = None
        self._thumbnails: np.ndarray | None = None
        self._z: tuple[float, ...] | None = None
        self._quiet = False
        self._build(seed)
        self.redraw()

    # What is asked for, and the picture of it

    @property
    def drawing(self) -> Drawing:
        """What the widgets ask for. Raises DrawingError if they ask for the impossible."""
        first = self.seed.value
        return Drawing(
            tuple(range(first, first + (1 if self._z else self.grid.value))),
            tuple(slider.value for slider in self.sliders),
            self.truncation.value,
            tuple(slider.value for slider in self.steps),
            self._z,
        )

    def redraw(self, _=None) -> None:
        """Draw what the widgets ask for, on the thread."""
        if self._quiet:
            return
        try:
            wanted = self.drawing
        except LOST as error:
            self.complain(error)
            return
        self.newest.ask(lambda: self._guarded(self._draw, wanted))

    def wait(self) -> Explorer:
        """Until the picture shows what the widgets ask for."""
        self.newest.wait()
        return self

    def complain(self, error: BaseException | str) -> None:
        """Show one sentence over the picture."""
        words = html.escape(str(error)).replace("\n", " ")
        self.message.value = f'<div role="alert" style="{ALERT}">{words}</div>' if words else ""

    def figure(self) -> Figure:
        """The same as a still: the covers, and where each feature stands among real values."""
        self.wait()
        return still(self.drawing, self.generator, self.coverset)

    def _guarded(self, work: Callable, *arguments) -> None:
        try:
            work(*arguments)
        except Stopped:
            return
        except LOST as error:
            self.complain(error)

    def _draw(self, wanted: Drawing) -> None:
        started = time.perf_counter()
        covers = wanted.draw(self.generator)
        sheets = [covers] if self._beside is None else [covers, wanted.draw(self._beside)]
        self.picture.value = to_jpeg(side_by_side(sheets))
        self.message.value = ""
        milliseconds = 1000 * (time.perf_counter() - started)
        self.state.value = f"drawn in {milliseconds:.0f} ms"
        if self.neighbours.value:
            self.nearest.value = to_jpeg(drawing.contact_sheet(self._nearest(covers[0])))

    def _nearest(self, cover: np.ndarray) -> np.ndarray:
        """The NEAREST training covers, nearest first."""
        if self._thumbnails is None:
            self._thumbnails = metrics.thumbnails(self.coverset.images[self.rows], 8)
        distances = np.square(self._thumbnails - metrics.thumbnails(cover[None], 8)).sum(1)
        return self.coverset.images[self.rows[np.argsort(distances)[:NEAREST]]]

    # The widgets

    def _build(self, seed: int) -> None:
        values = drawing.from_label(self.middle)
        self.sliders = [_slider(f, v) for f, v in zip(FEATURES, values, strict=True)]
        self.numbers = [_number(f, v) for f, v in zip(FEATURES, values, strict=True)]
        self.together = widgets.Checkbox(False, description="related features follow", indent=False)
        self.seed = widgets.IntText(seed, description="seed", layout=_wide("150px"))
        self.previous, self.next = (_button(words, 90) for words in ("◀ previous", "next ▶"))
        self.grid = widgets.Dropdown(options=GRIDS, description="covers", layout=_wide("150px"))
        self.truncation = _plain("truncation", 0, 1, 1.0)
        self.steps = [_plain(f"direction {n}", -2, 2, 0.0) for n in range(1, 9)]
        self.reset = _button("reset")
        self.model = widgets.Dropdown(options=list(self.checkpoints), description="model")
        self.beside = widgets.Dropdown(options=["", *self.checkpoints], description="beside")
        self.kind = widgets.ToggleButtons(
            options=["songs", "albums"], style={"button_width": "80px"}
        )
        self.average = widgets.Dropdown(options=AVERAGES, description="average")
        self.search = widgets.Text(placeholder="search by title or artist")
        self.found = widgets.Select(options=[], rows=6, layout=_wide("100%"))
        self.name = widgets.Text("cover.png", description="save as")
        self.save = _button("save")
        self.upload = widgets.FileUpload(
            accept="image/*", description="open or project", multiple=False, layout=_wide("190px")
        )
        self.neighbours = widgets.Checkbox(
            False, description="nearest training covers", indent=False
        )
        self.picture = widgets.Image(format="jpeg", layout=_wide(f"{SHOWN}px"))
        self.nearest = widgets.Image(format="jpeg", layout=_wide(f"{SHOWN}px"))
        self.message, self.curve = widgets.HTML(), widgets.HTML()
        self.state = widgets.Label()
        self.progress = widgets.IntProgress(
            0, 0, 1, description="project", layout=_wide(f"{SHOWN}px")
        )
        self.progress.layout.visibility = self.nearest.layout.visibility = "hidden"
        self._connect()
        self._search()
        self._fit_to_model()
        self.widget = self._arranged()

    def _connect(self) -> None:
        for column, (slider, number) in enumerate(zip(self.sliders, self.numbers, strict=True)):
            slider.observe(lambda change, c=column: self._moved(c, change), "value")
            number.observe(lambda change, c=column: self._typed(c, change["new"]), "value")
        for asked in (self.truncation, self.grid, *self.steps):
            asked.observe(self.redraw, "value")
        self.seed.observe(self._new_seed, "value")
        self.previous.on_click(lambda _: self._step_seed(-1))
        self.next.on_click(lambda _: self._step_seed(1))
        self.reset.on_click(self._reset)
        self.model.observe(self._choose_model, "value")
        self.beside.observe(self._choose_beside, "value")
        for asked in (self.kind, self.search):
            asked.observe(self._search, "value")
        for asked in (self.found, self.average):
            asked.observe(self._pick, "value")
        self.save.on_click(self._save)
        self.upload.observe(self._uploaded, "value")
        self.neighbours.observe(self._show_nearest, "value")

    def _arranged(self) -> widgets.Box:
        real = features.from_unit(self.labels)
        rows = [
            _feature_row(feature, slider, number, real[:, column])
            for column, (feature, slider, number) in enumerate(
                zip(FEATURES, self.sliders, self.numbers, strict=True)
            )
        ]
        shown = _over(self.picture, self.message)
        shown.add_class("albumlib-cover")
        left = [
            widgets.HTML(CSS), shown, self.state, self.progress, self.curve,
            self.neighbours, self.nearest, widgets.HBox([self.name, self.save]), self.upload,
        ]  # fmt: skip
        middle = [*rows, widgets.HBox([self.together, self.reset])]
        right = [
            self.model, self.beside, widgets.HBox([self.seed, self.previous, self.next]), self.grid,
            self.truncation, *self.steps, self.kind, self.search, self.found, self.average,
        ]  # fmt: skip
        columns = [
            widgets.VBox(column, layout=widgets.Layout(flex=f"1 1 {width}px", max_width="100%"))
            for column, width in ((left, 330), (middle, 350), (right, 330))
        ]
        columns[0].add_class("albumlib-left")
        whole = widgets.Box(columns, layout=widgets.Layout(flex_flow="row wrap", grid_gap="24px"))
        return whole.add_class("albumlib")

    def _repr_mimebundle_(self, **options) -> dict:
        """A still for those who cannot show widgets, and the widgets for the others."""
        picture = io.BytesIO()
        self.figure().savefig(picture, format="jpeg")
        shown = self.widget._repr_mimebundle_(**options)
        return shown | {"image/jpeg": picture.getvalue(), "text/plain": "Explorer"}

    # What happens when something is moved, clicked or chosen

    def _moved(self, column: int, change: dict) -> None:
        if self._quiet:
            return
        if self.together.value:
            before = np.array([slider.value for slider in self.sliders])
            before[column] = change["old"]
            before, value = features.to_unit(before), self._unit(column, change["new"])
            self._set_label(latent.follow(before, column, value, self.slopes))
        else:
            self._quietly(self.numbers[column], _short(change["new"]))
            self.redraw()

    def _typed(self, column: int, value: float) -> None:
        feature = FEATURES[column]
        if self._quiet:
            return
        if not feature.low <= value <= feature.high:  # also for NaN
            self.complain(drawing.out_of_range(feature, value))
        else:
            self.message.value = ""
            self.sliders[column].value = value

    def _unit(self, column: int, value: float) -> float:
        whole = np.full(features.COUNT, value)
        return float(features.to_unit(whole)[column])

    def _set_label(self, label: np.ndarray) -> None:
        """Move all sliders at once; a missing feature goes to the mean of real values."""
        label = np.where(np.isfinite(label), label, self.middle)
        for column, value in enumerate(drawing.from_label(label)):
            self._quietly(self.sliders[column], value)
            self._quietly(self.numbers[column], _short(value))
        self.redraw()

    def _quietly(self, widget: widgets.Widget, value) -> None:
        before, self._quiet = self._quiet, True
        try:
            widget.value = value
        finally:
            self._quiet = before

    def _new_seed(self, _) -> None:
        if not self._quiet:
            self._z = None  # a projected latent gives way to a seed
            self.redraw()

    def _step_seed(self, direction: int) -> None:
        self.seed.value = max(0, self.seed.value + direction * (1 if self._z else self.grid.value))

    def _reset(self, _) -> None:
        self._z = None
        self._quietly(self.truncation, 1.0)
        for slider in self.steps:
            self._quietly(slider, 0.0)
        self._set_label(np.full(features.COUNT, np.nan))

    def _choose_model(self, change: dict) -> None:
        if self._quiet:
            return
        try:
            self.generator = load_generator(self.checkpoints[change["new"]])
        except LOST as error:
            self._quietly(self.model, change["old"])
            self.complain(error)
            return
        self._z = None
        self._fit_to_model()
        self.redraw()

    def _choose_beside(self, change: dict) -> None:
        """Another model at the same latents and labels, at the right of the first."""
        if self._quiet:
            return
        try:
            name = change["new"]
            self._beside = load_generator(self.checkpoints[name]) if name else None
        except LOST as error:
            self._quietly(self.beside, change["old"])
            self.complain(error)
        else:
            self.redraw()

    def _fit_to_model(self) -> None:
        """A model without labels cannot be steered by features: say so where one would try."""
        for widget in (*self.sliders, *self.numbers, self.search, self.found):
            widget.disabled = not self.generator.labels
        self.together.description = (
            "related features follow" if self.generator.labels
            else "this model was trained without labels: seeds and directions move it"
        )  # fmt: skip

    def _search(self, _=None) -> None:
        table, columns = self._searched()
        positions = drawing.search(table, self.search.value, columns)
        named = [(drawing.describe(table.iloc[p], columns), int(p)) for p in positions]
        self._quiet, before = True, self._quiet
        self.found.options, self.found.value = named, None
        self._quiet = before
        nothing = f"no {self.kind.value[:-1]} has {self.search.value!r} in its name"
        self.complain("" if named else nothing)

    def _searched(self) -> tuple[pd.DataFrame, tuple[str, ...]]:
        if self.kind.value == "songs":
            return self.coverset.tracks, SONG
        return self.coverset.table, ALBUM

    def _pick(self, _) -> None:
        position = self.found.value
        if self._quiet or position is None:
            return
        if self.kind.value == "songs":
            label = self.coverset.track_labels(self.coverset.tracks.iloc[[position]])[0]
        else:
            tracks = self.coverset.tracks[self.coverset.tracks["row"] == position]
            label = average(self.coverset.track_labels(tracks), self.average.value, self.spread)
        self._set_label(label)

    def _save(self, _) -> None:
        try:
            path = drawing.save(
                self.folder / self.name.value, self.drawing, self.generator,
                columns=max(1, int(self.grid.value**0.5)),
            )  # fmt: skip
        except LOST as error:
            self.complain(error)
        else:
            self.message.value, self.state.value = "", f"saved {path.name}"

    def _show_nearest(self, change: dict) -> None:
        self.nearest.layout.visibility = "visible" if change["new"] else "hidden"
        self.redraw()

    def _uploaded(self, change: dict) -> None:
        if change["new"]:
            self.open(bytes(change["new"][0]["content"]))
            self.upload.value = ()  # so that the same file can be chosen again

    def open(self, data: bytes) -> None:
        """Open a picture that the explorer has saved, or else project it: find its like."""
        try:
            saved = drawing.load(data)
        except LOST:  # a foreign picture, or none at all, which `decode` tells
            self.newest.ask(lambda: self._guarded(self._project, data))
            return
        try:
            self.show(drawing.load(data, self.generator))
        except LOST as error:
            self.complain(error)
        else:
            self.state.value = f"opened: seed {saved.seeds[0]}"

    def show(self, wanted: Drawing) -> None:
        """Set all widgets to what a drawing asks for."""
        if len(wanted.seeds) not in GRIDS:
            raise drawing.DrawingError(f"a grid of {len(wanted.seeds)} covers cannot be shown here")
        self._z = wanted.z
        self._quietly(self.seed, wanted.seeds[0])
        self._quietly(self.grid, len(wanted.seeds) if wanted.z is None else self.grid.value)
        self._quietly(self.truncation, wanted.truncation)
        steps = (*wanted.steps, *[0.0] * len(self.steps))
        for slider, value in zip(self.steps, steps, strict=False):
            self._quietly(slider, value)
        self._set_label(wanted.label)

    def _project(self, data: bytes) -> None:
        try:
            cover = decode(data, self.generator.size).pixels
        except CoverRejected as error:
            raise drawing.DrawingError(f"this file cannot be used: {error}") from error
        self.progress.layout.visibility = "visible"
        try:
            found = latent.project(self.generator, cover, progress=self._progressed)
        finally:
            self.progress.layout.visibility = "hidden"
        self.curve.value = curve(found.losses)
        label = np.full(features.COUNT, np.nan) if found.labels is None else found.labels
        seed, z = self.seed.value, tuple(found.z[0].tolist())
        self.show(Drawing((seed,), drawing.from_label(label), z=z))

    def _progressed(self, _what: str, done: int, total: int) -> None:
        self.newest.check()
        self.progress.max, self.progress.value = total, done


def still(wanted: Drawing, generator: Generator, coverset: CoverSet) -> Figure:
    """A still of the explorer: covers at the left, the ten features among real values."""
    values = dict(zip(NAMES, wanted.features, strict=True))
    return plots.feature_positions(wanted.draw(generator), values, coverset.table)


def side_by_side(sheets: list[np.ndarray]) -> np.ndarray:
    """Sets of covers (n, S, S, 3), each a square sheet, next to each other with a white gap."""
    size = max(covers.shape[1] for covers in sheets)
    squares = [
        drawing.contact_sheet(drawing.enlarge(covers, size), max(1, int(len(covers) ** 0.5)))
        for covers in sheets
    ]
    gap = np.full((len(squares[0]), max(4, size // 8), 3), 255, np.uint8)
    return np.hstack([squares[0], *(part for square in squares[1:] for part in (gap, square))])


def average(labels: np.ndarray, way: str, spread: np.ndarray) -> np.ndarray:
    """One label (10,) for an album's songs (n, 10), in one of the ways of AVERAGES."""
    if way == "mean" or not len(labels):
        return latent.album_label(labels)
    choose = latent.medoid if way == "medoid" else latent.most_typical
    return labels[choose(labels, spread)]


def to_jpeg(pixels: np.ndarray) -> bytes:
    """A picture (H, W, 3) as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


# Pieces of the page ---------------------------------------------------------------------------

ALERT = (
    "margin:8px; padding:8px 12px; max-width:280px; line-height:1.35; border-radius:4px; "
    "background:#fff; color:#7a1f00; border:2px solid #d3622a"
)


# On a narrow screen the cover stays in sight while the sliders below it are moved; whoever moves
# by keyboard sees where they are.
CSS = """<style>
.noUi-handle:focus-visible { outline: 3px solid #1f6fa8 !important }
@media (max-width: 760px) {
  .albumlib-left { display: contents }
  .albumlib-left > * { flex: 0 0 auto; width: 100% }
  .albumlib-left > .albumlib-cover { position: sticky; top: 0; z-index: 9; background: white }
  .albumlib-cover img { max-height: 36vh; object-fit: contain; object-position: left }
  .albumlib, :is(.jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output):has(.albumlib) {
    overflow: visible !important }
}
</style>"""


def _wide(width: str) -> widgets.Layout:
    return widgets.Layout(width=width, max_width="100%")


def _slider(feature: features.Feature, value: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=feature.low, max=feature.high, step=(feature.high - feature.low) / 200,
        readout=False, tooltip=feature.name,
        layout=widgets.Layout(width="100%", margin="22px 0 0 0"),
    )  # fmt: skip


def _number(feature: features.Feature, value: float) -> widgets.FloatText:
    step = (feature.high - feature.low) / 100
    return widgets.FloatText(_short(value), step=step, layout=_wide("76px"))


def _short(value: float) -> float:
    """A value as a person would write it."""
    return float(f"{value:.4g}")


def _plain(name: str, low: float, high: float, value: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=low, max=high, step=(high - low) / 60, description=name, readout_format=".2f"
    )


def _button(words: str, width: int = 80) -> widgets.Button:
    return widgets.Button(description=words, layout=_wide(f"{width}px"))


def _feature_row(feature, slider, number, real: np.ndarray) -> widgets.Box:
    words = f'<span title="{html.escape(feature.meaning)}">{feature.name}</span>'
    name = widgets.HTML(words, layout=widgets.Layout(flex="0 0 112px"))
    unit = widgets.Label(feature.unit, layout=widgets.Layout(flex="0 0 58px"))
    behind = widgets.HTML(histogram(real, feature.low, feature.high), layout=_wide("100%"))
    middle = _over(behind, slider)
    middle.layout.flex = "1 1 100px"
    return widgets.HBox([name, middle, number, unit])


def _over(below: widgets.Widget, above: widgets.Widget) -> widgets.GridBox:
    """Two widgets in one place, the second over the first."""
    for widget in (below, above):
        widget.layout.grid_area = "1 / 1 / 2 / 2"
    above.layout.align_self = "flex-start"
    return widgets.GridBox([below, above])


def histogram(values: np.ndarray, low: float, high: float, bins: int = 40) -> str:
    """Real values from `low` to `high` as an SVG picture, to lie behind a slider."""
    counts, _ = np.histogram(values[np.isfinite(values)], bins, (low, high))
    heights = 30 * np.sqrt(counts / max(1, counts.max()))  # the root lets rare values be seen
    bars = "".join(
        f'<rect x="{4 * place}" y="{30 - height:.1f}" width="3.4" height="{height:.1f}"/>'
        for place, height in enumerate(heights)
    )
    size = f'width="100%" height="30" viewBox="0 0 {4 * bins} 30" preserveAspectRatio="none"'
    style = "display:block; padding:0 8px; box-sizing:border-box; fill:#84b9d9"
    return f'<svg {size} style="{style}" aria-hidden="true">{bars}</svg>'


def curve(losses: list[float]) -> str:
    """The loss over the steps of a projection as an SVG picture, on a logarithmic scale."""
    y = np.log10(np.maximum(losses, 1e-8))
    low, high = y.min(), max(y.max(), y.min() + 1e-6)
    points = " ".join(
        f"{SHOWN * step / max(1, len(y) - 1):.1f},{4 + 62 * (high - value) / (high - low):.1f}"
        for step, value in enumerate(y)
    )
    words = f"unlikeness over {len(losses)} steps: {losses[0]:.3f} to {min(losses):.3f}"
    line = f'<polyline points="{points}" fill="none" stroke="#1f6fa8" stroke-width="2"/>'
    picture = f'<svg width="{SHOWN}" height="70" aria-hidden="true">{line}</svg>'
    return f'<figure style="margin:0">{picture}<br>{words}</figure>'
