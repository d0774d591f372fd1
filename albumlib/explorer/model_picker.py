"""Which model generates, and which one stands beside it."""

from collections.abc import Callable

import ipywidgets as widgets

from albumlib.explorer.state import LOST, Models
from albumlib.models.networks import Generator


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
        self.model = widgets.Dropdown(options=names, description="model", tooltip="model")
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
