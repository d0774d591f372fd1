"""Type on covers: artist and title, set in one of three open fonts."""

import unicodedata
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from albumlib.runtime.paths import ASSETS
from albumlib.sources.imprint.colour import Colour, contrast

FONTS = ASSETS / "fonts"
FILES = ("LeagueSpartan-Bold.otf", "EBGaramond-Regular.otf", "Inter-Black.otf")
READABLE = 4.5  # contrast ratio that type on a cover has at least (WCAG 2, level AA)
INKS = ((18, 18, 22), (250, 248, 242), (0, 0, 0), (255, 255, 255))
WIDEST = 0.8  # of the cover's side that a line of type may take
LEADING, ARTIST = 1.06, 0.52  # distance of lines and size of the artist's, in sizes of the title


def set_names(
    picture: Image.Image,
    title: str,
    artist: str,
    palette: dict[str, Colour],
    *,
    font: int,
    rng: np.random.Generator,
) -> None:
    """Set the title and under it the artist, ranged left, on a patch in a colour of the palette,
    in one of three sizes and one of six places by chance; smaller where it has to be to fit.
    """
    paper = palette[("mount", "ground", "figure")[rng.integers(3)]]
    wanted = [palette[name] for name in ("accent", "figure", "ground", "mount")]
    size = rng.choice([0.065, 0.09, 0.13])  # of the title, in sides of the cover
    corner = rng.choice([0, 0, 1]), rng.choice([0, 0.5, 1])  # (0, 0) top left, (1, 1) bottom right
    scale = picture.width * (4 if picture.width <= 160 else 2)
    lines = _lines(title, artist, font, size)
    if not lines:
        return
    pad = 0.35 * size
    width = max(across for _, _, across in lines) + 2 * pad
    height = sum(LEADING * high for _, high, _ in lines) + 1.6 * pad
    mask = Image.new("L", (round(scale * width), round(scale * height)), 0)
    pen, y = ImageDraw.Draw(mask), 0.8 * pad
    for text, high, _ in lines:
        face = _font(font, max(1, round(scale * high)))
        y += LEADING * high
        pen.text((scale * pad, scale * (y - 0.22 * high)), text, 255, face, anchor="ls")
    mask = mask.resize((round(picture.width * width), round(picture.width * height)), Image.BOX)
    place = [
        round((0.05 + at * (0.9 - of)) * picture.width)
        for at, of in zip(corner, (width, height), strict=True)
    ]
    picture.paste(paper, (*place, place[0] + mask.width, place[1] + mask.height))
    picture.paste(readable_ink([paper], wanted), tuple(place), mask)


def readable_ink(behind: list[Colour], wanted: list[Colour]) -> Colour | None:
    """The first of the wanted colours, or else of INKS, that is readable on all those behind it."""
    inks = (ink for ink in (*wanted, *INKS))
    return next((i for i in inks if all(contrast(i, b) >= READABLE for b in behind)), None)


def _lines(title: str, artist: str, font: int, size: float) -> list[tuple[str, float, float]]:
    """Lines of type as (text, size, width), both in sides of the cover, none wider than WIDEST."""
    words = _writable(title, font).split()
    titles = [" ".join(words)] if words else []
    if len(words) > 1 and _width(titles[0], font) * size > WIDEST:
        breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
        titles = list(min(breaks, key=lambda pair: max(_width(line, font) for line in pair)))
    wanted = [(line, size) for line in titles] + [(_writable(artist, font), ARTIST * size)]
    sized = (
        (text, min(high, WIDEST / max(_width(text, font), 1e-9))) for text, high in wanted if text
    )
    return [(text, high, high * _width(text, font)) for text, high in sized]


def _width(text: str, font: int) -> float:
    return _font(font, 100).getlength(text) / 100


def _writable(text: str, font: int) -> str:
    known = _letters(font)
    plain = "".join(c if c in known else unicodedata.normalize("NFKD", c)[:1] for c in text)
    return " ".join("".join(c for c in plain if c in known).split())


@cache
def _font(index: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / FILES[index], size)


@cache
def _letters(font: int) -> frozenset[str]:
    """The signs a font can draw: those that do not look like its sign for a missing one."""
    face = _font(font, 20)
    missing = bytes(face.getmask("\uffff"))
    candidates = (chr(code) for code in (*range(32, 127), *range(160, 384), 8211, 8217, 8470))
    return frozenset(c for c in candidates if c == " " or bytes(face.getmask(c)) != missing)
