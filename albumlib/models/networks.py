"""The two networks of the course: a generator that draws covers and a critic that judges them.

Both are DCGAN's pyramid (Radford et al. 2015, arXiv 1511.06434) for 32 to 256 px, with what
ten years have taught: upsampling and convolution in place of transposed convolutions (no
checkerboard, Odena et al. 2016), no batch normalisation (a gradient penalty is per picture, and
averaged weights need no statistics), labels that modulate every block of the generator (FiLM,
Perez et al. 2018, arXiv 1709.07871) and meet the critic in a projection (Miyato and Koyama 2018,
arXiv 1802.05637) and in a regression head (ACGAN, Odena et al. 2017, arXiv 1610.09585).

Shapes: B covers a batch, S pixels a side, Z latents, L labels: the ten features and perhaps more
numbers, or 0 for none. C is the width of a row of conditions: the labels, then a title's tokens
where the networks read titles.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.models.quantum import PRIORS
from albumlib.models.titles import TOKENS, WIDTH, TrackNameEncoder

SLOPE = 0.2  # of LeakyReLU, as in DCGAN
SIZES = (32, 64, 128, 256)


def channels(size: int, width: int, limit: int = 256) -> list[int]:
    """Channels per resolution, from 4x4 up to size x size: `width` at the finest, then doubling."""
    if size not in SIZES:
        raise ValueError(f"size must be one of {SIZES}, got {size}")
    levels = size.bit_length() - 2  # 4, 8, ..., size
    return [min(limit, width << (levels - 1 - level)) for level in range(levels)]


class LabelScale(nn.Module):
    """Standardises labels by the training set's mean and spread; a missing label becomes 0.

    Labels come in as features scaled to [-1, 1], where some features use a tenth of the range:
    a network would hear those ten times more softly than the rest.
    """

    def __init__(self, labels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(labels))
        self.register_buffer("spread", torch.ones(labels))

    def fit(self, labels: Tensor) -> None:
        """Take mean and spread from (N, L), missing values left out."""
        self.mean.copy_(labels.nanmean(0).nan_to_num())
        spread = (labels - self.mean).square().nanmean(0).sqrt().nan_to_num(1.0)
        self.spread.copy_(spread.clamp_min(1e-3))

    def forward(self, labels: Tensor) -> Tensor:
        return ((labels - self.mean) / self.spread).nan_to_num(0.0)


def encoded(rows: Tensor, scale: LabelScale, titles: TrackNameEncoder | None) -> Tensor:
    """Rows of conditions (B, C) as the numbers that a network listens to: (B, L) or (B, L + WIDTH).

    Columns that are left out at the end, such as the title's, are missing as NaN is: a missing
    title is heard as an empty one, a missing label as what the title leads to expect, or as the
    mean.
    """
    count = len(scale.mean)
    columns = count + (TOKENS if titles else 0)
    rows = F.pad(rows, (0, columns - rows.shape[1]), value=torch.nan)
    labels = rows[:, :count]
    if titles is None:
        return scale(labels)
    title = titles(rows[:, count:].nan_to_num())
    if titles.guess is None:
        return title
    return torch.cat([scale(labels).where(labels.isfinite(), titles.guess(title)), title], dim=1)


def upsampled(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """A 3x3 convolution after doubling each pixel, at less than half of its cost: (B, C, 2S, 2S).

    Neighbouring pixels of the doubled picture are the same, so their weights can be added up
    beforehand. What is left is one transposed convolution of 4x4, stride 2 (the fused layer of
    Karras et al. 2018, arXiv 1710.10196); without checkerboard, since all phases share weights.
    """
    kernel = F.pad(convolution.weight.flip(2, 3), (1, 1, 1, 1))
    kernel = (
        kernel[..., 1:, 1:] + kernel[..., 1:, :-1] + kernel[..., :-1, 1:] + kernel[..., :-1, :-1]
    )
    return F.conv_transpose2d(x, kernel.transpose(0, 1), convolution.bias, stride=2, padding=1)


class GeneratorBlock(nn.Module):
    """Twice the resolution, then a convolution whose channels the condition scales and shifts."""

    def __init__(self, inputs: int, outputs: int, condition: int, upsample: bool = True):
        super().__init__()
        self.upsample = upsample
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(condition, 2 * outputs)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = upsampled(x, self.convolution) if self.upsample else self.convolution(x)
        x = x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()  # pixel norm, ProGAN
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu(x * (1 + scale) + shift, SLOPE)


class Generator(nn.Module):
    """Latents (B, Z) in [-1, 1] and conditions (B, C) to covers (B, 3, S, S) in [-1, 1].

    `extras` names the labels beyond the ten features, `words` are the vocabulary of titles and
    `titles` says how they are read (titles.ENCODERS; "" for not at all). With a `prior` (one of
    quantum.PRIORS) the first `qubits` latents pass it before anything else hears them.
    """

    def __init__(
        self,
        size: int,
        latent: int = 64,
        labels: int = 0,
        width: int = 16,
        extras: Sequence[str] = (),
        words: Sequence[str] = (),
        titles: str = "",
        prior: str = "",
        qubits: int = 0,
        prior_layers: int = 0,
    ):
        super().__init__()
        self.latent, self.labels, self.size = latent, labels, size
        self.extras, self.words = tuple(extras), tuple(words)
        first, *rest = channels(size, width)
        self.scale = LabelScale(labels)
        self.titles = TrackNameEncoder(len(words), titles, labels) if titles else None
        condition = latent + labels + (WIDTH if titles else 0)
        self.stem = nn.Linear(condition, first * 16)
        self.blocks = nn.ModuleList([GeneratorBlock(first, first, condition, upsample=False)])
        for inputs, outputs in zip([first, *rest], rest, strict=False):
            self.blocks.append(GeneratorBlock(inputs, outputs, condition))
        self.to_rgb = nn.Conv2d(rest[-1], 3, 3, padding=1)
        self.prior = PRIORS[prior](qubits, prior_layers) if prior else None

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        condition = self.condition(z, labels)
        return self.synthesis(condition, [condition] * len(self.blocks))

    def synthesis(self, first: Tensor, others: Sequence[Tensor]) -> Tensor:
        """Covers from the condition of the stem and of each block, which need not be the same."""
        x = self.stem(first).unflatten(1, (-1, 4, 4))
        for block, condition in zip(self.blocks, others, strict=True):
            x = block(x, condition)
        return torch.tanh(self.to_rgb(x).float())

    def condition(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """What the layers listen to: latents and encoded conditions, (B, Z + C')."""
        if self.prior is not None:
            few = self.prior.qubits
            z = torch.cat([self.prior(z[:, :few]), z[:, few:]], dim=1)
        if not self.columns:
            return z
        if labels is None and not self.labels:
            labels = z.new_empty(len(z), 0)  # no title either
        given = -1 if labels is None or len(labels) != len(z) else labels.shape[1]
        if not self.labels - len(self.extras) <= given <= self.columns:
            raise ValueError(f"this generator needs labels of shape ({len(z)}, {self.columns})")
        return torch.cat([z, encoded(labels, self.scale, self.titles)], dim=1)

    @property
    def listens_to(self) -> set[str]:
        """Names of what is heard beside latents and the ten features: extras, and the title."""
        return {*self.extras, *(["title"] if self.titles else [])}

    @property
    def columns(self) -> int:
        """The width C of a row of conditions, 0 if nothing but the latents is heard."""
        return self.labels + (TOKENS if self.titles else 0)


class Critic(nn.Module):
    """Covers (B, 3, S, S) and conditions (B, C) to a score (B,) and a reading of the labels (B, L).

    The score has no unit and no bounds: it is the critic of Wasserstein GANs, and the logit of
    the relativistic loss. The reading is in standardised labels (see LabelScale), and does not
    look at `labels`. With `projection` the score also says how well picture and conditions
    agree. `stddev_group` is the size of the groups of `spread_of_groups`, 0 for none.
    """

    def __init__(
        self,
        size: int,
        labels: int = 0,
        width: int = 32,
        projection: bool = True,
        words: int = 0,
        titles: str = "",
        stddev_group: int = 0,
    ):
        super().__init__()
        self.labels, self.stddev_group = labels, stddev_group
        widths = [3, *reversed(channels(size, width)[:-1])]
        self.scale = LabelScale(labels)
        self.blocks = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
            for inputs, outputs in itertools.pairwise(widths)
        )
        self.dense = nn.Linear((widths[-1] + (stddev_group > 0)) * 16, 256)
        self.score = nn.Linear(256, 1)
        self.reading = nn.Linear(256, labels) if labels else None
        self.titles = TrackNameEncoder(words, titles, labels) if titles else None
        heard = labels + (WIDTH if titles else 0)
        self.projection = nn.Linear(heard, 256, bias=False) if heard and projection else None

    def forward(self, covers: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        x = covers
        for block in self.blocks:
            x = F.leaky_relu(block(x), SLOPE)  # half the resolution
        if self.stddev_group:
            x = torch.cat([x, spread_of_groups(x, self.stddev_group)], dim=1)
        with torch.autocast(x.device.type, enabled=False):  # scores differ by little: all bits
            x = F.leaky_relu(self.dense(x.float().flatten(1)), SLOPE)  # (B, 256)
            score = self.score(x).squeeze(1)
            if self.projection is not None:
                heard = self.projection(encoded(labels, self.scale, self.titles))  # (B, 256)
                score = score + (heard * x).sum(1) / 16  # / sqrt(256)
            return score, None if self.reading is None else self.reading(x)


def spread_of_groups(x: Tensor, size: int) -> Tensor:
    """One more channel (B, 1, S, S): the mean standard deviation within each group of neighbours.

    A generator that draws the same thing again and again gives itself away (minibatch standard
    deviation, Karras et al. 2018, arXiv 1710.10196). Groups are small, so that it does not matter
    how a batch is spread over processes; what cannot be grouped is one group.
    """
    size = size if len(x) % size == 0 else len(x)
    groups = x.reshape(-1, size, *x.shape[1:])  # (B / size, size, C, S, S)
    spread = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # (B / size,)
    return spread.repeat_interleave(size)[:, None, None, None].expand(-1, 1, *x.shape[2:])


# Latents and pixels --------------------------------------------------------------------------


def draw_latents(count: int, latent: int, rng: torch.Generator) -> Tensor:
    """Latents (count, latent), uniform in [-1, 1]: the prior whose support LOGAN clips to."""
    return torch.rand(count, latent, generator=rng) * 2 - 1


def to_covers(pixels: np.ndarray) -> Tensor:
    """Pixels (B, S, S, 3) uint8 to covers (B, 3, S, S) float in [-1, 1], channels last.

    >>> to_covers(np.array([[[[0, 51, 255]]]], dtype=np.uint8)).flatten().tolist()
    [-1.0, -0.6000000238418579, 1.0]
    """
    covers = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    return covers.float().div_(127.5).sub_(1)


def to_pixels(covers: Tensor) -> np.ndarray:
    """Covers (B, 3, S, S) in [-1, 1] to pixels (B, S, S, 3) uint8."""
    pixels = (covers.clamp(-1, 1) + 1).mul(127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu().numpy()
