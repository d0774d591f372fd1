"""Tables that lack something: no albums, few features, few songs. What follows must go through."""

import re

import nbformat
import numpy as np
import pandas as pd
import pytest

from albumlib import features
from albumlib.dataset.cleaning import clean
from albumlib.dataset.gathering import gather
from albumlib.sources.tables import Table
from albumlib.training import loop
from albumlib.training.config import TrainingConfig


def thirty_albums(path, **columns):
    """A table of three songs an album, without dates; `columns` replace its own."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"name": [f"S{n}" for n in range(90)], "artist": "A"})
    rows["album"] = [f"Album {n // 3}" for n in range(90)]
    for feature in features.FEATURES:
        rows[feature.name] = rng.uniform(feature.low, feature.high, 90).round(3)
    rows.assign(**columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("file", ["singer", "five_features_63_albums", "kaggle_19000", "thirty"])
def test_it_is_cleaned_and_a_model_is_trained(root, tmp_path, file):
    path = root / "tests" / "cases" / "tables" / f"{file}.csv"
    path = path if path.exists() else thirty_albums(tmp_path / "thirty.csv")
    table = Table(path)
    gather(table, tmp_path / "out", size=64, workers=1)
    covers = clean(tmp_path / "out", size=32, workers=1)
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


@pytest.fixture(scope="module")
def undated(tmp_path_factory):
    """What the first chapters leave of 45 albums without dates, of two songs each, all of
    them equally loud and no tempo known."""
    folder = tmp_path_factory.mktemp("undated")
    wanting = {"album": [f"Album {n // 2}" for n in range(90)], "loudness": -8.0, "tempo": None}
    gather(Table(thirty_albums(folder / "thirty.csv", **wanting)), folder, size=64, workers=1)
    covers = clean(folder, size=64, workers=1)
    config = TrainingConfig(
        size=64, labels=True, steps=1, batch_size=8, generator_width=4, critic_width=8
    )
    loop.train(config, covers.images, covers.labels, folder / "acgan", rows=covers.rows("train"))
    return folder


def run(notebook, monkeypatch, **parameters):
    """Execute a notebook's cells in this process, which has everything imported already."""
    monkeypatch.chdir(notebook.parent)
    names = {"__name__": "__main__", "display": id}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, notebook.stem, "exec"), names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= parameters


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("chapter", "given", "words"),
    [
        ("06", {}, "these covers show"),
        ("11", {"steps": 1}, "too few for a batch|too little is trained here"),
        ("12", {"steps": 1}, "These tracks have no years"),
    ],
)
def test_a_chapter_says_what_is_absent(root, undated, chapter, given, words, monkeypatch, capsys):
    [notebook] = (root / "notebooks").glob(f"{chapter}_*.ipynb")
    run(notebook, monkeypatch, data_dir=str(undated), **given)
    assert re.search(words, capsys.readouterr().out)
