"""Do covers still show their labels when they are cut from paper?

Covers are generated for albums that no model was trained on, traced, and brought back to the
model's size; the label regressor predicts the labels of both. `r2` and `r2_cutout` are label
recovery's R², means over the features that are recoverable from the covers as generated;
`difference` is what tracing takes away, at most 0.05. `kilobytes` and `colours` are medians.

    python tests/benchmarks/cutout.py data/pretrained/acgan.safetensors --covers 200
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
from PIL import Image

from albumlib import features
from albumlib.evaluation.label_recovery import (
    label_recovery,
    load_label_regressor,
    predict_labels,
)
from albumlib.models import checkpoint
from albumlib.runtime.paths import PRETRAINED
from albumlib.sampling import latent, vector
from albumlib.sampling.tracing import flatten, trace
from albumlib.sources.imprint.imprint import Imprint


def measured(model: Path, covers: int, colours: int) -> dict:
    """The report on so many covers of a model."""
    generator, imprint = checkpoint.load_generator(model), Imprint(seed=4711)
    labels = features.to_unit(np.stack([imprint.album(i).mean for i in range(covers)]))
    z = latent.latents(generator, list(range(covers)))
    plain = latent.draw(generator, z, labels.astype(np.float32))
    traced, sizes, counts = [], [], []
    for cover in plain:
        indices, palette = flatten(cover, colours)
        svg = vector.document(trace(indices, palette))
        pixels = Image.fromarray(vector.render(svg, 8 * generator.size)[..., :3])
        traced.append(np.asarray(pixels.reduce(8)))
        sizes.append(len(svg) / 1000)
        counts.append(len(palette))
    network = load_label_regressor()
    found = [label_recovery(predict_labels(network, x), labels) for x in (plain, np.stack(traced))]
    shown = found[0].recoverable()
    r2 = [one.mean(shown)[1] for one in found]
    lost = (found[0].r2 - found[1].r2).round(3).tolist()
    return {
        "covers": covers, "colours_at_most": colours, "colours": statistics.median(counts),
        "kilobytes": statistics.median(sizes), "kilobytes_90": float(np.quantile(sizes, 0.9)),
        "r2": r2[0], "r2_cutout": r2[1], "difference": r2[0] - r2[1],
        "lost_by_feature": dict(zip(features.NAMES, lost, strict=True)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path, nargs="?", default=PRETRAINED / "acgan.safetensors")
    parser.add_argument("--covers", type=int, default=200)
    parser.add_argument("--colours", type=int, default=12)
    options = parser.parse_args()
    report = measured(**vars(options))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
