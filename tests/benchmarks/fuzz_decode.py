"""Files broken at random, to see whether decoding ever does worse than to reject one.

Small files of many kinds (every format and mode, interlaced, progressive, animated, with profiles
and notes) have bytes and bits changed, lengths set to extremes, pieces cut out, repeated, swapped
in from another file, or their end cut off. A crash is anything but a cover or CoverRejected: an
exception, a warning, the death of the process. Each file follows from the seed and its number,
so that a crash can be had again with --only.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from albumlib.dataset.images import CoverRejected, decode
from albumlib.sources.imprint.imprint import Imprint

TASK = 200  # files
SIDE = 48  # of the sound files


@cache
def sound_files() -> list[bytes]:
    """One small file of each kind."""
    data = Imprint(albums=9, corruption=0).cover("album/8", SIDE)
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    grey, clear = picture.convert("L"), picture.convert("RGBA")
    clear.putalpha(grey)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a note"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    about = {"exif": exif.tobytes(), "icc_profile": profile}
    frames = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    kinds = [
        (picture, "JPEG", {"quality": 90}),
        (picture, "JPEG", {"progressive": True, **about}),
        (picture, "JPEG", {"subsampling": 0, "restart_marker_rows": 1}),
        (grey, "JPEG", about),
        (picture.convert("CMYK"), "JPEG", {"icc_profile": profile}),
        *((picture.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "P", "RGB")),
        (clear, "PNG", about),
        (picture.quantize(16), "PNG", {"transparency": 3}),
        (deep, "PNG", {}),
        (deep, "PNG", {"transparency": 257}),
        (picture, "PNG", frames),
        (picture, "WEBP", about),
        (clear, "WEBP", {"lossless": True}),
        (picture, "WEBP", frames),
        (picture, "GIF", frames),
        (picture.quantize(16), "GIF", {"transparency": 2, "interlace": True}),
        (picture, "BMP", {}),
        (picture.quantize(16), "BMP", {}),
        (picture, "AVIF", {"quality": 70}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (grey, "TIFF", {"compression": "tiff_deflate", **about}),
        (picture.convert("CMYK"), "TIFF", {"compression": "packbits"}),
        (deep, "TIFF", {}),
    ]
    return [_encoded(image, kind, options) for image, kind, options in kinds]


def _encoded(image: Image.Image, kind: str, options: dict) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def mutant(seed: int, number: int) -> bytes:
    """File `number` of this seed: a sound one after one to four mutations."""
    rng = np.random.default_rng((seed, number))
    files = sound_files()
    data = bytearray(files[number % len(files)])
    for _ in range(rng.integers(1, 5)):
        _MUTATIONS[rng.integers(len(_MUTATIONS))](data, rng)
    return _sealed(bytes(data)) if rng.random() < 0.7 else bytes(data)


def _sealed(data: bytes) -> bytes:
    """A PNG with the right check sums, so that its damage is not found by those alone."""
    place, parts = 8, [data[:8]]
    while data.startswith(b"\x89PNG") and place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        chunk = data[place:end]
        parts += [chunk, zlib.crc32(chunk[4:]).to_bytes(4, "big")]
        place = end + 4
    return b"".join(parts) + data[place:] if len(parts) > 1 else data


def _bytes(data: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(0, max(1, len(data)), rng.integers(1, 9)):
        data[place : place + 1] = bytes([rng.integers(256)])


def _header(data: bytearray, rng: np.random.Generator) -> None:
    """As above, but where sizes and tables are told."""
    for place in rng.integers(0, min(300, max(1, len(data))), rng.integers(1, 5)):
        data[place : place + 1] = bytes([rng.integers(256)])


def _bit(data: bytearray, rng: np.random.Generator) -> None:
    place = rng.integers(max(1, len(data)))
    data[place : place + 1] = bytes([b ^ (1 << rng.integers(8)) for b in data[place : place + 1]])


def _extreme(data: bytearray, rng: np.random.Generator) -> None:
    place, width = rng.integers(max(1, len(data))), int(rng.choice([1, 2, 4]))
    data[place : place + width] = rng.choice([b"\x00", b"\x7f", b"\x80", b"\xff"]) * width


def _cut_out(data: bytearray, rng: np.random.Generator) -> None:
    place = rng.integers(max(1, len(data)))
    del data[place : place + rng.integers(1, 60)]


def _repeat(data: bytearray, rng: np.random.Generator) -> None:
    place, length = rng.integers(max(1, len(data))), rng.integers(1, 400)
    data[place:place] = data[place : place + length] * int(rng.integers(1, 20))


def _swap_in(data: bytearray, rng: np.random.Generator) -> None:
    other = sound_files()[rng.integers(len(sound_files()))]
    place, start, length = rng.integers(max(1, len(data))), rng.integers(len(other)), 200
    data[place : place + length] = other[start : start + length]


def _cut_off(data: bytearray, rng: np.random.Generator) -> None:
    del data[rng.integers(len(data) // 2, max(1, len(data)) + 1) :]
    if rng.random() < 0.5:
        data += b"\xff\xd9"


_MUTATIONS = (_bytes, _header, _bit, _extreme, _cut_out, _repeat, _swap_in, _cut_off)


def outcomes(seed: int, numbers: range) -> list[tuple[str, float]]:
    """Of each file the outcome and the seconds it took. Whatever else is raised is a crash."""
    warnings.simplefilter("error")
    return [_outcome(mutant(seed, number)) for number in numbers]


def _outcome(data: bytes) -> tuple[str, float]:
    start = time.process_time()
    try:
        decode(data, 32)
        outcome = "cover"
    except CoverRejected as error:
        outcome = str(error)
    return outcome, time.process_time() - start


def crashes(seed: int, numbers: range) -> Iterator[str]:
    """Of a task that failed, each file that fails alone, in a process of its own."""
    for number in numbers:
        with ProcessPoolExecutor(1) as pool:
            error = pool.submit(outcomes, seed, range(number, number + 1)).exception()
        if error:
            yield f"--only {number}: {error!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000, help="files; 20,000 or more for a real look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="decode this file, in this process")
    given = parser.parse_args()
    if given.only is not None:
        print(json.dumps(outcomes(given.seed, range(given.only, given.only + 1))))
        return

    reasons: Counter = Counter()
    slowest, crashed = (0.0, -1), []
    for start in range(0, given.n, TASK):
        numbers = range(start, min(start + TASK, given.n))
        with ProcessPoolExecutor(1) as pool:
            task = pool.submit(outcomes, given.seed, numbers)
            if task.exception():
                crashed += crashes(given.seed, numbers)
                continue
            found = task.result()
        reasons.update(outcome for outcome, _ in found)
        slow = max(range(len(found)), key=lambda row: found[row][1])
        slowest = max(slowest, (found[slow][1], numbers[slow]))
    for crash in crashed:
        print(crash)
    result = {
        "n": given.n,
        "crashes": len(crashed),
        "slowest_ms": round(1000 * slowest[0], 1),
        "slowest_file": slowest[1],
        "verdicts": dict(reasons.most_common()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
