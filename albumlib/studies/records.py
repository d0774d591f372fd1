"""Runs on file: a line of JSON for each, appended as they are done, and compared seed by seed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats

REAL = "real covers"  # the references, as if they were a build
STRIP = 8  # covers of each build that are kept

Run = tuple[dict, np.ndarray]  # what was measured of a build, and covers of it
Runs = Iterator[Run]


def read_measured(file: Path) -> list[dict]:
    """The records of an experiment, [] if there are none."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def append(file: Path, record: Mapping) -> None:
    """Add a record as a line."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(rounded) + "\n")


def keep_strip(folder: Path, build: str, pixels: np.ndarray) -> None:
    """Keep the first covers of a build as `folder`/BUILD.png, a row."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(pixels[:STRIP], axis=1)).save(folder / f"{build}.png")


# Comparing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences with its confidence interval, the p-value of Student's paired
    t-test, and the number of pairs."""

    mean: float
    low: float
    high: float
    p: float
    pairs: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.low <= 0 <= self.high

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_difference(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> Difference:
    """First minus second, pair by pair: values of the same seeds.

    The interval is Student's: it takes the differences for normally distributed, which a handful
    of seeds can neither support nor refute. A single pair has an interval without bounds. Raises
    ValueError if there is none, or the lengths differ.

    >>> print(paired_difference([3.0, 5.0, 7.0], [2.0, 3.0, 4.0]))
    +2.000 [-0.484, +4.484]
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} values make no pairs")
    differences = np.subtract(first, second)
    mean = float(differences.mean())
    if len(differences) == 1:
        return Difference(mean, -np.inf, np.inf, np.nan, 1)
    if np.ptp(differences) == 0:  # Student's t is 0 / 0
        return Difference(mean, mean, mean, float(mean == 0), len(differences))
    found = stats.ttest_rel(first, second)
    low, high = found.confidence_interval(confidence)
    return Difference(mean, float(low), float(high), float(found.pvalue), len(differences))


def differences(
    runs: pd.DataFrame, pairs: Mapping[str, str], columns: Sequence[str]
) -> pd.DataFrame:
    """A `Difference` for each build of `pairs` from the one that it names: a row for each, a
    column for each of `columns`. Only seeds that both have are compared."""
    values = {name: rows.set_index("seed") for name, rows in runs.groupby("build")}
    found = {}
    for build, base in pairs.items():
        here, there = values[build].align(values[base], join="inner", axis=0)
        found[build] = [paired_difference(here[name], there[name]) for name in columns]
    return pd.DataFrame(found, index=list(columns)).T
