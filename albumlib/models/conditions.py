"""Rows of conditions: what a conditional model is given beside its latents.

A row is the ten features, then the extras that were asked for, then a title's tokens. Labels are
scaled to [-1, 1], NaN where missing.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from albumlib.dataset.coverset import CoverSet, CoverSetError
from albumlib.models.titles import forget_words, tokens, vocabulary
from albumlib.runtime.rng import Rng
from albumlib.sources.imprint.layouts import NAMES as LAYOUTS

# Labels beyond the ten features: the column of the table, and the values that become -1 and 1.
EXTRAS = {"year": (1950.0, 2030.0), "text": (0.0, 1.0)}
# The family of layouts, a column for each: 1 for the cover's own, -1 for the others.
LAYOUT = "layout_"
EXTRAS |= dict.fromkeys((LAYOUT + name for name in LAYOUTS), (0.0, 1.0))


def extra_columns(extras: str) -> tuple[str, ...]:
    """Names of EXTRAS for those that are joined by commas; "layout" stands for all families.

    >>> extra_columns("year,layout")[:3]
    ('year', 'layout_rings', 'layout_dots')
    """
    names = filter(None, extras.split(","))
    layouts = [name for name in EXTRAS if name.startswith(LAYOUT)]
    return tuple(column for name in names for column in (layouts if name == "layout" else [name]))


LACKING = {"text": "clean them with text", "year": "their table has no dates"}


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
    covers: CoverSet,
    *,
    labels: bool = True,
    extras: Sequence[str] = (),
    titles: bool = False,
    seed: int = 2021,
    optional: str = "",
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Conditions (N, C) of a cover set, and the vocabulary of titles: of the ten `labels`, of
    `extras` beyond them (names of EXTRAS) and of `titles`.

    None where nothing is asked for. Raises CoverSetError if the table lacks an extra, or if no
    song has a title. An `optional` extra, as in `TrainingConfig.extras`, is missing throughout
    where the table lacks it: for a training that begins with a model of other covers.
    """
    if not (labels or extras or titles):
        return None, ()
    known = {name: _column(covers.table, name, name in extra_columns(optional)) for name in extras}
    features = covers.labels if labels else covers.labels[:, :0]
    if not titles:
        return rows(features, known), ()
    texts = cover_titles(covers, seed)
    if not any(texts):
        raise CoverSetError("these covers have no titles to condition on: their songs are nameless")
    words = vocabulary(texts[row] for row in covers.rows("train"))
    return rows(features, known, texts, words), words


def _column(table: pd.DataFrame, name: str, optional: bool = False) -> np.ndarray:
    if name.startswith(LAYOUT) and "layout" in table:
        layout = table["layout"]
        return (layout == name.removeprefix(LAYOUT)).where(layout.notna()).to_numpy(float)
    lacking = name not in table or table[name].isna().all()
    if lacking and optional:
        return np.full(len(table), np.nan)
    if lacking:
        raise CoverSetError(
            f"these covers have no {name} to condition on: "
            + LACKING.get(name, "only the built-in imprint knows the layout of a cover")
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
    rows: Tensor,
    spread: Tensor,
    rng: Rng,
    *,
    noise: float,
    dropout: float = 0.0,
    word_dropout: float = 0.0,
    extras: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Conditions (B, C) of a training step, and labels (B, L): all that are known, and those that
    generated covers are to have.

    Conditions are less than is known: labels get `noise` in units of their `spread` (L,) (CcGAN,
    arXiv 2011.07466), `word_dropout` of a title's words become unknown, and by `dropout` the ten
    features together, each of the last `extras` labels and the title are left out by chance, so
    that any of them may be all there is. A generated cover is to have the labels that are among
    its conditions, and the features also if the title is: it leads to expect them.
    """
    labels, title = rows.tensor_split([len(spread)], dim=1)
    labels = labels + noise * spread * rng.randn(*labels.shape).to(labels)
    if title.shape[1]:
        title = forget_words(title, word_dropout, rng)
    if not dropout:
        return torch.cat([labels, title], dim=1), labels, labels
    features = labels.shape[1] - extras
    missing = (rng.rand(len(labels), 2 + extras) < dropout).to(labels.device)
    columns = torch.cat([missing[:, :1].expand(-1, features), missing[:, 1:-1]], dim=1)
    title = title.masked_fill(missing[:, -1:], 0)
    free = columns.clone()
    free[:, :features] &= (title == 0).all(1, keepdim=True)
    conditions = torch.cat([labels.masked_fill(columns, torch.nan), title], dim=1)
    return conditions, labels, labels.masked_fill(free, torch.nan)
