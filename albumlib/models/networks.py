"""The two networks of the course: a generator of covers and a critic that scores them.

Both are DCGAN's pyramid (Radford et al. 2015, arXiv 1511.06434) for 32 to 256 px, with what
ten years have taught: upsampling and convolution in place of transposed convolutions (no
checkerboard, Odena et al. 2016), no batch normalisation (a gradient penalty is per picture, and
averaged weights need no statistics), labels that modulate every block of the generator (FiLM,
Perez et al. 2018, arXiv 1709.07871) and meet the critic in a projection (Miyato and Koyama 2018,
arXiv 1802.05637) and in a regression head (ACGAN, Odena et al. 2017, arXiv 1610.09585).

Shapes: B covers a batch, S pixels a side, Z latents, L labels: the ten features and perhaps more
numbers, or 0 for none. C is the width of a row of conditions: the labels, then a title's tokens
where the networks read titles. Z' is the width of the latents and an encoded row together.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.models.blocks import SLOPE, GeneratorBlock, critic_blocks, spread_of_groups
from albumlib.models.quantum import PRIORS
from albumlib.models.titles import TOKENS, WIDTH, TrackNameEncoder

SIZES = (32, 64, 128, 256)
LIMIT = 256  # channels of a level, at most
DECIDED = 60.0  # how sharply a latent chooses its family of layouts
FAR = 10.0  # standard deviations from the mean: no label is learned beyond


def channels(size: int, width: int, limit: int = LIMIT) -> list[int]:
    """Channels per resolution, from 4x4 up to size x size: `width` at the finest, then doubling."""
    if size not in SIZES:
        raise ValueError(f"size must be one of {SIZES}, got {size}")
    levels = size.bit_length() - 2  # 4, 8, ..., size
    return [min(limit, width << (levels - 1 - level)) for level in range(levels)]


class LabelScale(nn.Module):
    """Standardises labels by the training set's mean and spread; a missing label becomes 0.

    Labels come in as features scaled to [-1, 1], where some features use a tenth of the range:
    to a network, those would be ten times smaller than the rest.

    A label outside of what was learned becomes the nearest one inside: a feature that hardly varied
    has weights for a thousandth of its range, and would else flood the networks.
    """

    def __init__(self, labels: int, learned: Sequence[Sequence[float]] | None = None):
        super().__init__()
        self.register_buffer("mean", torch.zeros(labels))
        self.register_buffer("spread", torch.ones(labels))
        unknown = torch.tensor([[-torch.inf], [torch.inf]]).expand(2, labels)
        known = unknown.clone() if learned is None else torch.tensor(learned)
        self.register_buffer("learned", known, persistent=False)  # lowest and highest, (2, L)

    def fit(self, labels: Tensor) -> None:
        """Take mean, spread and range from (N, L), missing values left out."""
        known = labels.isfinite().any(0)
        self.mean.copy_(labels.nanmean(0).nan_to_num())
        spread = (labels - self.mean).square().nanmean(0).sqrt().nan_to_num(1.0)
        lowest = labels.nan_to_num(torch.inf).amin(0) - spread
        highest = labels.nan_to_num(-torch.inf).amax(0) + spread
        self.learned.copy_(torch.stack([lowest, highest]).where(known, self.mean))
        self.spread.copy_(spread.clamp_min(1e-3))

    def widen(self, learned: Sequence[Sequence[float]]) -> None:
        """Take in the range (2, L') that the first labels had where the weights come from: of
        these covers the label may be unknown."""
        before = torch.tensor(learned).to(self.learned)
        low, high = self.learned[:, : before.shape[1]]
        low.copy_(low.minimum(before[0]))
        high.copy_(high.maximum(before[1]))

    @property
    def limits(self) -> Tensor:
        """The lowest and highest labels (2, L) that make a difference: those of the training set
        and one standard deviation more, but at most FAR of them from the mean."""
        low, high = self.learned
        far = FAR * self.spread
        low, high = low.clamp(self.mean - far, self.mean), high.clamp(self.mean, self.mean + far)
        return torch.stack([low, high])

    def forward(self, labels: Tensor) -> Tensor:
        low, high = (self.limits - self.mean) / self.spread
        return ((labels - self.mean) / self.spread).nan_to_num(0.0).clamp(low, high)


def encoded(rows: Tensor, scale: LabelScale, titles: TrackNameEncoder | None) -> Tensor:
    """Rows of conditions (B, C) as a network's inputs: (B, L) or (B, L + WIDTH).

    Columns that are left out at the end, such as the title's, are missing as NaN is: a missing
    title becomes an empty one, a missing label what the title leads to expect, or the mean.
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


class Generator(nn.Module):
    """Latents (B, Z) in [-1, 1] and conditions (B, C) to covers (B, 3, S, S) in [-1, 1].

    `extras` names the labels beyond the ten features, `words` are the vocabulary of titles and
    `titles` says how they are read (titles.ENCODERS; "" for not at all). With a `prior` (one of
    quantum.PRIORS) the first `qubits` latents pass it before any other layer sees them.
    `residual` doubles the convolutions of each block, `noise` adds noise per pixel to each.
    `learned` are the lowest and highest labels that it was trained on (see LabelScale), and
    `limit` is how many channels a level has at most.
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
        residual: bool = False,
        noise: bool = False,
        learned: Sequence[Sequence[float]] | None = None,
        limit: int = LIMIT,
    ):
        super().__init__()
        self.latent, self.labels, self.size, self.limit = latent, labels, size, limit
        self.extras, self.words = tuple(extras), tuple(words)
        self.residual, self.noise = residual, noise
        self.layouts = [name for name in extras if name.startswith("layout")]
        rng = torch.Generator().manual_seed(1)
        directions = torch.randn(latent, len(self.layouts), generator=rng)
        self.register_buffer("choice", F.normalize(directions, dim=0), persistent=False)
        first, *rest = channels(size, width, limit)
        self.scale = LabelScale(labels, learned)
        self.titles = TrackNameEncoder(len(words), titles, labels) if titles else None
        condition = latent + labels + (WIDTH if titles else 0)
        self.stem = nn.Linear(condition, first * 16)
        self.blocks = nn.ModuleList(
            GeneratorBlock(inputs, outputs, condition, level > 0, residual, noise * (4 << level))
            for level, (inputs, outputs) in enumerate(itertools.pairwise([first, first, *rest]))
        )
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
        """Latents and encoded conditions side by side, (B, Z'): the input of every layer."""
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
        if self.layouts:
            labels = self._with_layout(labels, z)
        return torch.cat([z, encoded(labels, self.scale, self.titles)], dim=1)

    def _with_layout(self, labels: Tensor, z: Tensor) -> Tensor:
        """Rows of conditions (B, C) with a family of layouts in all: where a row leaves it out,
        the latent decides, each family as often as any other. On a way between two latents one
        family passes quickly into the next."""
        labels = F.pad(labels, (0, self.columns - labels.shape[1]), value=torch.nan)
        start = self.labels - len(self.extras) + self.extras.index(self.layouts[0])
        columns = slice(start, start + len(self.layouts))
        chosen = (DECIDED * z.float() @ self.choice).softmax(1) * 2 - 1
        missing = labels[:, columns].isnan().all(1, keepdim=True)
        filled = torch.where(missing, chosen.to(labels), labels[:, columns])
        return torch.cat([labels[:, :start], filled, labels[:, columns.stop :]], dim=1)

    @property
    def conditioned_on(self) -> set[str]:
        """Names of the conditions beyond the ten features: extras, and the title."""
        extras = {name.split("_")[0] for name in self.extras}  # a layout has many columns
        return extras | ({"title"} if self.titles else set())

    @property
    def columns(self) -> int:
        """The width C of a row of conditions, 0 for a generator of latents alone."""
        return self.labels + (TOKENS if self.titles else 0)


class Critic(nn.Module):
    """Covers (B, 3, S, S) and conditions (B, C) to a score (B,) and predicted labels (B, L).

    The score has no unit and no bounds: it is the critic of Wasserstein GANs, and the logit of
    the relativistic loss. The auxiliary head predicts standardised labels (see LabelScale) from
    the cover alone. With `projection` the score also depends on how well cover and conditions
    agree. `stddev_group` is the size of the groups of `spread_of_groups`, 0 for none, and
    `blocks` one of CRITICS: "strided" for DCGAN's layers, "folded" for residual blocks below full
    resolution, "residual" for residual blocks from full resolution on.
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
        blocks: str = "strided",
    ):
        super().__init__()
        self.labels, self.stddev_group = labels, stddev_group
        widths = channels(size, width)[::-1]
        self.scale = LabelScale(labels)
        self.blocks = critic_blocks(blocks, widths)
        self.dense = nn.Linear((widths[-1] + (stddev_group > 0)) * 16, 256)
        self.score = nn.Linear(256, 1)
        self.auxiliary = nn.Linear(256, labels) if labels else None
        self.titles = TrackNameEncoder(words, titles, labels) if titles else None
        given = labels + (WIDTH if titles else 0)
        self.projection = nn.Linear(given, 256, bias=False) if given and projection else None

    def forward(self, covers: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        x = covers
        for block in self.blocks:
            x = block(x)  # half the side
        if self.stddev_group:
            x = torch.cat([x, spread_of_groups(x, self.stddev_group)], dim=1)
        with torch.autocast(x.device.type, enabled=False):  # scores differ by little: all bits
            x = F.leaky_relu(self.dense(x.float().flatten(1)), SLOPE)  # (B, 256)
            score = self.score(x).squeeze(1)
            if self.projection is not None:
                given = self.projection(encoded(labels, self.scale, self.titles))  # (B, 256)
                score = score + (given * x).sum(1) / 16  # / sqrt(256)
            return score, None if self.auxiliary is None else self.auxiliary(x)


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
