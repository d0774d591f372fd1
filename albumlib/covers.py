"""Bytes to checked covers: square RGB pixels, or a reason why not.

Nothing is trusted: formats come from a list, the size is known before anything is decoded, and a
picture counts only if it decodes to its end.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_PIXELS = 40_000_000  # more is a bomb, or of no use here
LEAST_SIDE = 16  # pixels; less is a spacer, no cover
ASPECT = 1.25  # longer to shorter side, up to which the middle is cropped
BACKGROUND = (255, 255, 255)  # behind transparent parts


class CoverRejected(Exception):
    """The bytes are no usable cover; the message is a short reason, one of a small number."""


@dataclass(frozen=True)
class Decoded:
    """A cover's pixels (S, S, 3) uint8, and what its file was like."""

    pixels: np.ndarray
    format: str
    width: int
    height: int
    mode: str  # of the file: RGB, L, P, RGBA, CMYK, I;16, ...
    cropped: bool  # it was not quite square

    @property
    def greyscale(self) -> bool:
        """Whether the cover has no colour at all, whatever the file's mode."""
        return bool((np.ptp(self.pixels.astype(np.int16), axis=2) <= 6).all())


def decode(data: bytes, size: int, *, any_shape: bool = False) -> Decoded:
    """Decode a cover to size x size RGB. Raises CoverRejected with the reason.

    JPEGs are scaled in the decoder to no less than twice the size, EXIF orientation is applied,
    transparent parts are laid on white, greyscale, palette, CMYK and 16-bit files are converted,
    pictures that are nearly square are cropped at the middle, and the rest is resampled by
    Lanczos' filter. Of an animation the first frame counts. `any_shape` lets tiny and oblong
    pictures pass: a person wants them.
    """
    picture = _opened(data)
    about = (picture.format or "", picture.width, picture.height, picture.mode)
    _check_shape(*picture.size, any_shape)
    try:
        picture.draft("RGB", (2 * size, 2 * size))
        picture.load()
        picture = _upright(picture)
        square = ImageOps.fit(_rgb(picture), (size, size), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise CoverRejected("truncated or damaged") from error
    width, height = about[1:3]
    return Decoded(np.asarray(square), *about, cropped=width != height)


def read_cover(path: Path, sha256: str) -> bytes:
    """A cover file's bytes, if they are those that were gathered. Raises CoverRejected if not."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise CoverRejected("file is gone") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CoverRejected("file is not what was gathered")
    return data


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise CoverRejected("empty file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # every oddity ends in a verdict, none on the screen
        try:
            return Image.open(io.BytesIO(data), formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise CoverRejected("too many pixels") from error
        except (OSError, SyntaxError, ValueError) as error:
            raise CoverRejected("not a picture") from error


def _check_shape(width: int, height: int, any_shape: bool) -> None:
    if width * height > MOST_PIXELS:
        raise CoverRejected("too many pixels")
    if any_shape:
        return
    if min(width, height) < LEAST_SIDE:
        raise CoverRejected("too small")
    if max(width, height) > ASPECT * min(width, height):
        raise CoverRejected("not square")


def _upright(picture: Image.Image) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about broken EXIF, which then counts as none
        return ImageOps.exif_transpose(picture)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits: Pillow would cut them off, not scale them
        values = np.asarray(picture, dtype=np.float32)
        return Image.fromarray((values / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, (*BACKGROUND, 255))
        picture = Image.alpha_composite(ground, picture)
    return picture.convert("RGB")
