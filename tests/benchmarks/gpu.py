"""How many images a second a GPU trains on, by batch, size and what is done for speed.

All loops train networks of the same shape on random covers:

- `plain`: WGAN-GP as in most tutorials, float32 (that of training_step.py);
- `published`: relativistic pairs with R1 and R2 in every update, each through a call of its own, in
  float32, as R3GAN (arXiv 2501.05441) describes its training;
- `float32`, `bfloat16`, `compiled`, `graphs`, `both`: the recipe `acgan` of this package, the
  latter three in bfloat16, with `compile`, with `graphs`, and with both.

`images_per_s` counts real covers that the critic is shown, `peak_mb` is what torch allocated at
most. The last line is one JSON object; `ratio_plain` and `ratio_published` are the fastest of ours
over these, at 64 px and the last batch.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import torch
from training_step import Plain

from albumlib.dataset.batches import Batches
from albumlib.models import losses
from albumlib.models.networks import Critic, Generator
from albumlib.training.config import recipe, widths
from albumlib.training.trainer import Trainer

OURS = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
    "compiled": {"precision": "bfloat16", "compile": True},
    "graphs": {"precision": "bfloat16", "graphs": True},
    "both": {"precision": "bfloat16", "compile": True, "graphs": True},
}
CYCLE = 8  # steps between two penalties of the recipe
WARM = 5 * CYCLE  # steps before the clock starts: graphs are recorded, code is compiled


class Ours:
    def __init__(self, images: np.ndarray, size: int, batch: int, device: str, changes: dict):
        shape = {"size": size, "batch_size": batch, "labels": False, **widths(size)}
        self.trainer = Trainer(recipe("acgan", **shape, **changes), None, device)
        self.batches = Batches(images, None, np.arange(len(images)), batch, 0, device)

    def step(self) -> None:
        self.trainer.advance(self.batches)


class Published(Plain):
    """RpGAN with R1 and R2, a penalty each, in every update."""

    def __init__(self, images: np.ndarray, size: int, batch: int, device: str):
        super().__init__(images, batch, device)
        shape = widths(size)
        self.generator = Generator(size, width=shape["generator_width"]).to(device)
        self.critic = Critic(size, width=shape["critic_width"]).to(device)
        self.adams = [
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.0, 0.9))
            for network in (self.critic, self.generator)
        ]

    def step(self) -> None:
        rows = torch.randint(len(self.images), (self.shown,))
        real = (self.images[rows].float() / 127.5 - 1).to(self.device)
        fake = self._generated().detach()
        score = lambda covers: self.critic(covers)[0]  # noqa: E731
        penalties = losses.zero_centred_penalty(score, real)
        penalties = penalties + losses.zero_centred_penalty(score, fake)
        self._update(self.adams[0], losses.relativistic(score(real), score(fake)) + penalties)
        fake = self._generated()
        self._update(self.adams[1], losses.relativistic(score(fake), score(real)))

    def _generated(self) -> torch.Tensor:
        return self.generator((2 * torch.rand(self.shown, 64) - 1).to(self.device))


def measured(loop, batch: int, seconds: float, device: str) -> dict[str, float]:
    """Images a second over `seconds`, and the peak of memory, MB."""
    cuda = device.startswith("cuda")
    wait = torch.cuda.synchronize if cuda else lambda: None
    for _ in range(WARM):
        loop.step()
    wait()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(CYCLE):
            loop.step()
        wait()
        steps += CYCLE
    pace = steps * batch / (time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else 0
    return {"images_per_s": round(pace), "peak_mb": round(peak)}


def cases(size: int, batch: int, images: np.ndarray, device: str):
    """Each loop's name with a function that makes it."""
    if size == 64:
        yield "plain", lambda: Plain(images, batch, device)
    yield "published", lambda: Published(images, size, batch, device)
    for name, changes in OURS.items():
        yield name, lambda changes=changes: Ours(images, size, batch, device, changes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 128])
    parser.add_argument("--loops", nargs="+", default=["plain", "published", *OURS])
    parser.add_argument("--seconds", type=float, default=3, help="of each loop, on the clock")
    asked = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found: dict[str, dict] = {}
    for size in asked.sizes:
        images = np.random.default_rng(0).integers(0, 256, (1024, size, size, 3), dtype=np.uint8)
        for batch in asked.batches:
            for name, make in cases(size, batch, images, device):
                if name not in asked.loops:
                    continue
                torch._dynamo.reset()
                if device == "cuda":
                    torch.cuda.empty_cache()
                    torch.cuda.reset_peak_memory_stats()
                one = measured(make(), batch, asked.seconds, device)
                found[f"{name}, {size} px, {batch} covers"] = one
                print(f"{name}, {size} px, batch {batch}: {one}", file=sys.stderr, flush=True)
    last = {name: found.get(f"{name}, 64 px, {asked.batches[-1]} covers", {}) for name in
            ("plain", "published", *OURS)}  # fmt: skip
    ours = max(last[name].get("images_per_s", 0) for name in OURS)
    ratios = {
        f"ratio_{name}": round(ours / last[name]["images_per_s"], 2)
        for name in ("plain", "published")
        if last[name]
    }
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(json.dumps({"measured": found, **ratios, "device": name, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
