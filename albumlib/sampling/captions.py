"""Captions: artist and title as lines of type, in one of six styles, not yet anywhere."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from albumlib import AlbumlibError
from albumlib.sampling.typefaces import Setting, broken, missing
from albumlib.sources.imprint.colour import Colour

MARGIN = 0.06  # of the cover's side; captions keep it
SMALLEST = 0.012  # size of type, in sides: 10 points on a record of 30 cm
GAP = 0.22  # between title and artist, in the sum of their sizes
LEAST_ARTIST = 0.028  # size of the artist's name, unless the title is smaller


class CaptionError(AlbumlibError):
    """A title or an artist that cannot be set; the message says why."""


@dataclass(frozen=True)
class Line:
    """A line of type that begins at (x, y) on its baseline; places and size are in sides of the
    cover, `turn` in degrees clockwise about its beginning."""

    text: str
    x: float
    y: float
    size: float
    setting: Setting
    part: str = "title"
    ink: Colour = (0, 0, 0)
    turn: int = 0

    @property
    def width(self) -> float:
        """Of the line, in sides of the cover."""
        return self.size * self.setting.width(self.text)

    @property
    def below(self) -> float:
        """How far the line reaches below its baseline, in sides of the cover."""
        return self.size * self.setting.reach(self.text)[1]


@dataclass(frozen=True)
class Caption:
    """Lines of type, the box (left, top, right, bottom) that they stand in, in sides of the
    cover, and the colour of the panel that fills the box, if there is one."""

    lines: tuple[Line, ...]
    box: tuple[float, float, float, float]
    panel: Colour | None = None

    @property
    def words(self) -> str:
        """Artist and title, as one would say them."""
        parts = [
            " ".join(line.text for line in self.lines if line.part == part)
            for part in ("artist", "title")
        ]
        return " – ".join(filter(None, parts))


@dataclass(frozen=True)
class Style:
    """How captions of a kind are set. Sizes and the width are in sides of the cover, the artist's
    size and the leading in sizes of the title; a turn of -90 reads upwards."""

    title: Setting
    artist: Setting
    size: float
    ratio: float
    width: float = 0.88
    leading: float = 1.0
    align: tuple[str, ...] = ("left",)
    artist_first: bool = False
    panel: bool = False
    turn: int = 0


CAPITALS, ROMAN = Setting("spartan", capitals=True), Setting("garamond")
BLACK, SPACED = Setting("inter", tracking=-0.02), Setting("spartan", True, 0.12)
SMALL_CAPITALS, LABEL = Setting("garamond", True, 0.18), Setting("spartan", True, 0.04)
STYLES = {
    "poster": Style(CAPITALS, SPACED, 0.15, 0.3, leading=0.84),
    "classic": Style(ROMAN, SMALL_CAPITALS, 0.12, 0.36, 0.8, 0.92, ("centre",)),
    "swiss": Style(BLACK, BLACK, 0.062, 1.0, 0.6, 1.04, ("left", "right"), artist_first=True),
    "magazine": Style(ROMAN, SPACED, 0.16, 0.2, leading=0.92, align=("left", "right")),
    "label": Style(LABEL, ROMAN, 0.055, 0.82, 0.5, 1.0, ("left", "right", "centre"), panel=True),
    "spine": Style(SPACED, ROMAN, 0.062, 0.8, align=("left", "right"), turn=-90),
}


def writable(title: str, artist: str, styles: Iterable[str]) -> list[str]:
    """Which of the styles have fonts that can write both.

    Raises CaptionError, which names the characters that are missing, if none has.
    """
    lacking = {
        name: missing(title, STYLES[name].title) + missing(artist, STYLES[name].artist)
        for name in styles
    }
    found = [name for name, characters in lacking.items() if not characters]
    if not found:
        least = min(lacking.values(), key=len)
        raise CaptionError(
            f"no font of this package has {' '.join(dict.fromkeys(least))}: "
            "give --artist and --title without"
        )
    return found


def block(style: Style, title: str, artist: str, scale: float, align: str) -> Caption:
    """A caption whose box begins at (0, 0), `scale` times as large as the style's largest.

    `align` is "left", "centre" or "right". Raises CaptionError if it would be too small to read.
    """
    largest = scale * style.size
    titles = _rows("title", title, style.title, style, largest)
    limit = titles[0].size if titles else largest
    least = min(limit, LEAST_ARTIST)
    artists = _rows("artist", artist, style.artist, style, max(style.ratio * limit, least))
    parts = (artists, titles) if style.artist_first else (titles, artists)
    caption = _stacked(parts, style.leading, align)
    return _turned(caption, style.turn) if style.turn else caption


def _rows(part: str, words: str, setting: Setting, style: Style, most: float) -> list[Line]:
    """The lines of some words, no larger than `most`, each at the origin."""
    box = (style.width, max(0.1, 3.2 * most))
    texts, size = broken(words, setting, box, style.leading, most)
    if texts and size < SMALLEST:
        raise CaptionError(
            f"“{' '.join(words.split())[:40]}…” is too long to be read on a cover: shorten it"
        )
    return [Line(text, 0.0, 0.0, size, setting, part) for text in texts]


def _stacked(parts: tuple[list[Line], list[Line]], leading: float, align: str) -> Caption:
    """Lines under each other, from the top of the first to the foot of the last."""
    lines, y = [], 0.0
    for part in parts:
        for row, line in enumerate(part):
            above, _ = line.setting.reach(line.text)
            if row:
                y += leading * line.size
            elif lines:
                y += lines[-1].below + GAP * (line.size + lines[-1].size) + above * line.size
            else:
                y += above * line.size
            lines.append(replace(line, y=y))
    width = max((line.width for line in lines), default=0.0)
    share = {"left": 0.0, "centre": 0.5, "right": 1.0}[align]
    placed = tuple(replace(line, x=share * (width - line.width)) for line in lines)
    return Caption(placed, (0.0, 0.0, width, y + (lines[-1].below if lines else 0.0)))


def _turned(caption: Caption, turn: int) -> Caption:
    """A caption that reads upwards, its box at the origin again."""
    _, _, width, height = caption.box
    lines = (replace(line, x=line.y, y=width - line.x, turn=turn) for line in caption.lines)
    return Caption(tuple(lines), (0.0, 0.0, height, width))


def moved(caption: Caption, left: float, top: float, pad: float = 0.0) -> Caption:
    """A caption further right and down, its box wider by `pad` on each side."""
    lines = (replace(line, x=line.x + left, y=line.y + top) for line in caption.lines)
    _, _, width, height = caption.box
    box = (left - pad, top - pad, left + width + pad, top + height + pad)
    return replace(caption, lines=tuple(lines), box=box)
