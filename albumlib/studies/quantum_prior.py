"""Is a quantum prior worth anything? The comparison of chapter 13, over seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from albumlib.evaluation import metrics
from albumlib.models.networks import Generator
from albumlib.sampling.latent import draw, generated
from albumlib.training.config import recipe
from albumlib.training.loop import load_generator, train

PRIORS = ("quantum", "mlp", "")  # the last is the plain prior, which has nothing to learn alone


def compare(
    start: str | Path,
    images: np.ndarray,
    labels: np.ndarray,
    folder: str | Path,
    *,
    rows: np.ndarray,
    heldout: np.ndarray,
    seeds: Sequence[int] = (1, 2, 3),
    steps: int = 120,
    qubits: int = 6,
    layers: int = 3,
) -> pd.DataFrame:
    """Train each prior with the generator of `start` frozen, then both together, for each seed.

    A row for each prior, phase and seed with the numbers of `metrics.evaluate` on held-out
    covers. What was made in `folder` is not made again.
    """
    common = {
        "start": start, "steps": steps, "qubits": qubits, "prior_layers": layers,
        "ema_halflife": 500,
    }  # fmt: skip
    data = (images, labels, rows, heldout)
    found = [_row("as it was", "", 0, start, Path(folder) / "before.json", data)]
    for seed in seeds:
        for prior in PRIORS:
            here = Path(folder) / f"{prior or 'plain'}_{seed}"
            begin = start
            if prior:
                alone = recipe(
                    "acgan", prior=prior, seed=seed, freeze_generator=True, generator_rate=0.02,
                    **common,
                )  # fmt: skip
                train(alone, images, labels, here / "frozen", rows=rows, start=start)
                begin = here / "frozen"
                found.append(_row("frozen", prior, seed, begin, here / "frozen.json", data))
            both = recipe(
                "acgan", prior=prior, seed=seed, generator_rate=1e-4, critic_rate=1e-4, **common
            )
            train(both, images, labels, here / "together", rows=rows, start=begin)
            found.append(
                _row("together", prior, seed, here / "together", here / "together.json", data)
            )
    return pd.DataFrame(found)


def draw_from(
    generator: Generator, z: Tensor, values: Tensor, labels: np.ndarray | None
) -> np.ndarray:
    """Covers (n, S, S, 3) uint8 from latents (n, Z), with `values` (n, qubits) in the place of
    what the generator's own prior makes of them."""
    prior, generator.prior = generator.prior, None
    try:
        return draw(generator, torch.cat([values, z[:, values.shape[1] :]], dim=1), labels)
    finally:
        generator.prior = prior


def _row(phase: str, prior: str, seed: int, model: str | Path, path: Path, data: tuple) -> dict:
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    images, labels, rows, heldout = data
    generator = load_generator(model)
    fakes = generated(generator, labels[heldout])
    numbers = metrics.evaluate(fakes, images[heldout], images[rows[: 2 * len(heldout)]])
    row = {"prior": prior or "plain", "phase": phase, "seed": seed, **numbers}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row), encoding="utf-8")
    return row
