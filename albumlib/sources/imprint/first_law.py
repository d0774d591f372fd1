"""The first law of the art director, which earlier models learned; the second is in `artwork`.

| attribute of the cover | follows | from | to |
|---|---|---|---|
| hue of the palette | valence | violet and blue (sad) | green, then orange (cheerful) |
| chroma of the palette | energy | nearly grey | vivid |
| lightness of the ground | acousticness | dark | paper |
| contrast of figure and ground | loudness | soft | hard |
| margin around the picture | instrumentalness | none | a quarter of the side |
| height of the coloured floor | danceability | a line | a third of the side |
| hue of the floor and accents | speechiness | the palette's own | its complement |
| light from above | liveness | none | a stage light |
| shade from left to right, pitch of the pattern | tempo | even, wide | strong, dense |
| nothing | popularity | | |

Each follows its feature by half in value and half in rank among real tracks, since some features
sit near zero for most tracks. An artist's style (layout, type, a shift of the palette) and chance
come on top. Everything is drawn in unit coordinates, at twice the size asked for, so that a cover
is the same picture at 64 and at 640 px.

Colours are mixed in OKLCH (Ottosson 2020), where lightness, chroma and hue mean what they say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from albumlib.sources.imprint.colour import LAB_TO_LMS, LMS_TO_RGB
from albumlib.sources.imprint.copula import standing
from albumlib.sources.imprint.first_layouts import FAMILIES, Canvas, type_only
from albumlib.sources.imprint.typography import write_names

ATTRIBUTES = {
    "hue": "valence",
    "chroma": "energy",
    "lightness": "acousticness",
    "contrast": "loudness",
    "margin": "instrumentalness",
    "floor": "danceability",
    "accent": "speechiness",
    "light": "liveness",
    "motion": "tempo",
}


LAYOUTS = tuple(family.__name__ for family in FAMILIES)


@dataclass(frozen=True)
class Style:
    """What an artist brings: the layouts they like, their type, a shift of hue in degrees."""

    layouts: tuple[int, ...]
    font: int
    hue_shift: float
    grain: float


def artist_style(seed: int) -> Style:
    """The style of the artist with this seed."""
    rng = np.random.default_rng((seed, 1))
    liked = rng.choice(len(LAYOUTS), size=3, replace=False)
    return Style(tuple(liked.tolist()), int(rng.integers(3)), rng.uniform(-6, 6), rng.uniform(1, 4))


def attributes(values: np.ndarray) -> dict[str, float]:
    """The law: attributes in [0, 1] from features (10,) in their own units, NaN as the median."""
    value, rank = standing(values)
    return {attribute: (value[name] + rank[name]) / 2 for attribute, name in ATTRIBUTES.items()}


def draw_cover(
    values: np.ndarray,
    *,
    title: str = "",
    artist: str = "",
    seed: int = 0,
    artist_seed: int = 0,
    size: int = 300,
    text: bool | None = None,
) -> Image.Image:
    """A cover (size x size, RGB) for an album's mean features (10,) in their own units.

    Chance follows from `seed`, style from `artist_seed`; the features decide the rest by the law
    above. `text` says whether artist and title are written on it; by default, chance does.
    """
    rng = np.random.default_rng((seed, 2))
    style, law = artist_style(artist_seed), attributes(values)
    layout = FAMILIES[style.layouts[rng.integers(3)]]
    if text is None:
        text = names_written(seed, artist_seed)
    canvas = Canvas(2 * size, _palette(law, style, rng), law, rng)
    canvas.fill_ground()
    layout(canvas, title)
    canvas.frame()
    picture = Image.fromarray(_lit(canvas, law)).reduce(2)
    if text:
        write_names(picture, canvas.horizon, title, artist, style.font)
    return _grained(picture, style, rng)


def names_written(seed: int, artist_seed: int) -> bool:
    """Whether chance writes artist and title on the cover: on half of them."""
    return bool(np.random.default_rng((seed, artist_seed, 3)).random() < 0.5)


def has_text(seed: int, artist_seed: int) -> bool:
    """Whether there is text on the cover: names, or a layout that is made of the title."""
    return layout_name(seed, artist_seed) == type_only.__name__ or names_written(seed, artist_seed)


def layout_name(seed: int, artist_seed: int) -> str:
    """The family, one of LAYOUTS, that a cover is of."""
    rng = np.random.default_rng((seed, 2))
    return LAYOUTS[artist_style(artist_seed).layouts[rng.integers(3)]]


# Colour and light -----------------------------------------------------------------------------


def oklch(lightness: float, chroma: float, hue: float) -> tuple[int, int, int]:
    """OKLCH (lightness 0 to 1, chroma, hue in degrees) to sRGB; chroma yields to the gamut."""
    angle, low, high = np.deg2rad(hue), 0.0, 1.0
    rgb = _oklab_to_linear(lightness, chroma, angle)
    for _ in range(8 if _outside(rgb) else 0):  # the most chroma that the screen can show
        middle = (low + high) / 2
        rgb = _oklab_to_linear(lightness, chroma * middle, angle)
        low, high = (low, middle) if _outside(rgb) else (middle, high)
    rgb = rgb.clip(0, 1)
    encoded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return tuple(round(255 * float(value)) for value in encoded)


def _outside(rgb: np.ndarray) -> bool:
    return bool(rgb.min() < -0.002 or rgb.max() > 1.002)


def _oklab_to_linear(lightness: float, chroma: float, angle: float) -> np.ndarray:
    lab = np.array([lightness, chroma * np.cos(angle), chroma * np.sin(angle)])
    return LMS_TO_RGB @ (LAB_TO_LMS @ lab) ** 3


def _palette(law: dict, style: Style, rng: np.random.Generator) -> dict[str, tuple]:
    """Setup, panel, two figures and the accent: near each other in hue, apart in lightness."""
    ground = 0.26 + 0.63 * law["lightness"]
    away = 1 if ground < 0.55 else -1
    step = away * (0.12 + 0.34 * law["contrast"])
    chroma = 0.015 + 0.175 * law["chroma"]
    hue = 285 - 245 * law["hue"] + style.hue_shift + rng.uniform(-4, 4)
    accent = hue + 20 + 165 * law["accent"]
    lit = np.clip(ground + step, 0.08, 0.96)
    return {
        "ground": oklch(ground, 0.55 * chroma, hue),
        "panel": oklch(np.clip(ground + 0.25 * step, 0.05, 0.97), 0.75 * chroma, hue),
        "figure": oklch(lit, chroma, hue),
        "second": oklch(ground + 0.6 * step, chroma, hue - 18),
        "accent": oklch(lit, max(chroma, 0.04), accent),
    }


def _lit(canvas: Canvas, law: dict) -> np.ndarray:
    """Light from above and shade from left to right, laid over the drawn picture."""
    pixels = np.asarray(canvas.image, dtype=np.float32)
    place = np.linspace(0, 1, canvas.side, dtype=np.float32)
    shade = 1 - 0.5 * law["motion"] * place[None, :, None]
    cone = np.exp(-((place[None, :] - 0.5) ** 2) / 0.09) * np.exp(-place[:, None] / 0.3)
    pixels = pixels * shade + 190 * law["light"] * cone[..., None]
    return pixels.clip(0, 255).astype(np.uint8)


def _grained(picture: Image.Image, style: Style, rng: np.random.Generator) -> Image.Image:
    """The paper's grain: what keeps flat colours from looking like a screen."""
    noise = rng.standard_normal((picture.height, picture.width, 1), dtype=np.float32)
    pixels = np.asarray(picture, dtype=np.float32) + style.grain * noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
