import contextlib
import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from albumlib.dataset.images import CoverRejected, decode
from albumlib.sources.imprint.imprint import Imprint

IMPRINT = Imprint(albums=50, corruption=0)


def picture(side=256, seed=3):
    return Image.open(io.BytesIO(IMPRINT.cover(f"album/{seed}", side))).convert("RGB")


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
        (encoded(picture(), "BMP"), 0.5),
        (encoded(picture(), "TIFF"), 0.5),
        (encoded(picture(), "AVIF", quality=95), 3),
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


@pytest.mark.parametrize("side", [277, 279, 301])
def test_scaled_decoding_does_not_stretch_sides_that_are_no_multiple_of_eight(side):
    stripes = np.zeros((side, side, 3), dtype=np.uint8)
    stripes[:, np.arange(side) * 12 // side % 2 == 1] = 255
    data = encoded(Image.fromarray(stripes), "JPEG", quality=95)
    exact = Image.open(io.BytesIO(data)).resize((64, 64), Image.Resampling.LANCZOS)
    assert gap(decode(data, 64).pixels, np.asarray(exact)) < 1.5


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
        (encoded(picture(), "PCX"), "not a picture"),
        (encoded(Image.new("F", (64, 64)), "TIFF"), "not 8 or 16 bits"),
        (encoded(Image.new("1", (12_000, 12_000))), "too many pixels"),
        (encoded(Image.new("1", (30_000, 30_000))), "too many pixels"),
        (encoded(Image.new("RGB", (1, 1))), "too small"),
        (encoded(Image.new("RGB", (400, 300))), "not square"),
    ],
)
def test_what_is_no_cover_is_rejected_with_a_reason(data, reason, silent):
    with pytest.raises(CoverRejected, match=reason):
        decode(data, 64)


def test_a_jpeg_whose_last_two_bytes_are_missing_is_whole(root):
    data = (root / "tests" / "cases" / "pictures" / "without_end_marker.jpg").read_bytes()
    assert (decode(data, 64).pixels == decode(data + b"\xff\xd9", 64).pixels).all()
    with pytest.raises(CoverRejected, match="truncated"):
        decode(data[:-300], 64)


def test_what_stands_behind_the_end_of_a_jpeg_does_not_count():
    data = encoded(picture(), "JPEG", quality=90)
    video = np.random.default_rng(0).bytes(9_000_000)  # as in a "motion photo"
    assert (decode(data + video, 64).pixels == decode(data, 64).pixels).all()


@pytest.mark.parametrize("name", ["cover.avif", "cover.jfif"])
def test_pictures_with_rarer_suffixes_are_read(root, name):
    data = (root / "tests" / "cases" / "pictures" / name).read_bytes()
    assert decode(data, 64).pixels.std() > 10


def test_mutated_files_are_decoded_or_rejected(silent):
    rng = np.random.default_rng(0)
    kinds = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
    sources = [encoded(picture(64), kind) for kind in kinds]
    for round_ in range(100 * len(kinds)):
        data = bytearray(sources[round_ % len(kinds)])
        for place in rng.integers(0, len(data), rng.integers(1, 12)):
            data[place] = rng.integers(256)
        with contextlib.suppress(CoverRejected):
            assert decode(bytes(data), 32).pixels.shape == (32, 32, 3)


# Hostile files -----------------------------------------------------------------------------------

MODES = (
    "1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX",
    "RGBa", "La", "I;16", "I;16L", "I;16B",
)  # fmt: skip
DEEP = ("I", "I;16", "I;16L", "I;16B")


def in_mode(mode):
    """The picture in a mode; those of 16 bits and more hold 257 times its grey."""
    grey = picture().convert("L")
    if mode in DEEP:
        deep = np.asarray(grey).astype(np.int32) * 257
        if mode == "I":
            return Image.fromarray(deep)
        return Image.frombytes(mode, grey.size, deep.astype(">u2" if "B" in mode else "<u2"))
    if mode == "PA":
        return picture().quantize(256).convert("PA")
    if mode == "LAB":
        lab = ImageCms.createProfile("LAB", 6500)
        return ImageCms.profileToProfile(picture(), SRGB, lab, outputMode="LAB")
    through = {"La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")
    return picture().convert(through).convert(mode, dither=Image.Dither.NONE)


SRGB = ImageCms.createProfile("sRGB")


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_that_can_be_written_can_be_read(mode, silent):
    expected = REFERENCE
    if mode in ("1", "L", "LA", "La", "F", *DEEP):
        grey = in_mode("1" if mode == "1" else "L").convert("RGB")
        expected = np.asarray(grey.resize((64, 64), Image.Resampling.LANCZOS))
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        try:
            data = encoded(in_mode(mode), kind)
        except (OSError, KeyError, ValueError):
            continue  # the format has no such mode
        pixels = decode(data, 64).pixels
        most = 12 if kind == "GIF" or mode in ("P", "PA") else 5  # for palettes and losses
        if kind == "PNG" or mode not in DEEP:  # the others are written as white
            assert gap(pixels, expected) <= most, kind


def test_what_is_no_longer_whole_is_told_though_closed_properly():
    """A late cut in a progressive file costs the last refinement only, and may pass."""
    for options in ({}, {"progressive": True}):
        data = encoded(picture(), "JPEG", **options)
        with pytest.raises(CoverRejected, match="truncated or damaged"):
            decode(data[: len(data) // 3] + b"\xff\xd9", 64)


def swapped_profile():
    """A profile like sRGB's, but what it calls red is blue: the two tags have changed names."""
    profile = ImageCms.ImageCmsProfile(SRGB).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ")
    return swapped.replace(b"????", b"bXYZ")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_profile_is_heeded(kind):
    red = Image.new("RGB", (64, 64), (255, 0, 0))
    pixels = decode(encoded(red, kind, icc_profile=swapped_profile()), 32).pixels
    assert gap(pixels, np.array([0, 0, 255])) < 4
    plain = ImageCms.ImageCmsProfile(SRGB).tobytes()
    assert gap(decode(encoded(picture(), kind, icc_profile=plain), 64).pixels, REFERENCE) < 4


def test_a_profile_leaves_transparency_alone():
    half = Image.new("RGBA", (64, 64), (255, 0, 0, 128))
    pixels = decode(encoded(half, icc_profile=swapped_profile()), 32).pixels
    assert gap(pixels, np.array([127, 127, 255])) < 2


def test_background_and_aspect_can_be_chosen():
    clear = Image.new("RGBA", (300, 150), (255, 0, 0, 0))
    pixels = decode(encoded(clear), 32, background=(10, 20, 30), aspect=2).pixels
    assert (pixels == (10, 20, 30)).all()


def test_one_value_of_sixteen_bits_can_be_transparent():
    ramp = np.full((64, 64), 20_000, dtype=np.uint16)
    ramp[:, 32:] = 257
    cover = decode(encoded(Image.fromarray(ramp), transparency=257), 64)
    assert (cover.pixels[:, 40:] == 255).all() and abs(int(cover.pixels[5, 5, 0]) - 77) <= 1


def chunk(kind, body):
    """A chunk of a PNG file."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def with_chunk(kind, body):
    """The picture as PNG with one more chunk after its header."""
    data = encoded(picture(64))
    return data[:33] + chunk(kind, body) + data[33:]


def many_scans(count):
    """A progressive JPEG whose last scan comes again and again."""
    data = encoded(picture(64), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + count * last + b"\xff\xd9"


def broken_exif():
    tag = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff\xff\xff"
    return encoded(picture(), "JPEG", exif=tag)


def webp_bomb():
    """A header that promises 16,384 pixels a side and nothing behind it."""
    body = b"VP8L" + (5).to_bytes(4, "little") + b"\x2f\xff\xff\xff\x0f\x00"
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def gif_of_frames_larger_than_itself():
    data = bytearray(encoded(picture(64), "GIF"))
    place = data.index(b"\x2c\0\0\0\0", 13)
    data[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    return bytes(data)


def hostile_files():
    """Name, bytes and outcome: a reason, or "" for a cover. The names lie about the format."""
    jpeg, png = encoded(picture(), "JPEG", quality=95), encoded(picture())
    archive = b"PK\x05\x06" + bytes(18)
    large = zlib.compress(bytes(30_000_000))
    flat = chunk(b"IHDR", (6000).to_bytes(4, "big") * 2 + b"\x08\x06\0\0\0")
    turned = Image.Exif()
    turned[0x0112] = 77
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    return {
        "empty.jpg": (b"", "empty file"),
        "error.jpg": (b"<!DOCTYPE html><title>404</title>", "not a picture"),
        "picture.png": (script, "not a picture"),
        "photo.webp": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", "not a picture"),
        "scan.jpg": (encoded(picture(), "TIFF"), ""),
        "paint.gif": (encoded(picture(), "BMP"), ""),
        "magic.png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "not a picture"),
        "cut.png": (png[: len(png) // 2], "truncated or damaged"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "truncated or damaged"),
        "closed.jpg": (jpeg[: len(jpeg) // 2] + b"\xff\xd9", "truncated or damaged"),
        "padded.jpg": (jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2), "truncated or damaged"),
        "cut.webp": (encoded(picture(), "WEBP")[:-900], "not a picture"),
        "cut.gif": (encoded(picture(), "GIF")[:-900], "truncated or damaged"),
        "swapped.jpg": (jpeg[:2] + jpeg[2:][::-1], "not a picture"),
        "pixels.png": (encoded(Image.new("1", (20_000, 20_000))), "too many pixels"),
        "pixels.webp": (webp_bomb(), "too many pixels"),
        "frames.gif": (gif_of_frames_larger_than_itself(), "too many pixels"),
        "promise.png": (png[:8] + flat + chunk(b"IDAT", large) + png[-12:], "truncated or damaged"),
        "scans.jpg": (many_scans(2000), "too many scans"),
        "text.png": (with_chunk(b"zTXt", b"note\0\0" + large), "not a picture"),
        "profile.png": (with_chunk(b"iCCP", b"sRGB\0\0" + large), "not a picture"),
        "odd profile.png": (with_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(b"nonsense")), ""),
        "odd profile.jpg": (encoded(picture(), "JPEG", icc_profile=b"\0" * 200), ""),
        "other profile.jpg": (
            encoded(picture().convert("L"), "JPEG", icc_profile=swapped_profile()), ""),
        "odd note.jpg": (broken_exif(), ""),
        "odd turn.jpg": (encoded(picture(), "JPEG", exif=turned), ""),
        "odd note.png": (with_chunk(b"eXIf", b"nonsense"), ""),
        "archive.jpg": (jpeg + archive, ""),
        "jpeg.png": (jpeg, ""),
        "png.jpg": (png, ""),
        "script.gif": (encoded(picture(), "GIF") + script, ""),
        "moving.gif": (animated(), ""),
        "moving.png": (
            encoded(picture(64), save_all=True, append_images=[picture(64, 4)]), ""),
        "moving.webp": (
            encoded(picture(64), "WEBP", save_all=True, append_images=[picture(64, 4)]), ""),
        "spacer.gif": (encoded(Image.new("P", (1, 1)), "GIF"), "too small"),
        "banner.jpg": (encoded(Image.new("RGB", (468, 60)), "JPEG"), "not square"),
        "line.png": (encoded(Image.new("L", (30_000, 16))), "not square"),
    }  # fmt: skip


def test_a_folder_of_hostile_files_goes_through(tmp_path, silent, capfd):
    files = hostile_files()
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
    found = {}
    for path in sorted(tmp_path.iterdir()):
        try:
            cover = decode(path.read_bytes(), 64)
            found[path.name] = "" if cover.pixels.shape == (64, 64, 3) else "odd shape"
        except CoverRejected as error:
            found[path.name] = str(error)
    assert found == {name: outcome for name, (_, outcome) in files.items()}
    assert capfd.readouterr() == ("", "")
