"""What determines the latents: seeds, how many, truncation and steps along directions."""

from collections.abc import Callable

import ipywidgets as widgets

from albumlib.explorer import controls
from albumlib.sampling.request import Request, RequestError

GRIDS = (1, 4, 9, 16, 64)  # covers at a time


class LatentControls:
    """Widgets for the latents; `changed` is called when one has moved."""

    def __init__(self, seed: int, changed: Callable[[], None]):
        self.changed, self._quiet = changed, False
        self.z: tuple[float, ...] | None = None  # found by projection, in place of a seed's
        self.seed = widgets.IntText(
            seed, description="seed", layout=controls.wide("150px"), tooltip="seed"
        )
        self.previous, self.next = (
            controls.button(words, 90) for words in ("◀ previous", "next ▶")
        )
        self.grid = widgets.Dropdown(
            options=GRIDS, description="covers", layout=controls.wide("150px"), tooltip="covers"
        )
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
