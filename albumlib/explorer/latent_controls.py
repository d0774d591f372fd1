"""What a request says beside the ten features: what determines the latents, and what some models
are conditioned on."""

from collections.abc import Callable

import ipywidgets as widgets

from albumlib.explorer import controls
from albumlib.models.networks import Generator
from albumlib.sampling.request import Request, RequestError, layouts

GRIDS = (1, 4, 9, 16, 64)  # covers at a time
YEARS = range(1950, 2031)
ANY = "any"  # nothing is asked
TITLE = "of a record, a song or both"


class LatentControls:
    """Seeds, how many, truncation and steps along directions; `changed` is called when one has
    moved."""

    def __init__(self, seed: int, changed: Callable[[], None]):
        self.changed, self._quiet = changed, False
        self.z: tuple[float, ...] | None = None  # found by projection, in place of a seed's
        self.seed = controls.named(widgets.IntText, "seed", "150px", value=seed)
        self.previous, self.next = controls.button("◀ previous", 90), controls.button("next ▶", 90)
        self.grid = controls.named(widgets.Dropdown, "covers", "150px", options=GRIDS)
        self.truncation = controls.plain("truncation", 0, 1, 1.0)
        self.steps = [controls.plain(f"direction {n}", -2, 2, 0.0) for n in range(1, 9)]
        self.widgets = (
            widgets.HBox([self.seed, self.previous, self.next]), self.grid, self.truncation,
            *self.steps,
        )  # fmt: skip
        self.previous.on_click(lambda _: self._go(-1))
        self.next.on_click(lambda _: self._go(1))
        for asked in (self.seed, self.grid, self.truncation, *self.steps):
            asked.observe(self._moved, "value")

    @property
    def fields(self) -> dict:
        """The fields of a Request that stand here."""
        count = 1 if self.z else self.grid.value
        return {
            "seeds": tuple(range(self.seed.value, self.seed.value + count)),
            "truncation": self.truncation.value,
            "steps": tuple(slider.value for slider in self.steps),
            "z": self.z,
        }

    def set(self, wanted: Request) -> None:
        """Set the widgets to a request, and call nobody. Raises RequestError if they cannot."""
        if len(wanted.seeds) not in GRIDS:
            raise RequestError(f"a grid of {len(wanted.seeds)} covers cannot be shown here")
        self._quiet = True
        self.z, self.seed.value = wanted.z, wanted.seeds[0]
        self.truncation.value = wanted.truncation
        if wanted.z is None:
            self.grid.value = len(wanted.seeds)
        for slider, value in zip(self.steps, (*wanted.steps, *[0.0] * 8), strict=False):
            slider.value = value
        self._quiet = False

    def reset(self) -> None:
        """The same seeds, without truncation, steps and projected latent; calls nobody."""
        self.z = None
        self.set(Request(self.fields["seeds"]))

    def _moved(self, change: dict) -> None:
        if not self._quiet:
            if change["owner"] is self.seed:
                self.z = None  # a projected latent gives way to a seed
            self.changed()

    def _go(self, direction: int) -> None:
        self.seed.value = max(0, self.seed.value + direction * len(self.fields["seeds"]))


class Extras:
    """Layout, year, title and text, as widgets by the names of a request's fields; `changed` is
    called when one has moved."""

    def __init__(self, changed: Callable[[], None]):
        self.changed, self._quiet = changed, False
        years = [(ANY, ANY), *((str(year), year) for year in YEARS)]
        self.widgets = {
            "layout": controls.named(widgets.Dropdown, "layout"),
            "year": controls.named(widgets.SelectionSlider, "year", options=years),
            "title": controls.named(widgets.Text, "title", placeholder=TITLE),
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
