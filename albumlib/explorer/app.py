"""The explorer: sliders for the ten features, and a cover that follows them.

Widgets only ask; covers are generated on a thread that always takes the newest request. A picture
is sent at once as it is, and enlarged when nothing has moved for a moment. Errors appear over the
picture, and the explorer goes on.
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import metrics
from albumlib.explorer import controls, serve, uploads
from albumlib.explorer.feature_sliders import FeatureSliders
from albumlib.explorer.files import LARGEST_LINK, Files
from albumlib.explorer.latent_controls import Extras, LatentControls
from albumlib.explorer.latest_only import LatestOnly, Stopped
from albumlib.explorer.pickers import FIRST, Ideas, ModelPicker, Picker
from albumlib.explorer.state import LOST, History, Models, Shown, Stars
from albumlib.explorer.view import Strip, View, side_by_side, still
from albumlib.models.networks import Generator
from albumlib.runtime.pictures import to_png
from albumlib.sampling.request import Request, RequestError, beyond, contact_sheet, fingerprint

NEAREST = 5  # training covers beside the generated one
SETTLED = 0.15  # seconds after which a picture is worth enlarging


class Explorer:
    """Sliders, pickers and a picture, for one or several checkpoints by name.

    `checkpoints` are files or folders; they are opened when chosen; without any they are the
    pretrained ones. `coverset` gives the songs, the albums and the distributions of real values;
    without one it is the imprint's, made in `folder`. There pictures are saved, and stars kept;
    files of up to `largest_link` bytes can also be downloaded. Show it as the last value of a
    notebook's cell. Raises TrainingError if the first checkpoint cannot be opened, CoverSetError
    if the set has no labels, ExploreError if there is no pretrained model.
    """

    def __init__(
        self,
        checkpoints: Mapping[str, str | Path] | None = None,
        coverset: CoverSet | None = None,
        folder: str | Path = ".",
        seed: int = 2021,
        largest_link: int = LARGEST_LINK,
    ):
        covers = CoverSet.open(serve.cover_set(Path(folder))) if coverset is None else coverset
        self.models, self.coverset = Models(checkpoints or serve.pretrained()), covers.with_labels()
        self.newest, self.slow = LatestOnly(), LatestOnly()
        self.rows = covers.rows("train")
        self._thumbnails: np.ndarray | None = None
        self.view, self.files = View(), Files(folder, largest_link)
        self._build(seed)
        self._connect()
        self._fit_to_model()
        self.widget = self._arranged()
        self.features.set_values(self.ideas.values(FIRST))

    # What is asked for, and the picture of it

    @property
    def generator(self) -> Generator:
        return self.picked.generator

    @property
    def request(self) -> Request:
        """What the widgets ask for. Raises RequestError if they ask for the impossible."""
        fields = self.latents.fields | self.extras.fields
        return Request(features=self.features.values, **fields)

    def redraw(self, _=None) -> None:
        """Generate what the widgets ask for, on the thread."""
        try:
            wanted = self.request
        except LOST as error:
            self.view.complain(error)
            return
        self.view.message.value = ""  # here, so that what is said while this is generated stays
        self.strip.mark(wanted in self.starred)
        self.newest.ask(lambda: self._guarded(self._draw, wanted))

    def wait(self) -> "Explorer":
        """Until the picture shows what the widgets ask for, and long work is done."""
        self.slow.wait()
        self.newest.wait()
        return self

    def work(self, work: Callable, *arguments) -> None:
        """Do long work on a thread of its own; what was under way there is given up."""
        self.slow.ask(lambda: self._guarded(work, *arguments))

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
        started, generator, other = time.perf_counter(), self.generator, self.picked.other
        covers = wanted.draw(generator)
        sheets = [covers] if other is None else [covers, wanted.draw(other)]
        self.view.show(side_by_side(sheets), wanted)
        self.view.say(f"generated in {1000 * (time.perf_counter() - started):.0f} ms")
        self.view.explain(beyond(wanted, generator))
        if self.view.neighbours.value:
            self.view.nearest.value = to_png(contact_sheet(self._nearest(covers[0])))
        self.newest.settle(SETTLED)
        self.history.add(self._shown(wanted, covers))
        self._show_strip()
        self.view.show(side_by_side(sheets, controls.SHOWN), wanted)

    def _shown(self, wanted: Request, covers: np.ndarray) -> Shown:
        return Shown(wanted, controls.thumbnail(side_by_side([covers])))

    def _nearest(self, cover: np.ndarray) -> np.ndarray:
        if self._thumbnails is None:
            self._thumbnails = metrics.thumbnails(self.coverset.images[self.rows], 8)
        distances = np.square(self._thumbnails - metrics.thumbnails(cover[None], 8)).sum(1)
        return self.coverset.images[self.rows[np.argsort(distances)[:NEAREST]]]

    # The widgets

    def _build(self, seed: int) -> None:
        labels = self.coverset.labels[self.rows]
        self.picked = ModelPicker(self.models, self._fit_to_model, self.redraw, self.view.complain)
        self.model, self.beside = self.picked.widgets
        self.features = FeatureSliders(labels, self.redraw, self.view.complain)
        self.picker = Picker(self.coverset, self.features.set, self.view.complain)
        self.ideas = Ideas(labels, self._begin)
        self.latents, self.extras = LatentControls(seed, self.redraw), Extras(self.redraw)
        self.strip = Strip(self._take)
        self.reset, self.undo, self.redo = map(controls.button, ("reset", "↶ undo", "redo ↷"))
        self.upload = widgets.FileUpload(
            accept=",".join(("image/*", *uploads.SONGS, *uploads.TABLES)),
            description="open a file", multiple=False, layout=controls.wide("190px"),
            tooltip="a saved picture, a photograph to project, a song, or a table of songs",
        )  # fmt: skip

    def _connect(self) -> None:
        self.upload.observe(self._uploaded, "value")
        self.view.neighbours.observe(self._show_nearest, "value")
        clicks = {
            self.reset: self._reset,
            self.undo: lambda: self._go(self.history.place - 1),
            self.redo: lambda: self._go(self.history.place + 1),
            self.strip.star: self._star,
            self.view.stop: self.slow.stop,
            self.files.save: self._save,
            self.files.video: self._save_video,
        }
        for button, action in clicks.items():
            button.on_click(lambda _, action=action: self._guarded(action))

    def _arranged(self) -> widgets.Box:
        """The picture, the sliders beside or below it, and everything else in folded groups."""
        layout, *extras = self.extras.widgets.values()
        groups = {
            "Look": [*extras, *self.latents.widgets],
            "Songs and albums": self.picker.widgets,
            "Save pictures and videos": self.files.widgets,
            "Open a picture, a song or a playlist": [self.upload, *self.view.folded],
            "Models": self.picked.widgets,
        }
        actions = [self.ideas.surprise, self.undo, self.redo, self.strip.star, self.files.save]
        bar = widgets.HBox(actions).add_class("albumlib-actions")
        moved = widgets.HBox([self.features.together, self.reset], layout=controls.WRAPPED)
        sliders = [*self.features.rows, self.features.explanation, moved, self.ideas.widget, layout]
        parts = {
            "stage": widgets.VBox(
                [widgets.HTML(serve.STYLE), *self.view.widgets, bar, self.strip.widget,
                 self.files.link]
            ),
            "sliders": widgets.VBox(sliders),
            "folded": widgets.Accordion([*map(widgets.VBox, groups.values())], titles=[*groups]),
        }  # fmt: skip
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

    def _reset(self) -> None:
        self.latents.reset()
        self.features.set(np.full(features.COUNT, np.nan))

    def _begin(self, values: Sequence[float | None], seed: int | None) -> None:
        """Go on from the features of a mood or an album, and a seed where there is one."""
        if seed is not None:
            self.latents.set(Request((seed,)))
            self.extras.set(Request())
        self.features.set_values(values)

    def _fit_to_model(self) -> None:
        """Begin anew with the model that was chosen."""
        labelled = bool(self.generator.labels)
        self.features.fit(labelled)
        self.extras.fit(self.generator)
        for widget in (self.picker.search, self.picker.found):
            widget.disabled = not labelled
        self.latents.z = None  # which was found for the model before
        self.history, self.kept, self.stars = History(), [], None
        self._guarded(self._open_stars)
        self.redraw()

    def _show_nearest(self, change: dict) -> None:
        self.view.nearest.layout.display = None if change["new"] else "none"
        self.redraw()

    def show(self, wanted: Request) -> None:
        """Set all widgets to what is asked for. Raises RequestError if this model cannot do it."""
        wanted.conditions(self.generator)
        self.latents.set(wanted)
        self.extras.set(wanted)
        self.features.set_values(wanted.features)

    # What was shown, and what was starred

    @property
    def starred(self) -> Sequence[Request]:
        """The requests that were starred with this model."""
        return self.stars.requests if self.stars else ()

    def _open_stars(self) -> None:
        self.stars = Stars(self.files.folder / "stars.json", fingerprint(self.generator))
        self.kept = [self._shown(one, one.draw(self.generator)) for one in self.starred]

    def _show_strip(self) -> None:
        """What was starred on an earlier visit, then what was shown on this one."""
        present = len(self.kept) + self.history.place
        self.strip.show([*self.kept, *self.history.covers], present, self.starred)
        self.undo.disabled = self.history.place <= 0
        self.redo.disabled = self.history.place >= len(self.history.covers) - 1
        self.files.announce(len(self.starred))

    def _star(self) -> None:
        wanted = self.request
        if self.stars is None:
            self._open_stars()  # again, for the error
        self.stars.toggle(wanted)
        self.strip.mark(wanted in self.starred)
        self._show_strip()

    def _take(self, place: int) -> None:
        if place < len(self.kept):
            self._guarded(self.show, self.kept[place].request)
        else:
            self._guarded(self._go, place - len(self.kept))

    def _go(self, place: int) -> None:
        found = self.history.go(place)
        if found is not None:
            self.show(found)
            self._show_strip()

    # Files

    def _save(self) -> None:
        path = self.files.write_picture(self.request, self.generator)
        self.view.complain("")
        self.view.say(f"saved {path.name}")

    def _save_video(self) -> None:
        """A video through what was starred, while the sliders go on moving the cover."""
        before = [cover.request for cover in self.history.covers[: self.history.place + 1]]
        frames = self.starred if len(self.starred) > 1 else before[-2:]
        if len(frames) < 2:
            raise RequestError("a video needs two covers: move something first")
        generator = self.generator

        def write() -> None:
            with self.view.long_work("video"):
                path = self.files.write_video(frames, generator, self.progressed)
            self.view.complain("")
            self.view.say(f"saved {path.name}")

        self.work(write)

    def _uploaded(self, change: dict) -> None:
        if change["new"]:
            self.open(bytes(change["new"][0]["content"]), change["new"][0]["name"])
            self.upload.value = ()  # so that the same file can be chosen again

    def open(self, data: bytes, name: str = "") -> None:
        """Open a picture that was saved here, project another one, or make the covers of a song or
        a table of songs, which are known by the ending of `name`."""
        self._guarded(uploads.open_file, self, data, name)

    def progressed(self, _what: str, done: int, total: int) -> None:
        """Show how far long work is. Raises Stopped if it is to end."""
        self.slow.check()
        self.view.progressed(done, total)
