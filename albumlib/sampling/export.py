"""A generator for everybody: as ONNX, and as one HTML file that runs it in the browser.

The file holds all it needs, the model and ONNX Runtime for the web included, and asks nothing
of the network. The same seed and features give the same picture as in Python.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import subprocess
import tarfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from albumlib import AlbumlibError, features
from albumlib.models.networks import Generator
from albumlib.sampling import latent
from albumlib.sampling.request import from_label

RUNTIME = "onnxruntime-web-1.30.0"  # of the npm registry, as name-version
RUNTIME_FILES = {"runtime": "ort.wasm.bundle.min.mjs", "wasm": "ort-wasm-simd-threaded.wasm"}
OPSET = 18
TOLERANCE = 1e-4  # of a value in [-1, 1], between PyTorch and ONNX Runtime


class ExportError(AlbumlibError):
    """A model that cannot be exported, or a tool that is missing; the message says what to do."""


def export(generator: Generator, folder: str | Path) -> dict[str, Path]:
    """Write `generator.onnx` and `index.html` into a folder; returns their paths by kind.

    Raises ExportError if the model cannot be converted or the runtime cannot be had.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"onnx": folder / "generator.onnx", "page": folder / "index.html"}
    paths["onnx"].write_bytes(to_onnx(generator))
    page = to_page(generator, paths["onnx"].read_bytes(), runtime())
    paths["page"].write_text(page, encoding="utf-8")
    return paths


class _FeaturesOnly(nn.Module):
    """A generator of the ten features, or of none; its other conditions are left out."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(z, labels)


def to_onnx(generator: Generator) -> bytes:
    """The generator as an ONNX model: `z` (1, Z) and `labels` (1, 10), if it has any, to
    `covers` (1, 3, S, S) in [-1, 1]. A NaN is a missing feature.

    It is checked against PyTorch, with and without missing features. Raises ExportError.
    """
    if generator.prior is not None:
        raise ExportError("a model with a prior of its own cannot be exported; train one without")
    inputs = _inputs(generator, seed=0)
    file = io.BytesIO()
    program = torch.onnx.export(
        _FeaturesOnly(generator).eval(), tuple(inputs.values()), input_names=list(inputs),
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
        inputs["labels"] = torch.rand(1, features.COUNT, generator=rng) * 2 - 1
        if seed % 2:
            inputs["labels"][:, 5:] = torch.nan
    return inputs


def to_page(generator: Generator, model: bytes, runtime: Path) -> str:
    """One HTML file with sliders that runs an ONNX model by `to_onnx`."""
    assets = files("albumlib") / "assets" / "page"
    parts = {name: _packed(data) for name, data in {"model": model, **_unpacked(runtime)}.items()}
    parts["about"] = json.dumps(_about(generator))
    for name in ("random", "page"):
        parts[name] = (assets / f"{name}.js").read_text(encoding="utf-8")
    page = (assets / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    return page


def _about(generator: Generator) -> dict:
    """What the page must know: sizes, and the features with their averages in training."""
    mean = generator.scale.mean.cpu().numpy()[: features.COUNT]
    averages = from_label(mean) if generator.labels else ()
    shown = [
        vars(feature) | {"value": value}
        for feature, value in zip(features.FEATURES, averages, strict=False)
    ]
    return {"size": generator.size, "latent": generator.latent, "features": shown}


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def _unpacked(runtime: Path) -> dict[str, bytes]:
    with tarfile.open(runtime) as archive:
        return {
            name: archive.extractfile(f"package/dist/{file}").read()
            for name, file in RUNTIME_FILES.items()
        }


def runtime() -> Path:
    """The npm package of ONNX Runtime for the web, fetched by npm when it is first needed."""
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
    return archive
