"""Few real covers, equal time: our recipe beside two DCGANs, over seeds, with floors.

Four trainings on the same folder of pictures at 64 pixels, one thread each, one after the other,
for as many minutes of the processor's time (so that a busy machine favours nobody):

- `ours`: the recipe `small_set`: relativistic pairs with R1 and R2, DiffAugment, averaged weights;
- `ours_plain`: the same without DiffAugment;
- `wgan_gp`: a DCGAN of width 64 without norm in the critic, WGAN-GP as published (weight 10, five
  critic updates, Adam 1e-4 with betas 0 and 0.9);
- `dcgan`: the recipe of pytorch/examples: width 64, BatchNorm in both networks, binary cross
  entropy, Adam 2e-4 with betas 0.5 and 0.999, batches of 64. It is measured as it trains, with the
  statistics of its batches: averaged statistics make it worse.

Each is compared with held-out covers: Frechet distance, KID and coverage on the extractor that
ships with the project, and the sliced Wasserstein distance on pixels, which needs none. The floor
is what training covers get in place of drawn ones. Finished runs are kept in --work and not made
again. Sample grids are written there, too; they show what was learned from other people's covers
and are not for shipping.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.dataset import cleaning, gathering
from albumlib.dataset.batches import Batches
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import metrics
from albumlib.models import losses
from albumlib.models.networks import draw_latents, to_pixels
from albumlib.sampling.request import contact_sheet
from albumlib.sources.folder import Folder
from albumlib.training.config import recipe
from albumlib.training.trainer import Trainer

BATCH = 64
NUMBERS = ("fd", "kid", "coverage", "swd")
Draw = Callable[[int], np.ndarray]


def ours(batches: Callable[[int], Batches], seed: int, augment: bool, clock: Clock) -> Draw:
    config = recipe("small_set", size=64, seed=seed)
    if not augment:
        config = recipe("small_set", size=64, seed=seed, augment="")
    trainer = Trainer(config, None)
    data = batches(config.batch_size)
    while clock.runs():
        trainer.advance(data)
    return lambda count: _drawn(trainer.ema, count, trainer.config.latent)


def wgan_gp(batches: Callable[[int], Batches], seed: int, clock: Clock) -> Draw:
    torch.manual_seed(seed)
    generator, critic = dcgan_generator(), dcgan_critic(norm=False)
    adams = [torch.optim.Adam(n.parameters(), 1e-4, betas=(0.0, 0.9)) for n in (critic, generator)]
    data, step = batches(BATCH), 0
    while clock.runs():
        real, _ = data.batch(step)
        fake = generator(_noise()).detach()
        loss = losses.wasserstein_critic(critic(real), critic(fake))
        loss = loss + 10 * losses.gradient_penalty(critic, real, fake, torch.rand(BATCH))
        _update(adams[0], loss)
        step += 1
        if step % 5 == 0:
            _update(adams[1], -critic(generator(_noise())).mean())
    return lambda count: _drawn(lambda z: generator(z[..., None, None]), count, 100)


def dcgan(batches: Callable[[int], Batches], seed: int, clock: Clock) -> Draw:
    torch.manual_seed(seed)
    generator, critic = dcgan_generator(), dcgan_critic(norm=True)
    for network in (generator, critic):
        network.apply(_dcgan_weights)
    adams = [
        torch.optim.Adam(n.parameters(), 2e-4, betas=(0.5, 0.999)) for n in (critic, generator)
    ]
    data, step = batches(BATCH), 0
    ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
    while clock.runs():
        real, _ = data.batch(step)
        fake = generator(torch.randn(BATCH, 100, 1, 1))
        said = [critic(real), critic(fake.detach())]
        error = F.binary_cross_entropy_with_logits
        _update(adams[0], error(said[0], ones) + error(said[1], zeros))
        _update(adams[1], error(critic(fake), ones))
        step += 1
    return lambda count: _drawn(lambda z: generator(z[..., None, None]), count, 100, torch.randn)


def dcgan_generator() -> nn.Module:
    """DCGAN's generator for 64 pixels, width 64: noise (B, 100, 1, 1) to covers."""
    widths = [(100, 512, 1, 0), (512, 256, 2, 1), (256, 128, 2, 1), (128, 64, 2, 1)]
    layers: list[nn.Module] = []
    for inputs, outputs, stride, padding in widths:
        layers += [
            nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh())


def dcgan_critic(norm: bool) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inputs, outputs in ((64, 128), (128, 256), (256, 512)):
        layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not norm))
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 0), nn.Flatten(0))


def _dcgan_weights(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    if isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def _noise() -> Tensor:
    return 2 * torch.rand(BATCH, 100, 1, 1) - 1


def _update(adam: torch.optim.Adam, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()
    adam.step()


@torch.no_grad()
def _drawn(generator, count: int, latent: int, law=None) -> np.ndarray:
    rng = torch.Generator().manual_seed(7)
    wanted = -(-count // BATCH) * BATCH  # whole batches, for BatchNorm
    z = law(wanted, latent, generator=rng) if law else draw_latents(wanted, latent, rng)
    return np.concatenate([to_pixels(generator(part)) for part in z.split(BATCH)])[:count]


class Clock:
    """Minutes of the processor's time."""

    def __init__(self, minutes: float):
        self.steps, self.end = 0, time.process_time() + 60 * minutes

    def runs(self) -> bool:
        self.steps += 1
        return time.process_time() < self.end


RECIPES = {
    "ours": lambda *given: ours(*given[:2], True, given[2]),
    "ours_plain": lambda *given: ours(*given[:2], False, given[2]),
    "wgan_gp": wgan_gp,
    "dcgan": dcgan,
}


def run(name: str, seed: int, covers: CoverSet, minutes: float, work: Path) -> dict:
    """Train, measure, keep: a row of numbers, read again where it is there already."""
    path = work / f"{name}_{seed}_{minutes:g}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    rows, heldout = covers.rows("train"), np.asarray(covers.images[covers.rows("test")])
    clock = Clock(minutes)
    draw = RECIPES[name](lambda size: Batches(covers.images, None, rows, size, seed), seed, clock)
    fakes = draw(len(heldout))
    found = metrics.evaluate(fakes, heldout, np.asarray(covers.images[rows]))
    found = {"recipe": name, "seed": seed, "steps": clock.steps, **found}
    Image.fromarray(contact_sheet(fakes[:64], 8)).save(path.with_suffix(".png"))
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", default="../shared/data/covers", help="a folder of covers")
    parser.add_argument("--minutes", type=float, default=0.15, help="of processor time, each")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--work", type=Path, default=Path("data/real_covers"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not Path(asked.pictures).is_dir():
        print(json.dumps({"skipped": f"there is no folder {asked.pictures}"}))
        return
    gathering.gather(Folder(asked.pictures), asked.work / "covers", size=128)
    covers = cleaning.clean(asked.work / "covers", size=64)
    names, found = asked.recipes.split(","), []
    for seed in range(asked.seeds):
        for name in names:
            found.append(run(name, seed, covers, asked.minutes, asked.work))
            print(
                {key: found[-1][key] for key in ("recipe", "seed", "steps", *NUMBERS)}, flush=True
            )
    last = {"n": found[0]["n"], "minutes": asked.minutes, "seeds": asked.seeds}
    for number in NUMBERS:
        last[f"{number}_real"] = round(found[0][f"{number}_real"], 4)
        for name in names:
            values = [row[number] for row in found if row["recipe"] == name]
            last[f"{number}_{name}"] = round(float(np.mean(values)), 4)
            if len(values) > 1:
                last[f"{number}_{name}_sd"] = round(float(np.std(values, ddof=1)), 4)
    print(json.dumps(last))


if __name__ == "__main__":
    main()
