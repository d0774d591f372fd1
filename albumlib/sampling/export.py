"""A generator for everybody: as ONNX, and as one HTML file that runs it in the browser.

The file holds all it needs, the model and ONNX Runtime for the web included. The same seed and
features give the same picture as in Python, within one grey level.
"""

import base64
import gzip
import html
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from albumlib import AlbumlibError, features
from albumlib.dataset.coverset import CoverSet
from albumlib.models.conditions import EXTRAS
from albumlib.models.networks import Generator
from albumlib.runtime.paths import ASSETS
from albumlib.sampling import latent, request
from albumlib.sampling.request import contact_sheet, enlarge, fingerprint, from_label
from albumlib.sources.imprint.imprint import Imprint

RUNTIME = "onnxruntime-web-1.30.0"  # of the npm registry, as name-version
RUNTIME_FILES = {"runtime": "ort.wasm.bundle.min.mjs", "wasm": "ort-wasm-simd-threaded.wasm"}
PAGE = ASSETS / "page"
SCRIPTS = ("random", "model", "state", "picture", "history", "controls", "video", "page")
FACES = {
    "League Spartan": "LeagueSpartan-Bold.otf", "EB Garamond": "EBGaramond-Regular.otf",
    "Inter": "Inter-Black.otf",
}  # fmt: skip
SUMMARY = (
    "A generative adversarial network makes album covers for how music sounds. It runs in your "
    "browser, and asks nothing of the network."
)
ALBUMS, SURPRISES = 1000, 300  # of the imprint: for percentiles, and with their names
LARGE = 1024  # values of a tensor from which half precision saves something
OPSET = 18
TOLERANCE = 1e-4  # of a value in [-1, 1], between PyTorch and ONNX Runtime


class ExportError(AlbumlibError):
    """A model that cannot be exported, or a tool that is missing; the message says what to do."""


@dataclass(frozen=True)
class Albums:
    """Albums whose distribution the page shows: `table` has the ten features in their units,
    `artist` and `album`; `whose` they are, in words."""

    table: pd.DataFrame
    whose: str

    @classmethod
    def of_imprint(cls, count: int = ALBUMS) -> "Albums":
        """The first albums of the built-in imprint."""
        imprint = Imprint(albums=count)
        albums = [imprint.album(index) for index in range(count)]
        table = pd.DataFrame([album.mean for album in albums], columns=list(features.NAMES))
        names = {"artist": [a.artist for a in albums], "album": [a.title for a in albums]}
        return cls(table.assign(**names), "the albums of an imprint that was invented")

    @classmethod
    def of_coverset(cls, folder: str | Path) -> "Albums":
        """The albums of a cover set, whose names and features will stand in the page. Raises
        CoverSetError if it has no labels."""
        covers = CoverSet.open(folder).with_labels()
        values = features.from_unit(covers.labels.astype(np.float64))
        table = pd.DataFrame(values, columns=list(features.NAMES))
        names = covers.table[["artist", "album"]].fillna("").reset_index(drop=True)
        return cls(table.join(names), f"{len(table)} albums")


def export(
    generator: Generator,
    folder: str | Path,
    albums: Albums | None = None,
    *,
    address: str = "",
    split: bool = False,
) -> dict[str, Path]:
    """Write `generator.onnx`, `index.html` and `card.jpg` into a folder; returns their paths by
    kind. `albums` are the imprint's by default; `address` is where the folder will be on the web,
    for the card that is shown beside a link to it. With `split` the large parts of the page are
    files beside it: a quarter less to load from a web server, but nothing without one.

    Raises ExportError if the model cannot be converted or the runtime cannot be had.
    """
    folder, albums = Path(folder), albums or Albums.of_imprint()
    folder.mkdir(parents=True, exist_ok=True)
    names = {"onnx": "generator.onnx", "page": "index.html", "card": "card.jpg"}
    paths = {kind: folder / name for kind, name in names.items()}
    paths["onnx"].write_bytes(to_onnx(generator))
    parts = {}
    for name, data in {"model": halved(paths["onnx"].read_bytes()), **runtime()}.items():
        packed = gzip.compress(data, mtime=0)
        if split:
            paths[name] = folder / f"{name}.bin"
            paths[name].write_bytes(packed)
        parts[name] = paths[name].name if split else base64.b64encode(packed).decode()
    paths["page"].write_text(to_page(generator, parts, albums, address), encoding="utf-8")
    _card(generator, albums).save(paths["card"])
    return paths


class _WithoutTitles(nn.Module):
    """A generator of latents and labels; a title is left out."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(z, labels)


def to_onnx(generator: Generator) -> bytes:
    """The generator as an ONNX model: `z` (1, Z) and `labels` (1, L), if it has any, to
    `covers` (1, 3, S, S) in [-1, 1]. A NaN is a missing label.

    It is checked against PyTorch, with and without missing labels. Raises ExportError.
    """
    if generator.prior is not None:
        raise ExportError("a model with a prior of its own cannot be exported; train one without")
    inputs = _inputs(generator, seed=0)
    file = io.BytesIO()
    program = torch.onnx.export(
        _WithoutTitles(generator).eval(), tuple(inputs.values()), input_names=list(inputs),
        output_names=["covers"], opset_version=OPSET, dynamo=True, verbose=False,
    )  # fmt: skip
    program.save(file)
    difference = onnx_difference(generator, file.getvalue())
    if not difference <= TOLERANCE:
        raise ExportError(f"the exported model differs from this one by {difference:.1e}")
    return file.getvalue()


@torch.no_grad()
def onnx_difference(generator: Generator, model: bytes, samples: int = 8) -> float:
    """The largest difference of a value between PyTorch's covers and ONNX Runtime's."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    worst = 0.0
    for seed in range(samples):
        inputs = _inputs(generator, seed)
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]
        worst = max(worst, np.abs(generator(*inputs.values()).numpy() - found).max())
    return float(worst)


def _inputs(generator: Generator, seed: int) -> dict[str, Tensor]:
    """A latent and a label for it, the later features missing for odd seeds."""
    inputs = {"z": latent.latents(generator, seed)}
    if generator.labels:
        rng = torch.Generator().manual_seed(seed)
        inputs["labels"] = torch.rand(1, generator.labels, generator=rng) * 2 - 1
        if seed % 2:
            inputs["labels"][:, 5:] = torch.nan
    return inputs


def halved(model: bytes) -> bytes:
    """An ONNX model with its large tensors in half precision, which it makes single again before
    it computes: a download of half the size, and covers that differ by a grey level at most."""
    import onnx
    from onnx import numpy_helper

    whole = onnx.load_from_string(model)
    casts, stored = [], {}  # names by content: noise of one size is the same in several layers
    for tensor in list(whole.graph.initializer):
        values, name = numpy_helper.to_array(tensor), tensor.name
        if values.dtype == np.float32 and values.size >= LARGE:
            half = values.astype(np.float16)
            kept = stored.setdefault(half.tobytes(), f"{name}.half")
            whole.graph.initializer.remove(tensor)
            if kept == f"{name}.half":
                whole.graph.initializer.append(numpy_helper.from_array(half, kept))
            casts.append(onnx.helper.make_node("Cast", [kept], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *whole.graph.node]
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    return whole.SerializeToString()


def to_page(generator: Generator, packed: dict[str, str], albums: Albums, address: str = "") -> str:
    """The page as HTML. `packed` are its model, by `to_onnx`, and the runtime's parts: gzip in
    base64, or the name of a file beside the page that holds the gzip."""
    scripts = [(PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    parts = packed | {
        "about": json.dumps(about(generator, albums)).replace("<", r"\u003c"),
        "script": "\n".join(scripts),
        "style": (PAGE / "page.css").read_text(encoding="utf-8"),
        "fonts": "\n".join(_face(*face) for face in FACES.items()),
        "summary": SUMMARY,
        "whose": html.escape(albums.whose),
        "address": html.escape(address and address.rstrip("/") + "/"),
    }
    page = (PAGE / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    return page


def about(generator: Generator, albums: Albums) -> dict:
    """What the page must know: sizes, features with their averages in training and their
    percentiles among albums, what else there is to ask for, and albums for surprises."""
    mean = generator.scale.mean.cpu().numpy()[: features.COUNT]
    averages = from_label(mean) if generator.labels else ()
    shown = [
        vars(feature) | {"value": value, "quantiles": _quantiles(feature, albums)}
        for feature, value in zip(features.FEATURES, averages, strict=False)
    ]
    ends = {name: EXTRAS[name] for name in generator.extras}
    extras = [{"name": name, "low": low, "high": high} for name, (low, high) in ends.items()]
    return {
        "size": generator.size,
        "latent": generator.latent,
        "model": fingerprint(generator),
        "features": shown,
        "extras": extras,
        "layouts": request.layouts(generator),
        "moods": request.moods(),
        "directions": request.directions(generator).numpy().astype(np.float64).round(8).tolist(),
        "albums": _surprises(albums.table),
    }


def _quantiles(feature: features.Feature, albums: Albums) -> list[float]:
    """The percentiles 0 to 100 of a feature; evenly spaced over its range where nobody knows it."""
    values = albums.table[feature.name].dropna()
    values = values if len(values) else np.array([feature.low, feature.high])
    return np.quantile(values, np.linspace(0, 1, 101)).round(5).tolist()


def _surprises(table: pd.DataFrame) -> list[dict]:
    """Names and percentiles of some of the albums."""
    ranks = 100 * table[list(features.NAMES)].rank(pct=True).fillna(0.5)
    chosen = np.unique(np.linspace(0, len(table) - 1, SURPRISES).round().astype(int))
    named = table[["artist", "album"]].set_axis(["artist", "title"], axis=1)
    named["percentiles"] = ranks.round().astype(int).to_numpy().tolist()
    return named.iloc[chosen].to_dict("records")


def _card(generator: Generator, albums: Albums) -> Image.Image:
    """Eight covers as the picture that is shown beside a link, 1200 x 630 pixels."""
    some = albums.table[list(features.NAMES)].iloc[:8].to_numpy(np.float64)
    covers = latent.generated(generator, features.to_unit(some) if generator.labels else 8)
    return Image.fromarray(contact_sheet(enlarge(covers, 315), 4)[:, 30:1230])


def _face(name: str, file: str) -> str:
    """A font of the imprint's type as CSS that brings it along."""
    font = base64.b64encode((ASSETS / "fonts" / file).read_bytes()).decode()
    return f'@font-face {{ font-family: "{name}"; src: url(data:font/otf;base64,{font}); }}'


def runtime() -> dict[str, bytes]:
    """The files of ONNX Runtime for the web, whose package npm fetches when it is first needed.
    Raises ExportError if npm cannot."""
    cache = Path("build").resolve()  # of the project, like all that can be made again
    archive = cache / f"{RUNTIME}.tgz"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        name = "@".join(RUNTIME.rsplit("-", 1))
        try:
            subprocess.run(
                ["npm", "pack", "--silent", name], cwd=cache, check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise ExportError(
                f"npm could not fetch {name}, which runs the model in a browser: install npm "
                f"(Debian: apt install npm), or put {archive.name} into {cache}"
            ) from error
    with tarfile.open(archive) as package:
        return {
            name: package.extractfile(f"package/dist/{file}").read()
            for name, file in RUNTIME_FILES.items()
        }
