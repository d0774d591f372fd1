"""The explorer: sliders for the ten features, and a cover that follows them.

Widgets only ask; drawing happens on a thread that always takes the newest request and drops those
in between, so that a slider never waits for pictures that nobody will see. Pictures travel as
JPEG, errors appear over the picture, and the explorer goes on.
"""

from __future__ import annotations

import html
import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from albumlib import AlbumlibError, features, figures
from albumlib.dataset.coverset import CoverSet
from albumlib.dataset.images import CoverRejected, decode
from albumlib.evaluation import metrics
from albumlib.explorer import controls
from albumlib.explorer.latest_only import LatestOnly, Stopped
from albumlib.features import FEATURES, NAMES
from albumlib.models.checkpoint import load_generator
from albumlib.models.networks import Generator
from albumlib.sampling import latent, request, video
from albumlib.sampling.request import ALBUM, SONG, Request

GRIDS = (1, 4, 9, 16, 64)  # covers at a time
NEAREST = 5  # training covers beside the drawn one
AVERAGES = ("mean", "most typical song", "medoid")
LOST = (AlbumlibError, OSError, RuntimeError)  # what a person may meet: RuntimeError is torch's


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
        self.folder, self.newest = Path(folder), LatestOnly()
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
    def drawing(self) -> Request:
        """What the widgets ask for. Raises RequestError if they ask for the impossible."""
        first = self.seed.value
        return Request(
            tuple(range(first, first + (1 if self._z else self.grid.value))),
            tuple(slider.value for slider in self.sliders),
            self.truncation.value,
            tuple(slider.value for slider in self.steps),
            self._z,
            **{n: controls.asked(w) for n, w in self.told.items() if w.layout.display != "none"},
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
        self.message.value = ""  # here, so that what is said while this is drawn stays
        self.newest.ask(lambda: self._guarded(self._draw, wanted))

    def wait(self) -> Explorer:
        """Until the picture shows what the widgets ask for."""
        self.newest.wait()
        return self

    def complain(self, error: BaseException | str) -> None:
        """Show one sentence over the picture."""
        words = html.escape(str(error)).replace("\n", " ")
        self.message.value = (
            f'<div role="alert" style="{controls.ALERT}">{words}</div>' if words else ""
        )

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

    def _draw(self, wanted: Request) -> None:
        started = time.perf_counter()
        covers = wanted.draw(self.generator)
        sheets = [covers] if self._beside is None else [covers, wanted.draw(self._beside)]
        self.picture.value = controls.to_jpeg(side_by_side(sheets))
        milliseconds = 1000 * (time.perf_counter() - started)
        self.state.value = f"drawn in {milliseconds:.0f} ms"
        if self.neighbours.value:
            self.nearest.value = controls.to_jpeg(request.contact_sheet(self._nearest(covers[0])))

    def _nearest(self, cover: np.ndarray) -> np.ndarray:
        """The NEAREST training covers, nearest first."""
        if self._thumbnails is None:
            self._thumbnails = metrics.thumbnails(self.coverset.images[self.rows], 8)
        distances = np.square(self._thumbnails - metrics.thumbnails(cover[None], 8)).sum(1)
        return self.coverset.images[self.rows[np.argsort(distances)[:NEAREST]]]

    # The widgets

    def _build(self, seed: int) -> None:
        values = request.from_label(self.middle)
        self.sliders = [controls.slider(f, v) for f, v in zip(FEATURES, values, strict=True)]
        self.numbers = [controls.number(f, v) for f, v in zip(FEATURES, values, strict=True)]
        self.together = widgets.Checkbox(False, description="related features follow", indent=False)
        self.seed = widgets.IntText(seed, description="seed", layout=controls.wide("150px"))
        self.previous, self.next = (
            controls.button(words, 90) for words in ("◀ previous", "next ▶")
        )
        self.grid = widgets.Dropdown(
            options=GRIDS, description="covers", layout=controls.wide("150px")
        )
        self.truncation = controls.plain("truncation", 0, 1, 1.0)
        self.steps = [controls.plain(f"direction {n}", -2, 2, 0.0) for n in range(1, 9)]
        self.reset = controls.button("reset")
        self.told = controls.told()  # for models that listen to more than the features
        self.frames: list[Request] = []
        self.keep = controls.button("keep as key frame", 150)
        self.film_name = widgets.Text("film.gif", layout=controls.wide("110px"))
        self.film, self.forget = (controls.button(words, 70) for words in ("film", "forget"))
        self.model = widgets.Dropdown(options=list(self.checkpoints), description="model")
        self.beside = widgets.Dropdown(options=["", *self.checkpoints], description="beside")
        self.kind = widgets.ToggleButtons(
            options=["songs", "albums"], style={"button_width": "80px"}
        )
        self.average = widgets.Dropdown(options=AVERAGES, description="average")
        self.search = widgets.Text(placeholder="search by title or artist")
        self.found = widgets.Select(options=[], rows=6, layout=controls.wide("100%"))
        self.name = widgets.Text("cover.png", description="save as")
        self.save = controls.button("save")
        self.upload = widgets.FileUpload(
            accept="image/*",
            description="open or project",
            multiple=False,
            layout=controls.wide("190px"),
        )
        self.neighbours = widgets.Checkbox(
            False, description="nearest training covers", indent=False
        )
        self.picture = widgets.Image(format="jpeg", layout=controls.wide(f"{controls.SHOWN}px"))
        self.nearest = widgets.Image(format="jpeg", layout=controls.wide(f"{controls.SHOWN}px"))
        self.message, self.curve = widgets.HTML(), widgets.HTML()
        self.state = widgets.Label()
        self.progress = widgets.IntProgress(0, 0, 1, layout=controls.wide(f"{controls.SHOWN}px"))
        self.progress.layout.visibility = self.nearest.layout.visibility = "hidden"
        self._connect()
        self._search()
        self._fit_to_model()
        self.widget = self._arranged()

    def _connect(self) -> None:
        for column, (slider, number) in enumerate(zip(self.sliders, self.numbers, strict=True)):
            slider.observe(lambda change, c=column: self._moved(c, change), "value")
            number.observe(lambda change, c=column: self._typed(c, change["new"]), "value")
        for asked in (self.truncation, self.grid, *self.steps, *self.told.values()):
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
        self.keep.on_click(self._keep)
        self.film.on_click(self._film)
        self.forget.on_click(self._forget)
        self.upload.observe(self._uploaded, "value")
        self.neighbours.observe(self._show_nearest, "value")

    def _arranged(self) -> widgets.Box:
        real = features.from_unit(self.labels)
        rows = [
            controls.feature_row(feature, slider, number, real[:, column])
            for column, (feature, slider, number) in enumerate(
                zip(FEATURES, self.sliders, self.numbers, strict=True)
            )
        ]
        shown = controls.over(self.picture, self.message)
        shown.add_class("albumlib-cover")
        left = [
            widgets.HTML(controls.CSS), shown, self.state, self.progress, self.curve,
            self.neighbours, self.nearest, widgets.HBox([self.name, self.save]), self.upload,
            widgets.HBox([self.keep, self.film_name, self.film, self.forget],
                         layout=widgets.Layout(flex_flow="row wrap")),
        ]  # fmt: skip
        middle = [*rows, widgets.HBox([self.together, self.reset]), *self.told.values()]
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
            self._quietly(self.numbers[column], controls.short(change["new"]))
            self.redraw()

    def _typed(self, column: int, value: float) -> None:
        feature = FEATURES[column]
        if self._quiet:
            return
        if not feature.low <= value <= feature.high:  # also for NaN
            self.complain(request.out_of_range(feature, value))
        else:
            self.message.value = ""
            self.sliders[column].value = value

    def _unit(self, column: int, value: float) -> float:
        whole = np.full(features.COUNT, value)
        return float(features.to_unit(whole)[column])

    def _set_label(self, label: np.ndarray) -> None:
        """Move all sliders at once; a missing feature goes to the mean of real values."""
        label = np.where(np.isfinite(label), label, self.middle)
        for column, value in enumerate(request.from_label(label)):
            self._quietly(self.sliders[column], value)
            self._quietly(self.numbers[column], controls.short(value))
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
        self._z, self.frames = None, []  # which were drawn by the model before
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
        for name, widget in self.told.items():
            widget.layout.display = None if name in self.generator.conditioned_on else "none"
        self.together.description = (
            "related features follow" if self.generator.labels
            else "this model was trained without labels: seeds and directions move it"
        )  # fmt: skip

    def _search(self, _=None) -> None:
        table, columns = self._searched()
        positions = request.search(table, self.search.value, columns)
        named = [(request.describe(table.iloc[p], columns), int(p)) for p in positions]
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
            path = request.save(
                self.folder / Path(self.name.value).name, self.drawing, self.generator,
                columns=max(1, int(self.grid.value**0.5)),
            )  # fmt: skip
        except LOST as error:
            self.complain(error)
        else:
            self.message.value, self.state.value = "", f"saved {path.name}"

    def _keep(self, _) -> None:
        """What is shown becomes a key frame of a film."""
        try:
            self.frames.append(self.drawing)
        except LOST as error:
            self.complain(error)
        else:
            self.state.value = f"key frames: {len(self.frames)}"

    def _forget(self, _) -> None:
        self.frames, self.state.value = [], "key frames: 0"

    def _film(self, _) -> None:
        """A film through the key frames; whatever is moved meanwhile stops it."""
        path, frames = self.folder / Path(self.film_name.value).name, list(self.frames)

        def work() -> None:
            with self._long_work("film"):
                video.film(frames, self.generator, path, progress=self._progressed)
            self.message.value, self.state.value = "", f"saved {path.name}"

        self.newest.ask(lambda: self._guarded(work))

    @contextmanager
    def _long_work(self, what: str) -> Iterator[None]:
        self.progress.description, self.progress.layout.visibility = what, "visible"
        try:
            yield
        finally:
            self.progress.layout.visibility = "hidden"

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
            saved = request.load(data)
        except LOST:  # a foreign picture, or none at all, which `decode` tells
            self.newest.ask(lambda: self._guarded(self._project, data))
            return
        try:
            self.show(request.load(data, self.generator))
        except LOST as error:
            self.complain(error)
        else:
            self.state.value = f"opened: seed {saved.seeds[0]}"

    def show(self, wanted: Request) -> None:
        """Set all widgets to what a drawing asks for."""
        if len(wanted.seeds) not in GRIDS:
            raise request.RequestError(f"a grid of {len(wanted.seeds)} covers cannot be shown here")
        self._z = wanted.z
        self._quietly(self.seed, wanted.seeds[0])
        self._quietly(self.grid, len(wanted.seeds) if wanted.z is None else self.grid.value)
        self._quietly(self.truncation, wanted.truncation)
        steps = (*wanted.steps, *[0.0] * len(self.steps))
        for slider, value in zip(self.steps, steps, strict=False):
            self._quietly(slider, value)
        for name, widget in self.told.items():
            self._quietly(widget, controls.admitted(widget, getattr(wanted, name)))
        self._set_label(wanted.label)

    def _project(self, data: bytes) -> None:
        try:
            cover = decode(data, self.generator.size).pixels
        except CoverRejected as error:
            raise request.RequestError(f"this file cannot be used: {error}") from error
        with self._long_work("project"):
            found = latent.project(self.generator, cover, progress=self._progressed)
        self.curve.value = controls.curve(found.losses)
        label = np.full(features.COUNT, np.nan) if found.labels is None else found.labels
        seed, z = self.seed.value, tuple(found.z[0].tolist())
        self.show(Request((seed,), request.from_label(label), z=z))

    def _progressed(self, _what: str, done: int, total: int) -> None:
        self.newest.check()
        self.progress.max, self.progress.value = total, done


def still(wanted: Request, generator: Generator, coverset: CoverSet) -> Figure:
    """A still of the explorer: covers at the left, the ten features among real values."""
    values = dict(zip(NAMES, wanted.features, strict=True))
    return figures.feature_positions(wanted.draw(generator), values, coverset.table)


def side_by_side(sheets: list[np.ndarray]) -> np.ndarray:
    """Sets of covers (n, S, S, 3), each a square sheet, next to each other with a white gap."""
    size = max(covers.shape[1] for covers in sheets)
    squares = [
        request.contact_sheet(request.enlarge(covers, size), max(1, int(len(covers) ** 0.5)))
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
