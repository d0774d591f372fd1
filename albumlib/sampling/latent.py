"""What one does with a trained generator: draw, steer, interpolate, mix, project, average."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from albumlib.models.networks import Generator, draw_latents, to_covers, to_pixels
from albumlib.runtime.progress import Progress, silent


def latents(generator: Generator, seeds: int | list[int], truncation: float = 1.0) -> Tensor:
    """Latents (n, Z) of one or several seeds; `truncation` in [0, 1] pulls them to the middle.

    A lower truncation gives more ordinary and fewer different covers (arXiv 1809.11096).

    >>> generator = Generator(latent=64, size=32, width=4)
    >>> latents(generator, [1, 2, 3], truncation=0.7).shape
    torch.Size([3, 64])
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

    >>> generator = Generator(size=32, labels=10, width=4)
    >>> draw(generator, latents(generator, [7, 8]), np.zeros(10)).shape
    (2, 32, 32, 3)
    """
    inputs = [z]
    if labels is not None:
        inputs.append(torch.from_numpy(np.array(labels, np.float32, ndmin=2)))
    device, count = next(generator.parameters()).device, max(map(len, inputs))
    batches = zip(*(x.to(device).expand(count, -1).split(batch_size) for x in inputs), strict=True)
    return np.concatenate([to_pixels(generator(*batch)) for batch in batches])


def generated(generator: Generator, asked: np.ndarray | int, seed: int = 0) -> np.ndarray:
    """Covers (n, S, S, 3) uint8 for labels (n, 10), or n of them without labels, each from a
    latent of its own. What a model knows beyond the ten labels is left open."""
    count = asked if isinstance(asked, int) else len(asked)
    z = latents(generator, list(range(seed * 10**6, seed * 10**6 + count)))
    if not generator.labels:
        return draw(generator, z)
    labels = np.full((count, generator.labels), np.nan, dtype=np.float32)
    if not isinstance(asked, int):
        labels[:, : asked.shape[1]] = asked
    return draw(generator, z, labels)


def sweeps(generator: Generator, z: Tensor, labels: np.ndarray, steps: int = 9) -> np.ndarray:
    """One latent (1, Z), each label turned in its row from the 5 % quantile of real `labels` (N,
    10) to the 95 % one, the others at their median: covers (10, steps, S, S, 3) uint8."""
    known = pd.DataFrame(labels)  # a label that nobody knows has no quantiles, and is left open
    middle, ends = known.median().to_numpy(), known.quantile([0.05, 0.95]).to_numpy()
    asked = np.tile(middle, (labels.shape[1], steps, 1)).astype(np.float32)
    for column, values in enumerate(np.linspace(*ends, steps).T):
        asked[column, :, column] = values
    covers = draw(generator, z, asked.reshape(-1, labels.shape[1]))
    return covers.reshape(labels.shape[1], steps, *covers.shape[1:])


def slerp(start: Tensor, end: Tensor, share: float | Tensor) -> Tensor:
    """Spherical interpolation of latents (..., Z); straight where they are nearly parallel.

    >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5).round(decimals=3)
    tensor([0.7070, 0.7070])
    """
    share = torch.as_tensor(share, dtype=start.dtype)
    cosine = F.cosine_similarity(start, end, dim=-1).clamp(-1, 1)[..., None]
    angle = torch.arccos(cosine)
    straight = torch.lerp(start, end, share)
    curved = torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end
    curved = curved / torch.sin(angle).clamp_min(1e-6)
    return torch.where(cosine.abs() > 0.9995, straight, curved).clamp(-1, 1)


def walk(generator: Generator, seeds: list[int], steps: int) -> Tensor:
    """Latents along the way through several seeds, `steps` from each to the next: (n, Z)."""
    corners, shares = latents(generator, seeds), torch.arange(steps)[:, None] / steps
    legs = [slerp(start, end, shares) for start, end in itertools.pairwise(corners)]
    return torch.cat([*legs, corners[-1:]])


# Directions and mixtures ----------------------------------------------------------------------


def closed_form_directions(generator: Generator, count: int = 8) -> tuple[Tensor, Tensor]:
    """Unit directions (count, Z) that move the first layer most, and by how much (count,).

    They are the right singular vectors of the layer's weights for the latents: no cover is drawn
    to find them (SeFa, Shen and Zhou 2021, arXiv 2007.06600). The strongest comes first.
    """
    weight = generator.stem.weight.detach()[:, : generator.latent].cpu()
    _, strengths, directions = torch.linalg.svd(weight, full_matrices=False)
    return _upright(directions[:count]), strengths[:count]


@torch.no_grad()
def principal_directions(
    generator: Generator, count: int = 8, samples: int = 512
) -> tuple[Tensor, Tensor]:
    """Unit directions (count, Z) along which the features after the second block vary most, and the
    share of the variance (count,) that each explains.

    Principal components of the features of `samples` covers with an average label, carried back
    to the latents by linear regression (GANSpace, Härkönen et al. 2020, arXiv 2004.02546).
    """
    z = latents(generator, list(range(samples)))
    features = _features(generator, z)
    features = features - features.mean(0)
    variances, scores = torch.linalg.eigh(features @ features.T)  # of samples, not of features
    variances, scores = variances.flip(0), scores.flip(1)[:, :count]  # largest first
    found = torch.linalg.lstsq(scores, z - z.mean(0)).solution  # (count, Z)
    return _upright(F.normalize(found, dim=1)), variances[:count] / variances.sum()


def _features(generator: Generator, z: Tensor) -> Tensor:
    """What the second block puts out for an average label, (n, channels * side * side)."""
    z = z.to(generator.stem.weight.device)
    missing = z.new_full((len(z), generator.columns), torch.nan)  # which counts as the mean
    condition = generator.condition(z, missing)
    x = generator.stem(condition).unflatten(1, (-1, 4, 4))
    for layer in generator.blocks[:2]:
        x = layer(x, condition)
    return x.flatten(1).cpu()


def _upright(directions: Tensor) -> Tensor:
    """The same directions, each with its largest entry positive: their sign is arbitrary."""
    largest = directions.abs().argmax(1, keepdim=True)
    return directions * directions.gather(1, largest).sign()


def steer(z: Tensor, directions: Tensor, steps: Tensor | list[float]) -> Tensor:
    """Latents (n, Z) moved by `steps` (count,) along `directions`, kept in [-1, 1]."""
    steps = torch.as_tensor(steps, dtype=z.dtype)
    return (z + steps @ directions[: len(steps)]).clamp(-1, 1)


@torch.no_grad()
def mix(
    generator: Generator,
    coarse: tuple[Tensor, np.ndarray | None],
    fine: tuple[Tensor, np.ndarray | None],
    layer: int,
) -> np.ndarray:
    """Covers (n, S, S, 3) uint8 whose first `layer` layers are conditioned on one latent and
    label, and the rest on another: style mixing (StyleGAN, Karras et al. 2019, arXiv 1812.04948).

    `coarse` and `fine` are latents (n, Z) with labels (n, 10), or None. The first of the layers
    is the stem, so that `layer` goes from 0, all fine, to `len(generator.blocks) + 1`.
    """
    conditions = []
    for z, labels in (coarse, fine):
        z = z.to(generator.stem.weight.device)
        if labels is not None:
            labels = torch.from_numpy(np.array(labels)).to(z).expand(len(z), -1)
        conditions.append(generator.condition(z, labels))
    count = len(generator.blocks) + 1
    first, *others = [conditions[number >= layer] for number in range(count)]
    return to_pixels(generator.synthesis(first, others))


# Projection -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Projection:
    """The latent (1, Z) and label (10,) found for a real cover, or no label, and the way there."""

    z: Tensor
    labels: np.ndarray | None
    losses: list[float]  # of the nearest candidate, after each step
    stages: np.ndarray  # (n, S, S, 3) uint8: what it looked like on the way, the last one best


def project(
    generator: Generator,
    cover: np.ndarray,
    *,
    steps: int = 150,
    stages: int = 6,
    seed: int = 0,
    progress: Progress = silent,
) -> Projection:
    """Find the latent and label whose cover is most like a real one, (S, S, 3) uint8.

    The nearest four of 64 random ones descend together with Adam; each step ends inside [-1, 1],
    where latents live. The loss is `likeness_loss` and a weak pull of the label towards the average
    of the training set, in standard deviations.
    """
    target = to_covers(np.array(cover[None])).to(generator.stem.weight.device)  # a copy
    z, scores = _nearest_starts(generator, target, seed)
    optimiser = torch.optim.Adam([z, scores], lr=0.08, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses, shown, best = [], [], (torch.inf, z.detach()[:1], scores.detach()[:1])
    kept = set(np.linspace(0, steps - 1, stages).round().astype(int).tolist())
    for step in range(steps):
        covers = _decode(generator, z, scores)
        loss = likeness_loss(covers, target)
        least = int(loss.argmin())
        losses.append(loss[least].item())
        if losses[-1] < best[0]:
            best = losses[-1], *(x.detach()[least : least + 1].clone() for x in (z, scores))
        if step in kept:
            shown.append(to_pixels(covers.detach()[least : least + 1])[0])
        optimiser.zero_grad(set_to_none=True)
        (loss + 1e-3 * scores.square().sum(1)).sum().backward()
        optimiser.step()
        schedule.step()
        z.data.clamp_(-1, 1)
        progress("project", step + 1, steps)
    return _projection(generator, best, losses, shown)


def _nearest_starts(generator: Generator, target: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The latents and labels, in standard deviations, of the nearest four of 64 random covers."""
    scores = torch.randn(64, generator.labels, generator=torch.Generator().manual_seed(seed))
    z = latents(generator, list(range(seed, seed + 64)))
    z, scores = z.to(target.device), scores.to(target.device)
    with torch.no_grad():
        loss = likeness_loss(_decode(generator, z, scores), target)
    nearest = loss.topk(4, largest=False).indices
    return z[nearest].requires_grad_(), scores[nearest].requires_grad_()


def _projection(
    generator: Generator, best: tuple, losses: list[float], shown: list[np.ndarray]
) -> Projection:
    _, z, scores = best
    labels = scores * generator.scale.spread + generator.scale.mean
    found = labels[0].clamp(-1, 1).cpu().numpy() if generator.labels else None
    z = z.cpu()
    return Projection(z, found, losses, np.stack([*shown[:-1], draw(generator, z, found)[0]]))


def likeness_loss(covers: Tensor, target: Tensor) -> Tensor:
    """Mean square difference (B,) of covers (B, 3, S, S) from one (1, 3, S, S), at four sizes, so
    that colours and masses count as much as details."""
    sizes = (F.avg_pool2d(covers - target, scale) for scale in (1, 2, 4, 8))
    return sum(size.square().mean((1, 2, 3)) / 4 for size in sizes)


def _decode(generator: Generator, z: Tensor, scores: Tensor) -> Tensor:
    return generator(z, scores * generator.scale.spread + generator.scale.mean)


# Albums ---------------------------------------------------------------------------------------


def album_label(labels: np.ndarray) -> np.ndarray:
    """The label of an album: the mean of its tracks' labels (n, 10), missing ones left out."""
    return pd.DataFrame(labels).mean().to_numpy(np.float32)


def most_typical(labels: np.ndarray, spread: np.ndarray) -> int:
    """The song of an album, a row of `labels` (n, 10), that is nearest to the album's mean, in
    units of `spread` (10,), the standard deviations of all labels."""
    return int(_distances(labels, album_label(labels)[None], spread)[:, 0].argmin())


def medoid(labels: np.ndarray, spread: np.ndarray) -> int:
    """The song of an album, a row of `labels` (n, 10), that is nearest to all others together."""
    return int(_distances(labels, labels, spread).sum(1).argmin())


def _distances(these: np.ndarray, those: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Root mean square difference (n, m) over the features that both know."""
    squares = np.square((these[:, None] - those[None]) / spread)
    known = np.isfinite(squares)
    return np.sqrt(np.where(known, squares, 0).sum(2) / np.maximum(known.sum(2), 1))


def follow(label: np.ndarray, column: int, value: float, slopes: np.ndarray) -> np.ndarray:
    """Set one feature of a label (10,) and let the others follow as they do in the data: `slopes`
    (10, 10), by `regression_slopes`, says at [i, j] how much i changes with j."""
    moved = label + slopes[:, column] * (value - label[column])
    moved[column] = value
    return moved.clip(-1, 1)


def regression_slopes(labels: np.ndarray) -> np.ndarray:
    """Slope [i, j] of the regression of feature i on feature j, (10, 10), from (N, 10).

    Over the rows that know all features that any row knows; features without spread move nothing.
    """
    known = np.isfinite(labels).any(0)
    rows = labels[np.isfinite(labels[:, known]).all(1)].astype(np.float64)
    rows = np.where(known, rows, 0)
    if len(rows) < 2:
        return np.zeros((labels.shape[1], labels.shape[1]))
    covariance = np.cov(rows, rowvar=False)
    variance = np.diag(covariance)
    return np.divide(covariance, variance, out=np.zeros_like(covariance), where=variance > 1e-12)
