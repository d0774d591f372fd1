"""What one does with a trained generator: draw, walk between latents, average an album's labels.

Seeds are drawn on the CPU, so that a seed means the same picture on every device.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from albumlib.networks import Generator, draw_latents, to_pixels


def latents(generator: Generator, seeds: int | list[int], truncation: float = 1.0) -> Tensor:
    """Latents (n, Z) of one or several seeds; `truncation` in [0, 1] pulls them to the middle.

    A lower truncation gives more ordinary and fewer different covers (arXiv 1809.11096).
    """
    seeds = [seeds] if isinstance(seeds, int) else seeds
    drawn = [draw_latents(1, generator.latent, torch.Generator().manual_seed(s)) for s in seeds]
    return truncation * torch.cat(drawn)


@torch.no_grad()
def draw(
    generator: Generator, z: Tensor, labels: np.ndarray | None = None, batch_size: int = 128
) -> np.ndarray:
    """Covers (n, S, S, 3) uint8 from latents (n, Z) and, if conditional, labels (n, 10).

    A single latent or a single row of labels serves for all. Labels are in [-1, 1]; a NaN is
    drawn as the mean of the training set.
    """
    device = next(generator.parameters()).device
    count = max(len(z), 1 if labels is None else len(np.atleast_2d(labels)))
    z = z.expand(count, -1)
    if labels is not None:
        labels = torch.as_tensor(np.atleast_2d(labels), dtype=torch.float32).expand(count, -1)
    parts = []
    for start in range(0, count, batch_size):
        chosen = slice(start, start + batch_size)
        some = None if labels is None else labels[chosen].to(device)
        parts.append(to_pixels(generator(z[chosen].to(device), some)))
    return np.concatenate(parts)


def sweeps(
    generator: Generator, z: Tensor, labels: np.ndarray, steps: int = 9, reach: float = 0.05
) -> np.ndarray:
    """One latent (1, Z), each label turned in its row: covers (10, steps, S, S, 3) uint8.

    A label goes from the `reach` quantile of real `labels` (N, 10) to the opposite one, while
    the others stay at their median.
    """
    middle = np.nanmedian(labels, axis=0)
    ends = np.nanquantile(labels, [reach, 1 - reach], axis=0)
    asked = np.tile(middle, (labels.shape[1], steps, 1)).astype(np.float32)
    for column, values in enumerate(np.linspace(*ends, steps).T):
        asked[column, :, column] = values
    covers = draw(generator, z, asked.reshape(-1, labels.shape[1]))
    return covers.reshape(labels.shape[1], steps, *covers.shape[1:])


def slerp(start: Tensor, end: Tensor, share: float | Tensor) -> Tensor:
    """Spherical interpolation of latents (..., Z); straight where they are nearly parallel."""
    share = torch.as_tensor(share, dtype=start.dtype)
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1)[..., None]
    angle = torch.arccos(cosine)
    straight = torch.lerp(start, end, share)
    curved = (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / (
        torch.sin(angle).clamp_min(1e-6)
    )
    return torch.where(cosine.abs() > 0.9995, straight, curved).clamp(-1, 1)


def walk(generator: Generator, seeds: list[int], steps: int) -> Tensor:
    """Latents along the way through several seeds, `steps` from each to the next: (n, Z)."""
    corners = latents(generator, seeds)
    shares = torch.arange(steps) / steps
    legs = [
        slerp(start[None], end[None], shares[:, None]) for start, end in itertools.pairwise(corners)
    ]
    return torch.cat([*legs, corners[-1:]])


def album_label(labels: np.ndarray) -> np.ndarray:
    """The label of an album: the mean of its tracks' labels (n, 10), missing ones left out."""
    known = np.isfinite(labels)
    total = np.where(known, labels, 0).sum(0)
    count = known.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
