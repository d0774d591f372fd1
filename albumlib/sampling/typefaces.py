"""Fonts that captions are set in: what they can write, how wide it is, and where lines break."""

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import ImageFont

from albumlib.sources.imprint.typography import FILES, FONTS

UNIT = 256  # pixels at which text is measured
MOST_LINES = 8


@dataclass(frozen=True)
class Font:
    """A font file, its family as the file names it, what to take in its place, and its weight."""

    path: Path
    family: str
    others: str
    weight: int


FACES = {
    "spartan": Font(FONTS / FILES[0], "League Spartan", ", Futura, Jost, sans-serif", 700),
    "garamond": Font(FONTS / FILES[1], "EB Garamond 12", ", EB Garamond, Garamond, serif", 400),
    "inter": Font(FONTS / FILES[2], "Inter Black", ", Inter, Helvetica, sans-serif", 900),
}


@dataclass(frozen=True)
class Setting:
    """How a text is set: its font, in capitals or not, and the space added between characters,
    in sizes of the type."""

    font: str
    capitals: bool = False
    tracking: float = 0.0

    def text(self, words: str) -> str:
        """What is set: words in Unicode's composed form, in capitals if the setting is."""
        plain = " ".join(unicodedata.normalize("NFC", words).split())
        return plain.upper() if self.capitals else plain

    def width(self, text: str) -> float:
        """The width of a line, in sizes of the type."""
        return _advance(self.font, text) + self.tracking * max(0, len(text) - 1)

    def reach(self, text: str) -> tuple[float, float]:
        """How far a line reaches above and below its baseline, in sizes of the type."""
        _, top, _, bottom = _measure(self.font).getbbox(text, anchor="ls")
        return -top / UNIT, max(0.0, bottom / UNIT)


def missing(words: str, setting: Setting) -> str:
    """The characters of words that the setting's font lacks, each once."""
    lacking = (sign for sign in setting.text(words) if ord(sign) not in characters(setting.font))
    return "".join(dict.fromkeys(lacking))


@cache
def characters(font: str) -> frozenset[int]:
    """Code points of all that a font can write."""
    from fontTools.ttLib import TTFont

    with TTFont(FACES[font].path, lazy=True) as file:
        return frozenset(file.getBestCmap())


@cache
def _advance(font: str, text: str) -> float:
    return _measure(font).getlength(text) / UNIT


@cache
def _measure(font: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FACES[font].path, UNIT)


def broken(
    words: str, setting: Setting, box: tuple[float, float], leading: float, most: float
) -> tuple[list[str], float]:
    """The lines, and the size, `most` at most, at which words are largest in a box (width, height).

    There are no more lines than that takes, and they are as even as they can be. Without words
    there are no lines.
    """
    parts, best = setting.text(words).split(), (list[str](), 0.0)
    for count in range(1, min(MOST_LINES, len(parts)) + 1):
        lines = _even(parts, count, setting)
        widest = max(setting.width(line) for line in lines)
        size = min(most, box[0] / max(widest, 1e-9), box[1] / (leading * len(lines)))
        if size > 1.02 * best[1]:
            best = (lines, size)
    return best


def _even(words: list[str], count: int, setting: Setting) -> list[str]:
    """Words in at most `count` lines whose longest is as short as can be."""
    low, high = 0.0, setting.width(" ".join(words))
    for _ in range(12):
        middle = (low + high) / 2
        if len(_filled(words, middle, setting)) <= count:
            high = middle
        else:
            low = middle
    return _filled(words, high, setting)


def _filled(words: list[str], width: float, setting: Setting) -> list[str]:
    """Words in lines no wider than this, but for a word that is wider itself."""
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if setting.width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
