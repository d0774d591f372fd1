"""Which covers are the same picture: byte for byte, pixel for pixel, or nearly.

A perceptual_hash of 64 bits says who may be the same, a thumbnail who is. All of it is numpy over
arrays of one row a cover: a million covers take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image

THUMB = 16  # pixels a side of the thumbnails that are compared
NEAR = 3  # bits of a 64-bit perceptual_hash, within which every pair is compared
TRIED = 6  # bits within which those pairs are compared that share a band, as most do
ALIKE = 6.0  # mean absolute difference of the thumbnails, in grey levels, that confirms it
PLAIN = 0.25  # share of their contrast that it may be: plain covers differ in little but their text
SHIFT = 8.0  # grey levels of overall brightness that do not count
BANDS = 4  # of 16 bits: of two perceptual_hashes within 3 bits, at least one band is equal
BLOCK = 256  # pairs compared in one piece
GREY = 6  # grey levels between the channels, up to which there is no colour
DRAWN = 8.0  # contrast of a picture that is known without its colour, unlike a plain one
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # what a greyscale copy keeps of a colour

_SIDE = 32  # pixels a side of what the perceptual_hash is taken from
_WAVES = np.cos(np.pi * np.outer(np.arange(9), np.arange(_SIDE) + 0.5) / _SIDE)
_FAINT = 40  # a wave of a sixth of a grey level: the sign of weaker ones would be chance
_LOW = np.add.outer(np.arange(8), np.arange(8)).ravel()
_ORDER = np.argsort(_LOW % BANDS, kind="stable")  # each band gets slow and fast waves alike


def perceptual_hash(pixels: np.ndarray) -> int:
    """64 bits of a cover (S, S, 3): the signs of its slowest waves in brightness.

    It is pHash with a fixed threshold near zero: the discrete cosine transform of 32 x 32 grey
    pixels, of which 8 x 8 coefficients count, with one more in the place of the mean. Copies in
    other sizes, qualities, brightness or contrast differ in few bits.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    waves = _WAVES @ np.asarray(grey, dtype=np.float64) @ _WAVES.T
    values = waves[:8, :8].ravel()
    values[0] = waves[8, 0]
    return int.from_bytes(np.packbits(values[_ORDER] > _FAINT).tobytes(), "big")


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """A cover (S, S, 3) as (16, 16, 3), the means of its areas."""
    small = Image.fromarray(pixels).resize((THUMB, THUMB), Image.Resampling.BOX)
    return np.asarray(small)


def groups_of_duplicates(
    perceptual_hashes: np.ndarray, thumbs: np.ndarray, digests: np.ndarray
) -> np.ndarray:
    """For each cover the number of the first that is the same picture, its own if there is none.

    `digests` (N,) are equal where all pixels are, `perceptual_hashes` (N,) uint64 within 3 bits
    where covers may be near, `thumbs` (N, T, T, 3) uint8 say who really is: they must differ by
    less than 6 grey levels, and by less than a quarter of their own contrast. Where one has no
    colour it is the same as another that has, if it is as light and dark. Pairs that are in one
    group already are not compared again, so that a crowd of copies costs little.
    """
    code, _ = pd.factorize(digests)
    leaders = np.unique(code, return_index=True)[1]
    colours, contrast, grey = _summary(thumbs, leaders)
    limit = np.minimum(ALIKE, 1 + PLAIN * contrast)
    brightness, group = colours @ LUMA, np.arange(len(leaders))
    for i, j in _candidates(perceptual_hashes[leaders], TRIED):
        bright = np.abs(brightness[i] - brightness[j]) <= 2 * ALIKE + SHIFT  # the cheapest first
        i, j = i[bright], j[bright]
        most = np.minimum(limit[i], limit[j])
        apart = _apart(colours[i, None], colours[j, None], grey[i] | grey[j])
        open_ = (apart <= most) & (_root(group, i) != _root(group, j))
        i, j, most = i[open_], j[open_], most[open_]
        same = differences(thumbs, leaders[i], leaders[j]) <= most
        _join(group, i[same], j[same])
    return leaders[_root(group, code)]


def near_pairs(
    perceptual_hashes: np.ndarray, distance: int = NEAR
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs i < j of hashes (N,) uint64 that differ in at most `distance` (<= 3) bits.

    Exact, by the pigeonhole principle: three differing bits leave one of four bands equal.
    """
    pairs = [np.stack(pair) for pair in _candidates(perceptual_hashes, distance)]
    first, second = np.concatenate([np.empty((2, 0), dtype=np.int64), *pairs], axis=1)
    return first, second


def differences(pixels: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each pair of covers, in grey levels, once brightness agrees.

    If one of the two has no colour, the other's does not count.
    """
    found = np.empty(len(first))
    for start in range(0, len(first), BLOCK):
        some = slice(start, start + BLOCK)
        i, j = (pixels[rows[some]].reshape(-1, pixels[0].size // 3, 3) for rows in (first, second))
        found[some] = _apart(i, j, _colourless(i) | _colourless(j))
    return found


def _colourless(pixels: np.ndarray) -> np.ndarray:
    """Which covers (n, P, 3) have no colour, but enough to see."""
    found = np.ptp(pixels[:, 0], axis=1) <= GREY  # the first pixel rules out most
    some = pixels[found]
    found[found] = (np.ptp(some, axis=2) <= GREY).all(1) & (some[..., 1].std(1) >= DRAWN)
    return found


def _apart(first: np.ndarray, second: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Mean absolute difference (n,) of pixels (n, P, 3), after an overall shift of up to SHIFT.

    Of the mean colours of two covers it is a lower bound for that of their pixels, since a mean
    of absolute values is no less than the absolute value of the mean. Where `grey` (n,), only
    lightness counts.
    """
    gap = first.astype(np.float32) - second
    gap[grey] = (gap[grey] @ LUMA)[..., None]
    return np.abs(gap - gap.mean((1, 2), keepdims=True).clip(-SHIFT, SHIFT)).mean((1, 2))


def _summary(thumbs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean colours (n, 3), contrast (n,), the mean deviation from them, and who has no colour."""
    colours = np.empty((len(rows), 3), dtype=np.float32)
    contrast = np.empty(len(rows), dtype=np.float32)
    grey = np.empty(len(rows), dtype=bool)
    for start in range(0, len(rows), 32 * BLOCK):
        some = slice(start, start + 32 * BLOCK)
        block = thumbs[rows[some]].reshape(len(rows[some]), -1, 3)
        grey[some] = _colourless(block)
        block = block.astype(np.float32)
        colours[some] = block.mean(1)
        block -= colours[some, None]
        contrast[some] = np.abs(block, out=block).mean((1, 2))
    return colours, contrast, grey


def _candidates(
    perceptual_hashes: np.ndarray, distance: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs i < j within `distance` bits that share a band, each once, a batch at a time."""
    for band in range(BANDS):
        keys = (perceptual_hashes >> np.uint64(16 * band)).astype(np.uint16)
        order = np.argsort(keys, kind="stable")
        prints, length = perceptual_hashes[order], np.unique(keys, return_counts=True)[1]
        end = np.repeat(np.cumsum(length), length)  # of the run of equal keys
        here, gap = np.arange(len(keys)), 0
        while len(here):  # those with a neighbour of the same key, `gap` places on
            gap += 1
            here = here[here + gap < end[here]]
            apart = prints[here] ^ prints[here + gap]
            near = here[(np.bitwise_count(apart) <= distance) & ~_agree_below(apart, band)]
            i, j = order[near], order[near + gap]
            yield np.minimum(i, j), np.maximum(i, j)


def _agree_below(apart: np.ndarray, band: int) -> np.ndarray:
    """Which pairs, given by their differing bits, agree in an earlier band, so are known."""
    known = np.zeros(len(apart), dtype=bool)
    for earlier in range(band):
        known |= apart & np.uint64(0xFFFF << 16 * earlier) == 0
    return known


def _root(group: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The first member of each one's group: `group` points downwards, there to itself.

    The ways are shortened as they are walked, so that a long chain is long only once.
    """
    while True:
        below = group[members]
        if np.array_equal(below, members):
            return members
        group[members] = group[below]
        members = below


def _join(group: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Make one group of the groups of each pair."""
    while len(first):
        first, second = _root(group, first), _root(group, second)
        apart = first != second
        first, second = first[apart], second[apart]
        np.minimum.at(group, np.maximum(first, second), np.minimum(first, second))
