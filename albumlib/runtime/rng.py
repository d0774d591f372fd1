"""Random numbers that do not depend on the device, nor on how many processes share a batch."""

import torch
from torch import Tensor


class Rng:
    """Random numbers from a seed alone, drawn on the CPU.

    The first side of what is drawn is this process's part of a batch: numbers are drawn for the
    whole batch in every process, which keeps the rows of its `rank` among `world_size`. `whole`
    is for what is the same for all of the batch.

    >>> whole, second = Rng(3).rand(4, 2), Rng(3, rank=1, world_size=2).rand(2, 2)
    >>> second.equal(whole[2:])
    True
    """

    def __init__(self, seed: int, rank: int = 0, world_size: int = 1):
        self.generator = torch.Generator().manual_seed(seed)
        self.rank, self.world_size = rank, world_size

    def rand(self, rows: int, *sides: int) -> Tensor:
        """Uniform in [0, 1), (rows, *sides)."""
        return self._own(torch.rand(self.world_size * rows, *sides, generator=self.generator))

    def randn(self, rows: int, *sides: int) -> Tensor:
        """Standard normal, (rows, *sides)."""
        return self._own(torch.randn(self.world_size * rows, *sides, generator=self.generator))

    def randint(self, below: int, rows: int, *sides: int) -> Tensor:
        """Whole numbers from 0 on, (rows, *sides)."""
        sides = (self.world_size * rows, *sides)
        return self._own(torch.randint(below, sides, generator=self.generator))

    def whole(self, *sides: int) -> Tensor:
        """Uniform in [0, 1), the same in every process."""
        return torch.rand(*sides, generator=self.generator)

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn.tensor_split(self.world_size)[self.rank]
