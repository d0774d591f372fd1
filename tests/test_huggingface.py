import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from albumlib import features
from albumlib.dataset import huggingface
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSet, CoverSetError
from albumlib.dataset.gathering import gather
from albumlib.dataset.splits import SPLITS
from albumlib.sources import parquet
from albumlib.sources.base import CoverError, SourceError
from albumlib.sources.imprint.imprint import Imprint
from albumlib.sources.parquet import Parquet


@pytest.fixture(scope="module")
def coverset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gathered")
    gather(Imprint(albums=60), folder, size=64, workers=1)
    clean(folder, size=(32, 64), workers=1)
    return folder / "coverset"


@pytest.fixture(scope="module")
def exported(coverset, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "set"
    huggingface.SHARD, before = 20 * 32 * 32 * 3, huggingface.SHARD  # twenty covers a file
    try:
        huggingface.export(coverset, out, workers=1)
    finally:
        huggingface.SHARD = before
    return out


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_the_layout_is_that_of_image_data_sets(coverset, exported):
    covers = CoverSet.open(coverset)
    files = sorted(path.name for path in (exported / "data").iterdir())
    trained = -(-len(covers.rows("train")) // 20)
    held = [f"{name}-00000-of-00001.parquet" for name in ("test", "validation")]
    assert [files[0], files[-1]] == held and len(files) == trained + 2
    files = files[1:-1]
    schema = pq.read_schema(exported / "data" / files[0])
    assert schema.field("image").type == pa.struct({"bytes": pa.binary(), "path": pa.string()})
    told = json.loads(schema.metadata[b"huggingface"])
    assert told["info"]["features"]["image"] == {"_type": "Image"}
    assert "use them freely" in (exported / "README.md").read_text()
    tables = [pd.read_parquet(exported / "data" / name) for name in files]
    trained = pd.concat(tables, ignore_index=True)
    rows = covers.rows("train")
    assert trained["cover"].tolist() == covers.table["cover"].iloc[rows].tolist()
    for row, file in zip(rows, trained["image"], strict=True):
        assert np.array_equal(pixels(file["bytes"]), covers.images[row])


def test_the_real_library_reads_it(coverset, exported, tmp_path):
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(str(exported), cache_dir=str(tmp_path))
    covers = CoverSet.open(coverset)
    assert isinstance(found["train"].features["image"], datasets.Image)
    for name in SPLITS:
        rows = covers.rows(name)
        assert found[name]["energy"][:] == covers.table["energy"].iloc[rows].tolist()
        assert np.array_equal(np.stack(found[name]["image"][:]), covers.images[rows])


def test_another_size_can_be_exported_and_nothing_is_overwritten(coverset, exported, tmp_path):
    [path, *_] = huggingface.export(coverset, tmp_path / "large", 64, workers=1)
    assert pixels(pq.read_table(path)["image"][0].as_py()["bytes"]).shape == (64, 64, 3)
    with pytest.raises(CoverSetError, match="is there already"):
        huggingface.export(coverset, exported)
    assert not (tmp_path / "large.tmp").exists()


def test_what_was_exported_can_be_gathered_again(coverset, exported, tmp_path):
    gather(Parquet(exported), tmp_path)
    again, covers = clean(tmp_path, size=32, workers=1), CoverSet.open(coverset)
    assert len(again) == len(covers)
    order = again.table.set_index("album_id").index.get_indexer(covers.table["album_id"])
    assert np.array_equal(again.images[order], covers.images)
    assert again.labels[order] == pytest.approx(covers.labels, abs=1e-6)
    assert again.table["artist"][order].tolist() == covers.table["artist"].tolist()


def write(path, images, metadata=None, **columns):
    table = pa.table({"picture": images, **columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=3)


def test_foreign_data_sets_are_understood(tmp_path):
    pictures = [Imprint(corruption=0).cover(f"album/{n}", 64) for n in range(8)]
    images = pa.array([{"bytes": data, "path": None} for data in pictures], parquet.IMAGE)
    names = {"style": {"_type": "ClassLabel", "names": ["x"]}}
    names["genre"] = {"_type": "ClassLabel", "names": ["folk", "rock"]}
    told = {"huggingface": json.dumps({"info": {"features": names}})}
    columns = {
        "track_name": [f"Song {n}" for n in range(8)],
        "artists": [["A", "B"]] * 8,
        "Energy": [10.0 * n for n in range(8)],
        "genre": [0, 1] * 4,
    }
    write(tmp_path / "d" / "train.parquet", images, told, **columns)
    source = Parquet(tmp_path / "d")
    tracks = list(source.tracks())
    assert [track.name for track in tracks] == columns["track_name"]
    assert [track.genre for track in tracks[:2]] == ["folk", "rock"]
    assert tracks[0].artist == "A" and tracks[7].features == {"energy": 0.7}  # percent
    assert [source.cover(track.cover, 64) for track in tracks] == pictures
    assert [track.id for track in source.tracks(5)] == [track.id for track in tracks[5:]]


def test_pictures_without_any_label_and_rows_without_a_picture(tmp_path):
    data = Imprint(corruption=0).cover("album/1", 64)
    write(tmp_path / "d" / "a.parquet", pa.array([data, data, None], pa.binary()))
    source = Parquet(tmp_path / "d" / "a.parquet")
    first, second, third = source.tracks()
    assert len({first.id, second.id, third.id}) == len({first.album_id, second.album_id}) + 1 == 3
    assert source.cover(second.cover, 64) == data and not second.features
    with pytest.raises(CoverError, match="no picture"):
        source.cover(third.cover, 64)
    gather(source, tmp_path / "g")
    with Catalog(tmp_path / "g" / "catalog.sqlite") as catalog:
        assert catalog.counts()["covers done"] == 2


def test_what_is_no_image_data_set_is_said(tmp_path):
    with pytest.raises(SourceError, match="no Parquet files"):
        Parquet(tmp_path)
    (tmp_path / "odd.parquet").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        Parquet(tmp_path)
    pd.DataFrame({name: [0.5] for name in features.NAMES}).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(SourceError, match="no column of pictures"):
        Parquet(tmp_path)
