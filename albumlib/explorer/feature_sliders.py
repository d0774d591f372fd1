"""The ten sliders, each in front of the values of the cover set, with a box for its number."""

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
        self._values = list(from_label(self.middle))
        rows = zip(FEATURES, self._values, features.from_unit(labels).T, strict=True)
        self.sliders, self.numbers, self.rows = zip(
            *(controls.feature_row(*row) for row in rows), strict=True
        )
        self.together = controls.named(widgets.Checkbox, FOLLOW, value=False, indent=False)
        self.explanation = widgets.HTML()
        for column, (slider, number) in enumerate(zip(self.sliders, self.numbers, strict=True)):
            slider.observe(lambda change, c=column: self._moved(c, change), "value")
            number.observe(lambda change, c=column: self._typed(c, change["new"]), "value")

    @property
    def values(self) -> tuple[float, ...]:
        """The ten features in their units: as they were set, though a browser shows whole steps."""
        return tuple(self._values)

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
        for column, given in enumerate(zip(values, mean, strict=True)):
            self._place(column, next(value for value in given if value is not None))
        self.changed()

    def _moved(self, column: int, change: dict) -> None:
        step = self.sliders[column].step
        if self._quiet or abs(change["new"] - self._values[column]) <= step / 2:
            return  # a browser answers with the nearest whole step to what it is to show
        self._change(column, change["new"])

    def _change(self, column: int, value: float) -> None:
        """One feature to a value, and where that is asked for the related ones with it."""
        if self.together.value:
            before = features.to_unit(np.array(self._values))
            after = features.to_unit(np.full(features.COUNT, value))[column]
            self.set(latent.follow(before, column, float(after), self.slopes))
            return
        self._place(column, value)
        self.changed()

    def _typed(self, column: int, value: float) -> None:
        if self._quiet:
            return
        feature = FEATURES[column]
        if not feature.low <= value <= feature.high:  # also for NaN
            self._place(column, self._values[column])
            self.complain(out_of_range(feature, value))
        else:
            self.complain("")
            self._change(column, value)

    def _place(self, column: int, value: float) -> None:
        self._quiet = True
        self._values[column] = self.sliders[column].value = value
        self.numbers[column].value = controls.short(value)
        self._quiet = False
