"""Where to begin: named moods, and the sound of an album by chance."""

from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np

from albumlib import features
from albumlib.explorer import controls
from albumlib.sampling.request import from_label, moods

LATEST = 2**31  # seeds of surprises lie below
FIRST = "wild"  # the mood that the explorer opens with: strong colours, sharp edges


class Ideas:
    """Buttons over real labels (N, 10). `chosen` gets ten features in their units, None for an
    average one, and a seed, or None to keep it."""

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
