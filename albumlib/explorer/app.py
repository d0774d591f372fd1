"""The explorer: sliders for the ten features, and a cover that follows them.

Widgets only ask; covers are generated on a thread that always takes the newest request and drops
those in between, so that a slider never waits for pictures that nobody will see. A picture is sent
at once as it is, and enlarged when nothing has moved for a moment. Errors appear over the picture,
and the explorer goes on.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from albumlib import AlbumlibError, features
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import metrics
from albumlib.explorer import controls, uploads
from albumlib.explorer.feature_sliders import FeatureSliders
from albumlib.explorer.files import LARGEST_LINK, Files
from albumlib.explorer.ideas import Ideas
from albumlib.explorer.latent_controls import LatentControls
from albumlib.explorer.latest_only import LatestOnly, Stopped
from albumlib.explorer.pickers import Picker
from albumlib.explorer.state import History, Models
from albumlib.explorer.uploads import TABLES
from albumlib.explorer.view import View, side_by_side, still
from albumlib.models.networks import Generator
from albumlib.sampling.request import Request, RequestError, beyond, contact_sheet, load
from albumlib.sources.music import SUFFIXES as SONGS

NEAREST = 5  # training covers beside the generated one
SETTLED = 0.15  # seconds after which a picture is worth enlarging
LOST = (AlbumlibError, OSError, RuntimeError)  # what a person may meet: RuntimeError is torch's


class Explorer:
    """Sliders, pickers and a picture, for one or several checkpoints by name.

    `checkpoints` are files or folders; they are opened when chosen. `coverset` gives the songs,
    the albums and the distributions of real values. `folder` is where pictures are saved; files of
    up to `largest_link` bytes can also be downloaded. Show it as the last value of a notebook's
    cell. Raises TrainingError if the first checkpoint cannot be opened, CoverSetError if the set
    has no labels.
    """

    def __init__(
        self,
        checkpoints: Mapping[str, str | Path],
        coverset: CoverSet,
        folder: str | Path = ".",
        seed: int = 2021,
        largest_link: int = LARGEST_LINK,
    ):
        self.models, self.coverset = Models(checkpoints), coverset.with_labels()
        self.newest, self.slow, self.history = LatestOnly(), LatestOnly(), History()
        self.rows = coverset.rows("train")
        self.generator = self.models.open(next(iter(checkpoints)))
        self._beside: Generator | None = None
        self._thumbnails: np.ndarray | None = None
        self._quiet = False
        self.view = View()
        self._build(seed, Files(folder, largest_link))
        self._connect()
        self._fit_to_model()
        self.widget = self._arranged()
        self.redraw()

    # What is asked for, and the picture of it

    @property
    def request(self) -> Request:
        """What the widgets ask for. Raises RequestError if they ask for the impossible."""
        more = {n: w for n, w in self.extras.items() if w.layout.display != "none"}
        return Request(
            features=self.features.values,
            **self.latents.fields,
            **{name: controls.asked(widget) for name, widget in more.items()},
        )

    def redraw(self, _=None) -> None:
        """Generate what the widgets ask for, on the thread."""
        if self._quiet:
            return
        try:
            wanted = self.request
        except LOST as error:
            self.view.complain(error)
            return
        self.view.message.value = ""  # here, so that what is said while this is generated stays
        self.newest.ask(lambda: self._guarded(self._draw, wanted))

    def wait(self) -> Explorer:
        """Until the picture shows what the widgets ask for, and long work is done."""
        self.slow.wait()
        self.newest.wait()
        return self

    def figure(self) -> Figure:
        """The same as a still: the covers, and where each feature stands among real values."""
        self.wait()
        return still(self.request, self.generator, self.coverset)

    def _guarded(self, work: Callable, *arguments) -> None:
        try:
            work(*arguments)
        except Stopped:
            return
        except LOST as error:
            self.view.complain(error)

    def _draw(self, wanted: Request) -> None:
        started, generator = time.perf_counter(), self.generator
        covers = wanted.draw(generator)
        sheets = [covers] if self._beside is None else [covers, wanted.draw(self._beside)]
        self.view.show(side_by_side(sheets), wanted)
        self.view.say(f"generated in {1000 * (time.perf_counter() - started):.0f} ms")
        self.view.explain(beyond(wanted, generator))
        if self.view.neighbours.value:
            self.view.nearest.value = controls.to_png(contact_sheet(self._nearest(covers[0])))
        self.newest.settle(SETTLED)
        self.history.add(wanted)
        self.view.show(side_by_side(sheets, controls.SHOWN), wanted)

    def _nearest(self, cover: np.ndarray) -> np.ndarray:
        """The NEAREST training covers, nearest first."""
        if self._thumbnails is None:
            self._thumbnails = metrics.thumbnails(self.coverset.images[self.rows], 8)
        distances = np.square(self._thumbnails - metrics.thumbnails(cover[None], 8)).sum(1)
        return self.coverset.images[self.rows[np.argsort(distances)[:NEAREST]]]

    # The widgets

    def _build(self, seed: int, files: Files) -> None:
        labels = self.coverset.labels[self.rows]
        self.features = FeatureSliders(labels, self.redraw, self.view.complain)
        self.picker = Picker(self.coverset, self.features.set, self.view.complain)
        self.ideas = Ideas(labels, self._begin)
        self.latents, self.files = LatentControls(seed, self.redraw), files
        self.reset, self.undo, self.redo = map(controls.button, ("reset", "↶ undo", "redo ↷"))
        self.extras = controls.extras()  # for models that are conditioned on more than features
        names = list(self.models.files)
        self.model = widgets.Dropdown(options=names, description="model", tooltip="model")
        self.beside = widgets.Dropdown(
            options=["", *names], description="beside", tooltip="a model to stand beside it"
        )
        self.upload = widgets.FileUpload(
            accept=",".join(("image/*", *SONGS, *TABLES)), description="open a file",
            multiple=False, layout=controls.wide("190px"),
            tooltip="a saved picture, a photograph to project, a song, or a table of songs",
        )  # fmt: skip

    def _connect(self) -> None:
        for asked in self.extras.values():
            asked.observe(self.redraw, "value")
        self.model.observe(self._choose_model, "value")
        self.beside.observe(self._choose_beside, "value")
        self.upload.observe(self._uploaded, "value")
        self.view.neighbours.observe(self._show_nearest, "value")
        clicks = {
            self.reset: self._reset,
            self.undo: lambda: self._go(-1),
            self.redo: lambda: self._go(1),
            self.view.stop: self.slow.stop,
            self.files.save: self._save,
            self.files.keep: self._keep,
            self.files.video: self._video,
            self.files.forget: self._forget,
        }
        for button, action in clicks.items():
            button.on_click(lambda _, action=action: self._guarded(action))

    def _arranged(self) -> widgets.Box:
        """The picture, the sliders beside or below it, and everything else in folded groups."""
        groups = {
            "Look": [*self.extras.values(), *self.latents.widgets],
            "Songs and albums": self.picker.widgets,
            "Save and film": self.files.widgets,
            "Open a picture, a song or a playlist": [self.upload, *self.view.folded],
            "Models": [self.model, self.beside],
        }
        moved = widgets.HBox([self.reset, self.undo, self.redo], layout=controls.WRAPPED)
        sliders = [
            *self.features.rows, self.features.explanation, self.features.together,
            self.ideas.widget, moved,
        ]  # fmt: skip
        folded = widgets.Accordion([*map(widgets.VBox, groups.values())], titles=tuple(groups))
        parts = {
            "stage": widgets.VBox(
                [widgets.HTML(controls.CSS), *self.view.widgets, self.files.link]
            ),
            "sliders": widgets.VBox(sliders),
            "folded": folded,
        }
        for name, part in parts.items():
            part.add_class(f"albumlib-{name}")
        return widgets.Box([*parts.values()]).add_class("albumlib")

    def _repr_mimebundle_(self, **options) -> dict:
        """A still for those who cannot show widgets, and the widgets for the others."""
        picture = io.BytesIO()
        self.figure().savefig(picture, format="jpeg")
        shown = self.widget._repr_mimebundle_(**options)
        return shown | {"image/jpeg": picture.getvalue(), "text/plain": "Explorer"}

    # What happens when something is moved, clicked or chosen

    def _quietly(self, widget: widgets.Widget, value) -> None:
        before, self._quiet = self._quiet, True
        try:
            widget.value = value
        finally:
            self._quiet = before

    def _reset(self) -> None:
        self.latents.reset()
        self.features.set(np.full(features.COUNT, np.nan))

    def _begin(self, values: Sequence[float | None], seed: int | None) -> None:
        """Go on from the features of a mood or an album, and a seed where there is one."""
        if seed is not None:
            self.latents.set(Request((seed,)))
        self.features.set_values(values)

    def _go(self, by: int) -> None:
        found = self.history.go(by)
        if found is None:
            self.view.say("there is nothing to undo" if by < 0 else "there is nothing to redo")
        else:
            self.show(found)

    def _choose_model(self, change: dict) -> None:
        if self._quiet:
            return
        try:
            self.generator = self.models.open(change["new"])
        except LOST as error:
            self._quietly(self.model, change["old"])
            self.view.complain(error)
            return
        self.latents.z, self.files.frames = None, []  # which were generated by the model before
        self.history = History()
        self._fit_to_model()
        self.redraw()

    def _choose_beside(self, change: dict) -> None:
        """Another model at the same latents and labels, at the right of the first."""
        if self._quiet:
            return
        try:
            self._beside = self.models.open(change["new"]) if change["new"] else None
        except LOST as error:
            self._quietly(self.beside, change["old"])
            self.view.complain(error)
        else:
            self.redraw()

    def _fit_to_model(self) -> None:
        labelled = bool(self.generator.labels)
        self.features.fit(labelled)
        for widget in (self.picker.search, self.picker.found):
            widget.disabled = not labelled
        for name, widget in self.extras.items():
            widget.layout.display = None if name in self.generator.conditioned_on else "none"

    def _save(self) -> None:
        path = self.files.write_picture(self.request, self.generator)
        self.view.complain("")
        self.view.say(f"saved {path.name}")

    def _keep(self) -> None:
        """What is shown becomes a key frame of a video."""
        self.files.frames.append(self.request)
        self.view.say(f"key frames: {len(self.files.frames)}")

    def _forget(self) -> None:
        self.files.frames = []
        self.view.say("key frames: 0")

    def _video(self) -> None:
        """A video through the key frames, while the sliders go on moving the cover."""
        frames, generator = list(self.files.frames), self.generator

        def work() -> None:
            with self.view.long_work("video"):
                path = self.files.write_video(frames, generator, self.progressed)
            self.view.complain("")
            self.view.say(f"saved {path.name}")

        self.slow.ask(lambda: self._guarded(work))

    def _show_nearest(self, change: dict) -> None:
        self.view.nearest.layout.visibility = "visible" if change["new"] else "hidden"
        self.redraw()

    def _uploaded(self, change: dict) -> None:
        if change["new"]:
            self.open(bytes(change["new"][0]["content"]), change["new"][0]["name"])
            self.upload.value = ()  # so that the same file can be chosen again

    def open(self, data: bytes, name: str = "") -> None:
        """Open a picture that was saved here, with its model, or project another picture; show the
        cover of a song that is measured, or make the covers of a table of songs. `name` is the
        file's, by whose ending songs and tables are known.
        """
        kind = Path(name).suffix.lower()
        if kind in SONGS or kind in TABLES:
            work = uploads.measure if kind in SONGS else uploads.playlist
            self.slow.ask(lambda: self._guarded(work, self, data, name))
            return
        try:
            saved = load(data)
        except LOST:  # a foreign picture, or none at all, which `decode` tells
            self.slow.ask(lambda: self._guarded(uploads.project, self, data))
            return
        self._guarded(self._open, saved)

    def _open(self, saved: Request) -> None:
        name = self.models.name_of(saved.model)
        if name is None:
            raise RequestError(f"this picture was made by model {saved.model}, which is not here")
        self.model.value = name
        self.show(saved)
        self.view.say(f"opened: seed {saved.seeds[0]}")

    def show(self, wanted: Request) -> None:
        """Set all widgets to what is asked for."""
        self.latents.set(wanted)
        for name, widget in self.extras.items():
            self._quietly(widget, controls.admitted(widget, getattr(wanted, name)))
        self.features.set_values(wanted.features)

    def progressed(self, _what: str, done: int, total: int) -> None:
        """Show how far long work is. Raises Stopped if it is to end."""
        self.slow.check()
        self.view.progressed(done, total)
