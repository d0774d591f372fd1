"""Is a cover that the upscaler enlarged nearer to the cover drawn at that size?

Covers of an imprint that it did not learn from, reduced to 64 pixels as a cover set has them, are
enlarged four times by a filter and by the network, and compared with the drawing: `psnr` in dB and
`ssim` (Wang et al. 2004), means over covers, with the standard error of the network's gain over
Lanczos' filter, cover by cover; `edges`, the energy of gradients relative to the drawing's, 1 at
best. `r2` and `r2_sharp` are label recovery from a model's covers, as generated and after they
were enlarged to 1,024 pixels and reduced again.

    python tests/benchmarks/upscaler.py data/pretrained/acgan.safetensors --covers 500
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

from albumlib import features
from albumlib.evaluation.label_recovery import (
    label_recovery,
    load_label_regressor,
    predict_labels,
)
from albumlib.models.checkpoint import load_generator
from albumlib.models.networks import to_covers
from albumlib.runtime.paths import PRETRAINED
from albumlib.sampling import latent
from albumlib.sampling.upscaling import load_upscaler, pairs, upscale, upscaled
from albumlib.sources.imprint.imprint import Imprint


def enlarged(small: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """Covers (N, S, S, 3) at another size, by name of the way."""
    filters = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
    found = {
        name: np.stack([np.asarray(Image.fromarray(c).resize((side, side), how)) for c in small])
        for name, how in filters.items()
    }
    return found | {"network": np.stack([upscale(load_upscaler(), cover) for cover in small])}


def psnr(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Peak signal to noise ratio of each cover (N,), in dB."""
    squares = (one.astype(np.float64) - other) ** 2
    return 10 * np.log10(255**2 / squares.mean((1, 2, 3)))


def edges(pixels: np.ndarray) -> float:
    """Mean square of the gradient."""
    values = pixels.astype(np.float32)
    return float(sum((np.diff(values, axis=axis) ** 2).mean() for axis in (1, 2)))


def fidelity(covers: int) -> dict:
    small, large = pairs(Imprint(seed=4711, albums=covers, corruption=0), range(covers))
    ways, report = enlarged(small, large.shape[1]), {}
    quality = {name: psnr(found, large) for name, found in ways.items()}
    for name, found in ways.items():
        alike = ssim(to_covers(found), to_covers(large), data_range=2.0, reduction="none")
        report |= {f"psnr_{name}": float(quality[name].mean()), f"ssim_{name}": float(alike.mean()),
                   f"edges_{name}": edges(found) / edges(large)}  # fmt: skip
    gain = quality["network"] - quality["lanczos"]
    return report | {"gain": float(gain.mean()), "gain_error": float(gain.std() / covers**0.5)}


def labels_kept(model: Path, covers: int) -> dict:
    generator, imprint = load_generator(model), Imprint(seed=4711)
    labels = features.to_unit(np.stack([imprint.album(i).mean for i in range(covers)]))
    z = latent.latents(generator, list(range(covers)))
    plain = latent.draw(generator, z, labels.astype(np.float32))
    sharp = np.stack(
        [np.asarray(Image.fromarray(upscaled(c, 16 * len(c))).reduce(16)) for c in plain]
    )
    regressor = load_label_regressor()
    found = [label_recovery(predict_labels(regressor, x), labels) for x in (plain, sharp)]
    shown = found[0].recoverable()
    return dict(zip(("r2", "r2_sharp"), (one.mean(shown)[1] for one in found), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path, nargs="?", default=PRETRAINED / "acgan.safetensors")
    parser.add_argument("--covers", type=int, default=200)
    options = parser.parse_args()
    report = fidelity(options.covers) | labels_kept(options.model, min(100, options.covers))
    print(json.dumps({"covers": options.covers} | report))


if __name__ == "__main__":
    main()
