"""Do generated covers look like real ones? Distances and proportions, each with its reference.

`evaluate` takes them all; `memorisation` looks for near-duplicates of training covers. The
reference of a number (its key ends in `_real`) is what fresh real covers get in the place of
the generated ones, as many of them, against the same held-out covers.

Pixels are uint8 arrays (N, S, S, 3), features (N, D) arrays by `extractor.extract`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from albumlib import AlbumlibError
from albumlib.evaluation.cover_network import apply
from albumlib.evaluation.extractor import Extractor, extract, load_extractor
from albumlib.models.networks import to_covers

NEIGHBOURS = 5  # whose distance is the radius of a cover's k-NN ball
SUBSETS, SUBSET = 50, 1000  # of KID, and covers in each
SCALES, PATCHES = 3, 64  # of the sliced Wasserstein distance: sizes, and patches of each cover
COPIED = 0.01  # quantile of held-out distances below which a cover is a near-duplicate


class MetricsError(AlbumlibError):
    """Covers that cannot be compared; the message says why."""


# Everything at once ---------------------------------------------------------------------------


def evaluate(
    fake: np.ndarray,
    heldout: np.ndarray,
    train: np.ndarray,
    *,
    extractor: Extractor | None = None,
    most: int = 5000,
    seed: int = 0,
) -> dict[str, float]:
    """All numbers of generated covers, with references: {"kid": ..., "kid_real": ..., ...}.

    `fake`, `heldout` and `train` are pixels of one size; the held-out covers are what they are
    compared with, and the reference is of `n` training covers. Up to `most` generated and held-out
    covers are compared, but never more generated than training ones, since `n` must be the same.

        n, n_heldout       covers compared
        kid, kid_sd        mean and spread over subsets; fd: Fréchet distance (our extractor)
        swd                sliced Wasserstein distance
        precision, recall, density, coverage
        copied             proportion of near-duplicates of training covers (see `Memory`)
        nearest_ratio      median distance to the nearest training cover, over held-out covers'

    Raises MetricsError if the sizes differ or covers are too few.
    """
    if not fake.shape[1:] == heldout.shape[1:] == train.shape[1:]:
        shapes = ", ".join("x".join(map(str, p.shape[1:3])) for p in (fake, heldout, train))
        raise MetricsError(f"covers of different sizes cannot be compared: {shapes} px")
    n = min(len(fake), len(train), most)
    fake, heldout = fake[:n], heldout[:most]
    extractor = extractor or load_extractor()
    seen, measure, known = (extract(extractor, pixels) for pixels in (fake, heldout, train))
    rows = np.sort(np.random.default_rng(seed).permutation(len(train))[:n])
    memory = memorisation(seen, measure, known)
    numbers = likeness(seen, measure, seed) | memory.numbers()
    numbers["swd"] = sliced_wasserstein(heldout, fake, seed=seed)
    real = likeness(known[rows], measure, seed) | memory.reference()
    real["swd"] = sliced_wasserstein(heldout, train[rows], seed=seed)
    found = {"n": n, "n_heldout": len(heldout)}
    for name, value in numbers.items():
        found |= {name: value, f"{name}_real": real[name]}
    return found


def likeness(fake: np.ndarray, real: np.ndarray, seed: int = 0) -> dict[str, float]:
    """KID, Fréchet distance, precision, recall, density and coverage of features."""
    mean, spread = kid(fake, real, seed=seed)
    return {"kid": mean, "kid_sd": spread, "fd": frechet(fake, real)} | neighbours(fake, real)


# Distances of features ------------------------------------------------------------------------


def kid(fake: np.ndarray, real: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Kernel distance (KID, arXiv 1801.01401): mean and standard deviation over 50 subsets.

    0 in expectation for two samples of one distribution, whatever their size, so that it may be
    a little below 0. Subsets have 1,000 covers, or half of the smaller set.

    >>> rng = np.random.default_rng(0)
    >>> here, near, far = (rng.normal(shift, 1, (200, 8)) for shift in (0, 0, 1))
    >>> kid(here, near)[0] < 0.1 < 1 < kid(here, far)[0]
    True
    """
    size = min(SUBSET, len(fake) // 2, len(real) // 2)
    if size < 2:
        raise MetricsError(f"KID needs four covers or more, got {len(fake)} and {len(real)}")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(SUBSETS):
        rows = [rng.choice(len(features), size, replace=False) for features in (fake, real)]
        found.append(mmd2(fake[rows[0]], real[rows[1]]))
    return float(np.mean(found)), float(np.std(found, ddof=1))


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy, kernel (a·b / D + 1)³ (arXiv 1801.01401)."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    xx, yy, xy = ((a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy))
    return float(within - 2 * xy.mean())


def frechet(fake: np.ndarray, real: np.ndarray) -> float:
    """Fréchet distance between the normal distributions fitted to two sets of features.

    |m - n|² + trace(A + B - 2 (A B)^½) of means m, n and covariances A, B (FID's formula, arXiv
    1706.08500). Its bias grows as sets get smaller: compare only at equal numbers of covers.

    >>> features = np.random.default_rng(0).normal(size=(500, 4))
    >>> round(frechet(features + 1, features), 6)  # the covariances are equal: |1 - 0|² four times
    4.0
    """
    fake, real = fake.astype(np.float64), real.astype(np.float64)
    a, b = np.cov(fake, rowvar=False), np.cov(real, rowvar=False)
    values, axes = np.linalg.eigh(a)
    root = axes * np.sqrt(values.clip(0)) @ axes.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()  # trace of (A B)^½
    return float(np.square(fake.mean(0) - real.mean(0)).sum() + np.trace(a + b) - 2 * shared)


def neighbours(fake: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS) -> dict[str, float]:
    """Precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797).

    The ball of a cover reaches to its k-th nearest neighbour in its own set. Precision:
    proportion of fakes inside some real cover's ball. Recall: of real covers inside some fake's.
    Density: how many real covers' balls a fake lies in, over k; it may exceed 1. Coverage:
    proportion of real covers with a fake in their ball.
    """
    if min(len(fake), len(real)) <= k:
        raise MetricsError(f"neighbours need more than {k} covers, got {len(fake)}, {len(real)}")
    there, here = _double(real), _double(fake)
    apart = torch.cdist(there, here)  # (R, F)
    on_real = apart < _reach(there, k)[:, None]
    on_fake = apart < _reach(here, k)
    return {
        "precision": on_real.any(0).double().mean().item(),
        "recall": on_fake.any(1).double().mean().item(),
        "density": on_real.sum(0).double().mean().item() / k,
        "coverage": on_real.any(1).double().mean().item(),
    }


def _reach(features: Tensor, k: int) -> Tensor:
    """The distance of each to its k-th nearest other (N,)."""
    return torch.cdist(features, features).kthvalue(k + 1).values  # the first is itself


def _double(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


# Near-duplicates ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """How near generated covers come to training covers, and how near held-out ones do."""

    rows: np.ndarray  # (n,) the training cover nearest to each generated one
    distances: np.ndarray  # (n,) how far that is
    heldout: np.ndarray  # (m,) the same of held-out covers

    def numbers(self) -> dict[str, float]:
        """`copied`: proportion nearer than all but 1 % of held-out covers; `nearest_ratio`: of the
        medians."""
        ratio = np.median(self.distances) / np.median(self.heldout)
        return {"copied": self._nearer(self.distances), "nearest_ratio": float(ratio)}

    def reference(self) -> dict[str, float]:
        """The same of the held-out covers themselves: about 0.01, and 1."""
        return {"copied": self._nearer(self.heldout), "nearest_ratio": 1.0}

    def _nearer(self, distances: np.ndarray) -> float:
        return float((distances <= np.quantile(self.heldout, COPIED)).mean())


def memorisation(fake: np.ndarray, heldout: np.ndarray, train: np.ndarray) -> Memory:
    """Nearest training covers, by features or by `thumbnails` (N, D) of the three sets.

    Generated covers that come much nearer than held-out ones were copied. Averages of many covers
    come near to all of them, too: look at the pairs before you conclude anything.
    """
    distances, rows = nearest(fake, train)
    return Memory(rows, distances, nearest(heldout, train)[0])


def nearest(queries: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance (n,) and row (n,) of the candidate nearest to each query."""
    there = _double(candidates)
    found = [torch.cdist(part, there).min(1) for part in _double(queries).split(256)]
    return tuple(torch.cat(parts).numpy() for parts in zip(*found, strict=True))


def thumbnails(pixels: np.ndarray, side: int = 16) -> np.ndarray:
    """Covers (N, S, S, 3) shrunk by averaging to (N, side * side * 3) grey levels, whose distance
    forgives a little shift and noise.
    """
    shrunk = apply(lambda covers: F.adaptive_avg_pool2d(covers, side).flatten(1), pixels, 1024)
    return shrunk * 127.5


# Sliced Wasserstein distance ------------------------------------------------------------------


def sliced_wasserstein(
    first: np.ndarray, second: np.ndarray, *, directions: int = 256, seed: int = 0
) -> float:
    """Distance between the 7x7 patches of two sets of covers, times 1,000 (arXiv 1710.10196).

    Patches are taken at three sizes, each half the one before; those of both sets are
    standardised alike by the first set's mean and spread per colour, projected on random
    directions and compared there by the mean difference of sorted values. The sets are cut to
    the length of the shorter. 0 for equal sets; compare with that of two sets of real covers.
    """
    count = min(len(first), len(second))
    rng = torch.Generator().manual_seed(seed)
    a, b = to_covers(first[:count]), to_covers(second[:count])
    distances = []
    for _ in range(SCALES):
        x, y = _patches(a, PATCHES, rng), _patches(b, PATCHES, rng)
        mean, spread = x.mean((0, 2), keepdim=True), x.std((0, 2), keepdim=True)
        x, y = ((t - mean).div(spread + 1e-8).flatten(1) for t in (x, y))
        axes = F.normalize(torch.randn(x.shape[1], directions, generator=rng), dim=0)
        # NumPy sorts columns four times faster than torch, to the same values.
        x, y = (torch.from_numpy(np.sort((t @ axes).numpy(), axis=0)) for t in (x, y))
        distances.append((x - y).abs().mean().item())
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return 1000 * float(np.mean(distances))


def _patches(covers: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """`count` random 7x7 patches of each cover: (B * count, 3, 49)."""
    size = covers.shape[-1]
    corners = torch.randint(0, size - 6, (2, len(covers), count, 1, 1), generator=rng)
    offsets = torch.arange(7)
    ys, xs = corners[0] + offsets[:, None], corners[1] + offsets  # (B, count, 7, 7)
    flat = covers.flatten(2)  # (B, 3, S * S)
    places = (ys * size + xs).flatten(1)  # (B, count * 49)
    taken = flat.gather(2, places[:, None].expand(-1, 3, -1))
    return taken.unflatten(2, (count, 49)).permute(0, 2, 1, 3).flatten(0, 1)
