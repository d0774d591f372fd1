"""The small residual network that looks at covers in every measure that has to be learned, and
its one training loop. Pixels are uint8 arrays (N, S, S, 3).
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.models.checkpoint import TrainingError, read_tensors
from albumlib.models.networks import to_covers

Network = TypeVar("Network", bound=nn.Module)
BATCH = 256  # covers that a trained network sees at a time
Loss = Callable[[Network, Tensor, Tensor], Tensor]  # of the network, covers and their rows


class CoverNetwork(nn.Module):
    """Covers (B, 3, S, S) in [-1, 1] to `outputs` numbers each, (B, outputs). Where a kind of it
    has a `side`, covers of any size are first brought to that many pixels."""

    side: int | None = None

    def __init__(self, outputs: int, width: int = 24):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2), nn.BatchNorm2d(width), nn.ReLU()
        )
        widths = [width, 2 * width, 4 * width, 4 * width]
        self.blocks = nn.ModuleList(_ResidualBlock(*pair) for pair in itertools.pairwise(widths))
        self.head = nn.Sequential(
            nn.Linear(widths[-1] * 5, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, outputs)
        )

    def forward(self, covers: Tensor) -> Tensor:
        x = self.stem(at_side(covers, self.side) if self.side else covers)
        for block in self.blocks:
            x = block(x)
        # The mean over the whole cover, and over its quarters: where things are matters too.
        pooled = [F.adaptive_avg_pool2d(x, side).flatten(1) for side in (1, 2)]
        return self.head(torch.cat(pooled, dim=1))


class _ResidualBlock(nn.Module):
    """Half the resolution, two convolutions beside a short cut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.short = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(y))
        return F.relu(y + self.short(F.avg_pool2d(x, 2)))


def fit(
    network: Network,
    pixels: np.ndarray,
    loss: Loss,
    steps: int = 0,
    *,
    epochs: float = 8,
    batch_size: int = 64,
    rate: float = 4e-3,
    seed: int = 0,
    progress: Callable[[dict], None] | None = None,
) -> Network:
    """Train a network on covers by AdamW, one cycle of learning rates up to `rate`; freeze it.

    It takes so many `steps`, or else `epochs`, passes over the covers; `progress` is told of them.
    `loss` is called with the network, covers (B, 3, S, S) in [-1, 1] and their rows (B,). The
    weights that it begins with are the caller's, who seeds them; `seed` chooses the batches, which
    are no larger than the whole set.
    """
    steps = steps or max(1, round(epochs * len(pixels) / batch_size))
    batch_size = min(batch_size, len(pixels))
    rng = torch.Generator().manual_seed(seed)
    network.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(len(pixels), (batch_size,), generator=rng)
        error = loss(network, to_covers(pixels[rows.numpy()]), rows)
        optimiser.zero_grad(set_to_none=True)
        error.backward()
        optimiser.step()
        schedule.step()
        if progress and (step + 1 == steps or step % 20 == 0):
            progress({"step": step + 1, "steps": steps, "loss": error.item()})
    return frozen(network)


def frozen(network: Network) -> Network:
    """A network that is trained, ready to use."""
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def load_trained(
    path: str | Path,
    version: int | None,
    what: str,
    module: str,
    make: Callable[[dict[str, Tensor], dict], Network],
) -> Network:
    """A frozen network that ships: `what` it is, the `module` that trains it, and how it is made
    for the file's tensors and `about`. Raises TrainingError if its file is missing or of another
    version.
    """
    path = Path(path)
    if not path.exists():
        raise TrainingError(
            f"there is no {what} {path}: work in a clone of the project, "
            f"or train one with `python -m albumlib.{module}`"
        )
    tensors, about = read_tensors(path)
    if about.get("version") != version:
        raise TrainingError(f"{path} holds another version of the {what} than {version}")
    network = make(tensors, about)
    network.load_state_dict(tensors)
    return frozen(network)


def at_side(covers: Tensor, side: int) -> Tensor:
    """Covers (B, 3, S, S) at `side` pixels: bilinear, with antialiasing where they get smaller."""
    if covers.shape[-1] == side:
        return covers
    return F.interpolate(covers, (side, side), mode="bilinear", antialias=True)


def in_parts(pixels: np.ndarray, size: int = BATCH) -> Iterator[Tensor]:
    """Covers (size, 3, S, S) in [-1, 1] of pixels (N, S, S, 3) uint8, one part after the other."""
    for start in range(0, len(pixels), size):
        yield to_covers(np.array(pixels[start : start + size]))


@torch.no_grad()
def apply(network: Callable[[Tensor], Tensor], pixels: np.ndarray, size: int = BATCH) -> np.ndarray:
    """What a network says of covers, `size` at a time: (N, ...) float32."""
    return torch.cat([network(covers) for covers in in_parts(pixels, size)]).numpy()


def halved(network: nn.Module) -> dict[str, Tensor]:
    """A network's tensors in half precision, for a file of half the size."""
    tensors = network.state_dict().items()
    return {name: t.half() if t.is_floating_point() else t for name, t in tensors}
