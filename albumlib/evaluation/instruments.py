"""The instruments of `scorecard`: extractors, classifiers and spectra, as functions of pixels."""

from functools import partial

import numpy as np
import pandas as pd

from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import label_recovery as recovery
from albumlib.evaluation import layouts, legibility
from albumlib.evaluation.extractor import extract, load_extractor
from albumlib.evaluation.imagenet import installed, load_imagenet
from albumlib.evaluation.metrics import nearest
from albumlib.evaluation.perfect import numbers, redrawn
from albumlib.evaluation.scorecard import Bench, Instrument, Sample, Score, check_enough
from albumlib.evaluation.spectrum import grain, radial_spectrum
from albumlib.runtime.progress import Progress, silent
from albumlib.sources.imprint.imprint import Imprint

KNOWN = 5000  # training covers among which near-duplicates are looked for
NEAR = 0.5  # of the distance that all but 1 % of training covers keep from each other
SOME = 1000  # training covers on which a ridge regression is tried
STEPS = 1500  # of 64 covers: how long a label regressor is trained where none ships


def instruments_for(
    coverset: CoverSet,
    imprint: Imprint | None = None,
    *,
    labels: bool = True,
    imagenet: bool = True,
) -> dict[str, Instrument]:
    """All that can be used on covers of this set. `labels` says whether the label recovery is
    wanted: its regressor is trained on the training split where none ships."""
    own = load_extractor()
    found: dict[str, Instrument] = {
        "spectrum": radial_spectrum,
        "grain": grain,
        "own": partial(extract, own),
        "near": near_duplicates(coverset, partial(extract, own)),
    }
    if labels and coverset.has_labels:
        found["labels"] = partial(recovery.predict_labels, regressor_for(coverset, imprint))
    if imprint is not None and layouts.FILE.exists():
        found["layouts"] = layouts.load_layouts().probabilities
    if imprint is not None and legibility.FILE.exists():
        found["text"] = partial(legibility.legible, legibility.load_text_reader())
    if imagenet and installed():
        found["imagenet"] = partial(extract, load_imagenet())
    return found


def regressor_for(
    coverset: CoverSet, imprint: Imprint | None = None, *, epochs: float = 8, seed: int = 0
) -> recovery.LabelRegressor | recovery.RidgeRegressor:
    """The label regressor that ships for an imprint's covers, or one fitted to the training split.

    First a ridge regression on some of the covers. Where it predicts no feature of the validation
    split well enough, as on real covers, a network trained from scratch would learn next to
    nothing, and it is the ridge regression, on all of them; else a network of so many `epochs`.
    A set that is too small for a validation split gets the ridge regression.
    """
    if imprint is not None and coverset.size == 64 and recovery.FILE.exists():
        return recovery.load_label_regressor()
    train, other = coverset.rows("train"), coverset.rows("validation")
    some = np.sort(np.random.default_rng(seed).permutation(train)[:SOME])
    quick = recovery.ridge_regressor(coverset.images[some], coverset.labels[some])
    pixels, labels = coverset.images[train], coverset.labels[train]
    if not len(other):
        return quick
    read = recovery.predict_labels(quick, coverset.images[other])
    if not (recovery.label_recovery(read, coverset.labels[other]).r2 >= recovery.RECOVERABLE).any():
        return recovery.ridge_regressor(pixels, labels)
    epochs = min(epochs, STEPS * 64 / max(1, len(train)))
    return recovery.train_label_regressor(pixels, labels, epochs=epochs, seed=seed)


def near_duplicates(coverset: CoverSet, embed: Instrument) -> Instrument:
    """Says which covers (n, S, S, 3) are nearly training covers, a mask (n,): nearer to one, in
    the embedding, than half of what all but 1 % of training covers keep from each other."""
    rows = coverset.rows("train")
    known = embed(coverset.images[np.sort(np.random.default_rng(0).permutation(rows)[:KNOWN])])
    least = NEAR * np.quantile(nearest(known[::2], known[1::2])[0], 0.01)
    return lambda pixels: nearest(embed(pixels), known)[0] < least


def bench_for(
    coverset: CoverSet,
    imprint: Imprint | None = None,
    *,
    labels: bool = True,
    imagenet: bool = True,
    most: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
) -> Bench:
    """The bench that a cover set's models are measured on: its test split, and all instruments."""
    rows = coverset.rows("test")
    check_enough(len(rows))
    found = instruments_for(coverset, imprint, labels=labels, imagenet=imagenet)
    pixels, asked = coverset.images[rows], coverset.labels[rows]
    return Bench.of(pixels, asked, found, most=most, seed=seed, progress=progress)


def perfect_sample(bench: Bench, coverset: CoverSet, imprint: Imprint, seed: int = 1) -> Sample:
    """What the perfect generator makes of the labels that the bench asks for."""
    rows = coverset.rows("test")[bench.partings[0][0]]
    drawn = int(coverset.table["width"].median())
    albums = numbers(coverset, rows)
    return bench.sample(redrawn(imprint, albums, coverset.size, drawn=drawn, seed=seed))


def ocr_score(
    bench: Bench, coverset: CoverSet, sample: Sample, perfect: Sample | None = None, most: int = 100
) -> Score:
    """The proportion of up to `most` covers on which an OCR engine reads a word of the set's titles
    or artists. Raises AlbumlibError if the engine is not installed."""
    words = pd.concat([coverset.table[name] for name in ("album", "artist")]).dropna()
    read = partial(legibility.known_words, words=words)
    here, there = (read(some.pixels[:most]) for some in (sample, bench.asked))
    best = None if perfect is None else float(read(perfect.pixels[:most]).mean())
    both = np.concatenate([here, there]).mean()  # the spread of a difference of proportions
    spread = max((2 * both * (1 - both) / len(here)) ** 0.5, 1 / len(here))
    return Score(float(here.mean()), float(there.mean()), float(spread), best)
