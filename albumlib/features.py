"""The ten audio features of a track: names, units, ranges, and their way to [-1, 1] and back.

Nothing else in the project knows these numbers. The definitions are those of Spotify's
Web API reference (`audio-features`, and `popularity` of the track object); the order is the
one of the 2021 data, so that its label arrays can be read column by column.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Feature:
    """One audio feature. `low` and `high` are the ends of its valid range, in `unit`."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str


FEATURES: tuple[Feature, ...] = (
    Feature("popularity", "0 to 100", 0, 100, "how often the track was played lately"),
    Feature("acousticness", "0 to 1", 0, 1, "confidence that the instruments are acoustic"),
    Feature("danceability", "0 to 1", 0, 1, "how well tempo, rhythm and beat suit dancing"),
    Feature("energy", "0 to 1", 0, 1, "perceived intensity: fast, loud, noisy"),
    Feature("instrumentalness", "0 to 1", 0, 1, "likelihood that nobody sings"),
    Feature("liveness", "0 to 1", 0, 1, "likelihood that an audience was in the room"),
    Feature("loudness", "dB", -60, 5, "mean loudness relative to full scale"),
    Feature("speechiness", "0 to 1", 0, 1, "proportion of spoken words"),
    Feature("tempo", "BPM", 30, 250, "estimated beats per minute"),
    Feature("valence", "0 to 1", 0, 1, "musical positiveness: cheerful against sad"),
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
COUNT = len(FEATURES)
LOW = np.array([feature.low for feature in FEATURES], dtype=np.float64)
HIGH = np.array([feature.high for feature in FEATURES], dtype=np.float64)


def to_unit(values: np.ndarray) -> np.ndarray:
    """Scale features in their own units, (..., 10), linearly so that the range becomes [-1, 1].

    Missing values (NaN) stay missing; values outside the range land outside [-1, 1].
    Raises ValueError if the last axis does not hold ten features.

    >>> song = to_array({"energy": 0.75, "tempo": 140, "loudness": -8})
    >>> dict(zip(NAMES, to_unit(song).tolist()))["tempo"]
    0.0
    """
    return 2 * (_ten(values) - LOW) / (HIGH - LOW) - 1


def from_unit(unit: np.ndarray) -> np.ndarray:
    """Invert `to_unit`: (..., 10) in [-1, 1] to the features' own units.

    The round trip is exact, to the bit, for values of up to nine decimals.

    >>> from_unit(np.zeros(10)).tolist()
    [50.0, 0.5, 0.5, 0.5, 0.5, 0.5, -27.5, 0.5, 140.0, 0.5]
    """
    return np.round((_ten(unit) + 1) / 2 * (HIGH - LOW) + LOW, 9)


def to_array(values: Mapping[str, float | None] | pd.DataFrame) -> np.ndarray:
    """Features by name, as a mapping (10,) or a table (N, 10), in the order of NAMES.

    A name that is absent, and a None, become NaN. Raises ValueError for an unknown name in a
    mapping; a table may have other columns.
    """
    if isinstance(values, pd.DataFrame):
        return values.reindex(columns=list(NAMES)).to_numpy(dtype=np.float64, na_value=np.nan)
    unknown = sorted(set(values) - set(NAMES))
    if unknown:
        raise ValueError(f"unknown feature {unknown[0]!r}; the ten are {', '.join(NAMES)}")
    given = (values.get(name) for name in NAMES)
    return np.array([np.nan if value is None else value for value in given], dtype=np.float64)


def out_of_range(values: np.ndarray) -> np.ndarray:
    """True where a value, (..., 10) in its own unit, is outside its feature's range.

    Missing values are in range: whether they may be missing is for the cleaning to say.

    >>> NAMES[out_of_range(to_array({"energy": 75, "tempo": 140})).argmax()]
    'energy'
    """
    values = _ten(values)
    return (values < LOW) | (values > HIGH)


def _ten(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] != COUNT:
        raise ValueError(f"expected ten features on the last axis, got shape {values.shape}")
    return values
