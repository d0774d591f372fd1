"""Differentiable augmentation of real and fake covers alike (DiffAugment, arXiv 2006.10738)."""

from __future__ import annotations

import torch
from torch import Tensor


def augment(covers: Tensor, policy: str, dice: torch.Generator) -> Tensor:
    """Covers (B, 3, S, S) in [-1, 1], changed by chance as `policy` says, gradients kept.

    `policy` joins names by commas: "flip" (left and right), "shift" (up to an eighth of the
    side), "color" (brightness, saturation, contrast). Raises ValueError for any other name.
    """
    for name in policy.split(","):
        if name not in POLICIES:
            raise ValueError(f"augment knows {', '.join(POLICIES)}, not {name!r}")
        covers = POLICIES[name](covers, dice)
    return covers


def flip(covers: Tensor, dice: torch.Generator) -> Tensor:
    flipped = _draw(covers, dice) < 0.5
    return torch.where(flipped, covers.flip(3), covers)


def shift(covers: Tensor, dice: torch.Generator) -> Tensor:
    """Move by whole pixels; what comes in at the edge is the mirrored cover."""
    size = covers.shape[-1]
    reach = size // 8
    padded = torch.nn.functional.pad(covers, (reach,) * 4, mode="reflect")
    offsets = torch.randint(0, 2 * reach + 1, (len(covers), 2), generator=dice).tolist()
    moved = [
        cover[:, y : y + size, x : x + size] for cover, (y, x) in zip(padded, offsets, strict=True)
    ]
    return torch.stack(moved)


def color(covers: Tensor, dice: torch.Generator) -> Tensor:
    covers = covers + _draw(covers, dice) - 0.5  # brightness
    grey = covers.mean(1, keepdim=True)
    covers = grey + (covers - grey) * 2 * _draw(covers, dice)  # saturation
    mean = covers.mean((1, 2, 3), keepdim=True)
    return mean + (covers - mean) * (0.5 + _draw(covers, dice))  # contrast


def _draw(covers: Tensor, dice: torch.Generator) -> Tensor:
    """One number in [0, 1) a cover, (B, 1, 1, 1)."""
    return torch.rand(len(covers), 1, 1, 1, generator=dice).to(covers)


POLICIES = {"flip": flip, "shift": shift, "color": color}
