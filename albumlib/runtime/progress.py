"""Progress as a few printed lines: bars that redraw themselves leave control characters in
notebooks.
"""

import time
from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # what, done, total


def silent(*_: object) -> None:
    """Progress that nobody is shown."""


def milestones(parts: int = 5) -> Progress:
    """A callback `(what, done, total)` that prints a line at each of `parts` parts of the way.

    Where the total is not known (0), it prints whenever `done` has doubled. With a total the line
    says how long the rest will take, from half a minute on.
    """
    last: dict[str, int] = {}
    began: dict[str, tuple[float, int]] = {}

    def tell(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        since, start = began.setdefault(what, (now, done))
        reached = done * parts // total if total else done.bit_length()
        if reached > last.get(what, 0):
            last[what] = reached
            left = (now - since) / (done - start) * (total - done) if done > start else 0
            rest = f", {spoken(left)} left" if total and left >= 30 else ""
            print(f"{what}: {done:,}" + (f" of {total:,}" if total else "") + rest, flush=True)

    return tell


def training_milestones(parts: int = 5) -> Callable[[dict], None]:
    """The same for the records of a training: the step, and how long the rest will take."""
    tell = milestones(parts)

    def show(record: dict) -> None:
        if "seconds_left" in record:
            print(forecast(record), flush=True)
        else:
            tell("training step", record["step"], record["steps"])

    return show


def forecast(record: dict) -> str:
    """What a training's first seconds say about the rest, as a line.

    >>> forecast({"step": 40, "steps": 1500, "seconds_left": 190})
    '1,460 steps more will take about 3 min 10 s here'
    """
    more = record["steps"] - record["step"]
    return f"{more:,} steps more will take about {spoken(record['seconds_left'])} here"


def spoken(seconds: float) -> str:
    """A time in the two units that matter.

    >>> spoken(9), spoken(190), spoken(7_500)
    ('9 s', '3 min 10 s', '2 h 5 min')
    """
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
