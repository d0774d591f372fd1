"""How much of its song a cover shows: each feature predicted from the cover, out of sample.

A ridge regression on frozen image features, fitted on some artists and evaluated on others (5 folds
by artist). Every number has an interval, by bootstrap over artists, and a control: the same for
shuffled labels. What release year and genre alone explain is measured too.
"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.model_selection import GroupKFold

from albumlib.dataset import statistics
from albumlib.dataset.coverset import CoverSet
from albumlib.dataset.splits import groups_by_artist
from albumlib.evaluation.extractor import extract, load_extractor
from albumlib.evaluation.imagenet import load_imagenet
from albumlib.evaluation.label_recovery import ridge
from albumlib.evaluation.metrics import MetricsError

FOLDS = 5
SHUFFLES = 5  # permuted controls for each target
RESAMPLES = 1000
LEAST = 100  # covers, too few to measure anything by
GENRES = 8  # the most frequent words of the genre column
COMMON = 0.05  # proportion of the covers with a genre that must, and must not, have it


Targets = dict[str, np.ndarray]  # by name, (N, K) with NaN where unknown; K is 1 but for genres


def visible(covers: CoverSet, extractor: str = "imagenet", seed: int = 2021) -> pd.DataFrame:
    """A row for each feature that varies, for the release year and the genre where they are known.

    `extractor` is "imagenet" (needs the extra of that name) or "own". Columns: `r2` with `r2_low`
    and `r2_high`, `spearman` with the same, `r2_permuted` (the largest of 5 controls), `n` covers
    and `artists`; for features also `r2_year_genre` (what these two explain without the cover)
    and `r2_beyond` with `r2_beyond_low` (what the cover explains of the rest). R² is out of
    sample, and negative where the mean would predict better. Raises MetricsError for fewer than
    100 covers with labels.
    """
    inputs, groups = image_inputs(covers.images, extractor), artists(covers.table)
    names = statistics.known(covers.table)
    targets = {name: covers.table[[name]].to_numpy(np.float64) for name in names}
    context = year_and_genre(covers.table)
    found = shown(inputs, targets | context, groups, seed)
    for name, row in beyond(inputs, targets, context, groups, seed).items():
        found[name] |= row
    if not found:
        raise MetricsError(
            f"these covers have fewer than {LEAST} labels of any kind, too few to "
            "measure anything by: gather more songs with features, years or genres"
        )
    return pd.DataFrame(found).T


def image_inputs(images: np.ndarray, extractor: str = "imagenet") -> np.ndarray:
    """What the regression sees of covers (N, S, S, 3) uint8: features of a frozen network, and the
    image statistics of chapter 3 with their squares, (N, D)."""
    network = {"imagenet": load_imagenet, "own": load_extractor}[extractor]()
    plain = statistics.image_statistics(images).to_numpy()
    return np.column_stack([extract(network, images), plain, plain**2])


def artists(table: pd.DataFrame) -> np.ndarray:
    """A number for each cover's artist (N,), the same for near-duplicate covers."""
    group = table["group"] if "group" in table else table["album_id"]
    return pd.factorize(groups_by_artist(table["artist"], group.astype(str)))[0]


def shown(
    inputs: np.ndarray, targets: Targets, groups: np.ndarray, seed: int = 2021
) -> dict[str, dict[str, float]]:
    """R² and Spearman's correlation of each target predicted from inputs (N, D), with intervals
    and control. Targets of which fewer than 100 values are known are left out."""
    found = {}
    for known, here in by_known_rows(targets):
        out_of_fold = predictions(inputs[known], here, groups[known], seed)
        for name, (predicted, control) in out_of_fold.items():
            found[name] = summary(here[name], predicted, groups[known], seed)
            found[name]["r2_permuted"] = control
    return {name: found[name] for name in targets if name in found}


def by_known_rows(targets: Targets) -> list[tuple[np.ndarray, Targets]]:
    """Targets that are known for the same covers, with a mask of these: one regression for all."""
    found: dict[bytes, Targets] = {}
    for name, values in targets.items():
        known = np.isfinite(values).all(axis=1)
        if known.sum() >= LEAST:
            found.setdefault(known.tobytes(), {})[name] = values[known]
    return [(np.frombuffer(rows, dtype=bool), some) for rows, some in found.items()]


def predictions(
    inputs: np.ndarray, targets: Targets, groups: np.ndarray, seed: int
) -> dict[str, tuple[np.ndarray, float]]:
    """For each target its out-of-fold predictions (N, K), and the largest R² of its controls:
    the same regression for targets that were shuffled among the covers."""
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(inputs)), *(rng.permutation(len(inputs)) for _ in range(SHUFFLES))]
    columns = [values[order] for order in orders for values in targets.values()]
    together = np.concatenate(columns, axis=1)
    predicted = np.empty_like(together)
    for train, test in GroupKFold(FOLDS).split(inputs, groups=groups):
        predicted[test] = ridge().fit(inputs[train], together[train]).predict(inputs[test])
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    parts = np.split(predicted, ends, axis=1)
    scores = np.reshape([r2(*pair) for pair in zip(columns, parts, strict=True)], (len(orders), -1))
    return {name: (parts[i], float(scores[1:, i].max())) for i, name in enumerate(targets)}


def summary(values: np.ndarray, predicted: np.ndarray, groups: np.ndarray, seed: int) -> dict:
    """R² and rank correlation of predictions, each with its interval, and what they are over."""
    low, high = interval(values, predicted, groups, seed)
    found = {"r2": r2(values, predicted), "r2_low": low, "r2_high": high}
    if values.shape[1] == 1:
        ranks = [rankdata(column)[:, None] for column in (values, predicted)]
        low, high = interval(*ranks, groups, seed, correlation=True)
        found |= {"spearman": np.corrcoef(*(rank[:, 0] for rank in ranks))[0, 1],
                  "spearman_low": low, "spearman_high": high}  # fmt: skip
    return found | {"n": len(values), "artists": len(np.unique(groups))}


def beyond(
    inputs: np.ndarray, targets: Targets, context: Targets, groups: np.ndarray, seed: int
) -> dict[str, dict[str, float]]:
    """What year and genre explain of each feature, and what the cover explains of the rest."""
    if not context:
        return {}
    given = np.column_stack(list(context.values()))
    given = np.column_stack([given, np.square(given - np.nanmean(given, axis=0))])
    usable = np.isfinite(given).all(axis=1)
    inputs, given, groups = inputs[usable], given[usable], groups[usable]
    here = {name: values[usable] for name, values in targets.items()}
    explained, rest = {}, {}
    for known, part in by_known_rows(here):
        for name, (predicted, _) in predictions(given[known], part, groups[known], seed).items():
            explained[name] = r2(part[name], predicted)
            rest[name] = np.full_like(here[name], np.nan)
            rest[name][known] = part[name] - predicted
    return {
        name: {"r2_year_genre": explained[name], "r2_beyond": row["r2"],
               "r2_beyond_low": row["r2_low"]}
        for name, row in shown(inputs, rest, groups, seed).items()
    }  # fmt: skip


def unflat(numbers: dict[str, float]) -> pd.DataFrame:
    """The table back from what `flat` made of it.

    >>> unflat({"n": 9, "r2_energy": 0.1, "r2_energy_low": 0.0}).loc["energy"].tolist()
    [0.1, 0.0]
    """
    found: dict[str, dict[str, float]] = {}
    for key, value in numbers.items():
        kind, _, rest = key.partition("_")
        name, _, ending = rest.partition("_")
        if name:
            found.setdefault(name, {})["_".join(filter(None, (kind, ending)))] = value
    return pd.DataFrame(found).T


def r2(values: np.ndarray, predicted: np.ndarray) -> float:
    """1 minus the squared error over the squares about the mean, of (N, K) together."""
    error = np.square(values - predicted).sum()
    return float(1 - error / np.square(values - values.mean(axis=0)).sum())


def interval(
    values: np.ndarray, predicted: np.ndarray, groups: np.ndarray, seed: int, correlation=False
) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of R² (or of the correlation) over resampled artists."""
    x, y = values - values.mean(0), predicted - values.mean(0)
    parts = np.column_stack([np.ones(len(x)), x.sum(1), y.sum(1), (x * x).sum(1), (y * y).sum(1),
                             (x * y).sum(1)])  # fmt: skip
    sums = pd.DataFrame(parts).groupby(groups).sum().to_numpy()  # (artists, 6)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
    n, sx, sy, xx, yy, xy = (counts @ sums).T
    if correlation:
        found = (xy - sx * sy / n) / np.sqrt((xx - sx**2 / n) * (yy - sy**2 / n))
    else:
        found = 1 - (xx - 2 * xy + yy) / (xx - sx**2 / (n * values.shape[1]))
    return tuple(float(q) for q in np.quantile(found, (0.025, 0.975)))


def flat(table: pd.DataFrame) -> dict[str, float]:
    """The table as one flat dictionary: `r2_energy`, `r2_energy_low`, …, `n`, `artists`."""
    found = {"n": int(table["n"].max()), "artists": int(table["artists"].max())}
    for name, row in table.iterrows():
        for key, value in row.dropna().items():
            kind, _, rest = str(key).partition("_")
            found["_".join(filter(None, (kind, str(name), rest)))] = round(float(value), 5)
    return found


def year_and_genre(table: pd.DataFrame) -> Targets:
    """The release year (N, 1), and the most frequent words of the genre column, one column each:
    1 where a cover has the word. Either is left out if it is not known."""
    years = pd.to_numeric(table["release_date"].astype(str).str[:4], errors="coerce")
    years = years.where(years.between(1900, 2100))
    words = table["genre"].fillna("").str.casefold().str.findall(r"[\w&-]+")
    tagged = max(1, (words.str.len() > 0).sum())
    shares = words.map(set).explode().value_counts() / tagged
    names = shares[shares.between(COMMON, 1 - COMMON)].index[:GENRES]
    found = {"year": years.to_numpy(np.float64)[:, None]} if years.nunique() > 1 else {}
    if len(names):
        has = np.array([[name in have for name in names] for have in words], dtype=np.float64)
        found["genre"] = np.where(words.str.len().to_numpy()[:, None] > 0, has, np.nan)
    return found
