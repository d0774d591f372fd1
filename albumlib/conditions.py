"""Rows of conditions: what a conditional model is told beside its latents.

A row is the ten features, then the extras that were asked for, then a title's tokens. Labels are
scaled to [-1, 1], NaN where missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from albumlib.coverset import CoverSet, CoverSetError
from albumlib.team import Dice
from albumlib.titles import forget_words, tokens, vocabulary

if TYPE_CHECKING:
    from albumlib.config import TrainingConfig

# Labels beyond the ten features: the column of the table, and the values that become -1 and 1.
EXTRAS = {"year": (1950.0, 2030.0), "lettering": (0.0, 1.0)}


def extra_to_unit(name: str, values: np.ndarray | float) -> np.ndarray:
    """Values of an extra label to the scale of labels.

    >>> extra_to_unit("year", [1950, 1990, 2030]).tolist()
    [-1.0, 0.0, 1.0]
    """
    low, high = EXTRAS[name]
    return 2 * (np.asarray(values, dtype=np.float64) - low) / (high - low) - 1


def rows(
    labels: np.ndarray, extras: dict[str, np.ndarray], titles: Sequence[str] = (), words=()
) -> np.ndarray:
    """Conditions (N, C) float32 of labels (N, 10 or 0), extras by name, and titles if any."""
    columns = [labels, *(extra_to_unit(name, values)[:, None] for name, values in extras.items())]
    if len(titles):
        columns.append(tokens(titles, words))
    return np.concatenate(columns, axis=1).astype(np.float32)


def of_covers(
    covers: CoverSet, config: TrainingConfig, seed: int = 2021
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Conditions (N, C) of a cover set as `config` asks for them, and the vocabulary of titles.

    None for an unconditional model. Raises CoverSetError if the table lacks an extra, or if no
    song has a title.
    """
    if not config.conditional:
        return None, ()
    known = {name: _column(covers.table, name) for name in config.extra_names}
    labels = covers.labels if config.labels else covers.labels[:, :0]
    if not config.titles:
        return rows(labels, known), ()
    titles = cover_titles(covers, seed)
    if not any(titles):
        raise CoverSetError("these covers have no titles to condition on: their songs are nameless")
    words = vocabulary(titles[row] for row in covers.rows("train"))
    return rows(labels, known, titles, words), words


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table or table[name].isna().all():
        raise CoverSetError(
            f"these covers have no {name} to condition on: "
            + ("clean them with lettering" if name == "lettering" else "their table has no dates")
        )
    return table[name].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)


def cover_titles(covers: CoverSet, seed: int = 2021) -> list[str]:
    """For each cover "Album: Song", a song of it drawn by chance; "" where neither has a name.

    Both, since a cover is the album's: a song's title alone says little about it.
    """
    order = np.random.default_rng(seed).permutation(len(covers.tracks))
    drawn = covers.tracks.iloc[order].drop_duplicates("row").set_index("row")["name"]
    songs = drawn.reindex(range(len(covers))).fillna("")
    albums = covers.table["album"].fillna("")
    return [": ".join(filter(None, pair)) for pair in zip(albums, songs, strict=True)]


# In training -----------------------------------------------------------------------------------


def smoothed(
    rows: Tensor, spread: Tensor, config: TrainingConfig, dice: Dice
) -> tuple[Tensor, Tensor, Tensor]:
    """Conditions (B, C) as a training step tells them, and labels (B, L): all that are known, and
    those to which drawn covers are held.

    Told is less than is known: labels get noise in units of their `spread` (CcGAN, arXiv
    2011.07466), and with `label_dropout` the ten features together, each extra and the title are
    left out by chance, so that any of them may be all there is. A cover is held to the labels
    that were told, and to the features also if only the title was: it leads to expect them.
    """
    labels, title = rows.tensor_split([len(spread)], dim=1)
    noise = dice.randn(*labels.shape).to(labels)
    labels = labels + config.label_noise * spread * noise
    if config.titles:
        title = forget_words(title, config.word_dropout, dice)
    if not config.label_dropout:
        return torch.cat([labels, title], dim=1), labels, labels
    extras = len(config.extra_names)
    sizes = torch.tensor([labels.shape[1] - extras, *(1,) * extras])
    missing = dice.rand(len(labels), 2 + extras) < config.label_dropout
    columns = missing[:, :-1].repeat_interleave(sizes, dim=1).to(labels.device)
    title = title.masked_fill(missing[:, -1:].to(title.device), 0)
    features = torch.arange(labels.shape[1]) < sizes[0]
    unheld = columns & ~(features.to(columns.device) & (title > 0).any(1, keepdim=True))
    told = torch.cat([labels.masked_fill(columns, torch.nan), title], dim=1)
    return told, labels, labels.masked_fill(unheld, torch.nan)
