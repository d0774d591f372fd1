"""Which covers are the same picture: byte for byte, pixel for pixel, or nearly.

A fingerprint of 64 bits says who may be the same, a thumbnail who is. All of it is numpy over
arrays of one row a cover: a million covers take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image

THUMB = 16  # pixels a side of the thumbnails that are compared
NEAR = 3  # bits of a 64-bit fingerprint
ALIKE = 6.0  # mean absolute difference of the thumbnails, in grey levels, that confirms it
PLAIN = 0.25  # share of their contrast that it may be: plain covers differ in little but their text
SHIFT = 8.0  # grey levels of overall brightness that do not count
BANDS = 4  # of 16 bits: of two fingerprints within 3 bits, at least one band is equal
BLOCK = 256  # pairs compared in one piece

_GREY = 32  # pixels a side of what the fingerprint is taken from
_WAVES = np.cos(np.pi * np.outer(np.arange(9), np.arange(_GREY) + 0.5) / _GREY)
_LOW = np.add.outer(np.arange(8), np.arange(8)).ravel()
_ORDER = np.argsort(_LOW % BANDS, kind="stable")  # each band gets slow and fast waves alike


def fingerprint(pixels: np.ndarray) -> int:
    """64 bits of a cover (S, S, 3): the signs of its slowest waves in brightness.

    It is pHash with the sign for a threshold: the discrete cosine transform of 32 x 32 grey
    pixels, of which 8 x 8 coefficients count, with one more in the place of the mean. Copies in
    other sizes, qualities, brightness or contrast differ in few bits.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_GREY, _GREY), Image.Resampling.BOX)
    waves = _WAVES @ np.asarray(grey, dtype=np.float64) @ _WAVES.T
    values = waves[:8, :8].ravel()
    values[0] = waves[8, 0]
    return int.from_bytes(np.packbits(values[_ORDER] > 0.5).tobytes(), "big")


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """A cover (S, S, 3) as (16, 16, 3), the means of its areas."""
    small = Image.fromarray(pixels).resize((THUMB, THUMB), Image.Resampling.BOX)
    return np.asarray(small)


def groups_of_duplicates(
    fingerprints: np.ndarray, thumbs: np.ndarray, digests: np.ndarray
) -> np.ndarray:
    """For each cover the number of the first that is the same picture, its own if there is none.

    `digests` (N,) are equal where all pixels are, `fingerprints` (N,) uint64 within 3 bits where
    covers may be near, `thumbs` (N, T, T, 3) uint8 say who really is: they must differ by less
    than 6 grey levels, and by less than a quarter of their own contrast. Pairs that are in one
    group already are not compared again, so that a crowd of copies costs little.
    """
    code, _ = pd.factorize(digests)
    leaders = np.unique(code, return_index=True)[1]
    colours, contrast = _summary(thumbs, leaders)
    limit = np.minimum(ALIKE, 1 + PLAIN * contrast)
    brightness, group = colours.mean(1), np.arange(len(leaders))
    for i, j in _candidates(fingerprints[leaders], NEAR):
        bright = np.abs(brightness[i] - brightness[j]) <= ALIKE + SHIFT  # the cheapest test first
        i, j = i[bright], j[bright]
        most = np.minimum(limit[i], limit[j])
        open_ = (_apart(colours[i], colours[j]) <= most) & (_root(group, i) != _root(group, j))
        i, j, most = i[open_], j[open_], most[open_]
        same = differences(thumbs, leaders[i], leaders[j]) <= most
        _join(group, i[same], j[same])
    return leaders[_root(group, code)]


def near_pairs(fingerprints: np.ndarray, distance: int = NEAR) -> tuple[np.ndarray, np.ndarray]:
    """All pairs i < j of fingerprints (N,) uint64 that differ in at most `distance` (<= 3) bits.

    Exact, by the pigeonhole principle: three differing bits leave one of four bands equal.
    """
    pairs = [np.stack(pair) for pair in _candidates(fingerprints, distance)]
    first, second = np.concatenate([np.empty((2, 0), dtype=np.int64), *pairs], axis=1)
    return first, second


def differences(pixels: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each pair of covers, in grey levels, once brightness agrees."""
    found = np.empty(len(first))
    for start in range(0, len(first), BLOCK):
        some = slice(start, start + BLOCK)
        i, j = pixels[first[some]], pixels[second[some]]
        found[some] = _apart(i.reshape(len(i), -1), j.reshape(len(j), -1))
    return found


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean absolute difference of rows, after an overall shift of up to SHIFT.

    Of the mean colours of two covers it is a lower bound for that of their pixels, since a mean
    of absolute values is no less than the absolute value of the mean.
    """
    gap = first.astype(np.float32) - second
    return np.abs(gap - gap.mean(1, keepdims=True).clip(-SHIFT, SHIFT)).mean(1)


def _summary(thumbs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours (n, 3) and contrast (n,), the mean absolute deviation from them."""
    colours = np.empty((len(rows), 3), dtype=np.float32)
    contrast = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), 32 * BLOCK):
        some = slice(start, start + 32 * BLOCK)
        block = thumbs[rows[some]].reshape(len(rows[some]), -1, 3).astype(np.float32)
        colours[some] = block.mean(1)
        block -= colours[some, None]
        contrast[some] = np.abs(block, out=block).mean((1, 2))
    return colours, contrast


def _candidates(fingerprints: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs i < j within `distance` bits, each once, a batch at a time."""
    for band in range(BANDS):
        keys = (fingerprints >> np.uint64(16 * band)).astype(np.uint16)
        order = np.argsort(keys, kind="stable")
        prints, length = fingerprints[order], np.unique(keys, return_counts=True)[1]
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
