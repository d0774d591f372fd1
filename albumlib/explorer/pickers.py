"""What one chooses from: songs and albums of a cover set by title, the models, and ideas."""

from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np
import pandas as pd

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.explorer import controls
from albumlib.explorer.state import LOST, Models
from albumlib.models.networks import Generator
from albumlib.sampling import latent
from albumlib.sampling.request import ALBUM, SONG, describe, from_label, moods, search

LATEST = 2**31  # seeds of surprises lie below
FIRST = "wild"  # the mood that the explorer opens with: strong colours, sharp edges
BY_NAME = "search by title or artist"
AVERAGES = ("mean", "most typical song", "medoid")


class Picker:
    """Finds songs and albums. `chosen` gets a label (10,), `complain` a sentence or ""."""

    def __init__(
        self,
        coverset: CoverSet,
        chosen: Callable[[np.ndarray], None],
        complain: Callable[[str], None],
    ):
        self.coverset, self.chosen, self.complain = coverset, chosen, complain
        labels = pd.DataFrame(coverset.labels[coverset.rows("train")])
        self.spread = labels.std(ddof=0).fillna(1).clip(lower=1e-3).to_numpy()
        self.kind = widgets.ToggleButtons(
            options=["songs", "albums"], tooltips=["search songs", "search albums"],
            style={"button_width": "80px"}, tooltip="what is searched",
        )  # fmt: skip
        self.search = widgets.Text(placeholder=BY_NAME, tooltip=BY_NAME)
        self.found = widgets.Select(
            options=[], rows=6, layout=controls.wide("100%"), tooltip="what was found"
        )
        self.average = widgets.Dropdown(
            options=AVERAGES, description="average", tooltip="average of an album's songs"
        )
        self.widgets = (self.kind, self.search, self.found, self.average)
        self._listing = False
        self._search()
        for asked in (self.kind, self.search):
            asked.observe(self._search, "value")
        for asked in (self.found, self.average):
            asked.observe(self._pick, "value")

    def _search(self, _=None) -> None:
        songs = self.kind.value == "songs"
        table = self.coverset.tracks if songs else self.coverset.table
        columns = SONG if songs else ALBUM
        positions = search(table, self.search.value, columns)
        named = [(describe(table.iloc[p], columns), int(p)) for p in positions]
        self._listing = True
        self.found.options, self.found.value = named, None
        self._listing = False
        nothing = f"no {self.kind.value[:-1]} has {self.search.value!r} in its name"
        self.complain("" if named else nothing)

    def _pick(self, _) -> None:
        position = self.found.value
        if self._listing or position is None:
            return
        tracks = self.coverset.tracks
        if self.kind.value == "songs":
            self.chosen(self.coverset.track_labels(tracks.iloc[[position]])[0])
        else:
            labels = self.coverset.track_labels(tracks[tracks["row"] == position])
            self.chosen(average(labels, self.average.value, self.spread))


def average(labels: np.ndarray, way: str, spread: np.ndarray) -> np.ndarray:
    """One label (10,) for an album's songs (n, 10), in one of the ways of AVERAGES."""
    if way == "mean" or not len(labels):
        return latent.album_label(labels)
    choose = latent.medoid if way == "medoid" else latent.most_typical
    return labels[choose(labels, spread)]


class ModelPicker:
    """`generator` is the model that is explored; `other`, if any, stands beside it at the same
    latents and labels. `chosen` is called when the first, `changed` when the second is another
    one, and `complain` with an error.

    Raises TrainingError if the first of the models cannot be opened.
    """

    def __init__(
        self,
        models: Models,
        chosen: Callable[[], None],
        changed: Callable[[], None],
        complain: Callable[[Exception], None],
    ):
        self.models, self.complain, self._quiet = models, complain, False
        names = list(models.files)
        self.generator: Generator = models.open(names[0])
        self.other: Generator | None = None
        self.model = controls.named(widgets.Dropdown, "model", options=names)
        self.beside = widgets.Dropdown(
            options=["", *names], description="beside", tooltip="a model to stand beside it"
        )
        self.widgets = (self.model, self.beside)
        self.model.observe(lambda change: self._take("generator", change, chosen), "value")
        self.beside.observe(lambda change: self._take("other", change, changed), "value")

    def _take(self, place: str, change: dict, then: Callable[[], None]) -> None:
        """Open the model of a new name; if that fails, the old name is shown again."""
        if self._quiet:
            return
        try:
            found = self.models.open(change["new"]) if change["new"] else None
        except LOST as error:
            self._quiet, change["owner"].value = True, change["old"]
            self._quiet = False
            self.complain(error)
            return
        setattr(self, place, found)
        then()


class Ideas:
    """Where to begin: moods, and the sound of an album by chance, over real labels (N, 10).
    `chosen` gets ten features in their units, None for an average one, and a seed, or None to keep
    it."""

    def __init__(
        self, labels: np.ndarray, chosen: Callable[[Sequence[float | None], int | None], None]
    ):
        self.labels, self.chosen, self.rng = labels, chosen, np.random.default_rng()
        self.surprise = controls.button("surprise me", 110).add_class("albumlib-main")
        self.surprise.on_click(self._surprise)
        self.moods = {name: controls.button(name, 100) for name in moods()}
        for name, button in self.moods.items():
            button.on_click(lambda _, name=name: self.chosen(self.values(name), None))
        self.widget = widgets.HBox([*self.moods.values()], layout=controls.WRAPPED)

    def values(self, mood: str) -> tuple[float | None, ...]:
        """The ten features of a mood among the labels."""
        asked, label = moods()[mood], np.full(features.COUNT, np.nan)
        for column, name in enumerate(features.NAMES):
            known = self.labels[np.isfinite(self.labels[:, column]), column]
            if name in asked and len(known):
                label[column] = np.percentile(known, asked[name])
        return from_label(label)

    def _surprise(self, _) -> None:
        label = self.labels[self.rng.integers(len(self.labels))]
        self.chosen(from_label(label), int(self.rng.integers(LATEST)))
