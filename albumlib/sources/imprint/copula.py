"""The joint distribution of audio features as a Gaussian copula with empirical marginals.

A copula keeps what a table of real tracks says about each feature alone and about how features go
together, and nothing about any single track: it can be shipped where the rows may not (Nelsen 2006,
"An Introduction to Copulas").
"""

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from albumlib import features
from albumlib.runtime.paths import ASSETS
from albumlib.sources.base import SourceError
from albumlib.sources.standard import ASIDE, standard
from albumlib.sources.table_reading import read_table

VARIABLES = (*features.NAMES, "year")
LEAST = 100  # tracks to fit to


@dataclass(frozen=True)
class Copula:
    """`quantiles` (11, Q) of the ten features and the release year, at evenly spaced ranks, and
    `correlation` (11, 11) of their normal scores. `notes` say what became of a table's rows."""

    quantiles: np.ndarray
    correlation: np.ndarray
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, table: pd.DataFrame, points: int = 257) -> "Copula":
        """Fit to a table with the ten features and `year`; rows with a gap are left out."""
        values = table[list(VARIABLES)].dropna()
        quantiles = np.quantile(values, np.linspace(0, 1, points), axis=0).T
        # Spearman's rho of a Gaussian copula is 6 / pi * arcsin(r / 2): solved for r.
        correlation = 2 * np.sin(np.pi / 6 * values.corr("spearman").to_numpy())
        return cls(quantiles, _nearest_correlation(correlation))

    @classmethod
    def of_table(cls, path: str | Path) -> "Copula":
        """Fit to a table of tracks that somebody has, of any kind that `table_reading` knows.

        What fewer than half of its tracks have, such as popularity or a year, keeps the shipped
        distribution and depends on nothing. Raises SourceError if fewer than 100 tracks have all
        the rest.
        """
        table, account = standard(read_table(path))
        years = pd.to_numeric(table["release_date"].str[:4], errors="coerce")
        table = table.assign(year=years.where(years.between(1900, 2100)))[list(VARIABLES)]
        varied = (table.notna().mean() >= 0.5) & (table.nunique() > 1)
        known = [name for name in VARIABLES if varied[name]]
        table = table.dropna(subset=known)
        if len(table) < LEAST or not set(known) & set(features.NAMES):
            raise SourceError(
                f"only {len(table):,} tracks of {path} have {', '.join(known) or 'features'}: "
                f"{LEAST} are needed to know how features go together"
            )
        rng, shipped = np.random.default_rng(0), cls.load()
        for place, name in enumerate(VARIABLES):
            if name not in known:
                table[name] = rng.choice(shipped.quantiles[place], len(table))
        said = [line for line in account.lines() if ASIDE not in line]  # that file is not written
        said.append(f"the imprint's songs have the features of {len(table):,} of these tracks")
        if others := [name for name in VARIABLES if name not in known]:
            said.append(f"and of its own: {', '.join(others)}")
        return replace(cls.fit(table), notes=tuple(said))

    @classmethod
    @cache
    def load(cls) -> "Copula":
        """The copula that ships, fitted to 3,069 real tracks."""
        stored = json.loads((ASSETS / "copula.json").read_text(encoding="utf-8"))
        return cls(np.array(stored["quantiles"]), np.array(stored["correlation"]))

    def scores(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Normal scores (count, 11), correlated as the features are."""
        return rng.standard_normal((count, len(VARIABLES))) @ np.linalg.cholesky(self.correlation).T

    def features(self, scores: np.ndarray) -> np.ndarray:
        """Features (n, 10) in their own units from the first ten of the scores (n, 11)."""
        ranks = normal_rank(scores[:, : features.COUNT])
        grid = np.linspace(0, 1, self.quantiles.shape[1])
        columns = [
            np.interp(rank, grid, quantile)
            for rank, quantile in zip(ranks.T, self.quantiles, strict=False)
        ]
        return np.stack(columns, axis=1)

    def ranks(self, values: np.ndarray) -> np.ndarray:
        """Where features (n, 10) stand among real tracks: 0 lowest, 1 highest, NaN missing."""
        grid = np.linspace(0, 1, self.quantiles.shape[1])
        columns = [
            # From both sides, so that a value which many tracks share gets their middle rank.
            (np.interp(value, quantile, grid) + 1 - np.interp(-value, -quantile[::-1], grid)) / 2
            for value, quantile in zip(values.T, self.quantiles, strict=False)
        ]
        return np.stack(columns, axis=1)


def standing(values: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """Where features (10,) in their own units stand from low (0) to high (1), by name: first by
    value between the 1 % and 99 % quantiles of real tracks, then by rank among them.

    A missing value (NaN) stands at the median.
    """
    copula = Copula.load()
    low, high = (features.to_unit(copula.quantiles[:-1, [3, -4]].T) + 1) / 2
    values = np.where(np.isnan(values), copula.quantiles[:-1, 128], values)
    value = (features.to_unit(values) + 1) / 2
    value = ((value - low) / (high - low)).clip(0, 1)
    rank = copula.ranks(values[None])[0]
    return tuple(dict(zip(features.NAMES, each.tolist(), strict=True)) for each in (value, rank))


def normal_rank(scores: np.ndarray) -> np.ndarray:
    """The standard normal distribution function."""
    return (1 + np.vectorize(math.erf, otypes=[float])(np.asarray(scores) / math.sqrt(2))) / 2


def _nearest_correlation(matrix: np.ndarray) -> np.ndarray:
    """Make a correlation matrix positive definite by raising its smallest eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    lifted = vectors @ np.diag(values.clip(1e-3)) @ vectors.T
    scale = np.sqrt(np.diag(lifted))
    return lifted / np.outer(scale, scale)
