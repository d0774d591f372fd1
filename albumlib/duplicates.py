"""Which covers are the same picture: byte for byte, pixel for pixel, or nearly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd

NEAR = 3  # bits of a 64-bit fingerprint
ALIKE = 6.0  # mean absolute difference of the pixels, in grey levels, that confirms it
SHIFT = 8.0  # grey levels of overall brightness that do not count
BANDS = 4  # of 16 bits: of two fingerprints within 3 bits, at least one band is equal
BLOCK = 256  # pairs compared in one piece


def groups_of_duplicates(fingerprints: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A group number for each cover, equal for covers that are the same picture.

    `fingerprints` (N,) uint64 say who may be near, `pixels` (N, S, S, 3) uint8 who really is:
    plain covers have alike fingerprints without being alike. Pairs that are in one group already
    are not compared again, so that a crowd of copies costs little.
    """
    exact = _first_of_equal(pixels)
    leaders, place = np.unique(exact, return_inverse=True)
    colours = pixels[leaders].mean((1, 2))
    group = np.arange(len(leaders))
    for i, j in _candidates(fingerprints[leaders], NEAR):
        open_ = (group[i] != group[j]) & (_apart(colours[i], colours[j]) <= ALIKE)
        i, j = i[open_], j[open_]
        same = differences(pixels, leaders[i], leaders[j]) <= ALIKE
        if same.any():
            group = _connected(len(group), group[i[same]], group[j[same]])[group]
    return leaders[group][place]


def near_pairs(fingerprints: np.ndarray, distance: int = NEAR) -> tuple[np.ndarray, np.ndarray]:
    """All pairs i < j of fingerprints (N,) uint64 that differ in at most `distance` (<= 3) bits.

    Exact, by the pigeonhole principle: three differing bits leave one of four bands equal.
    """
    pairs = [np.stack(pair, axis=1) for pair in _candidates(fingerprints, distance)]
    found = np.unique(np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs]), axis=0)
    return found[:, 0], found[:, 1]


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


def _first_of_equal(pixels: np.ndarray) -> np.ndarray:
    """For each cover the number of the first that has exactly its pixels."""
    seen: dict[bytes, int] = {}
    digests = (hashlib.sha256(cover.tobytes()).digest() for cover in pixels)
    found = [seen.setdefault(digest, number) for number, digest in enumerate(digests)]
    return np.array(found, dtype=np.int64)


def _candidates(fingerprints: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs i < j within `distance` bits, a batch at a time; a pair may come up to four times."""
    for band in range(BANDS):
        keys = (fingerprints >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for gap in range(1, len(keys)):
            equal = np.flatnonzero(ordered[gap:] == ordered[:-gap])
            if not len(equal):
                break  # buckets are runs: no pair at this gap, none further apart
            i, j = order[equal], order[equal + gap]
            near = np.bitwise_count(fingerprints[i] ^ fingerprints[j]) <= distance
            yield np.minimum(i[near], j[near]), np.maximum(i[near], j[near])


def _connected(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Connected components of a graph: the smallest number reachable from each node."""
    group = np.arange(count)
    while True:
        lower = np.minimum(group[first], group[second])
        renewed = pd.Series(np.r_[lower, lower]).groupby(np.r_[first, second]).min()
        if (group[renewed.index] == renewed.to_numpy()).all():
            return group
        group[renewed.index] = renewed.to_numpy()
