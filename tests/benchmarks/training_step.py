"""How fast a training step is, beside a plain loop and beside the build of 2021.

Three loops, each in a process of its own, on drawn covers at 64 pixels:

- `ours`: the loop of albumlib.training.loop with the recipe `acgan` without labels: relativistic
  pairs, penalties every eighth step, covers shared by both steps, channels last, averaged
  weights, and, where the processor has it, bfloat16 (`--precision`);
- `plain`: the very same networks in a WGAN-GP loop as it stands in most tutorials: the penalty
  in every step, one critic update for each of the generator, Adam;
- `2021`: the conditional build of 2021 as it was: 282 + 9 million parameters, batches of 50, a
  generator update every fifth batch, RMSprop, clipped weights, its latent step.

`images_per_s` counts the real covers that a critic is shown; `ratio_plain` and `ratio_2021` are
ours over theirs. With --images, ours and the plain loop are also trained on so many covers each,
and the sliced Wasserstein distance to held-out covers is printed with its floor.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from albumlib.dataset.batches import Batches
from albumlib.evaluation import metrics
from albumlib.models import losses
from albumlib.models.networks import Critic, Generator, draw_latents, to_pixels
from albumlib.sources.imprint.imprint import Imprint
from albumlib.training.config import PRECISIONS, recipe
from albumlib.training.trainer import Trainer

SIZE, LATENT = 64, 64
WARM = 2  # steps before the clock starts
PRECISION = "float32"


def covers(count: int) -> np.ndarray:
    """Drawn covers (count, 64, 64, 3): one artist after the other, so that all layouts occur."""
    label, each = Imprint(), 20
    parts = [label.by_artist(artist, each, SIZE)[0] for artist in range(-(-count // each))]
    return np.concatenate(parts)[:count]


class Ours:
    def __init__(self, images: np.ndarray, batch: int, device: str):
        changes = {"labels": False, "size": SIZE, "batch_size": batch, "precision": PRECISION}
        self.trainer = Trainer(recipe("acgan", **changes), None, device)
        self.batches = Batches(images, None, np.arange(len(images)), batch, 0, device)
        self.shown = batch

    def step(self) -> None:
        self.trainer.advance(self.batches)

    @torch.no_grad()
    def draw(self, count: int) -> np.ndarray:
        return _drawn(self.trainer.ema, count)


class Plain:
    """WGAN-GP as in the paper's code and its many copies, with our networks."""

    def __init__(self, images: np.ndarray, batch: int, device: str):
        torch.manual_seed(0)
        self.generator = Generator(SIZE, LATENT).to(device)
        self.critic = Critic(SIZE).to(device)
        self.adams = [
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.0, 0.9))
            for network in (self.critic, self.generator)
        ]
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)
        self.shown, self.device = batch, device

    def step(self) -> None:
        rows = torch.randint(len(self.images), (self.shown,))
        real = (self.images[rows].float() / 127.5 - 1).to(self.device)
        z = (2 * torch.rand(self.shown, LATENT) - 1).to(self.device)
        fake = self.generator(z).detach()
        loss = losses.wasserstein_critic(self.critic(real)[0], self.critic(fake)[0])
        mix = torch.rand(self.shown).to(self.device)
        loss = loss + 10 * losses.gradient_penalty(lambda x: self.critic(x)[0], real, fake, mix)
        self._update(self.adams[0], loss)
        self._update(self.adams[1], -self.critic(self.generator(z))[0].mean())

    def _update(self, adam: torch.optim.Adam, loss: torch.Tensor) -> None:
        adam.zero_grad()
        loss.backward()
        adam.step()

    @torch.no_grad()
    def draw(self, count: int) -> np.ndarray:
        return _drawn(self.generator, count)


def _drawn(generator: nn.Module, count: int) -> np.ndarray:
    z = draw_latents(count, LATENT, torch.Generator().manual_seed(1))
    device = next(generator.parameters()).device
    return np.concatenate([to_pixels(generator(part.to(device))) for part in z.split(64)])


class Build2021:
    """The conditional build of 2021, layer by layer; its faults cost no time and are kept."""

    shown = 50

    def __init__(self, images: np.ndarray, batch: int, device: str):
        del batch
        self.device, self.batch = device, 0
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)
        self.generator, self.critic = Generator2021().to(device), Critic2021().to(device)
        networks = (self.critic, self.generator)
        self.optimisers = [torch.optim.RMSprop(n.parameters(), lr=5e-5) for n in networks]
        sizes = [sum(p.numel() for p in n.parameters()) / 1e6 for n in networks]
        print(f"2021: generator {sizes[1]:.0f} M, critic {sizes[0]:.0f} M", file=sys.stderr)

    def step(self) -> None:
        start = self.batch * self.shown % (len(self.images) - self.shown + 1)
        real = (self.images[start : start + self.shown].float() / 127.5 - 1).to(self.device)
        labels = 2 * torch.rand(self.shown, 10, device=self.device) - 1
        z, wanted = self._latents()
        score, read = self.critic(real)
        fake_score, fake_read = self.critic(self.generator(z, wanted).detach())
        true = score.mean() + (read - labels).abs().mean()
        loss = -true + fake_score.mean() + (fake_read - wanted).abs().mean()
        self._update(self.optimisers[0], loss)
        with torch.no_grad():
            for weight in self.critic.parameters():
                weight.clamp_(-0.01, 0.01)
        if self.batch % 5 == 0:
            z, wanted = self._latents()
            score, read = self.critic(self.generator(z, wanted))
            self._update(self.optimisers[1], -(score.mean() + (read - wanted).abs().mean()))
        self.batch += 1

    def _latents(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Drawn, and moved by the step that is divided by the norm of a tensor of ones."""
        shape = ((self.shown, 100), (self.shown, 10))
        z, labels = ((2 * torch.rand(*s, device=self.device) - 1).requires_grad_() for s in shape)
        score, read = self.critic(self.generator(z, labels))
        moves = torch.autograd.grad([score.sum(), read.sum()], [z, labels])
        pairs = zip((z, labels), moves, strict=True)
        rate = 500 / (0.1 + self.shown**0.5 / 1000)
        return tuple((x + rate * move).detach().clamp(-1, 1) for x, move in pairs)

    def _update(self, optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


class Generator2021(nn.Module):
    def __init__(self):
        super().__init__()
        wide, leak = 16384, nn.LeakyReLU()
        self.noise = nn.Sequential(
            nn.Linear(100, wide), leak, nn.BatchNorm1d(wide),
            nn.Linear(wide, wide), leak, nn.BatchNorm1d(wide),
        )  # fmt: skip
        self.label = nn.Sequential(nn.Linear(10, wide), leak, nn.Linear(wide, 16), leak)
        steps = [(1025, 512), (512, 256), (256, 128), (128, 64)]
        self.up = nn.Sequential(
            *(
                nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1), leak, nn.BatchNorm2d(b))
                for a, b in steps
            ),
            nn.ConvTranspose2d(64, 3, 1),
            nn.Tanh(),
        )

    def forward(self, z, labels):
        x, y = self.noise(z).view(-1, 1024, 4, 4), self.label(labels).view(-1, 1, 4, 4)
        return self.up(torch.cat([x, y], dim=1))


class Critic2021(nn.Module):
    def __init__(self):
        super().__init__()
        leak, shapes = nn.LeakyReLU(0.01), [
            (3, 32, 5, 1), (32, 32, 2, 2), (32, 64, 5, 1), (64, 64, 2, 2), (64, 128, 6, 1),
        ]  # fmt: skip
        layers = [nn.Sequential(nn.Conv2d(a, b, k, s), leak) for a, b, k, s in shapes]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8192, 1024), leak)
        self.score, self.read = nn.Linear(1024, 1), nn.Linear(1024, 10)

    def forward(self, x):
        x = self.body(x)
        return self.score(x).squeeze(1), self.read(x)


LOOPS = {"ours": Ours, "plain": Plain, "2021": Build2021}


def timed(name: str, seconds: float, batch: int, device: str) -> dict:
    """Covers a second over `seconds` of steps, and the process's peak of memory."""
    torch.manual_seed(0)
    loop = LOOPS[name](covers(200), batch, device)
    for _ in range(WARM if name != "2021" else 1):
        loop.step()
    _wait(device)
    start, steps = time.perf_counter(), 0
    # Our penalties and 2021's generator updates come every eighth and fifth step.
    while time.perf_counter() - start < seconds or steps % 40:
        loop.step()
        steps += 1
        if name == "2021" and steps % 5 == 0 and time.perf_counter() - start > seconds:
            break
    _wait(device)
    pace = steps * loop.shown / (time.perf_counter() - start)
    return {"images_per_s": round(pace, 1), "rss_mb": _peak()}


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def trained(name: str, images: int, batch: int, device: str) -> dict:
    """The distance to held-out covers after so many covers."""
    pictures = covers(2500)
    loop = LOOPS[name](pictures[:2000], batch, device)
    start = time.perf_counter()
    for _ in range(images // batch):
        loop.step()
    held = pictures[2000:]
    return {
        "swd": round(metrics.sliced_wasserstein(held, loop.draw(len(held))), 1),
        "swd_real": round(metrics.sliced_wasserstein(held, pictures[: len(held)]), 1),
        "train_s": round(time.perf_counter() - start, 1),
    }


def _has_half() -> bool:
    """Whether this machine computes bfloat16 in hardware."""
    try:
        return torch.cuda.is_available() or "bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8, help="of each loop, on the clock")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--images", type=int, default=0, help="covers to train on, for the distance"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="bfloat16" if _has_half() else "float32"
    )
    parser.add_argument("--loop", choices=LOOPS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    global PRECISION
    PRECISION = asked.precision
    if asked.loop:
        found = timed(asked.loop, asked.seconds, asked.batch, asked.device)
        if asked.images and asked.loop != "2021":
            found |= trained(asked.loop, asked.images, asked.batch, asked.device)
        print(json.dumps(found))
        return
    found = {}
    for name in LOOPS:
        command = [sys.executable, __file__, *sys.argv[1:], "--loop", name]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = json.loads(run.stdout.splitlines()[-1])
        print(name, found[name], flush=True)
    pace = {name: row["images_per_s"] for name, row in found.items()}
    print(
        json.dumps(
            {
                "images_per_s": pace["ours"],
                "plain_images_per_s": pace["plain"],
                "ratio_plain": round(pace["ours"] / pace["plain"], 2),
                "images_per_s_2021": pace["2021"],
                "ratio_2021": round(pace["ours"] / pace["2021"], 1),
                "rss_mb": found["ours"]["rss_mb"],
                "rss_mb_plain": found["plain"]["rss_mb"],
                "rss_mb_2021": found["2021"]["rss_mb"],
                "device": asked.device,
                "precision": asked.precision,
                **{
                    f"{key}_{name}": found[name][key]
                    for name in ("ours", "plain")
                    for key in ("swd", "swd_real", "train_s")
                    if key in found[name]
                },
            }
        )
    )


if __name__ == "__main__":
    main()
