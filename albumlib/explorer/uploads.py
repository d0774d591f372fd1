"""What becomes of a file that is opened in the explorer: one of its own pictures, a photograph, a
song, a table of songs. All but the first are long work for the explorer's thread.
"""

from __future__ import annotations

import html
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from albumlib import features
from albumlib.dataset.images import CoverRejected, decode
from albumlib.explorer import controls
from albumlib.explorer.state import LOST, unused
from albumlib.sampling import generate, latent
from albumlib.sampling.request import Request, RequestError, from_label, load
from albumlib.sources.music import SUFFIXES as SONGS

if TYPE_CHECKING:
    from albumlib.explorer.app import Explorer

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".xlsx", ".parquet")


def open_file(explorer: Explorer, data: bytes, name: str) -> None:
    """Do with a file what its content, or for songs and tables the ending of its name, asks for."""
    kind = Path(name).suffix.lower()
    if kind in SONGS or kind in TABLES:
        explorer.work(measure if kind in SONGS else playlist, explorer, data, name)
        return
    try:
        saved = load(data)
    except LOST:  # a foreign picture, or none at all, which `decode` tells
        explorer.work(project, explorer, data)
        return
    reopen(explorer, saved)


def reopen(explorer: Explorer, saved: Request) -> None:
    """Show a picture that was saved, by the model that made it."""
    name = explorer.models.name_of(saved.model)
    if name is None:
        raise RequestError(f"this picture was made by model {saved.model}, which is not here")
    explorer.model.value = name
    explorer.show(saved)
    explorer.view.say(f"opened: seed {saved.seeds[0]}")


def project(explorer: Explorer, data: bytes) -> None:
    """Find the latent and the features whose cover is most like a picture."""
    try:
        cover = decode(data, explorer.generator.size, aspect=float("inf")).pixels
    except CoverRejected as error:
        raise RequestError(f"this file cannot be used: {error}") from error
    with explorer.view.long_work("project"):
        found = latent.project(explorer.generator, cover, progress=explorer.progressed)
    explorer.view.outcome.value = controls.curve(found.losses)
    label = np.full(features.COUNT, np.nan) if found.labels is None else found.labels
    seed, z = explorer.latents.seed.value, tuple(found.z[0].tolist())
    explorer.show(Request((seed,), from_label(label), z=z))


def measure(explorer: Explorer, data: bytes, name: str) -> None:
    """Move the sliders to what a song's sound tells; the other features go to the mean."""
    with explorer.view.long_work("measure"), _kept(data, name) as path:
        values = generate.measured(path)
    known = [f"{feature} {value:.3g}" for feature, value in values.items() if value is not None]
    left = [feature for feature, value in values.items() if value is None]
    explorer.features.set_values(tuple(values[name] for name in features.NAMES))
    explorer.view.outcome.value = html.escape(
        f"{name}: measured are {', '.join(known)}. At the mean, since sound alone does not tell "
        f"them: {', '.join(left)}."
    )


def playlist(explorer: Explorer, data: bytes, name: str) -> None:
    """A cover for each song of a table, as files to download and on a contact sheet."""
    out = unused(explorer.files.folder / Path(name).stem)
    with explorer.view.long_work("covers"), _kept(data, name) as path:
        counts = generate.table_to_files(
            explorer.generator, path, out, Request(), size=640, progress=explorer.progressed
        )
    explorer.files.offer(Path(shutil.make_archive(str(out), "zip", out)))
    at_mean = counts.pop("with a feature at the mean").items()
    left = ", ".join(f"{feature} ({count})" for feature, count in at_mean)
    said = [f"{what}: {count}" for what, count in counts.items()]
    said.append(f"covers with a feature at the mean: {left or 'none'}")
    sheet = out / generate.SHEET
    picture = controls.embedded(sheet, f"the covers of {name}") if sheet.exists() else ""
    explorer.view.outcome.value = f"{html.escape('; '.join(said))}<br>{picture}"


@contextmanager
def _kept(data: bytes, name: str) -> Iterator[Path]:
    """The file of that name, as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        yield path
