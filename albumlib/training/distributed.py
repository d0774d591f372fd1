"""Several processes that train one model together, started by torchrun.

Each process takes its rows of every batch, and gradients are averaged before each update, so that
N processes take the very step that one would take on the whole batch.

Not torch's DistributedDataParallel: it averages in hooks on the backward pass, and a gradient
penalty or a latent step runs through the networks backwards twice. An explicit average after the
backward pass is right for all of them.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from albumlib import AlbumlibError


class DistributedError(AlbumlibError):
    """The processes cannot work together; the message says what to do."""


@dataclass(frozen=True)
class Distributed:
    """This process's `rank` among the `world_size` processes of one training."""

    rank: int = 0
    world_size: int = 1

    @property
    def main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """This process's rows of a batch of `rows`."""
        own = rows // self.world_size
        return slice(self.rank * own, (self.rank + 1) * own)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes. Raises DistributedError if one of them is gone."""
        if self.world_size == 1:
            return value
        from accelerate.utils import reduce

        try:
            return reduce(value, "mean")
        except RuntimeError as error:
            raise DistributedError(
                "another process of this training has ended; start it again, and it goes on from "
                "its last checkpoint"
            ) from error

    def average_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes, in one exchange."""
        if self.world_size == 1:
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


def join(device: str) -> tuple[Distributed, str]:
    """The processes that torchrun started this one among, and the device that it is to use.

    One process, and `device`, if it was not started by torchrun. Raises DistributedError if
    Accelerate is missing, or if there is no such device here.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter of a torch without CUDA
        raise DistributedError(
            f"this machine has no device {device!r}: give cpu, cuda or mps, or leave out --device"
        ) from error
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Distributed(), device
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise DistributedError(
            "several processes need Accelerate: pip install 'albumlib[processes]'"
        ) from error
    state = PartialState(cpu=device == "cpu")
    return Distributed(state.process_index, state.num_processes), str(state.device)
