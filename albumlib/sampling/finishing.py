"""Finished covers: a generated picture at print size, with artist and title on it, in one file.

`python -m albumlib generate … --finish cutout --size 3000 --title … --artist … --out cover.png`
"""

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from albumlib.models.networks import Generator
from albumlib.sampling import texture
from albumlib.sampling.captions import STYLES, Caption
from albumlib.sampling.placement import place
from albumlib.sampling.request import (
    PICTURES,
    Request,
    RequestError,
    check_ending,
    contact_sheet,
    enlarge,
    recipe,
    write,
)
from albumlib.sampling.tracing import flatten, trace
from albumlib.sampling.upscaling import upscaled
from albumlib.sampling.vector import document, render

FINISHES = ("smooth", "sharp", "cutout", "riso", "halftone")
SMALLEST, LARGEST = 64, 6000  # pixels a side
NEEDED = ("vtracer", "resvg_py", "fontTools")


@dataclass(frozen=True)
class Finish:
    """How a cover is finished: one of FINISHES, pixels a side, the words on it, and the style of
    their type, one of STYLES, or "" for the one that suits the picture best."""

    finish: str = "cutout"
    size: int = 3000
    title: str = ""
    artist: str = ""
    style: str = ""

    def __post_init__(self) -> None:
        for value, known, name in (
            (self.finish, FINISHES, "finish"), (self.style, ("", *STYLES), "style of type"),
        ):  # fmt: skip
            if value not in known:
                names = ", ".join(filter(None, known))
                raise RequestError(f"there is no {name} {value!r}; there are {names}")
        if not SMALLEST <= self.size <= LARGEST:
            raise RequestError(
                f"a finished cover is from {SMALLEST} to {LARGEST} pixels wide, not {self.size}"
            )
        if not all(map(find_spec, NEEDED)):
            raise RequestError("finished covers need more packages: pip install 'albumlib[print]'")


@dataclass(frozen=True)
class Finished:
    """A finished cover: its pixels (S, S, 3) uint8 with the caption on them, its shapes as SVG if
    it is made of shapes, and the caption."""

    pixels: np.ndarray
    shapes: str
    caption: Caption | None


def finished(cover: np.ndarray, finish: Finish, seed: int = 0) -> Finished:
    """Finish a generated cover (S, S, 3) uint8. `seed` decides on grain, and between styles of
    type that suit it as well.

    Raises CaptionError for words that cannot be set.
    """
    indices, palette = flatten(cover)
    shapes = trace(indices, palette) if finish.finish in ("cutout", "riso") else ""
    if shapes:
        pixels = render(document(shapes), finish.size)[..., :3]
    elif finish.finish == "sharp":
        pixels = upscaled(cover, finish.size)
    else:
        pixels = enlarge(cover[None], finish.size)[0]
    pixels = texture.TEXTURES.get(finish.finish, lambda pixels, _: pixels)(pixels, seed)
    caption = place(pixels, palette, finish.title, finish.artist, finish.style, seed)
    if caption:
        pixels = _laid_over(pixels, render(document("", caption), finish.size))
    return Finished(pixels, shapes if finish.finish == "cutout" else "", caption)


def _laid_over(pixels: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Pixels (S, S, 3) beneath others (S, S, 4) with opacity."""
    rows = np.flatnonzero(over[..., 3].any(1))
    part, laid = slice(rows[0], rows[-1] + 1), pixels.copy()
    opacity = over[part, :, 3:] / np.float32(255)
    mixed = opacity * over[part, :, :3] + (1 - opacity) * pixels[part]
    laid[part] = mixed.round().astype(np.uint8)
    return laid


def save(path: str | Path, request: Request, generator: Generator, finish: Finish) -> Path:
    """Generate covers, finish them, and write them as PNG, JPEG or SVG with the recipe inside.
    Several make a sheet, four to a row. Raises RequestError for another kind of file, and for an
    SVG of several covers or of a finish that is not made of shapes."""
    path = Path(path)
    check_ending(path, (*PICTURES, ".svg"))
    about = recipe(request, generator, finish=asdict(finish))
    vectors = path.suffix.lower() == ".svg"
    if vectors and (finish.finish != "cutout" or len(request.seeds) > 1):
        raise RequestError("an SVG holds one cover, with the finish cutout; or name a .png")
    pairs = zip(request.draw(generator), request.seeds, strict=True)
    covers = [finished(cover, finish, seed) for cover, seed in pairs]
    if not vectors:
        sheet = contact_sheet(np.stack([cover.pixels for cover in covers]), 4)
        return write(path, sheet, about)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(covers[0].shapes, covers[0].caption, about), encoding="utf-8")
    return path
