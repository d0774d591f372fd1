"""Whole training steps as CUDA graphs: recorded once, then started by one call each.

Networks as small as these leave a GPU waiting for Python, which starts some thousand kernels a
step. A graph holds all of them, with the memory that they work on (pytorch.org/docs, "CUDA
graphs"). So whatever changes from step to step has to lie in a buffer that is written before: the
covers, random numbers, learning rates.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from functools import partialmethod

import torch
from torch import Tensor

from albumlib.runtime.rng import Rng

WARM = 3  # steps before one is recorded: optimisers make their state, torch chooses its algorithms

Numbers = Mapping[str, float | Tensor]
Batch = tuple[Tensor, Tensor | None]
Draw = Callable[[int], Batch]
Step = Callable[[Draw, Rng, Numbers], dict[str, Tensor]]


class Steps:
    """Runs training steps, each a function of batches, random numbers and settings, by graphs.

    There is a graph for each `kind` of step, since penalties and latent steps are not in all of
    them. Where there is no CUDA the steps run from the same buffers, without graphs.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.kinds: dict[Hashable, Recorded] = defaultdict(lambda: Recorded(device))

    def run(self, kind: Hashable, step: Step, draw: Draw, rng: Rng, numbers: Mapping) -> dict:
        """One step; `draw` gives the batch of each critic update. Returns the step's numbers."""
        recorded = self.kinds[kind]
        recorded.fill(draw, rng, numbers)
        if self.stream is None:
            return recorded.call(step)
        if recorded.calls < WARM:  # not on the stream that all else runs on, which is not recorded
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                record = recorded.call(step)
            torch.cuda.current_stream().wait_stream(self.stream)
            return record
        return recorded.replay(step)


class Recorded:
    """One kind of step: its buffers, in the order in which the step asks for them, and its graph.
    It takes the place of the step's `Rng`."""

    def __init__(self, device: torch.device):
        self.device, self.calls = device, 0
        self.batches: dict[int, Batch] = {}
        self.numbers: dict[str, Tensor] = {}
        self.drawn: list[tuple[tuple, Tensor]] = []
        self.place = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.record: dict[str, Tensor] = {}

    def fill(self, draw: Draw, rng: Rng, numbers: Mapping[str, float]) -> None:
        """Write what the next step takes. What it is to ask for is known from the first one on."""
        self.draw, self.rng = draw, rng
        for name, value in numbers.items():
            buffer = self.numbers.setdefault(name, torch.zeros((), device=self.device))
            buffer.fill_(value)
        for update, buffers in self.batches.items():
            for buffer, fresh in zip(buffers, draw(update), strict=True):
                if buffer is not None:
                    buffer.copy_(fresh)
        for (method, *sides), buffer in self.drawn:
            buffer.copy_(getattr(rng, method)(*sides), non_blocking=True)

    def call(self, step: Step) -> dict[str, Tensor]:
        """The step, kernel by kernel."""
        self.place, self.calls = 0, self.calls + 1
        return step(self.batch, self, self.numbers)

    def replay(self, step: Step) -> dict[str, Tensor]:
        """The step by its graph, which is recorded at the first time."""
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.record = self.call(step)
        self.graph.replay()
        return self.record

    def batch(self, update: int) -> Batch:
        """The buffers of the batch of a critic update."""
        if update not in self.batches:
            self.batches[update] = self.draw(update)
        return self.batches[update]

    def _drawn(self, method: str, *sides: int) -> Tensor:
        if self.place == len(self.drawn):
            fresh = getattr(self.rng, method)(*sides).to(self.device)
            self.drawn.append(((method, *sides), fresh))
        call, buffer = self.drawn[self.place]
        if call != (method, *sides):
            raise RuntimeError(f"a step asked for {(method, *sides)} where it had taken {call}")
        self.place += 1
        return buffer

    # Random numbers as Rng gives them, but on the device
    rand = partialmethod(_drawn, "rand")
    randn = partialmethod(_drawn, "randn")
    randint = partialmethod(_drawn, "randint")
    whole = partialmethod(_drawn, "whole")
