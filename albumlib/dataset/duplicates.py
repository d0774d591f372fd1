"""Which covers are the same picture: byte for byte, pixel for pixel, or nearly.

Two perceptual hashes of each cover say which pairs may be the same, thumbnails which are. Both are
taken of the whole cover and of its inner part, which a cropped or framed copy agrees with. All of
it is numpy over arrays of one row a cover: a million covers take seconds.

Found are copies in other sizes, qualities, brightness, contrast and saturation, cropped by up to
3 % at each edge, or with a frame of up to 4 %. Missed are copies that are turned, mirrored, moved
by more, or covered by a large sticker. `tests/benchmarks/near_duplicates.py` measures it.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from PIL import Image

MARGIN = 0.04  # of the side, that the inner part leaves out at each edge
NEAR = 4  # bits of a 64-bit perceptual hash, within which every pair is compared
FAR = 10  # bits within which those pairs are compared that share two blocks, as most do
ALIKE = 0.9  # similarity of two grey thumbnails, from which they show the same picture
ALIKE_INSIDE = 0.85  # and of their middles, lest a frame in common make two pictures the same
ALIKE_SLOPES = 0.65  # and of the steps between their pixels, lest light and dark areas do
MIDDLE = slice(2, 14)  # rows and columns of a thumbnail's middle
FLAT = 0.02  # of the variance: a middle that varies less counts as empty
COLOURLESS = 3.0  # grey levels between the channels, as a root mean square: no colour
SAME_HUE = 0.8  # cosine between the colours of two thumbnails, from which they agree,
TINT = 0.5  # or else the difference of their colours, in units of their contrast
PLAIN = 1.0  # grey levels of contrast, below which a cover shows nothing
STEP = 8  # grey levels: plain covers are told apart by colour in steps of this
CROWD = 500  # covers that share two blocks, up to which each is compared with each

SIZE, COLOURS = 16, 4  # pixels a side of the grey thumbnails, and of the coloured one
THUMBS = np.dtype([("grey", "u1", (2, SIZE, SIZE)), ("colour", "u1", (COLOURS, COLOURS, 3))])
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # what a greyscale copy keeps of a colour

_SIDE = 32  # pixels a side of what a perceptual hash is taken from
_WAVES = np.cos(np.pi * np.outer(np.arange(9), np.arange(_SIDE) + 0.5) / _SIDE)
_FAINT = 0.05  # of the waves' root mean square: the sign of weaker ones would be chance
_BLOCKS = 6  # of 10 or 11 bits: of two hashes within 4 bits, at least two blocks are equal
_EDGES = np.linspace(0, 64, _BLOCKS + 1).astype(int).tolist()  # first bits of the blocks
_LOW = np.add.outer(np.arange(8), np.arange(8)).ravel()
_ORDER = np.argsort(_LOW % _BLOCKS, kind="stable")  # each block gets slow and fast waves alike
_BATCH = 2048  # pairs compared in one piece
_GATHERED = 50_000  # candidates handed on in one piece


def perceptual_hashes(pixels: np.ndarray) -> tuple[int, int]:
    """64 bits each of a cover (S, S, 3) uint8 and of its inner part: the signs of slow waves.

    It is pHash (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions")
    with a threshold near zero: the discrete cosine transform of 32 x 32 grey pixels, of which
    8 x 8 coefficients count, with one more in the place of the mean. 0 is a plain cover's.
    """
    grey = Image.fromarray(pixels).convert("L")
    return _hash(grey, 0.0), _hash(grey, MARGIN)


def _hash(grey: Image.Image, margin: float) -> int:
    small = np.asarray(_inner(grey, margin, _SIDE, Image.Resampling.BICUBIC), dtype=np.float64)
    if small.std() < PLAIN:
        return 0
    waves = _WAVES @ small @ _WAVES.T
    values = waves[:8, :8].ravel()
    values[0] = waves[8, 0]
    bits = values[_ORDER] > _FAINT * np.sqrt(np.mean(values**2))
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnails(pixels: np.ndarray) -> np.ndarray:
    """A cover (S, S, 3) uint8 as one record of THUMBS: `grey` (2, 16, 16) are the whole and the
    inner part, `colour` (4, 4, 3) is the whole.
    """
    picture = Image.fromarray(pixels)
    grey, record = picture.convert("L"), np.zeros((), dtype=THUMBS)
    for number, margin in enumerate((0.0, MARGIN)):
        record["grey"][number] = _inner(grey, margin, SIZE, Image.Resampling.BOX)
    record["colour"] = picture.resize((COLOURS, COLOURS), Image.Resampling.BOX)
    return record


def _inner(picture: Image.Image, margin: float, size: int, by: Image.Resampling) -> Image.Image:
    edge = margin * picture.width
    return picture.resize((size, size), by, (edge, edge, *(s - edge for s in picture.size)))


def groups_of_duplicates(hashes: np.ndarray, thumbs: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """For each cover the number of the first that is the same picture, its own if there is none.

    `digests` (N,) are equal where all pixels are; `hashes` (N, 2) uint64 and `thumbs` (N,) of dtype
    THUMBS are those of `perceptual_hashes` and `thumbnails`. Covers belong together if their hashes
    are near and their grey thumbnails are alike, directly or through others. Such a group is then
    split by colour. Plain covers, whose hash is 0, belong together if they have one colour.
    """
    code, _ = pd.factorize(digests)
    leaders = np.unique(code, return_index=True)[1]
    hashes, group = hashes[leaders], np.arange(len(leaders))
    for first, second in _candidates(hashes.T.ravel(), FAR):  # all wholes, then all inner parts
        i, j = first % len(group), second % len(group)
        new = _root(group, i) != _root(group, j)  # so that many copies of one cost little
        i, j, inner = i[new], j[new], np.stack([first[new], second[new]]) // len(group)
        same = same_picture(thumbs, leaders[i], leaders[j], *inner)
        _join(group, i[same], j[same])
    group = _split_by_colour(_root(group, np.arange(len(group))), thumbs, leaders)
    plain = np.flatnonzero(hashes[:, 0] == 0)
    group[plain] = plain[_same_colour(thumbs["colour"][leaders[plain]])]
    return leaders[group[code]]


def same_picture(
    thumbs: np.ndarray, first: np.ndarray, second: np.ndarray, inner_first=0, inner_second=0
) -> np.ndarray:
    """Whether (n,) each pair of covers shows one picture, by their grey thumbnails.

    Brightness and contrast do not count. `inner_first` and `inner_second` (n,) are 1 where the
    inner part is meant, 0 where the whole is.
    """
    inner = [np.broadcast_to(which, len(first)) for which in (inner_first, inner_second)]
    found = np.zeros(len(first), dtype=bool)
    for start in range(0, len(first), _BATCH):
        some = slice(start, start + _BATCH)
        x, y = (
            _normalised(thumbs["grey"][rows[some], which[some]])
            for rows, which in zip((first, second), inner, strict=True)
        )
        same = np.flatnonzero(similarity(x, y) >= ALIKE)  # the rest is for few pairs
        x, y = x[same], y[same]
        middles = similarity(x[:, MIDDLE, MIDDLE], y[:, MIDDLE, MIDDLE], FLAT)
        slopes = similarity(_slopes(x), _slopes(y))
        found[start + same] = (middles >= ALIKE_INSIDE) & (slopes >= ALIKE_SLOPES)
    return found


def similarity(x: np.ndarray, y: np.ndarray, flat: float = 0.0) -> np.ndarray:
    """Structure and contrast (n,), -1 to 1, of normalised thumbnails (n, S, S), without lightness.

    It is the second factor of SSIM (Wang et al. 2004, "Image quality assessment: from error
    visibility to structural similarity"). Of whole thumbnails, which have one variance, it is the
    correlation. Parts that both vary by less than `flat` are alike, as both are empty.
    """
    x, y = (part - part.mean((1, 2), keepdims=True) for part in (x, y))
    both = np.einsum("nij,nij->n", x, y)
    own = np.einsum("nij,nij->n", x, x) + np.einsum("nij,nij->n", y, y)
    small = flat * x.shape[1] * x.shape[2]
    return (2 * both + small) / np.maximum(own + small, 1e-6)


def _slopes(x: np.ndarray) -> np.ndarray:
    """Steps (n, 2 * (S - 1), S - 1) from each pixel to the next below and at the right."""
    return np.concatenate([np.diff(x, axis=1)[..., 1:], np.diff(x, axis=2)[:, 1:]], axis=1)


def _normalised(grey: np.ndarray) -> np.ndarray:
    """Thumbnails (n, 16, 16) uint8 with variance 1, or 0 where there is no contrast."""
    values = grey.astype(np.float32)
    return values / np.maximum(values.std((1, 2), keepdims=True), 1e-3)


# Candidates -------------------------------------------------------------------------------------


def near_pairs(hashes: np.ndarray, distance: int = NEAR) -> tuple[np.ndarray, np.ndarray]:
    """All pairs i < j of hashes (N,) uint64 other than 0 that differ in at most `distance` bits.

    Exact for up to 4 bits, by the pigeonhole principle: they leave two of six blocks equal. Where
    more than 500 share two blocks, each is compared with the 500 that come next.
    """
    pairs = [np.sort(np.stack(pair), axis=0) for pair in _candidates(hashes, distance)]
    found = np.concatenate([np.empty((2, 0), dtype=np.int64), *pairs], axis=1)
    first, second = np.unique(found, axis=1)
    return first, second


def _candidates(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows of hashes (N,) that share two blocks, a batch at a time, some repeatedly."""
    rows = np.flatnonzero(hashes)
    hashes = hashes[rows]
    found, count = [], 0
    for blocks in combinations(range(_BLOCKS), 2):
        for pair in _of_equal_key(_key(hashes, *blocks), hashes, distance):
            found.append(pair)
            count += pair.shape[1]
            if count >= _GATHERED:
                yield tuple(rows[np.concatenate(found, axis=1)])
                found, count = [], 0
    if found:
        yield tuple(rows[np.concatenate(found, axis=1)])


def _key(hashes: np.ndarray, *blocks: int) -> np.ndarray:
    key = np.zeros_like(hashes)
    for block in blocks:
        low, high = _EDGES[block : block + 2]
        bits = (hashes >> np.uint64(low)) & np.uint64(2 ** (high - low) - 1)
        key = key << np.uint64(high - low) | bits
    return key


def _of_equal_key(keys: np.ndarray, hashes: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Pairs (2, n) of equal key within `distance` bits: neighbours, then those two apart, ..."""
    packed = np.sort(keys << np.uint64(32) | np.arange(len(keys), dtype=np.uint64))
    order = (packed & np.uint64(2**32 - 1)).astype(np.int64)  # sorting one array is the fastest
    keys, hashes = packed >> np.uint64(32), hashes[order]
    here = np.arange(len(keys))
    for gap in range(1, CROWD + 1):
        here = here[: np.searchsorted(here, len(keys) - gap)]
        here = here[keys[here] == keys[here + gap]]
        if not len(here):
            return
        near = here[np.bitwise_count(hashes[here] ^ hashes[here + gap]) <= distance]
        yield np.stack([order[near], order[near + gap]])


# Groups -----------------------------------------------------------------------------------------


def _root(group: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The first member of each one's group: `group` points downwards, there to itself; shortens the
    ways.
    """
    while True:
        below = group[members]
        if np.array_equal(below, members):
            return members
        group[members] = group[below]
        members = below


def _join(group: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    while len(first):
        first, second = _root(group, first), _root(group, second)
        apart = first != second
        first, second = first[apart], second[apart]
        np.minimum.at(group, np.maximum(first, second), np.minimum(first, second))


def _split_by_colour(group: np.ndarray, thumbs: np.ndarray, leaders: np.ndarray) -> np.ndarray:
    """Groups (n,) in which every member agrees in colour with the first that has a colour.

    A round takes one colour out of each group. A member without colour goes with the first.
    """
    left = np.flatnonzero(np.bincount(group, minlength=len(group))[group] > 1)
    found = group.copy()
    chroma, colourless = _chroma(thumbs, leaders[left])
    while len(left):
        order = np.lexsort((left, colourless, group[left]))  # the first coloured one leads
        start = np.unique(group[left][order], return_index=True)[1]
        first = order[start][np.searchsorted(group[left][order][start], group[left])]
        same = colourless | _agree(chroma, chroma[first])
        number = np.full(len(group), len(group))
        np.minimum.at(number, left[first[same]], left[same])
        found[left[same]] = number[left[first[same]]]
        left, chroma, colourless = left[~same], chroma[~same], colourless[~same]
    return found


def _chroma(thumbs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours (n, 48) less their lightness, in units of each cover's contrast; and who has none."""
    colours = thumbs["colour"][rows].astype(np.float32)
    chroma = (colours - (colours @ LUMA)[..., None]).reshape(-1, 3 * COLOURS**2)
    contrast = thumbs["grey"][rows, 0].std((1, 2), dtype=np.float32)
    colourless = np.sqrt(np.mean(chroma**2, axis=1)) <= COLOURLESS
    return chroma / np.maximum(contrast, 1)[:, None], colourless


def _agree(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether the colours (n, 48) of two covers agree: in hue, or else nearly in all."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    hue = np.einsum("np,np->n", first, second) >= SAME_HUE * lengths
    return hue | (np.sqrt(np.mean((first - second) ** 2, axis=1)) <= TINT)


def _same_colour(colours: np.ndarray) -> np.ndarray:
    """For each plain cover (n, 4, 4, 3) the number of the first of its colour, in steps of 8."""
    steps = np.floor(colours.mean((1, 2)) / STEP + 0.5).astype(np.int64)
    _, first, code = np.unique(steps, axis=0, return_index=True, return_inverse=True)
    return first[code.ravel()]
