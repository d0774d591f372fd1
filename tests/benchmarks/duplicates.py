"""Near duplicates among many covers: time and memory of grouping them, and whether none is missed.

The covers are smooth random pictures whose hashes crowd together like those of real covers, more
than random bits do. Every twentieth is a copy of another, brightened and noisy, and one in a
hundred is a plain colour, as in any large collection. `seconds` is the time of grouping: pairs
within 3 bits, confirmed by their thumbnails. `exact` says that on a sample the pairs are those of
comparing each with each. `brute_force_seconds` is what that would take for all.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

from albumlib.dataset import duplicates

SAMPLE = 8000


def collection(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fingerprints (N,), thumbnails (N, 8, 8, 3), and for each the number of its original."""
    steps = np.arange(8)
    slow = np.cos(np.pi * np.outer(np.arange(4), steps + 0.5) / 8).astype(np.float32)
    thumbs = np.empty((count, 8, 8, 3), dtype=np.uint8)
    prints = np.empty(count, dtype=np.uint64)
    for start in range(0, count, 20_000):
        some = slice(start, min(start + 20_000, count))
        size = some.stop - start
        waves = rng.standard_normal((size, 3, 4, 4), dtype=np.float32)
        waves *= 60 / (1 + np.add.outer(np.arange(4), np.arange(4)))
        values = slow.T @ waves @ slow + rng.uniform(60, 200, (size, 3, 1, 1))
        thumbs[some] = values.clip(0, 255).transpose(0, 2, 3, 1)
        prints[some] = _prints(values.mean(1), rng)
    original = np.arange(count)
    plain = rng.choice(count, count // 100, replace=False)
    thumbs[plain] = rng.integers(0, 256, (len(plain), 1, 1, 3), dtype=np.uint8)
    prints[plain] = 0
    copies = np.setdiff1d(rng.choice(count, count // 20, replace=False), plain)
    rest = np.setdiff1d(np.arange(count), np.union1d(copies, plain))
    original[copies] = rng.choice(rest, len(copies))
    noisy = thumbs[original[copies]].astype(np.int16) + rng.integers(-2, 6, (len(copies), 8, 8, 3))
    thumbs[copies] = noisy.clip(0, 255)
    prints[copies] = prints[original[copies]]
    for _ in range(duplicates.NEAR):  # up to three bits turn
        turned = np.uint64(1) << rng.integers(0, 64, len(copies), dtype=np.uint64)
        prints[copies] ^= np.where(rng.random(len(copies)) < 0.5, turned, np.uint64(0))
    return prints, thumbs, original


def _prints(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Signs of 8 x 8 waves, of which the quick ones hold little but noise."""
    waves = np.cos(np.pi * np.outer(np.arange(1, 9), np.arange(8) + 0.5) / 8)
    usual = 0.6 * np.random.default_rng(1).standard_normal((8, 8))  # what most covers share
    noise = rng.standard_normal((len(grey), 8, 8))
    values = waves @ grey @ waves.T + 5 * (usual + noise)
    bits = values.reshape(-1, 64)[:, duplicates._ORDER] > 0
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    return packed.view(np.uint64).ravel()


def brute_force(prints: np.ndarray) -> set[tuple[int, int]]:
    found = set()
    for number, one in enumerate(prints):
        near = np.bitwise_count(prints[number + 1 :] ^ one) <= duplicates.NEAR
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
    prints, thumbs, original = collection(options.n, np.random.default_rng(options.seed))
    started = time.perf_counter()
    group = duplicates.groups_of_duplicates(prints, thumbs, np.arange(options.n))
    seconds, rss = time.perf_counter() - started, peak_mb()
    copies = np.flatnonzero(original != np.arange(options.n))
    some = np.unique(np.r_[copies[: SAMPLE // 4], original[copies[: SAMPLE // 4]]])
    sample = prints[np.union1d(some, np.arange(SAMPLE // 2))]
    started = time.perf_counter()
    expected = brute_force(sample)
    brute = (time.perf_counter() - started) * (options.n / len(sample)) ** 2
    first, second = duplicates.near_pairs(sample)
    exact = set(zip(first.tolist(), second.tolist(), strict=True)) == expected
    result = {
        "n": options.n,
        "seconds": round(seconds, 2),
        "rss_mb": round(rss),
        "exact": exact,
        "pairs_in_sample": len(expected),
        "copies_found": round(float((group[copies] == group[original[copies]]).mean()), 5),
        "groups": len(np.unique(group)),
        "brute_force_seconds": round(brute),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
