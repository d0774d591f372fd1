"""Covers as the world delivers them: the defects that the built-in imprint plants in its own."""

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from albumlib.runtime.pictures import to_png

REPAIRABLE = ("greyscale", "alpha", "palette", "cmyk", "rotated")
UNUSABLE = ("wide", "truncated", "empty", "html", "one pixel", "oversize")
DUPLICATES = ("exact duplicate", "near duplicate")
DEFECTS = (*REPAIRABLE, *UNUSABLE, *DUPLICATES)
OVERSIZE = 12_000  # pixels a side: a bomb of a few kilobytes


def corrupted(picture: Image.Image, defect: str, rng: np.random.Generator) -> bytes:
    """The picture's bytes after a defect of DEFECTS, or clean ones for "" ."""
    png = rng.random() < 0.15
    if defect == "near duplicate":
        smaller = picture.resize([round(0.93 * side) for side in picture.size])
        return _jpeg(ImageEnhance.Brightness(smaller).enhance(1.02), 80)
    return _CORRUPTIONS.get(defect, to_png if png else _jpeg)(picture)


def _jpeg(picture: Image.Image, quality: int = 90, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


def _alpha(picture: Image.Image) -> bytes:
    mask = Image.new("L", picture.size, 255)
    mask.paste(0, (0, 0, picture.width // 12, picture.height))
    return to_png(Image.merge("RGBA", (*picture.split(), mask)))


def _rotated(picture: Image.Image) -> bytes:
    """Stored on its side, with the EXIF note (orientation 6) that says how to turn it back."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _jpeg(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


def _truncated(picture: Image.Image) -> bytes:
    whole = _jpeg(picture)
    return whole[: len(whole) // 2]


_CORRUPTIONS = {
    "greyscale": lambda picture: _jpeg(ImageOps.grayscale(picture)),
    "alpha": _alpha,
    "palette": lambda picture: to_png(picture.quantize(64)),
    "cmyk": lambda picture: _jpeg(picture.convert("CMYK")),
    "rotated": _rotated,
    "wide": lambda picture: _jpeg(picture.resize((2 * picture.width, picture.height))),
    "truncated": _truncated,
    "empty": lambda picture: b"",
    "html": lambda picture: b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "one pixel": lambda picture: to_png(picture.resize((1, 1))),
    "oversize": lambda picture: to_png(Image.new("1", (OVERSIZE, OVERSIZE)), level=9),
}
