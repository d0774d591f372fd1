"""Which covers are the same picture: byte for byte, pixel for pixel, or nearly."""

from __future__ import annotations

import numpy as np
import pandas as pd

NEAR = 3  # bits of a 64-bit fingerprint
ALIKE = 6.0  # mean absolute difference of the pixels, in grey levels, that confirms it
BANDS = 4  # of 16 bits: of two fingerprints within 3 bits, at least one band is equal


def groups_of_duplicates(fingerprints: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A group number for each cover, equal for covers that are the same picture.

    `fingerprints` (N,) uint64 say who may be near, `pixels` (N, S, S, 3) uint8 who really is:
    plain covers have alike fingerprints without being alike.
    """
    first, second = near_pairs(fingerprints)
    same = [difference(pixels[i], pixels[j]) <= ALIKE for i, j in zip(first, second, strict=True)]
    return _connected(len(pixels), first[same], second[same])


def near_pairs(fingerprints: np.ndarray, distance: int = NEAR) -> tuple[np.ndarray, np.ndarray]:
    """All pairs i < j of fingerprints (N,) uint64 that differ in at most `distance` (<= 3) bits.

    Exact, by the pigeonhole principle: three differing bits leave one of four bands equal.
    """
    pairs = [_pairs_in_band(fingerprints, band, distance) for band in range(BANDS)]
    found = np.unique(np.concatenate(pairs), axis=0)
    return found[:, 0], found[:, 1]


def _pairs_in_band(fingerprints: np.ndarray, band: int, distance: int) -> np.ndarray:
    keys = (fingerprints >> np.uint64(16 * band)) & np.uint64(0xFFFF)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    found = [np.empty((0, 2), dtype=np.int64)]
    for gap in range(1, len(keys)):
        equal = np.flatnonzero(ordered[gap:] == ordered[:-gap])
        if not len(equal):
            break  # buckets are runs: no pair at this gap, none further apart
        i, j = order[equal], order[equal + gap]
        near = np.bitwise_count(fingerprints[i] ^ fingerprints[j]) <= distance
        found.append(np.sort(np.stack([i[near], j[near]], axis=1), axis=1))
    return np.concatenate(found)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference of two covers, in grey levels, after their mean levels agree."""
    gap = first.astype(np.float32) - second
    return float(np.abs(gap - np.clip(gap.mean(), -8, 8)).mean())


def _connected(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Connected components of a graph: the smallest number reachable from each node."""
    group = np.arange(count)
    while True:
        lower = np.minimum(group[first], group[second])
        renewed = pd.Series(np.r_[lower, lower]).groupby(np.r_[first, second]).min()
        if (group[renewed.index] == renewed.to_numpy()).all():
            return group
        group[renewed.index] = renewed.to_numpy()
