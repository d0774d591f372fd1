"""Of several covers for one song, the one that shows its features best.

Real covers show little of their music, and a generator trained on them follows its labels no
better. Among several covers for the same labels, from other latents, some show them more than
others, and a regression fitted to real covers says which: the best is taken, as DALL·E ranks its
samples by another network (Ramesh et al. 2021, arXiv 2102.12092). Each remains a cover that the
generator makes anyhow.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation.extractor import extract
from albumlib.evaluation.imagenet import strongest
from albumlib.evaluation.label_recovery import known_together, ridge
from albumlib.evaluation.visible import FOLDS, LEAST, artists, r2
from albumlib.models.networks import Generator
from albumlib.sampling.request import Request, RequestError

MOST = 3000  # training covers that a selector is fitted to


@dataclass(frozen=True)
class Shown:
    """How some labels are read off image features: which `columns` they are, the regression, and,
    an entry each, mean and spread of the labels and of predictions for covers that it was not
    fitted to, and what these explain, R²."""

    columns: np.ndarray
    regression: Pipeline
    mean: np.ndarray
    spread: np.ndarray
    predicted_mean: np.ndarray
    predicted_spread: np.ndarray
    r2: np.ndarray

    @classmethod
    def fitted(
        cls, columns: np.ndarray, seen: np.ndarray, labels: np.ndarray, groups: np.ndarray
    ) -> "Shown":
        """From features (N, D) and labels (N, K) of real covers, and the number of each cover's
        artist (N,): nothing is predicted by a regression that was fitted to the same artist."""
        folds = GroupKFold(FOLDS)
        predicted = cross_val_predict(ridge(), seen, labels, groups=groups, cv=folds)
        predicted = predicted.reshape(labels.shape)
        explained = [*map(r2, labels.T[..., None], predicted.T[..., None])]
        ends = [f for values in (labels, predicted) for f in (values.mean(0), values.std(0) + 1e-6)]
        regression = ridge().fit(seen, labels)
        return cls(columns, regression, *ends, np.nan_to_num(np.maximum(0, explained)))

    def distances(self, seen: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Squares (N,) of how far features (N, D) are from what is asked for, labels (N, L), in
        standard deviations, each label weighted by its R². One that is missing counts nothing."""
        predicted = self.regression.predict(seen).reshape(len(seen), -1)
        shown = (predicted - self.predicted_mean) / self.predicted_spread
        wanted = (asked[:, self.columns] - self.mean) / self.spread
        return np.nansum(self.r2 * np.square(shown - wanted), axis=1)


class Selector:
    """Ranks covers by how well they show labels, as real covers (N, D) with labels (N, L) do: see
    `Shown`. Labels known for less than 100 covers are left out."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, groups: np.ndarray):
        self.shown = [
            Shown.fitted(columns, features[known], labels[known][:, columns], groups[known])
            for known, columns in known_together(labels)
            if known.sum() >= LEAST
        ]

    def best(self, features: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """The rows (n,) of the best covers, one for each of the labels `asked` (n, L), of whose
        candidates the features (n * k, D) are, k after k."""
        count = len(features) // len(asked)
        many = np.repeat(asked, count, axis=0)
        distances = sum((one.distances(features, many) for one in self.shown), np.zeros(len(many)))
        return np.arange(len(asked)) * count + distances.reshape(-1, count).argmin(1)


def best_seeds(
    generator: Generator, request: Request, coverset: CoverSet, candidates: int
) -> Request:
    """The request with other seeds: for each of its covers the best of so many, by what the
    training covers of a set show. Raises RequestError where they show nothing of what is asked."""
    rows = coverset.rows("train")
    rows = rows[np.isfinite(coverset.labels[rows]).any(1)]
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST])
    network = strongest()
    seen = extract(network, coverset.images[rows])
    selector = Selector(seen, coverset.labels[rows], artists(coverset.table)[rows])
    asked = np.isfinite(request.label)
    if not any(one.r2[asked[one.columns]].any() for one in selector.shown):
        raise RequestError(
            f"{len(rows)} training covers with labels show nothing of the features that are asked "
            "for: ask for others, or leave out --candidates"
        )
    count = len(request.seeds)
    seeds = np.add.outer(request.seeds, count * np.arange(candidates)).ravel()
    drawn = replace(request, seeds=tuple(seeds.tolist())).draw(generator)
    best = selector.best(extract(network, drawn), np.tile(request.label, (count, 1)))
    return replace(request, seeds=tuple(seeds[best].tolist()))
