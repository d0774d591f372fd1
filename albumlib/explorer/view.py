"""The cover and what is said about it: errors over it, a line below it, progress of long work.
Below it the strip: small pictures of what was shown, with stars; a click on one goes back to it."""

import html
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from albumlib import figures
from albumlib.dataset.coverset import CoverSet
from albumlib.explorer import controls
from albumlib.explorer.state import Shown
from albumlib.features import NAMES
from albumlib.models.networks import Generator
from albumlib.runtime.pictures import to_png
from albumlib.sampling.request import Request, contact_sheet, enlarge

NEAREST = "nearest training covers"
CURRENT = "albumlib-current"
STAR, STARRED = "☆ star", "★ starred"


def pulse() -> widgets.Box:
    """An unseen button that the page clicks to learn whether its kernel still answers: then the
    number beside it changes."""
    asked, answer = controls.button("does it answer?"), widgets.HTML("0")

    def count(_) -> None:
        answer.value = str(int(answer.value) + 1)

    asked.on_click(count)
    hidden = widgets.HBox([asked, answer]).add_class("albumlib-pulse")
    hidden.layout.display = "none"
    return hidden


class View:
    """The picture, and beside it the nearest training covers where they are wanted."""

    def __init__(self) -> None:
        self.message, self.outcome, self.state, self.note = (widgets.HTML() for _ in range(4))
        self.description = widgets.HTML()  # of the picture, for screen readers: Image has none
        self.neighbours = controls.named(widgets.Checkbox, NEAREST, value=False, indent=False)
        self.picture, self.nearest = (
            widgets.Image(format="png", layout=controls.wide("100%")) for _ in range(2)
        )
        self.progress = widgets.IntProgress(max=1, tooltip="progress", layout=controls.wide("75%"))
        self.stop = controls.button("stop")
        self.working = widgets.HBox([self.progress, self.stop])
        self.working.layout.display = self.nearest.layout.display = "none"
        cover = controls.over(self.picture, self.message).add_class("albumlib-cover")
        self.widgets = (
            cover, self.description, self.state, self.note, self.working, pulse(),
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


class Thumb:
    """A small picture beneath a button."""

    def __init__(self, clicked: Callable[[], None]):
        self.picture = widgets.Image(format="png")
        self.button = widgets.Button()
        self.button.on_click(lambda _: clicked())
        self.widget = controls.over(self.picture, self.button).add_class("albumlib-thumb")

    def show(self, shown: Shown, name: str, current: bool, starred: bool) -> None:
        """A cover by its name; whether it is the one on the stage, and starred."""
        self.picture.value = shown.picture
        # an empty description would leave the star
        self.button.description = "★" if starred else "\N{NO-BREAK SPACE}"
        self.button.tooltip = name + ", starred" * starred + ", shown" * current
        (self.widget.add_class if current else self.widget.remove_class)(CURRENT)


class Strip:
    """Thumbs, and the button that stars the present cover. `chosen` gets the place of a thumb that
    was clicked."""

    def __init__(self, chosen: Callable[[int], None]):
        self.chosen, self.thumbs = chosen, []
        self._alone = threading.Lock()  # a star may be clicked while a cover settles
        self.star = controls.button(STAR, 100)
        self.widget = widgets.HBox().add_class("albumlib-strip")

    def show(self, covers: Sequence[Shown], current: int, starred: Collection[Request]) -> None:
        """Covers, of which the one at `current` is on the stage."""
        with self._alone:
            for place in range(len(self.thumbs), len(covers)):
                self.thumbs.append(Thumb(lambda place=place: self.chosen(place)))
            used = self.thumbs[: len(covers)]
            for place, (shown, thumb) in enumerate(zip(covers, used, strict=True)):
                name = f"cover {place + 1}"
                thumb.show(shown, name, place == current, shown.request in starred)
            newest_first = [thumb.widget for thumb in reversed(used)]  # see explorer.css
            self.widget.children = newest_first

    def mark(self, starred: bool) -> None:
        """Whether the present cover is starred."""
        self.star.description = self.star.tooltip = STARRED if starred else STAR


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
