import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from albumlib.covers import CoverRejected, decode
from albumlib.duplicates import fingerprint
from albumlib.sources.synthetic import RecordLabel

LABEL = RecordLabel(albums=50, dirt=0)


def picture(side=256, seed=3):
    return Image.open(io.BytesIO(LABEL.cover(f"album/{seed}", side))).convert("RGB")


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def gap(first, second):
    return np.abs(first.astype(int) - second).mean()


REFERENCE = np.asarray(picture().resize((64, 64), Image.Resampling.LANCZOS))


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (encoded(picture()), 0.5),
        (encoded(picture(), "JPEG", quality=95), 2),
        (encoded(picture(), "WEBP", lossless=True), 0.5),
        (encoded(picture().convert("RGBA")), 0.5),
        (encoded(picture().quantize(256)), 4),
        (encoded(picture().convert("CMYK"), "JPEG", quality=95), 3),
    ],
)
def test_every_kind_of_file_gives_the_same_cover(data, most):
    assert gap(decode(data, 64).pixels, REFERENCE) <= most


def test_scaled_decoding_of_a_jpeg_is_within_a_grey_level():
    data = encoded(picture(640), "JPEG", quality=90)
    exact = Image.open(io.BytesIO(data)).resize((64, 64), Image.Resampling.LANCZOS)
    assert gap(decode(data, 64).pixels, np.asarray(exact)) < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation):
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that Pillow undoes
    turned = picture()
    if orientation > 1:
        turned = turned.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(turned, "JPEG", quality=95, exif=exif)
    assert gap(decode(data, 64).pixels, REFERENCE) < 3


def test_transparent_parts_become_white():
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    assert (decode(encoded(clear), 32).pixels == 255).all()


def test_sixteen_bits_are_scaled_and_not_cut():
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    cover = decode(encoded(Image.fromarray(ramp)), 64)
    assert gap(cover.pixels[..., 0], ramp / 257) < 1
    assert cover.greyscale


def test_greyscale_is_kept_and_flagged():
    cover = decode(encoded(picture().convert("L"), "JPEG"), 64)
    assert cover.greyscale and cover.mode == "L"
    assert not decode(encoded(picture()), 64).greyscale


def test_nearly_square_is_cropped_at_the_middle():
    wide = Image.new("RGB", (300, 256), (255, 0, 0))
    wide.paste(picture(), (22, 0))
    cover = decode(encoded(wide), 64)
    assert cover.cropped and gap(cover.pixels, REFERENCE) < 1


def animated():
    frames = [picture(64), picture(64, 4)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def test_of_an_animation_the_first_frame_counts():
    first = np.asarray(picture(64))
    assert gap(decode(animated(), 64).pixels, first) < 12


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<html><body>not found</body></html>", "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "not a picture"),
        (encoded(picture())[:2000], "truncated or damaged"),
        (encoded(picture(), "JPEG")[:3000], "truncated or damaged"),
        (encoded(picture(), "TIFF"), "not a picture"),
        (encoded(Image.new("1", (12_000, 12_000))), "too many pixels"),
        (encoded(Image.new("1", (30_000, 30_000))), "too many pixels"),
        (encoded(Image.new("RGB", (1, 1))), "too small"),
        (encoded(Image.new("RGB", (400, 300))), "not square"),
    ],
)
def test_what_is_no_cover_is_rejected_with_a_reason(data, reason, recwarn):
    with pytest.raises(CoverRejected, match=reason):
        decode(data, 64)
    assert not recwarn


def test_mutated_files_end_in_a_verdict(recwarn):
    dice = np.random.default_rng(0)
    sources = [encoded(picture(64), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")]
    for round_ in range(400):
        data = bytearray(sources[round_ % 4])
        for place in dice.integers(0, len(data), dice.integers(1, 12)):
            data[place] = dice.integers(256)
        with contextlib.suppress(CoverRejected):
            assert decode(bytes(data), 32).pixels.shape == (32, 32, 3)
    assert not recwarn


def test_fingerprints_of_copies_are_near_and_of_others_far():
    def distance(first, second):
        return (fingerprint(first) ^ fingerprint(second)).bit_count()

    original = decode(encoded(picture()), 64).pixels
    small = decode(encoded(picture().resize((200, 200)), "JPEG", quality=70), 64).pixels
    brighter = np.clip(original.astype(int) + 10, 0, 255).astype(np.uint8)
    assert distance(original, small) <= 3
    assert distance(original, brighter) <= 3
    other = decode(encoded(picture(seed=8)), 64).pixels
    assert distance(original, other) > 10
