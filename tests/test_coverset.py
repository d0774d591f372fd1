import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from albumlib import features
from albumlib.dataset.batches import Batches
from albumlib.dataset.coverset import CoverSet, CoverSetError


def numbered(count):
    """Covers that say their row number in their first two pixels, and labels that do too."""
    images = np.zeros((count, 4, 4, 3), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return images, np.repeat(np.arange(count, dtype=np.float32)[:, None], 10, axis=1)


def row_numbers(covers):
    bytes_ = ((covers + 1) * 127.5).round().long()
    return bytes_[:, 0, 0, 0] + 256 * bytes_[:, 1, 0, 0]


@pytest.mark.parametrize("on_device", [0, 2**30])
def test_an_epoch_shows_each_row_once_with_its_own_label(on_device):
    images, labels = numbered(5000)
    rows = np.arange(0, 5000, 2)
    batches = Batches(images, labels, rows, 50, seed=1, on_device=on_device)
    seen = []
    for step in range(batches.per_epoch):
        covers, some = batches.batch(step)
        assert torch.equal(row_numbers(covers).float(), some[:, 0])
        seen += row_numbers(covers).tolist()
    assert sorted(seen) == rows.tolist()
    assert np.corrcoef(seen, np.arange(len(seen)))[0, 1] < 0.3  # and in no order


@pytest.mark.parametrize("on_device", [0, 2**30])
def test_steps_are_addressed_so_that_a_run_resumes_exactly(on_device):
    images, labels = numbered(3000)
    through = Batches(images, labels, np.arange(3000), 64, seed=3, on_device=on_device)
    expected = [row_numbers(through.batch(step)[0]) for step in range(120)]
    fresh = Batches(images, labels, np.arange(3000), 64, seed=3, on_device=on_device)
    for step in (119, 46, 47, 0):
        assert torch.equal(row_numbers(fresh.batch(step)[0]), expected[step])
    other = Batches(images, labels, np.arange(3000), 64, seed=4, on_device=on_device)
    assert not torch.equal(row_numbers(other.batch(0)[0]), expected[0])


def test_epochs_differ():
    images, labels = numbered(256)
    batches = Batches(images, labels, np.arange(256), 256, seed=0)
    assert not torch.equal(batches.batch(0)[1], batches.batch(1)[1])


def test_pixels_become_minus_one_to_one():
    images = np.stack([np.full((4, 4, 3), value, dtype=np.uint8) for value in (0, 255)])
    covers, labels = Batches(images, None, np.arange(2), 2, seed=0).batch(0)
    assert labels is None
    assert covers.shape == (2, 3, 4, 4)
    assert (covers.min(), covers.max()) == (-1, 1)


def test_too_few_covers_are_refused():
    with pytest.raises(CoverSetError, match="3 covers cannot fill a batch of 4"):
        Batches(*numbered(8), rows=np.arange(3), batch_size=4, seed=0)


def write_set(folder, count=6):
    images, _ = numbered(count)
    np.save(folder / "images.npy", images)
    table = pd.DataFrame({name: np.linspace(0, 1, count) for name in features.NAMES})
    table["loudness"] = np.nan
    table["split"] = ["train", "train", "heldout"] * (count // 3)
    table.to_parquet(folder / "table.parquet")
    table.assign(row=range(count)).to_parquet(folder / "tracks.parquet")
    (folder / "manifest.json").write_text(json.dumps({"size": 4}))


def test_a_set_is_opened_with_labels_and_splits(tmp_path):
    write_set(tmp_path)
    covers = CoverSet.open(tmp_path)
    assert (len(covers), covers.size, covers.has_labels) == (6, 4, True)
    assert covers.with_labels() is covers
    bare = dataclasses.replace(covers, table=covers.table.drop(columns=list(features.NAMES)))
    with pytest.raises(CoverSetError, match="no audio features"):
        bare.with_labels()
    assert covers.rows("heldout").tolist() == [2, 5]
    assert isinstance(covers.images, np.memmap)
    column = features.NAMES.index("energy")
    assert covers.labels[:, column] == pytest.approx(np.linspace(-1, 1, 6))
    assert np.isnan(covers.labels[:, features.NAMES.index("loudness")]).all()


def test_the_folder_that_it_was_cleaned_from_will_do(tmp_path):
    (tmp_path / "coverset").mkdir()
    write_set(tmp_path / "coverset")
    assert len(CoverSet.open(tmp_path)) == 6


def test_missing_and_damaged_sets_are_told_apart(tmp_path):
    with pytest.raises(CoverSetError, match="run notebook 02"):
        CoverSet.open(tmp_path / "nowhere")
    write_set(tmp_path)
    (tmp_path / "table.parquet").write_bytes(b"nonsense")
    with pytest.raises(CoverSetError, match="damaged"):
        CoverSet.open(tmp_path)
    write_set(tmp_path)
    np.save(tmp_path / "images.npy", numbered(5)[0])
    with pytest.raises(CoverSetError, match="5 images but 6 rows"):
        CoverSet.open(tmp_path)
