"""Type on covers: artist and title, set in one of three open fonts."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from albumlib.runtime.paths import ASSETS

FONTS = ASSETS / "fonts"
FILES = ("LeagueSpartan-Bold.otf", "EBGaramond-Regular.otf", "Inter-Black.otf")


def write_names(picture: Image.Image, floor: float, title: str, artist: str, font: int) -> None:
    """Write title and artist on the floor of a cover, which begins at `floor` (0 top, 1 bottom)."""
    side = picture.width
    draw = ImageDraw.Draw(picture)
    behind = picture.crop((0, int(floor * side) + 1, side, side)).resize((1, 1)).getpixel((0, 0))
    ink = max(((250, 248, 242), (18, 18, 22)), key=lambda color: _contrast(color, behind))
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


def _contrast(first: tuple, second: tuple) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: tuple) -> float:
    red, green, blue = ((value / 255) ** 2.2 for value in color[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
