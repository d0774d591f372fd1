"""The numbers behind a first look at the labels: what notebook 03 computes before it draws.

Tables have the ten features as columns, in their own units; missing values are left out.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from albumlib.features import NAMES


def known(table: pd.DataFrame) -> list[str]:
    """The features, in the order of NAMES, of which `table` has two different values or more."""
    return [name for name in NAMES if name in table and table[name].nunique() > 1]


def rank_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of each pair of the known features, pairwise complete."""
    return table[known(table)].corr(method="spearman")


def by_year(table: pd.DataFrame, feature: str, step: int = 2, least: int = 8) -> pd.DataFrame:
    """Median and quartiles of a feature for each `step` years with `least` values or more: columns
    low, median, high, count, by the first year of each step. `table` has a column `year`.
    """
    rows = table[["year", feature]].dropna()
    groups = rows[feature].groupby((rows["year"].astype(int) // step) * step)
    parts = {"low": groups.quantile(0.25), "median": groups.median(), "high": groups.quantile(0.75)}
    found = pd.DataFrame({**parts, "count": groups.size()})
    return found[found["count"] >= least]


def album_share(tracks: pd.DataFrame) -> pd.Series:
    """Intra-class correlation: the proportion of each feature's variance that lies between albums.

    The one-way analysis-of-variance estimate ICC(1) for albums of unequal size (Donner 1986,
    International Statistical Review 54), clipped to [0, 1]: 1 means that all tracks of an album
    have the same value, 0 that they resemble each other no more than those of different albums.
    """
    return pd.Series({name: _icc(tracks[["album_id", name]].dropna()) for name in known(tracks)})


def _icc(rows: pd.DataFrame) -> float:
    values = rows.iloc[:, 1]
    groups = values.groupby(rows["album_id"])
    sizes, count, albums = groups.size(), len(values), groups.ngroups
    if albums < 2 or count == albums:
        return float("nan")
    between = (sizes * (groups.mean() - values.mean()) ** 2).sum() / (albums - 1)
    within = ((values - groups.transform("mean")) ** 2).sum() / (count - albums)
    typical = (count - (sizes**2).sum() / count) / (albums - 1)
    share = (between - within) / (between + (typical - 1) * within)
    return float(np.clip(share, 0, 1))


def ends(values: pd.Series | np.ndarray, share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the lowest and of the highest `share` of the values, the extreme ones first,
    at least one each; missing values are in neither.
    """
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    count = max(1, round(share * len(order)))
    return order[:count], order[::-1][:count]


def independent(table: pd.DataFrame, count: int, seed: int = 0) -> pd.DataFrame:
    """`count` labels as the 2021 build drew them: each feature uniform over the range it has in
    `table`, none knowing of the others."""
    rng = np.random.default_rng(seed)
    spans = {name: (table[name].min(), table[name].max()) for name in known(table)}
    return pd.DataFrame({name: rng.uniform(*span, count) for name, span in spans.items()})


def nearest_real(asked: pd.DataFrame, real: pd.DataFrame) -> np.ndarray:
    """Distance of each asked label to the nearest real one, in standard deviations of `real`
    per feature (root mean square over the features both tables know)."""
    names = [name for name in known(real) if name in asked]
    there = real[names].dropna().to_numpy(np.float64)
    here = asked[names].to_numpy(np.float64)
    spread = there.std(axis=0)
    nearest, _ = KDTree(there / spread).query(here / spread)
    return nearest / np.sqrt(len(names))


def normalised(title: str | None) -> str:
    """One spelling for what reads alike: full-width letters, composed accents, capitals."""
    return " ".join(unicodedata.normalize("NFKC", title or "").casefold().split())


def split_words(title: str | None) -> list[str]:
    """The words of a title, small, without punctuation."""
    return re.findall(r"\w+", normalised(title))


def telling_words(titles: Sequence[str], labels: pd.DataFrame, least: int = 20) -> pd.DataFrame:
    """For each word of `least` titles or more, how far the mean of each known feature over these
    titles lies from the mean of all, in standard deviations; the most telling words first."""
    names = known(labels)
    scaled = (labels[names] - labels[names].mean()) / labels[names].std(ddof=0)
    words = pd.Series([sorted(set(split_words(title))) for title in titles]).explode().dropna()
    joined = scaled.reset_index(drop=True).loc[words.index].assign(word=words.to_numpy())
    groups = joined.groupby("word")
    means = groups.mean()[groups.size() >= least]
    return means.loc[means.abs().max(axis=1).sort_values(ascending=False).index]


def image_statistics(pixels: np.ndarray) -> pd.DataFrame:
    """Seven simple measures of covers (N, S, S, 3) uint8, one row a cover, from 0 to 1 or -1 to 1.

    Made to be understood, not to be complete: lightness, its contrast, how colourful, how warm
    (red over blue), how green, how much fine detail, and how much lighter the top is.
    """
    parts = np.array_split(pixels, range(1024, len(pixels), 1024))
    return pd.concat(map(_image_statistics, parts), ignore_index=True)


def _image_statistics(pixels: np.ndarray) -> pd.DataFrame:
    colours = np.asarray(pixels, dtype=np.float32) / 255
    grey, half = colours.mean(axis=3), pixels.shape[1] // 2
    means = colours.mean(axis=(1, 2))
    detail = np.abs(np.diff(grey, axis=1)).mean((1, 2)) + np.abs(np.diff(grey, axis=2)).mean((1, 2))
    return pd.DataFrame(
        {
            "lightness": grey.mean((1, 2)),
            "contrast": grey.std((1, 2)),
            "colourfulness": np.ptp(colours, axis=3).mean((1, 2)),
            "warmth": means[:, 0] - means[:, 2],
            "greenness": means[:, 1] - (means[:, 0] + means[:, 2]) / 2,
            "fine detail": detail,
            "top over bottom": grey[:, :half].mean((1, 2)) - grey[:, half:].mean((1, 2)),
        }
    )


def rank_correlations_between(labels: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of each known feature (rows) with each measure (columns)."""
    names = known(labels)
    both = pd.concat([labels[names].reset_index(drop=True), measures], axis=1)
    return both.corr(method="spearman").loc[names, list(measures)]
