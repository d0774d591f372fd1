"""Pictures as the bytes of a file."""

import io

import numpy as np
from PIL import Image


def to_png(picture: Image.Image | np.ndarray, level: int = 1) -> bytes:
    """A picture, or pixels (H, W, 3) uint8, as a PNG file; `level` is zlib's, 1 the fastest."""
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=level)
    return stream.getvalue()
