"""A cover set as a data set of images in Hugging Face's layout, for `datasets` and for others.

    data/train-00000-of-00002.parquet ...   the covers to train on, with their albums and labels
    data/validation-00000-of-00001.parquet  those that choices are made on
    data/test-00000-of-00001.parquet        those that nothing is chosen on
    README.md                               licence and origin

Pictures are PNG, so nothing is lost. `albumlib.sources.parquet` reads such folders.
"""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from albumlib.dataset.coverset import CoverSet, CoverSetError
from albumlib.dataset.splits import SPLITS
from albumlib.runtime.pictures import to_png
from albumlib.runtime.progress import Progress, silent
from albumlib.runtime.workers import spread
from albumlib.sources.parquet import IMAGE, METADATA

SHARD = 256 * 2**20  # bytes of pixels in a file; as PNG they are fewer
GROUP = 100  # covers that are read together
# What tells `datasets` that a column holds pictures; it finds out the others' types.
IS_IMAGE = '{"info": {"features": {"image": {"_type": "Image"}}}}'
LOCAL = ["file", "split"]  # columns that say nothing outside the cover set


def export(
    coverset: str | Path,
    out: str | Path,
    size: int | None = None,
    *,
    workers: int = 2,
    progress: Progress = silent,
) -> list[Path]:
    """Write a cover set, in its main size or in another that it has, as Parquet files in `out`.

    Returns their paths. Raises CoverSetError if there is no cover set, or if `out` is there.
    """
    out = Path(out)
    if out.exists():
        raise CoverSetError(f"{out} is there already: choose another folder for the export")
    covers = CoverSet.open(coverset, size)
    work = out.with_name(out.name + ".tmp")
    shutil.rmtree(work, ignore_errors=True)  # what a killed run may have left
    (work / "data").mkdir(parents=True)
    shards = _shards(covers)
    task = partial(_write_shard, str(coverset), size, work / "data")
    for done, _ in enumerate(spread(task, shards, workers if len(shards) > 1 else 1), 1):
        progress("files written", done, len(shards))
    (work / "README.md").write_text(_card(covers), encoding="utf-8")
    work.rename(out)
    return sorted((out / "data").iterdir())


def _shards(covers: CoverSet) -> list[tuple[str, np.ndarray]]:
    shards = []
    for name in SPLITS:
        rows = covers.rows(name)
        count = -(-len(rows) * covers.images[0].nbytes // SHARD)
        parts = np.array_split(rows, count) if count else []
        shards += [(f"{name}-{i:05}-of-{count:05}.parquet", part) for i, part in enumerate(parts)]
    return shards


def _write_shard(coverset: str, size: int | None, out: Path, shard: tuple[str, np.ndarray]) -> None:
    name, rows = shard
    covers = CoverSet.open(coverset, size)
    table = covers.table.drop(columns=LOCAL, errors="ignore")
    labels = pa.Table.from_pandas(table.iloc[rows], preserve_index=False)
    schema = pa.schema([("image", IMAGE), *labels.schema], metadata={METADATA: IS_IMAGE})
    with pq.ParquetWriter(out / name, schema) as writer:
        for start in range(0, len(rows), GROUP):
            some = rows[start : start + GROUP]
            files = [
                {"bytes": to_png(covers.images[row], level=6), "path": f"{row:08}.png"}
                for row in some
            ]
            columns = [pa.array(files, IMAGE), *labels.slice(start, len(some)).columns]
            writer.write_table(pa.table(columns, schema=schema))


def _card(covers: CoverSet) -> str:
    about = covers.manifest
    return (
        f"# {len(covers):,} album covers, {covers.size} pixels a side\n\n"
        f"Made by albumlib {about.get('version')} from {about.get('source')}. "
        "Features are means over an album's tracks, in their own units.\n\n"
        f"Licence: {about.get('licence')}\n"
    )
