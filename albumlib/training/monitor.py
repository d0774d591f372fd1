"""Sample grids of a training while it goes on, and a warning when covers become alike."""

import warnings
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from albumlib.dataset.batches import Batches
from albumlib.models.networks import Generator, draw_latents, to_pixels
from albumlib.training.trainer import Trainer

COVERS, NEIGHBOURS = 256, 5  # real and generated covers; neighbours that a k-NN ball reaches to
GRID = 64  # covers of a sample grid
LOST = 0.4  # of the best coverage so far: less is a collapse
SPACING = 250  # steps from one measurement of it to the next, at least; before, nothing is settled


class CollapseWarning(UserWarning):
    """A generator of fewer different covers than before."""


class Monitor:
    """Watches the averaged generator: sample grids at fixed latents, and whether it collapses.

    Coverage is the proportion of some real covers in whose k-NN ball, by small thumbnails, a
    generated one lies (arXiv 2002.09797). A generator of ever the same cover loses it.
    """

    def __init__(self, trainer: Trainer, batches: Batches, folder: Path):
        self.trainer, self.folder, self.best, self.seen = trainer, folder, 0.0, {}
        self.last = 0  # step of the last measurement
        rng = torch.Generator().manual_seed(trainer.config.seed)
        latents = draw_latents(GRID, trainer.config.latent, rng).to(trainer.device)
        wanted = range(max(1, COVERS // batches.batch_size))
        pairs = [batches.batch(step) for step in wanted if step < batches.per_epoch]
        self.real = torch.cat([covers for covers, _ in pairs])
        self.conditions = None if pairs[0][1] is None else torch.cat([rows for _, rows in pairs])
        rows = torch.arange(GRID) % batches.batch_size
        self.grid = latents, pairs[0][1][rows] if trainer.generator.columns else None
        rng = torch.Generator().manual_seed(trainer.config.seed + 1)
        self.z = draw_latents(len(self.real), trainer.config.latent, rng).to(trainer.device)

    @torch.no_grad()
    def look(self) -> None:
        """Write a sample grid and measure; warns CollapseWarning where coverage is lost."""
        trainer = self.trainer
        if not trainer.distributed.main:
            return
        path = self.folder / "samples" / f"{trainer.step:06d}.png"
        save_samples(trainer.ema, *self.grid, path)
        if trainer.step - self.last < SPACING or len(self.real) <= 2 * NEIGHBOURS:
            return
        self.last = trainer.step
        coverage = self._coverage()
        self.seen = {"coverage": round(coverage, 3)}
        self.best = max(self.best, coverage)
        if coverage < LOST * self.best:
            warnings.warn(
                f"step {trainer.step}: generated covers reach {coverage:.0%} of the real ones, and "
                f"reached {self.best:.0%} before: the generator may be collapsing; look at "
                f"{path}, and try a lower generator_rate or minibatch_stddev=4",
                CollapseWarning,
                stacklevel=2,
            )

    def news(self) -> dict[str, float]:
        """The `coverage`, if there was a look since this was last asked."""
        news, self.seen = self.seen, {}
        return news

    def _coverage(self) -> float:
        latents, given = self.z.split(64), self.conditions
        conditions = [None] * len(latents) if given is None else given.split(64)
        parts = zip(latents, conditions, strict=True)
        generated = torch.cat([self.trainer.ema(z, rows) for z, rows in parts])
        real, fake = (F.adaptive_avg_pool2d(x, 8).flatten(1) for x in (self.real, generated))
        reach = torch.cdist(real, real).kthvalue(NEIGHBOURS + 1, dim=1).values
        return (torch.cdist(real, fake) < reach[:, None]).any(1).float().mean().item()


@torch.no_grad()
def save_samples(generator: Generator, z: Tensor, labels: Tensor | None, path: Path) -> None:
    """Covers in a grid of eight columns, as a PNG."""
    pixels = to_pixels(generator(z, labels))
    count, size = pixels.shape[:2]
    grid = pixels.reshape(count // 8, 8, size, size, 3).swapaxes(1, 2)
    Image.fromarray(grid.reshape(count // 8 * size, 8 * size, 3)).save(path)
