"""What the two networks are made of. Shapes: B covers a batch, S pixels a side; a block of the
generator doubles the side, a block of the critic halves it. Z' is the width of a condition: the
latents and all else that the generator is conditioned on.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of LeakyReLU, as in DCGAN
CRITICS = ("strided", "folded", "residual")
TAPS = (0.125, 0.375, 0.375, 0.125)  # a filter that lets through what half the resolution can hold

# The generator's --------------------------------------------------------------------------------


def upsampled(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """A 3x3 convolution after doubling each pixel, at less than half of its cost: (B, C, 2S, 2S).

    Neighbouring pixels of the doubled picture are the same, so their weights can be added up
    beforehand. What is left is one transposed convolution of 4x4, stride 2 (the fused layer of
    Karras et al. 2018, arXiv 1710.10196); without checkerboard, since all phases share weights.
    """
    kernel = convolution.weight.flip(2, 3)
    corners = (0, 1, 0, 1), (1, 0, 0, 1), (0, 1, 1, 0), (1, 0, 1, 0)  # zeros at which edges
    kernel = sum(F.pad(kernel, corner) for corner in corners)  # (outputs, inputs, 4, 4)
    return F.conv_transpose2d(x, kernel.transpose(0, 1), convolution.bias, stride=2, padding=1)


class Modulated(nn.Module):
    """A 3x3 convolution, pixel norm (ProGAN), FiLM by the condition (B, Z'), LeakyReLU.

    `noise` is the side of the picture where noise per pixel is added after the norm, as in
    StyleGAN (Karras et al. 2019, arXiv 1812.04948), each channel as much as it learns to take; 0
    for none. Unlike there the noise is no further random draw but a fixed random projection of
    the condition. So a latent means one cover on every device, and a small step of the latent
    changes the grain a little.
    """

    def __init__(self, inputs: int, outputs: int, condition: int, noise: int = 0):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(condition, 2 * outputs)
        nn.init.zeros_(self.film.bias)
        self.grain = nn.Parameter(torch.zeros(outputs, 1, 1)) if noise else None
        if noise:
            rng = torch.Generator().manual_seed(noise)
            projection = torch.randn(condition, noise * noise, generator=rng)
            self.register_buffer("projection", projection, persistent=False)

    def forward(self, x: Tensor, condition: Tensor, upsample: bool = False) -> Tensor:
        x = upsampled(x, self.convolution) if upsample else self.convolution(x)
        x = x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()  # pixel norm
        if self.grain is not None:
            x = x + self.grain * self.noise(condition).to(x)
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu(x * (1 + scale) + shift, SLOPE)

    def noise(self, condition: Tensor) -> Tensor:
        """Standard normal noise (B, 1, S, S) of conditions (B, Z')."""
        side = math.isqrt(self.projection.shape[1])
        noise = F.normalize(condition.detach().float(), dim=1) @ self.projection
        return noise.unflatten(1, (1, side, side))


class GeneratorBlock(Modulated):
    """Twice the resolution, then a modulated convolution, and with `residual` the sum of what
    comes out and of another modulated convolution of it: (B, inputs, S / 2, S / 2) to
    (B, outputs, S, S).
    """

    def __init__(
        self, inputs: int, outputs: int, condition: int, upsample=True, residual=False, noise=0
    ):
        super().__init__(inputs, outputs, condition, noise)
        self.upsample = upsample
        self.residual = Modulated(outputs, outputs, condition, noise) if residual else None

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = super().forward(x, condition, self.upsample)
        return x if self.residual is None else x + self.residual(x, condition)


# The critic's ------------------------------------------------------------------------------------


def downsampled(x: Tensor, convolution: nn.Conv2d, taps: Tensor) -> Tensor:
    """A 1x1 convolution of every second pixel of the filtered cover: (B, C, S / 2, S / 2).

    The filter `taps` (4,), which is TAPS, in both directions keeps what is too fine for half the
    resolution from turning up as something coarser (Zhang 2019, arXiv 1904.11486). Filter and
    convolution are multiplied beforehand: what is left is one convolution of 4x4, stride 2.
    """
    kernel = convolution.weight * torch.outer(taps, taps)  # (outputs, inputs, 4, 4)
    return F.conv2d(x, kernel, convolution.bias, stride=2, padding=1)


class StridedBlock(nn.Conv2d):
    """DCGAN's: a 4x4 convolution of stride 2, LeakyReLU. (B, inputs, S, S) to half the side."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(super().forward(x), SLOPE)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, then half the side behind a filter.

    The second convolution begins at zero, so that a new block only downsamples (Fixup, Zhang et
    al. 2019, arXiv 1901.09321, as in R3GAN).
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.down = nn.Conv2d(inputs, outputs, 1)
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.leaky_relu(self.first(x), SLOPE))
        return F.leaky_relu(downsampled(x + y, self.down, self.taps), SLOPE)


class FoldedStem(nn.Module):
    """Each 2x2 pixels become one of 12 channels, then a 3x3 convolution, LeakyReLU: all pixels
    are seen, at a quarter of the cost of a layer at full resolution. (B, 3, S, S) to half."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.convolution = nn.Conv2d(4 * inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.convolution(F.pixel_unshuffle(x, 2)), SLOPE)


class FullStem(nn.Sequential):
    """A 3x3 convolution at full resolution, then a residual block. (B, 3, S, S) to half."""

    def __init__(self, inputs: int, outputs: int):
        layer = nn.Conv2d(inputs, outputs // 2, 3, padding=1)
        super().__init__(layer, nn.LeakyReLU(SLOPE), ResidualBlock(outputs // 2, outputs))


def critic_blocks(kind: str, widths: Sequence[int]) -> nn.ModuleList:
    """Blocks from 3 channels at full resolution to widths[-1] at 4x4, each half the side of the
    one before, of a kind in CRITICS. `widths` go from full resolution to 4x4."""
    if kind not in CRITICS:
        raise ValueError(f"the critic must be one of {', '.join(CRITICS)}, got {kind!r}")
    block = StridedBlock if kind == "strided" else ResidualBlock
    first = {"strided": StridedBlock, "folded": FoldedStem, "residual": FullStem}[kind]
    later = itertools.pairwise(widths[1:])
    return nn.ModuleList([first(3, widths[1]), *(block(*pair) for pair in later)])


def spread_of_groups(x: Tensor, size: int) -> Tensor:
    """One more channel (B, 1, S, S): the mean standard deviation within each group of neighbours.

    A generator that makes the same cover again and again gives itself away (minibatch standard
    deviation, Karras et al. 2018, arXiv 1710.10196). Groups are small, so that it does not matter
    how a batch is spread over processes; what cannot be grouped is one group.
    """
    size = size if len(x) % size == 0 else len(x)
    groups = x.reshape(-1, size, *x.shape[1:])  # (B / size, size, C, S, S)
    spread = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # (B / size,)
    return spread.repeat_interleave(size)[:, None, None, None].expand(-1, 1, *x.shape[2:])
