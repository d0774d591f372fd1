"""Differentiable augmentation of real and fake covers alike (DiffAugment, arXiv 2006.10738)."""

import torch
from torch import Tensor

from albumlib.runtime.rng import Rng


def augment(covers: Tensor, policy: str, rng: Rng) -> Tensor:
    """Covers (B, 3, S, S) in [-1, 1], changed by chance as `policy` says, gradients kept.

    `policy` joins names by commas: "flip" (left and right), "shift" (up to an eighth of the
    side), "color" (brightness, saturation, contrast), "cutout" (a grey square of half the side, up
    to half of it outside). Raises ValueError for any other name.
    """
    for name in policy.split(","):
        if name not in POLICIES:
            raise ValueError(f"augment knows {', '.join(POLICIES)}, not {name!r}")
        covers = POLICIES[name](covers, rng)
    return covers


def flip(covers: Tensor, rng: Rng) -> Tensor:
    flipped = _draw(covers, rng) < 0.5
    return torch.where(flipped, covers.flip(3), covers)


def shift(covers: Tensor, rng: Rng) -> Tensor:
    """Move by whole pixels; what comes in at the edge is the mirrored cover."""
    size = covers.shape[-1]
    reach = size // 8
    padded = torch.nn.functional.pad(covers, (reach,) * 4, mode="reflect")
    offsets = rng.randint(2 * reach + 1, len(covers), 2).to(covers.device)
    rows, columns = (
        offsets[:, axis, None] + torch.arange(size, device=covers.device) for axis in (0, 1)
    )
    which = torch.arange(len(covers), device=covers.device)[:, None, None]
    return padded.movedim(1, 3)[which, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def color(covers: Tensor, rng: Rng) -> Tensor:
    covers = covers + _draw(covers, rng) - 0.5  # brightness
    grey = covers.mean(1, keepdim=True)
    covers = grey + (covers - grey) * 2 * _draw(covers, rng)  # saturation
    mean = covers.mean((1, 2, 3), keepdim=True)
    return mean + (covers - mean) * (0.5 + _draw(covers, rng))  # contrast


def cutout(covers: Tensor, rng: Rng) -> Tensor:
    size = covers.shape[-1]
    centres = rng.randint(size + 1, len(covers), 2).to(covers.device)
    away = torch.arange(size, device=covers.device) - centres[:, :, None]  # (B, 2, S)
    inside = (away >= -(size // 4)) & (away < size // 4)
    hole = inside[:, 0, :, None] & inside[:, 1, None, :]  # (B, S, S)
    return covers.masked_fill(hole[:, None], 0)


def _draw(covers: Tensor, rng: Rng) -> Tensor:
    """One number in [0, 1) a cover, (B, 1, 1, 1)."""
    return rng.rand(len(covers), 1, 1, 1).to(covers)


POLICIES = {"flip": flip, "shift": shift, "color": color, "cutout": cutout}
