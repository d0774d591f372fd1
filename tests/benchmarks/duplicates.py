"""Near duplicates among many covers: time and memory of grouping them, and whether none is missed.

The covers are smooth random pictures whose hashes crowd together like those of real covers, more
than random bits do: `pairs_of_equal_blocks` counts the pairs that have to be looked at, of which
a million real covers would have about 50 million. Every twentieth cover is a copy of another,
brightened, with less contrast and noisy; every other copy is also cropped, so that only the inner
part of its original has a similar hash. One cover in a hundred is a plain colour.

`seconds` is the time of grouping: candidates by their hashes, confirmed by their thumbnails, split
by colour; `seconds_unconfirmed` that of finding the candidates alone. `exact` says that on a sample
the pairs within 4 bits are those of comparing each with each. `brute_force_seconds` is what that
would take for all.
"""

import argparse
import json
import resource
import sys
import time
from itertools import combinations

import numpy as np

from albumlib.dataset import duplicates

SAMPLE = 8000
PIECE = 20_000
WAVES = 5


def basis(size: int, margin: float = 0.0) -> np.ndarray:
    """Slow cosine waves (WAVES, size) over a cover's side, or over its inner part."""
    steps = margin + (1 - 2 * margin) * (np.arange(size) + 0.5) / size
    return np.cos(np.pi * np.outer(np.arange(WAVES), steps)).astype(np.float32)


def collection(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes (N, 2), thumbnails (N,) of dtype THUMBS, and for each the number of its original."""
    thumbs = np.empty(count, dtype=duplicates.THUMBS)
    hashes = np.empty((count, 2), dtype=np.uint64)
    for start in range(0, count, PIECE):
        some = slice(start, min(start + PIECE, count))
        thumbs[some], hashes[some] = covers(some.stop - start, rng)
    original = np.arange(count)
    plain = rng.choice(count, count // 100, replace=False)
    thumbs[plain], hashes[plain] = plain_covers(len(plain), rng), 0
    copies = np.setdiff1d(rng.choice(count, count // 20, replace=False), plain)
    rest = np.setdiff1d(np.arange(count), np.union1d(copies, plain))
    original[copies] = rng.choice(rest, len(copies))
    for start in range(0, len(copies), PIECE):
        some = copies[start : start + PIECE]
        make_copies(thumbs, hashes, some, original[some], rng)
    return hashes, thumbs, original


def covers(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    thumbs = np.empty(count, dtype=duplicates.THUMBS)
    waves = rng.standard_normal((count, 3, WAVES, WAVES), dtype=np.float32)
    waves *= 60 / (1 + np.add.outer(np.arange(WAVES), np.arange(WAVES)))
    mean = rng.uniform(60, 200, (count, 3, 1, 1)).astype(np.float32)
    grey = np.einsum("ncij,c->nij", waves, duplicates.LUMA)
    level = np.einsum("ncij,c->nij", mean, duplicates.LUMA)
    hashes = np.empty((count, 2), dtype=np.uint64)
    noise = rng.standard_normal((count, 8, 8))
    for number, margin in enumerate((0.0, duplicates.MARGIN)):
        slow = basis(duplicates.SIZE, margin)
        values = slow.T @ grey @ slow + level
        thumbs["grey"][:, number] = values.clip(0, 255)
        own = 0.6 * rng.standard_normal(noise.shape)  # the inner part's waves differ a little
        hashes[:, number] = signs(values, 0.8 * noise + own)
    small = basis(duplicates.COLOURS)
    thumbs["colour"] = (small.T @ waves @ small + mean).clip(0, 255).transpose(0, 2, 3, 1)
    return thumbs, hashes


def signs(grey: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Signs of 8 x 8 waves, of which the quick ones hold little but noise."""
    size = grey.shape[1]
    waves = np.cos(np.pi * np.outer(np.arange(1, 9), np.arange(size) + 0.5) / size) * 8 / size
    usual = 0.6 * np.random.default_rng(1).standard_normal((8, 8))  # what most covers share
    values = waves @ grey @ waves.T + 5 * (usual + noise)
    bits = values.reshape(-1, 64)[:, duplicates._ORDER] > 0
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64).ravel()


def plain_covers(count: int, rng: np.random.Generator) -> np.ndarray:
    thumbs = np.empty(count, dtype=duplicates.THUMBS)
    colours = rng.integers(0, 256, (count, 3), dtype=np.uint8)
    thumbs["colour"] = colours[:, None, None]
    thumbs["grey"] = (colours @ duplicates.LUMA)[:, None, None, None]
    return thumbs


def make_copies(
    thumbs: np.ndarray,
    hashes: np.ndarray,
    copies: np.ndarray,
    originals: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Make covers copies of others: paler, brighter, noisy, every other one cropped."""
    cropped = copies[::2]
    own_inner = hashes[cropped, 1], thumbs["grey"][cropped, 1]
    hashes[copies], thumbs[copies] = hashes[originals], thumbs[originals]
    hashes[cropped, 0] = hashes[cropped, 1]
    thumbs["grey"][cropped, 0] = thumbs["grey"][cropped, 1]
    hashes[cropped, 1], thumbs["grey"][cropped, 1] = own_inner
    paler = 0.7 * thumbs["grey"][copies] + rng.integers(20, 30, (len(copies), 2, 16, 16))
    thumbs["grey"][copies] = paler.clip(0, 255)
    for _ in range(duplicates.NEAR - 1):  # up to three bits turn
        turned = np.uint64(1) << rng.integers(0, 64, (len(copies), 2), dtype=np.uint64)
        hashes[copies] ^= np.where(rng.random(turned.shape) < 0.5, turned, np.uint64(0))


def pairs_of_equal_blocks(hashes: np.ndarray) -> int:
    count = 0
    for blocks in combinations(range(duplicates._BLOCKS), 2):
        length = np.unique(duplicates._key(hashes, *blocks), return_counts=True)[1]
        count += int((length * (length - 1) // 2).sum())
    return count


def brute_force(hashes: np.ndarray) -> set[tuple[int, int]]:
    found = set()
    for number, one in enumerate(hashes):
        near = np.bitwise_count(hashes[number + 1 :] ^ one) <= duplicates.NEAR
        found |= {(number, number + 1 + other) for other in np.flatnonzero(near).tolist()}
    return found


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000, help="covers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    hashes, thumbs, original = collection(options.n, np.random.default_rng(options.seed))
    started, used = time.perf_counter(), time.process_time()
    group = duplicates.groups_of_duplicates(hashes, thumbs, np.arange(options.n))
    seconds, cpu, rss = time.perf_counter() - started, time.process_time() - used, peak_mb()
    started = time.perf_counter()
    candidates = sum(len(i) for i, _ in duplicates._candidates(hashes.T.ravel(), duplicates.FAR))
    unconfirmed = time.perf_counter() - started
    copies = np.flatnonzero(original != np.arange(options.n))
    some = np.unique(np.r_[copies[: SAMPLE // 4], original[copies[: SAMPLE // 4]]])
    sample = hashes[np.union1d(some, np.arange(min(options.n, SAMPLE // 2)))].ravel()
    sample = sample[sample != 0]
    started = time.perf_counter()
    expected = brute_force(sample)
    brute = (time.perf_counter() - started) * (2 * options.n / len(sample)) ** 2
    first, second = duplicates.near_pairs(sample)
    exact = set(zip(first.tolist(), second.tolist(), strict=True)) == expected
    result = {
        "n": options.n,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "seconds_unconfirmed": round(unconfirmed, 2),
        "rss_mb": round(rss),
        "exact": exact,
        "pairs_in_sample": len(expected),
        "pairs_of_equal_blocks": pairs_of_equal_blocks(hashes[hashes != 0]),
        "candidates": candidates,
        "copies_found": round(float((group[copies] == group[original[copies]]).mean()), 5),
        "groups": len(np.unique(group)),
        "brute_force_seconds": round(brute),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
