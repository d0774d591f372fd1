"""Type on covers: artist and title, set in one of three open fonts."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from albumlib.runtime.paths import ASSETS
from albumlib.sources.imprint.colour import Colour, contrast

FONTS = ASSETS / "fonts"
FILES = ("LeagueSpartan-Bold.otf", "EBGaramond-Regular.otf", "Inter-Black.otf")


READABLE = 4.5  # contrast ratio that type on a cover has at least (WCAG 2, level AA)
INKS = ((18, 18, 22), (250, 248, 242), (0, 0, 0), (255, 255, 255))
Box = tuple[float, float, float, float]


def set_names(
    picture: Image.Image, box: Box, title: str, artist: str, *, font: int, ink: Colour, paper=None
) -> None:
    """Set title over artist in a box (left, top, right, bottom in units of the side), in `ink`.

    With `paper`, a colour, the box is first filled with it.
    """
    side, finer = picture.width, 4 if picture.width <= 160 else 2
    left, top, right, bottom = (round(side * value) for value in box)
    area = (left, top, right, bottom)
    patch = (
        picture.crop(area)
        if paper is None
        else Image.new("RGB", (right - left, bottom - top), paper)
    )
    mask = Image.new("L", (finer * patch.width, finer * patch.height), 0)
    _lines(ImageDraw.Draw(mask), mask.size, title, artist, font)
    patch.paste(ink, (0, 0), mask.reduce(finer))
    picture.paste(patch, area)


def readable_ink(behind: list[Colour], wanted: list[Colour]) -> Colour | None:
    """The first of the wanted colours, or else of INKS, that is readable on all those behind it."""
    inks = (ink for ink in (*wanted, *INKS))
    return next((i for i in inks if all(contrast(i, b) >= READABLE for b in behind)), None)


def _lines(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], title: str, artist: str, font: int
) -> None:
    """Title and artist on a mask, two sizes of one face, ranged left."""
    width, height = size
    pad = 0.12 * height
    middle = pad + 0.52 * height
    fit_text(pen, title, (pad, pad, width - pad, middle), 255, font)
    fit_text(pen, artist, (pad, 0.68 * height, width - pad, height - pad), 255, font)


def write_names(picture: Image.Image, floor: float, title: str, artist: str, font: int) -> None:
    """Write title and artist on the floor of a cover, which begins at `floor` (0 top, 1 bottom)."""
    side = picture.width
    draw = ImageDraw.Draw(picture)
    behind = picture.crop((0, int(floor * side) + 1, side, side)).resize((1, 1)).getpixel((0, 0))
    ink = max(((250, 248, 242), (18, 18, 22)), key=lambda color: contrast(color, behind))
    left, right, height = 0.06 * side, 0.94 * side, (1 - floor) * side
    top = floor * side + 0.12 * height
    for text, share, limit in ((title, 0.40, 0.11), (artist, 0.22, 0.06)):
        bottom = top + min(share * height, limit * side)
        top = fit_text(draw, text, (left, top, right, bottom), ink, font)


def fit_text(draw: ImageDraw.ImageDraw, text: str, box: tuple, ink, font: int) -> float:
    """Write text in a box (left, top, right, bottom), as large as fits; returns where it ends.

    Letters that the fonts lack (other scripts, emoji) are left out or lose their marks.
    """
    text = _writable(text, font)
    left, top, right, bottom = box
    if not text:
        return top
    probe = _font(font, 100)
    width = max(1, probe.getlength(text))
    size = max(4, min(int(100 * (right - left) / width), int(1.1 * (bottom - top))))
    draw.text((left, top), text, fill=ink, font=_font(font, size))
    return top + 1.12 * size


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
