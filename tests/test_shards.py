import numpy as np
import pytest

from albumlib.dataset import shards
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.cleaning import clean
from albumlib.dataset.gathering import gather
from albumlib.sources.imprint.imprint import Imprint


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gathered")
    gather(Imprint(albums=60, corruption=0.2), folder, size=64, workers=1)
    with Catalog(folder / "catalog.sqlite") as catalog:
        return folder, catalog.covers()


def test_parts_are_made_once_and_damaged_ones_again(gathered, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "PART", 16)
    made = shards.decode_covers(*gathered, tmp_path, (32,), workers=1)
    stamps = [path.stat().st_mtime_ns for path in made.paths]
    made.paths[1].write_bytes(made.paths[1].read_bytes()[:500])  # a power failure
    again = shards.decode_covers(*gathered, tmp_path, (32,), workers=1)
    assert again.paths == made.paths and again.found.equals(made.found)
    kept = [a == b.stat().st_mtime_ns for a, b in zip(stamps, again.paths, strict=True)]
    assert kept == [True, False, True, True]
    assert len(made.found) + len(made.refused) == 60


def test_images_are_copied_by_row_whatever_part_they_lie_in(gathered, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "PART", 7)
    made = shards.decode_covers(*gathered, tmp_path, (32, 16), workers=1)
    rows = np.arange(0, len(made.found), 3)
    made.images(tmp_path / "some.npy", 16, rows)
    whole = np.concatenate([np.load(path)["pixels_16"] for path in made.paths])
    assert np.array_equal(np.load(tmp_path / "some.npy"), whole[rows])
    assert made.thumbs(tmp_path / "thumbs.npy").shape == (len(made.found),)


def test_a_cluster_gives_the_same_bytes(gathered, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(shards, "PART", 16)
    here = clean(gathered[0], tmp_path / "here", size=32, text="strokes", workers=1)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        address = cluster.scheduler_address
        there = clean(gathered[0], tmp_path / "there", size=32, text="strokes", dask=address)
    assert there.manifest == here.manifest
