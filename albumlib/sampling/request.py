"""A request: all that determines covers, kept inside the picture files that show them.

A picture that was saved can be opened again: what made it stands in its file as JSON, with a
fingerprint of the model, so that the same model generates the identical picture.
"""

import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from albumlib import AlbumlibError, features
from albumlib.dataset.images import resized
from albumlib.models.conditions import EXTRAS, LAYOUT, rows
from albumlib.models.networks import Generator
from albumlib.runtime.names import today
from albumlib.runtime.paths import ASSETS
from albumlib.sampling import latent

KEY = "albumlib"  # of the text in a PNG file
PICTURES = (".png", ".jpg", ".jpeg")
MOST = 6000  # pixels a side of an enlarged cover
UNKNOWN = "this picture does not say how it was made"


class RequestError(AlbumlibError):
    """Something that cannot be generated, saved or opened; the message says what to change."""


@dataclass(frozen=True)
class Request:
    """What is to be generated: one cover for each seed, all with the same label."""

    seeds: tuple[int, ...] = (2021,)
    features: tuple[float | None, ...] = (None,) * features.COUNT  # in their units; None: average
    truncation: float = 1.0  # in [0, 1]
    steps: tuple[float, ...] = ()  # along the directions of `directions`
    z: tuple[float, ...] | None = None  # a latent that was found by projection, for the seeds'
    model: str = ""  # fingerprint, filled in by `save`
    title: str = ""  # these four for models that are conditioned on them
    year: float | None = None
    text: bool | None = None  # whether there is to be text on the cover
    layout: str = ""  # a family of layouts; "": the latent chooses

    def __post_init__(self) -> None:
        values = features.to_array(dict(zip(features.NAMES, self.features, strict=True)))
        wrong = np.flatnonzero(features.out_of_range(values) | np.isinf(values))
        if len(wrong):
            raise RequestError(out_of_range(features.FEATURES[wrong[0]], values[wrong[0]]))
        if not self.seeds or not all(0 <= seed < 2**63 for seed in self.seeds):
            raise RequestError("seeds are whole numbers from 0 on, at least one of them")
        if not 0 <= self.truncation <= 1:
            raise RequestError(f"truncation is from 0 to 1, not {self.truncation:g}")

    @property
    def label(self) -> np.ndarray:
        """The features as a label (10,) in [-1, 1], NaN where nothing is asked."""
        return features.to_unit(np.array(self.features, dtype=np.float64))

    def latents(self, generator: Generator) -> Tensor:
        """The latents (n, Z), steered along the directions."""
        if self.z is None:
            z = latent.latents(generator, list(self.seeds), self.truncation)
        elif len(self.z) == generator.latent:
            z = self.truncation * torch.tensor([self.z])
        else:
            raise RequestError("this request's latent was found for another model")
        return latent.steer(z, directions(generator), list(self.steps)) if any(self.steps) else z

    def draw(self, generator: Generator) -> np.ndarray:
        """Covers (n, S, S, 3) uint8. What the model is not conditioned on is left out."""
        return latent.draw(generator, self.latents(generator), self.conditions(generator))

    def conditions(self, generator: Generator) -> np.ndarray | None:
        """The row of conditions (1, C) of this model, None if it has none."""
        if not generator.columns:
            return None
        label = self.label[: generator.labels][None]  # a model is conditioned on all ten, or none
        extras = {name: np.array([self._extra(name)], dtype=float) for name in generator.extras}
        if self.layout and self.layout not in layouts(generator):
            raise RequestError(
                f"this model knows no layout {self.layout!r}; it knows "
                + (", ".join(layouts(generator)) or "none: train one with -p extras=layout")
            )
        return rows(label, extras, [self.title] if generator.titles else [], generator.words)

    def _extra(self, name: str) -> float | None:
        if not name.startswith(LAYOUT):
            return getattr(self, name, None)
        return float(name == LAYOUT + self.layout) if self.layout else None


def layouts(generator: Generator) -> tuple[str, ...]:
    """The families of layouts that a model can be asked for."""
    return tuple(name.removeprefix(LAYOUT) for name in generator.layouts)


def out_of_range(feature: features.Feature, value: float) -> str:
    """The sentence about a value that its feature cannot have."""
    unit = "" if " to " in feature.unit else f" {feature.unit}"  # "0 to 1" says the range itself
    return f"{feature.name} is from {feature.low:g} to {feature.high:g}{unit}, not {value:g}"


def beyond(asked: Request, generator: Generator) -> list[str]:
    """A sentence for each feature or extra label that is asked for outside of what the model
    learned: covers show the nearest that it did (see LabelScale)."""
    row = asked.conditions(generator)
    if row is None or not generator.labels:
        return []
    limits = generator.scale.limits.cpu().numpy()
    wanted = row[:, : generator.labels]
    far = ((wanted < limits[0] - 1e-6) | (wanted > limits[1] + 1e-6))[0]
    low, high, value = (_in_units(row, generator) for row in (*limits, wanted[0]))
    names = [*features.NAMES, *generator.extras]
    return [
        f"{names[i]} {value[i]:.5g} is outside of what this model learned, {low[i]:.4g} to "
        f"{high[i]:.4g}: the nearer of these is taken"
        for i in np.flatnonzero(far)
    ]


def _in_units(labels: np.ndarray, generator: Generator) -> list[float]:
    """Labels (L,) in [-1, 1] as features and extras in their own units."""
    extras = zip(labels[features.COUNT :], (EXTRAS[name] for name in generator.extras), strict=True)
    return [
        *features.from_unit(labels[: features.COUNT].astype(np.float64)),
        *(low + (label + 1) / 2 * (high - low) for label, (low, high) in extras),
    ]


def from_label(label: np.ndarray) -> tuple[float | None, ...]:
    """The features, in their units, of a label (10,) in [-1, 1]; NaN becomes None."""
    values = features.from_unit(np.asarray(label, dtype=np.float64).clip(-1, 1))
    return tuple(None if np.isnan(value) else float(value) for value in values)


def directions(generator: Generator) -> Tensor:
    """The eight directions that a request's steps count along, the strongest first: (8, Z)."""
    return latent.closed_form_directions(generator, 8)[0]


def moods() -> dict[str, dict[str, int]]:
    """Named moods: percentiles among albums for some of the features, the rest is average."""
    return json.loads((ASSETS / "moods.json").read_text(encoding="utf-8"))


def fingerprint(generator: Generator) -> str:
    """Twelve hexadecimal digits that tell one set of weights from another."""
    digest = hashlib.sha256()
    for name, tensor in sorted(generator.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


# Pictures -------------------------------------------------------------------------------------


def contact_sheet(covers: np.ndarray, columns: int = 8) -> np.ndarray:
    """Covers (n, S, S, 3) edge to edge in rows of up to `columns`, white where one is missing."""
    columns = min(columns, len(covers))
    rows, size = -(-len(covers) // columns), covers.shape[1]
    cells = np.full((rows * columns, size, size, 3), 255, np.uint8)
    cells[: len(covers)] = covers
    cells = cells.reshape(rows, columns, size, size, 3).swapaxes(1, 2)
    return cells.reshape(rows * size, columns * size, 3)


def enlarge(covers: np.ndarray, size: int) -> np.ndarray:
    """Covers (n, S, S, 3) at `size` pixels a side by Lanczos' filter, or as they are for 0. Raises
    RequestError for a size below the model's own or above MOST."""
    if size in (0, covers.shape[1]):
        return covers
    if not covers.shape[1] < size <= MOST:
        raise RequestError(f"a cover's size is from {covers.shape[1]} to {MOST} pixels, not {size}")
    return np.stack([resized(cover, size) for cover in covers])


def save(
    path: str | Path, request: Request, generator: Generator, size: int = 0, columns: int = 8
) -> Path:
    """Generate covers and write them as PNG or JPEG with the request inside; several make a sheet.
    `size` is a cover's width in pixels, 0 for the model's own. Raises RequestError for another kind
    of file."""
    check_ending(path, PICTURES)
    sheet = contact_sheet(enlarge(request.draw(generator), size), columns)
    return write(path, sheet, recipe(request, generator))


def recipe(request: Request, generator: Generator, **more) -> str:
    """All that determines a picture as JSON: the request, the model's fingerprint, and `more`."""
    return json.dumps(asdict(request) | {"model": fingerprint(generator)} | more)


def check_ending(path: str | Path, endings: tuple[str, ...]) -> None:
    """Raises RequestError for a file's name with another ending."""
    if Path(path).suffix.lower() not in endings:
        raise RequestError(f"{path} must end in {' or '.join(endings)}")


def write(path: str | Path, pixels: np.ndarray, about: str) -> Path:
    """Write pixels (H, W, 3) as PNG or JPEG with a recipe inside."""
    path, notes = Path(path), PngInfo()
    notes.add_text(KEY, about)
    path.parent.mkdir(parents=True, exist_ok=True)
    jpeg = {"comment": about.encode(), "quality": 95}
    options = {"pnginfo": notes} if path.suffix.lower() == ".png" else jpeg
    Image.fromarray(pixels).save(path, **options)
    return path


def load(file: bytes | str | Path, generator: Generator | None = None) -> Request:
    """The request inside a picture, given as a path or as the file's bytes.

    Raises RequestError if there is none, or if it was made by another model than `generator`.
    """
    try:
        about = read_recipe(file)
        about.pop("finish", None)
        request = from_recipe(about)
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestError(UNKNOWN) from error
    if not request.model:
        raise RequestError(UNKNOWN)
    if generator is not None and request.model != fingerprint(generator):
        raise RequestError(
            f"this picture was made by model {request.model}, not by {fingerprint(generator)}; "
            "open that checkpoint first"
        )
    return request


def read_recipe(file: bytes | str | Path) -> dict:
    """What `recipe` said of a picture. Raises RequestError if it says nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about oddities: the error is raised below
            with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as picture:
                text = picture.info.get(KEY) or picture.info.get("comment", b"{}")
        return json.loads(text)
    except (OSError, SyntaxError, ValueError, TypeError, AttributeError) as error:
        raise RequestError(UNKNOWN) from error
    except Image.DecompressionBombError as error:
        raise RequestError("this picture has too many pixels to be one of ours") from error


def from_recipe(about: Mapping) -> Request:
    """The request that `asdict` made a mapping of, and JSON lists of tuples. Raises ValueError,
    TypeError or RequestError for one that says something else."""
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in about.items()}
    return Request(**{today(name): value for name, value in values.items()})


# Songs and albums -----------------------------------------------------------------------------


def search(
    table: pd.DataFrame, words: str, columns: tuple[str, ...], limit: int = 50
) -> np.ndarray:
    """Positions of the rows that hold all of the words somewhere in `columns`, exact titles first.

    Upper and lower case count as the same.
    """
    text, *others = (table[c].fillna("").astype(str).str.casefold() for c in columns)
    whole = text.str.cat(others, sep=" ")
    found = np.ones(len(table), bool)
    for word in words.casefold().split():
        found &= whole.str.contains(word, regex=False).to_numpy(bool)
    exact = (text == words.strip().casefold()).to_numpy(bool) & (words.strip() != "")
    return np.concatenate([np.flatnonzero(exact & found), np.flatnonzero(found & ~exact)])[:limit]


SONG, ALBUM = ("name", "artist", "album"), ("album", "artist")


def the_one(table: pd.DataFrame, words: str, columns: tuple[str, ...]) -> int:
    """Position of the only row that fits, or of the only one with exactly that title.

    Raises RequestError if none fits, or too many.
    """
    found, kind = search(table, words, columns), "album" if columns is ALBUM else "song"
    titles = table[columns[0]].iloc[found].str.casefold()
    exact = found[(titles == words.strip().casefold()).to_numpy(bool)]
    chosen = exact if len(exact) else found
    if len(chosen) == 1:
        return int(chosen[0])
    if not len(chosen):
        raise RequestError(f"there is no {kind} {words!r} in this cover set")
    some = "; ".join(describe(table.iloc[row], columns) for row in chosen[:4])
    raise RequestError(f"more than one {kind} fits {words!r}, so say more of it: {some}")


def describe(row: Mapping, columns: tuple[str, ...]) -> str:
    """ "Title, by artist", and the album of a song."""
    words = f"{row[columns[0]]}, by {row['artist']}"
    return f"{words} ({row['album']})" if columns is SONG else words
