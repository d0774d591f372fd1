"""Progress as a few printed lines: the same in a terminal, a notebook and a notebook's print-out.

Bars that redraw themselves are lost on paper, and leave control characters in notebooks.
"""

from __future__ import annotations

from collections.abc import Callable


def milestones(parts: int = 5) -> Callable[[str, int, int], None]:
    """A callback `(what, done, total)` that prints a line at each of `parts` parts of the way.

    Where the total is not known (0), it prints whenever `done` has doubled.
    """
    last: dict[str, int] = {}

    def tell(what: str, done: int, total: int) -> None:
        reached = done * parts // total if total else done.bit_length()
        if reached > last.get(what, 0):
            last[what] = reached
            print(f"{what}: {done:,}" + (f" of {total:,}" if total else ""), flush=True)

    return tell


def training_milestones(parts: int = 5) -> Callable[[dict], None]:
    """The same for the records of a training: the step, and how fast it goes."""
    tell = milestones(parts)
    return lambda record: tell("training step", record["step"], record["steps"])
