"""Several processes that train one model together, started by torchrun; and the dice they share.

Each process takes its share of every batch, and gradients are averaged before each update, so
that N processes take the very step that one would take on the whole batch. Random numbers are
drawn for the whole batch in every process, which keeps its own share: what is drawn does not
depend on how many they are.

Not torch's DistributedDataParallel: it averages in hooks on the backward pass, and a gradient
penalty or a latent step runs through the networks backwards twice. An explicit average after the
backward pass is right for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from albumlib import AlbumlibError


class TeamError(AlbumlibError):
    """The processes cannot work together; the message says what to do."""


@dataclass(frozen=True)
class Team:
    """Which of how many processes this is."""

    index: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.index == 0

    def share(self, rows: int) -> slice:
        """This process's rows of a batch of `rows`."""
        own = rows // self.size
        return slice(self.index * own, (self.index + 1) * own)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes. Raises TeamError if one of them is gone."""
        if self.size == 1:
            return value
        from accelerate.utils import reduce

        try:
            return reduce(value, "mean")
        except RuntimeError as error:
            raise TeamError(
                "another process of this training has ended; start it again, and it goes on from "
                "its last checkpoint"
            ) from error

    def average_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes, in one exchange."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        together = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        pieces = together.split([gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))


def best_device() -> str:
    """`cuda`, `mps` or `cpu`, whichever is the fastest at hand."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def join(device: str) -> tuple[Team, str]:
    """The team that torchrun made of this process, and the device that it is to use.

    A team of one, and `device`, if it was not started by torchrun. Raises TeamError if
    Accelerate is missing.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team(), device
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise TeamError(
            "several processes need Accelerate: pip install 'albumlib[processes]'"
        ) from error
    state = PartialState(cpu=device == "cpu")
    return Team(state.process_index, state.num_processes), str(state.device)


class Dice:
    """Random numbers of one training step, from a seed alone, on the CPU.

    The first side of what is drawn is this process's share of a batch; `whole` is for what is
    the same for all of it.
    """

    def __init__(self, seed: int, team: Team | None = None):
        self.generator, self.team = torch.Generator().manual_seed(seed), team or Team()

    def rand(self, rows: int, *sides: int) -> Tensor:
        """Uniform in [0, 1), (rows, *sides)."""
        return self._own(torch.rand(self.team.size * rows, *sides, generator=self.generator))

    def randn(self, rows: int, *sides: int) -> Tensor:
        """Standard normal, (rows, *sides)."""
        return self._own(torch.randn(self.team.size * rows, *sides, generator=self.generator))

    def randint(self, below: int, rows: int, *sides: int) -> Tensor:
        """Whole numbers from 0 on, (rows, *sides)."""
        sides = (self.team.size * rows, *sides)
        return self._own(torch.randint(below, sides, generator=self.generator))

    def whole(self, *sides: int) -> Tensor:
        """Uniform in [0, 1), the same in every process."""
        return torch.rand(*sides, generator=self.generator)

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn[self.team.share(len(drawn))]
