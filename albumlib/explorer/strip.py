"""The strip: small pictures of what was shown, with stars; a click on one goes back to it."""

import threading
from collections.abc import Callable, Collection, Sequence

import ipywidgets as widgets

from albumlib.explorer import controls
from albumlib.explorer.state import Shown
from albumlib.sampling.request import Request

CURRENT = "albumlib-current"
STAR, STARRED = "☆ star", "★ starred"


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
