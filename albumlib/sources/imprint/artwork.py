"""How covers are drawn: from an album's features, by a law that is written down.

| attribute of the cover | follows | from | to |
|---|---|---|---|
| hue of the palette | valence | violet, then blue (sad) | by green and yellow to red (cheerful) |
| purity of the palette | energy | nearly grey | nearly as vivid as a screen shows |
| lightness of the background | acousticness | black | white |
| weight and contrast of the figures, rule around them | loudness | thin, soft | heavy, hard |
| margin around the picture | instrumentalness | none | a fifth of the side |
| area of the accent, whatever its form | danceability | 5 % of the cover | 35 % |
| hue of the accent | speechiness | near the palette's own | its complement |
| glow from above | liveness | none | strong |
| beats and elements of the pattern | tempo | three across | twelve |
| dusk from the right | tempo | none | deep |
| nothing | popularity | | |

Each follows its feature partly by rank among real tracks and partly by value, so that hues,
lightnesses and areas spread evenly while large values still stand out. An artist's style
(three of the fifteen families of layouts, type, a shift of the palette) and chance come on top.
Everything is drawn in unit coordinates, at several times the size asked for, so that a cover is
the same picture at 64 and at 640 px.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from albumlib.sources.imprint import accents, layouts, typography
from albumlib.sources.imprint.canvas import Canvas
from albumlib.sources.imprint.colour import Colour, colours
from albumlib.sources.imprint.copula import standing

ATTRIBUTES = {
    "hue": "valence",
    "purity": "energy",
    "lightness": "acousticness",
    "weight": "loudness",
    "margin": "instrumentalness",
    "area": "danceability",
    "accent": "speechiness",
    "light": "liveness",
    "pace": "tempo",
}
BY_RANK = {**dict.fromkeys(ATTRIBUTES, 0.6), "hue": 0.8, "purity": 0.8, "margin": 0.35}
LAYOUTS = layouts.NAMES
WHEEL = [[0, 0.24, 0.4, 0.53, 0.65, 0.8, 0.9, 1], [300, 258, 205, 150, 100, 55, 25, -15]]
VIVID = [[-32, 29, 110, 142, 195, 264, 328], [0.7, 0.63, 0.97, 0.87, 0.9, 0.45, 0.7]]


@dataclass(frozen=True)
class Style:
    """What an artist brings: the layouts they like, their type, a shift of hue in degrees, the
    kind of their beats, and the grain of their paper in steps of 255."""

    layouts: tuple[int, ...]
    font: int
    hue_shift: float
    beats: str
    grain: float


def artist_style(seed: int) -> Style:
    """The style of the artist with this seed."""
    rng = np.random.default_rng((seed, 1))
    liked = rng.choice(len(LAYOUTS), size=3, replace=False)
    return Style(
        tuple(liked.tolist()),
        font=int(rng.integers(len(typography.FILES))),
        hue_shift=rng.uniform(-8, 8),
        beats=accents.BEATS[rng.integers(len(accents.BEATS))],
        grain=rng.uniform(2, 6),
    )


def attributes(values: np.ndarray) -> dict[str, float]:
    """The law: attributes in [0, 1] from features (10,) in their own units, NaN as the median."""
    value, rank = standing(values)
    return {
        attribute: value[name] + BY_RANK[attribute] * (rank[name] - value[name])
        for attribute, name in ATTRIBUTES.items()
    }


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
    above. `text` says whether artist and title are set on it; by default, chance does.
    """
    style, law = artist_style(artist_seed), attributes(values)
    rng = np.random.default_rng((seed, 2))
    finer = 4 if size <= 160 else 3 if size <= 700 else 2  # it is drawn finer, for smooth edges
    palette = palette_of(law, style, rng)
    sheet = Canvas(finer * size, palette, rng)
    _picture(sheet, layouts.LAYOUTS[_layout(style, seed)], law)
    _accent(sheet, law, style.beats)
    _lit(sheet, law)
    picture = _grained(sheet.image.reduce(finer), style, seed)
    if has_text(seed, artist_seed) if text is None else text:
        rng = np.random.default_rng((seed, 4))
        typography.set_names(picture, title, artist, palette, font=style.font, rng=rng)
    return picture


def has_text(seed: int, artist_seed: int) -> bool:
    """Whether chance sets artist and title on the cover: on half of them."""
    return bool(np.random.default_rng((seed, artist_seed, 3)).random() < 0.5)


def layout_name(seed: int, artist_seed: int) -> str:
    """The family, one of LAYOUTS, that a cover is of."""
    return LAYOUTS[_layout(artist_style(artist_seed), seed)]


def _layout(style: Style, seed: int) -> int:
    return style.layouts[np.random.default_rng((seed, 5)).integers(3)]


def palette_of(law: dict, style: Style, rng: np.random.Generator) -> dict[str, Colour]:
    """Ground and shade, two figures, the accent, and the mount around the picture."""
    steep = law["lightness"] - 0.07 * np.sin(2 * np.pi * law["lightness"])  # few middling greys
    ground = 0.14 + 0.84 * steep**0.75
    room = 0.93 - ground if ground < 0.56 else 0.2 - ground
    figure = ground + room * (0.35 + 0.65 * law["weight"])
    second = ground + room * (0.22 + 0.4 * law["weight"])
    purity = 0.03 + 0.87 * law["purity"]
    hue = np.interp(law["hue"], *WHEEL) + style.hue_shift + rng.uniform(-4, 4)
    neutral = rng.random() < 0.5 and not 0.3 < ground < 0.85
    turned = rng.choice([-35, 35])
    accent = hue + 35 + 145 * law["accent"]
    table = {
        "ground": (ground, 0.05 if neutral else max(0.25, 0.75 * purity), hue),
        "shade": (ground + 0.22 * room, 0.75 * purity, hue + turned / 2),
        "figure": (figure, purity, hue),
        "second": (second, purity, hue + turned),
        "accent": (_apart(_most_vivid(accent), ground), 0.85, accent),
        "mount": _mount(ground, purity, hue, rng),
        "dusk": (0.2 if ground > 0.56 else 0.85, 0.75 * purity, hue + 1.5 * turned),
        "glow": (0.96 if ground < 0.56 else 0.4, max(0.25, 0.8 * purity), hue - turned),
    }
    return dict(zip(table, colours(*np.array(list(table.values())).T), strict=True))


def _most_vivid(hue: float) -> float:
    """The lightness at which a screen shows this hue, in degrees, most vividly; never glaring."""
    return float(np.interp((hue + 32) % 360 - 32, *VIVID).clip(0.52, 0.8))


def _apart(lightness: float, ground: float) -> float:
    """The lightness, or the nearest one that stands out from the ground."""
    if abs(lightness - ground) >= 0.17:
        return lightness
    return ground + 0.17 if ground < 0.6 else ground - 0.17


def _mount(ground: float, purity: float, hue: float, rng: np.random.Generator) -> tuple:
    """Paper or a tone of the palette by chance; around a light ground always the tone."""
    tone = ground + 0.3 if ground < 0.6 else ground - 0.4
    if ground > 0.75 or rng.random() < 0.35:
        return tone, 0.8 * purity, hue
    return 0.97, 0.08, hue


def _picture(sheet: Canvas, layout, law: dict) -> None:
    """The layout inside its margin, on the mount; not always in the middle of it."""
    margin, rng = 0.2 * law["margin"] ** 1.4, sheet.rng
    sheet.box(0, 0, 1, 1, "mount")
    left, top = margin * (1 + rng.uniform(-0.4, 0.4, 2) * (rng.random() < 0.5))
    panel = Canvas(
        round(sheet.side * (1 - 2 * margin)),
        sheet.palette,
        rng,
        count=max(2.0, (2.5 + 8 * law["pace"]) * (1 - 2 * margin)),
        weight=law["weight"],
        focus=tuple(rng.uniform(0.3, 0.7, 2)),
    )
    layout(panel)
    _rule(panel, 0.004 + 0.05 * law["weight"] * sheet.side / panel.side)
    sheet.image.paste(panel.image, (round(left * sheet.side), round(top * sheet.side)))


def _accent(sheet: Canvas, law: dict, kind: str) -> None:
    """The accent in a form by chance, and the beats along its edge."""
    form = accents.FORMS[sheet.rng.integers(len(accents.FORMS))]
    edge = form(sheet, 0.05 + 0.3 * law["area"])
    accents.beats(sheet, edge, 1 / (3 + 9 * law["pace"]), kind)


def _lit(sheet: Canvas, law: dict) -> None:
    """A glow from above and dusk from the right: light on a dark ground and the other way about."""
    place = (np.arange(48) + 0.5) / 48
    glow = np.exp(-((place[None, :] - 0.5) ** 2) / 0.25 - place[:, None] / 0.45)
    dusk = np.broadcast_to(place[None, :] ** 1.5, glow.shape)
    for colour, opacity in (("dusk", 0.6 * law["pace"] * dusk), ("glow", law["light"] * glow)):
        sheet.tint(Image.fromarray((255 * opacity).round().astype(np.uint8)), colour)


def _rule(panel: Canvas, width: float) -> None:
    """A frame in the figure's colour, from a hairline to a heavy one."""
    for box in ((0, 0, 1, width), (0, 1 - width, 1, 1), (0, 0, width, 1), (1 - width, 0, 1, 1)):
        panel.box(*box, "figure")


def _grained(picture: Image.Image, style: Style, seed: int) -> Image.Image:
    """The paper's grain: what keeps flat colours from looking like a screen."""
    rng = np.random.default_rng((seed, 6))
    noise = rng.standard_normal((picture.height, picture.width, 1), dtype=np.float32)
    pixels = np.asarray(picture, dtype=np.float32) + style.grain * noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
