"""The cover and what is said about it: errors over it, a line below it, progress of long work."""

import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from albumlib import figures
from albumlib.dataset.coverset import CoverSet
from albumlib.explorer import controls
from albumlib.features import NAMES
from albumlib.models.networks import Generator
from albumlib.runtime.pictures import to_png
from albumlib.sampling.request import Request, contact_sheet, enlarge

NEAREST = "nearest training covers"


class Pulse:
    """An unseen button that the page clicks to learn whether its kernel still answers: then the
    number beside it changes."""

    def __init__(self) -> None:
        self.asked, self.answer = controls.button("does it answer?"), widgets.HTML("0")
        self.asked.on_click(self._count)
        self.widget = widgets.HBox([self.asked, self.answer]).add_class("albumlib-pulse")
        self.widget.layout.display = "none"

    def _count(self, _) -> None:
        self.answer.value = str(int(self.answer.value) + 1)


class View:
    """The picture, and beside it the nearest training covers where they are wanted."""

    def __init__(self) -> None:
        self.message, self.outcome, self.state, self.note = (widgets.HTML() for _ in range(4))
        self.description = widgets.HTML()  # of the picture, for screen readers: Image has none
        self.neighbours = widgets.Checkbox(
            False, description=NEAREST, indent=False, tooltip=NEAREST
        )
        self.picture, self.nearest = (
            widgets.Image(format="png", layout=controls.wide("100%")) for _ in range(2)
        )
        self.progress = widgets.IntProgress(
            0, 0, 1, tooltip="progress", layout=controls.wide("75%")
        )
        self.stop = controls.button("stop")
        self.working = widgets.HBox([self.progress, self.stop])
        self.working.layout.display = self.nearest.layout.display = "none"
        cover = controls.over(self.picture, self.message).add_class("albumlib-cover")
        self.pulse = Pulse()
        self.widgets = (
            cover, self.description, self.state, self.note, self.working, self.pulse.widget,
        )  # fmt: skip
        self.folded = (self.outcome, self.neighbours, self.nearest)

    def complain(self, error: BaseException | str) -> None:
        """Show one sentence over the picture; "" takes it away."""
        words = html.escape(str(error)).replace("\n", " ")
        self.message.value = (
            f'<div role="alert" style="{controls.ALERT}">{words}</div>' if words else ""
        )

    def say(self, words: str) -> None:
        """One line under the picture, read aloud by a screen reader."""
        self.state.value = f'<div role="status">{html.escape(words)}</div>'

    def explain(self, sentences: Sequence[str]) -> None:
        """What holds of the picture that is shown, such as that a value was limited."""
        self.note.value = "<br>".join(map(html.escape, sentences))

    def show(self, pixels: np.ndarray, wanted: Request) -> None:
        """A picture (H, W, 3) of what was asked for, and its description."""
        self.picture.value = to_png(pixels)
        said = ", ".join(f"{n} {v:.3g}" for n, v in zip(NAMES, wanted.features, strict=True))
        number = "cover" if len(wanted.seeds) == 1 else f"{len(wanted.seeds)} covers"
        words = f"{number} from seed {wanted.seeds[0]}: {said}"
        self.description.value = f'<span class="albumlib-description">{words}</span>'

    @contextmanager
    def long_work(self, what: str) -> Iterator[None]:
        """Shows progress, with a button to stop it, until the end of the block."""
        self.progress.description, self.working.layout.display = what, None
        try:
            yield
        finally:
            self.working.layout.display = "none"

    def progressed(self, done: int, total: int) -> None:
        """So much of the long work is done."""
        self.progress.max, self.progress.value = total, done


def side_by_side(sheets: list[np.ndarray], least: int = 0) -> np.ndarray:
    """Sets of covers (n, S, S, 3), each a square sheet of at least so many pixels a side (smaller
    ones are enlarged), next to each other with a white gap."""
    columns = [max(1, int(len(covers) ** 0.5)) for covers in sheets]
    size = max(*(covers.shape[1] for covers in sheets), least // columns[0])
    squares = [
        contact_sheet(enlarge(covers, size), count)
        for covers, count in zip(sheets, columns, strict=True)
    ]
    gap = np.full((len(squares[0]), max(4, size // 8), 3), 255, np.uint8)
    return np.hstack([squares[0], *(part for square in squares[1:] for part in (gap, square))])


def still(wanted: Request, generator: Generator, coverset: CoverSet) -> Figure:
    """A still of the explorer: covers at the left, the ten features among real values."""
    values = dict(zip(NAMES, wanted.features, strict=True))
    return figures.feature_positions(wanted.draw(generator), values, coverset.table)
