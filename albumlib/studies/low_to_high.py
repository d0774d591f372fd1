"""The mean difference between covers of songs with a high and with a low label, in what is seen of
them, and how that of generated covers agrees with that of real ones: in direction and size, with an
interval over artists and a control of permuted labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from albumlib.dataset import statistics
from albumlib.evaluation.visible import RESAMPLES

END = 1 / 3  # of the covers are called low, as many high
PERMUTED = 200  # controls
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Sample:
    """Covers by what is known and seen of them: `labels` (N, L), NaN where missing, network
    `features` (N, D) and `image_statistics` (N, 5), both standardised; `groups` (N,) number
    the artists."""

    labels: np.ndarray
    features: np.ndarray
    image_statistics: np.ndarray
    groups: np.ndarray

    def rows(self, rows: np.ndarray) -> "Sample":
        """Some of the covers."""
        return Sample(*(values[rows] for values in vars(self).values()))

    @classmethod
    def joined(cls, parts: Sequence["Sample"]) -> "Sample":
        """The covers of all parts."""
        return cls(*map(np.concatenate, zip(*(vars(part).values() for part in parts), strict=True)))


def weights(values: np.ndarray) -> np.ndarray:
    """What a mean difference multiplies each of N covers by: 1/n in the highest third of the known
    values, -1/n in the lowest."""
    low, high = statistics.ends(values, END)
    found = np.zeros(len(values))
    found[high], found[low] = 1 / len(high), -1 / len(low)
    return found


def difference(seen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of the highest third minus mean of the lowest, (D,) of what is seen (N, D).

    >>> difference(np.array([[0.0], [5.0], [1.0]]), np.array([1, 2, 3]))
    array([1.])
    """
    return weights(values) @ seen


def resampled(
    places: np.ndarray, values: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The difference of `places` (N, K) between high and low, (K,), and that of resampled artists
    (R, K)."""
    side = np.sign(weights(values))
    rows = np.column_stack([np.ones(len(places)), places])
    numbers, own = np.unique(groups[side != 0], return_inverse=True)
    sums = np.zeros((len(numbers), 2, rows.shape[1]))  # by artist; low, high; count and places
    np.add.at(sums, (own, (side[side != 0] > 0).astype(int)), rows[side != 0])
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
    totals = np.tensordot(np.vstack([np.ones(len(sums)), drawn]), sums, 1)
    means = totals[..., 1:] / totals[..., :1]
    return means[0, 1] - means[0, 0], means[1:, 1] - means[1:, 0]


def agreement(
    moved: np.ndarray, reference: np.ndarray, real: Sample, values: np.ndarray, seed: int
) -> dict[str, float]:
    """How a difference `moved` (D,) agrees with that of held-out real covers.

    `cosine` of the two, and its 95 % interval over artists; `size`, how far covers move along
    the real difference, 1 as far as real ones do. The noise of the held-out difference would
    make its square too large, so `size` is over its product with the `reference` (D,), the
    difference of other real covers, and only where that is above zero beyond its interval.
    """
    both = np.stack([moved, reference], axis=1)
    along, drawn = resampled(real.features @ both, values, real.groups, seed)
    lengths = np.linalg.norm(moved) * np.linalg.norm(difference(real.features, values))
    found = interval("cosine", along[0] / lengths, drawn[:, 0] / lengths)
    if np.quantile(drawn[:, 1], INTERVAL[0]) > 0:
        found |= interval("size", along[0] / along[1], drawn[:, 0] / drawn[:, 1])
    return found


def interval(name: str, value: float, drawn: np.ndarray) -> dict[str, float]:
    """A value and the ends of its interval, by name."""
    low, high = np.quantile(drawn, INTERVAL)
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cosine of the angle between vectors (..., D) and (D,)."""
    return a @ b / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b))


def permuted(
    sample: Sample, values: np.ndarray, target: np.ndarray, rng: np.random.Generator
) -> float:
    """The control: the 97.5 % quantile of the cosine with `target` (D,) for permuted labels."""
    mixed = np.stack([rng.permutation(weights(values)) for _ in range(PERMUTED)])
    return float(np.quantile(cosine(mixed @ sample.features, target), INTERVAL[1]))
