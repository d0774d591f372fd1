"""The ten sliders, each in front of the values of the cover set, with a box for its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np

from albumlib import features
from albumlib.explorer import controls
from albumlib.features import FEATURES
from albumlib.sampling import latent
from albumlib.sampling.request import from_label, out_of_range

FOLLOW = "related features follow"
UNLABELLED = "This model was trained without labels: seeds and directions move it."


class FeatureSliders:
    """Sliders for real labels (N, 10). `changed` is called when one has moved, `complain` with a
    sentence about a number that its feature cannot have."""

    def __init__(
        self, labels: np.ndarray, changed: Callable[[], None], complain: Callable[[str], None]
    ):
        self.changed, self.complain, self._quiet = changed, complain, False
        self.middle = np.nan_to_num(latent.album_label(labels))
        self.slopes = latent.regression_slopes(labels)
        values = from_label(self.middle)
        self.sliders = [controls.slider(f, v) for f, v in zip(FEATURES, values, strict=True)]
        self.numbers = [controls.number(f, v) for f, v in zip(FEATURES, values, strict=True)]
        self.together = widgets.Checkbox(False, description=FOLLOW, indent=False, tooltip=FOLLOW)
        self.explanation = widgets.HTML()
        real = features.from_unit(labels)
        self.rows = [
            controls.feature_row(feature, slider, number, real[:, column])
            for column, (feature, slider, number) in enumerate(
                zip(FEATURES, self.sliders, self.numbers, strict=True)
            )
        ]
        for column, (slider, number) in enumerate(zip(self.sliders, self.numbers, strict=True)):
            slider.observe(lambda change, c=column: self._moved(c, change), "value")
            number.observe(lambda change, c=column: self._typed(c, change["new"]), "value")

    @property
    def values(self) -> tuple[float, ...]:
        """The ten features in their units."""
        return tuple(slider.value for slider in self.sliders)

    def fit(self, labels: bool) -> None:
        """For a model with or without labels: one without cannot be steered by features."""
        for widget in (*self.sliders, *self.numbers, self.together):
            widget.disabled = not labels
        self.explanation.value = "" if labels else UNLABELLED

    def set(self, label: np.ndarray) -> None:
        """Move all sliders at once to a label (10,); a missing feature goes to the mean."""
        self.set_values(from_label(label))

    def set_values(self, values: Sequence[float | None]) -> None:
        """The same for features in their units, None where one is missing."""
        mean = from_label(self.middle)
        self._quiet = True
        for slider, number, *given in zip(self.sliders, self.numbers, values, mean, strict=True):
            slider.value = next(value for value in given if value is not None)
            number.value = controls.short(slider.value)
        self._quiet = False
        self.changed()

    def _moved(self, column: int, change: dict) -> None:
        if self._quiet:
            return
        if self.together.value:
            before = np.array(self.values)
            before[column] = change["old"]
            value = features.to_unit(np.full(features.COUNT, change["new"]))[column]
            self.set(latent.follow(features.to_unit(before), column, float(value), self.slopes))
            return
        self._write(column, change["new"])
        self.changed()

    def _typed(self, column: int, value: float) -> None:
        if self._quiet:
            return
        feature, slider = FEATURES[column], self.sliders[column]
        if not feature.low <= value <= feature.high:  # also for NaN
            self._write(column, slider.value)
            self.complain(out_of_range(feature, value))
        else:
            self.complain("")
            slider.value = value

    def _write(self, column: int, value: float) -> None:
        """A value into its box."""
        before, self._quiet = self._quiet, True
        self.numbers[column].value = controls.short(value)
        self._quiet = before
