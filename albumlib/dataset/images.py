"""Bytes to checked covers: square RGB pixels, or a reason why not.

Nothing is trusted: formats come from a list, the size is known before anything is decoded, and a
picture counts only if it decodes to its end.
"""

import hashlib
import io
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, ImageCms, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # those that this Pillow has
MOST_PIXELS = 40_000_000  # more is a bomb, or of no use here
MOST_SCANS = 100  # of a progressive JPEG; each costs a pass over all pixels, and ten are usual
LEAST_SIDE = 16  # pixels; less is a spacer, no cover
ASPECT = 1.25  # longer to shorter side, up to which the middle is cropped
BACKGROUND = (255, 255, 255)  # behind transparent parts
END, SCAN = b"\xff\xd9", b"\xff\xda"  # of a JPEG
MARKERS = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")  # but for those that stand between its pixels
# What Pillow raises at damage.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, MemoryError, RuntimeError)


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


def decode(
    data: bytes, size: int, *, background: tuple[int, int, int] = BACKGROUND, aspect: float = ASPECT
) -> Decoded:
    """Decode a cover to size x size RGB. Raises CoverRejected with the reason.

    JPEGs are scaled in the decoder to no less than twice the size; palette, CMYK and 16-bit files
    are converted; pictures that are nearly square (up to `aspect`) are cropped at the middle and
    resampled by Lanczos' filter; colours become sRGB by the file's ICC profile; EXIF orientation
    is undone; transparent parts are laid on `background`. Of an animation the first frame counts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # every oddity ends in a reason, none on the screen
        data = _whole_jpeg(data) if data.startswith(b"\xff\xd8") else data
        picture = _opened(data)
        about = (picture.format or "", picture.width, picture.height, picture.mode)
        _check_shape(*picture.size, aspect)
        try:
            square = _square(_plain(_loaded(picture, data, size)), about[1:3], size)
        except DAMAGE as error:
            raise CoverRejected("truncated or damaged") from error
        square = _upright(_on(background, _srgb(square, picture.info)), picture)
    return Decoded(np.asarray(square), *about, cropped=about[1] != about[2])


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """Pixels (S, S, 3) uint8 at `side` x `side`, by Lanczos' filter."""
    if len(pixels) == side:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


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
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise CoverRejected("too many pixels") from error
    except DAMAGE as error:
        raise CoverRejected("not a picture") from error


def _whole_jpeg(data: bytes) -> bytes:
    """A JPEG without what stands behind its end (a phone puts a video there), and with an end.

    Where the mark of the end is missing, the pixels may all be there; the decoder tells. Raises
    CoverRejected if there are more scans than any ordinary picture has.
    """
    place, scans = 2, 0
    for mark in MARKERS.finditer(data, place):
        if mark.start() < place:  # within a segment, such as the thumbnail's own marks
            continue
        if mark[0] == END:
            return data[: mark.end()]
        place = mark.end() + int.from_bytes(data[mark.end() : mark.end() + 2], "big")
        scans += mark[0] == SCAN
        if scans > MOST_SCANS:
            raise CoverRejected("too many scans")
    return data + END


def _check_shape(width: int, height: int, aspect: float) -> None:
    if width * height > MOST_PIXELS:
        raise CoverRejected("too many pixels")
    if min(width, height) < LEAST_SIDE:
        raise CoverRejected("too small")
    if max(width, height) > aspect * min(width, height):
        raise CoverRejected("not square")


def _loaded(picture: Image.Image, data: bytes, size: int) -> Image.Image:
    """The picture decoded to its end; a JPEG at an eighth of its size or more.

    Pillow paints what is missing of a JPEG grey and says nothing if the file is properly closed;
    simplejpeg tells. What only bothers simplejpeg (odd sampling, stray bytes) is left to Pillow.
    """
    if picture.format in ("JPEG", "MPO"):
        try:
            return _jpeg(data, picture, 2 * size)
        except ValueError as error:
            if any(text in str(error) for text in CUT_OFF):
                raise
        picture.draft(None, (2 * size, 2 * size))
    picture.load()
    return picture


CUT_OFF = ("remature end", "bad Huffman code", "instead of RST")  # libjpeg's words
SPACES = {"L": ("GRAY", "L"), "RGB": ("RGB", "RGB"), "CMYK": ("CMYK", "CMYK;I")}


def _jpeg(data: bytes, picture: Image.Image, least: int) -> Image.Image:
    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    if (width, height) != picture.size:
        raise ValueError("two decoders, two sizes")
    space, raw = SPACES[picture.mode]
    pixels = simplejpeg.decode_jpeg(data, space, min_height=least, min_width=least)
    height, width = pixels.shape[:2]
    return Image.frombuffer(picture.mode, (width, height), pixels, "raw", raw, 0, 1)


def _plain(picture: Image.Image) -> Image.Image:
    """As L, RGB, CMYK or RGBA, in 8 bits."""
    if picture.mode.startswith("I"):
        return _from_16_bits(picture)
    if picture.mode == "F":
        raise CoverRejected("not 8 or 16 bits a colour")
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture if picture.mode in SPACES else picture.convert("RGB")


def _from_16_bits(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits, which Pillow would cut off and not scale; one value may be transparent."""
    values = np.asarray(picture).astype(np.int64)
    grey = Image.fromarray((values / 257).clip(0, 255).astype(np.uint8))
    if (clear := picture.info.get("transparency")) is None:
        return grey
    shown = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
    return Image.merge("RGBA", (grey, grey, grey, shown))


def _square(picture: Image.Image, whole: tuple[int, int], size: int) -> Image.Image:
    """The middle of the picture, size x size, given the size of the whole in its file: a decoder
    scales by whole eighths and rounds up, so the last pixels are in part beyond the edge.
    """
    eighths = 8 * picture.width // whole[0]
    width, height = (side * eighths / 8 for side in whole)
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return picture.resize((size, size), Image.Resampling.LANCZOS, box, reducing_gap=2.0)


def _srgb(picture: Image.Image, info: dict) -> Image.Image:
    """RGB or RGBA in sRGB; a profile that is broken or does not fit counts as none."""
    transform = _transform(info.get("icc_profile"), picture.mode.rstrip("A"))
    if not transform:
        return picture if picture.mode == "RGBA" else picture.convert("RGB")
    colors = transform.apply(picture.convert(picture.mode.rstrip("A")))
    if picture.mode == "RGBA":
        colors.putalpha(picture.getchannel("A"))
    return colors


@lru_cache(maxsize=64)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB, or None."""
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, *DAMAGE):
        return None


def _on(background: tuple[int, int, int], picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    ground = Image.new("RGBA", picture.size, (*background, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def _upright(square: Image.Image, picture: Image.Image) -> Image.Image:
    """The square turned as the EXIF note of its file says; a broken note counts as none."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except DAMAGE:
        return square
    square.info = {}  # the note as it was may be too odd to be written anew
    square.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(square)
