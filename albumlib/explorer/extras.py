"""What some models are conditioned on beside the ten features: layout, year, title, text."""

from collections.abc import Callable

import ipywidgets as widgets

from albumlib.models.networks import Generator
from albumlib.sampling.request import Request, layouts

YEARS = range(1950, 2031)
ANY = "any"  # nothing is asked


class Extras:
    """Widgets by the names of a request's fields; `changed` is called when one has moved."""

    def __init__(self, changed: Callable[[], None]):
        self.changed, self._quiet = changed, False
        self.widgets = {
            "layout": widgets.Dropdown(description="layout", tooltip="layout"),
            "year": widgets.SelectionSlider(
                options=[(ANY, ANY), *((str(year), year) for year in YEARS)],
                description="year", tooltip="year",
            ),
            "title": widgets.Text(
                placeholder="of a record, a song or both", description="title", tooltip="title"
            ),
            "text": widgets.ToggleButtons(
                options=[(ANY, ANY), ("with", True), ("without", False)], description="text",
                style={"button_width": "70px"}, tooltip="text on the cover",
                tooltips=["with or without text", "with text", "without text"],
            ),
        }  # fmt: skip
        for widget in self.widgets.values():
            widget.observe(self._moved, "value")

    @property
    def fields(self) -> dict:
        """The fields of a Request that stand here."""
        shown = {n: w for n, w in self.widgets.items() if w.layout.display != "none"}
        return {name: _asked(widget) for name, widget in shown.items()}

    def fit(self, generator: Generator) -> None:
        """Show what a model is conditioned on, and the layouts that it knows."""
        for name, widget in self.widgets.items():
            widget.layout.display = None if name in generator.conditioned_on else "none"
        layout, known = self.widgets["layout"], layouts(generator)
        kept = layout.value if layout.value in known else ""
        self._quiet = True
        layout.options = [(ANY, ""), *zip(known, known, strict=True)]
        layout.value, self._quiet = kept, False

    def set(self, wanted: Request) -> None:
        """Set the widgets to a request, and call nobody."""
        self._quiet = True
        for name, widget in self.widgets.items():
            widget.value = _admitted(widget, getattr(wanted, name))
        self._quiet = False

    def _moved(self, _) -> None:
        if not self._quiet:
            self.changed()


def _asked(widget: widgets.Widget) -> object:
    return None if widget.value == ANY and hasattr(widget, "options") else widget.value


def _admitted(widget: widgets.Widget, value: object) -> object:
    """The value of the widget for what a request says; room is made for a year between years."""
    if not hasattr(widget, "options"):
        return value
    value = ANY if value is None else value
    if value not in dict(widget.options).values():
        widget.options = (*widget.options, (f"{value:g}", value))
    return value
