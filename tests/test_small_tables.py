"""Tables that lack something: no albums, few features, few songs. What follows must go through."""

import numpy as np
import pandas as pd
import pytest

from albumlib import features
from albumlib.dataset.cleaning import clean
from albumlib.dataset.gathering import gather
from albumlib.sources.tables import Table
from albumlib.training import loop
from albumlib.training.config import TrainingConfig


def thirty_albums(path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"name": [f"S{n}" for n in range(90)], "artist": "A"})
    rows["album"] = [f"Album {n // 3}" for n in range(90)]
    for feature in features.FEATURES:
        rows[feature.name] = rng.uniform(feature.low, feature.high, 90).round(3)
    rows.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("file", ["singer", "five_features_63_albums", "kaggle_19000", "thirty"])
def test_it_is_cleaned_and_a_model_is_trained(root, tmp_path, file):
    path = root / "tests" / "cases" / "tables" / f"{file}.csv"
    path = path if path.exists() else thirty_albums(tmp_path / "thirty.csv")
    table = Table(path)
    gather(table, tmp_path / "out", size=64)
    covers = clean(tmp_path / "out", size=32)
    known = np.isfinite(covers.labels).any(0)
    assert [n for n, k in zip(features.NAMES, known, strict=True) if k] == list(
        table.account.columns
    )
    assert all(len(covers.rows(split)) for split in ("train", "validation", "test"))
    config = TrainingConfig(
        size=32, labels=True, steps=2, batch_size=8, generator_width=4, critic_width=8
    )
    rows = covers.rows("train")
    model = loop.train(config, covers.images, covers.labels, tmp_path / "model", rows=rows)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
