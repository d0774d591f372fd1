"""How long a training will take here, said after a few seconds of it."""

from __future__ import annotations

import time

SECONDS = 4.0  # of training before anything is said


class Pace:
    """Measures the first seconds of a training, and says once how long the rest will take.

    The first step is left out: memory is found and code is compiled in it. Dear steps, such as
    those with a penalty, come every `cycle` steps, so whole cycles are counted.
    """

    def __init__(self, steps: int, cycle: int):
        self.steps, self.cycle = steps, cycle
        self.first, self.began, self.said = 0, 0.0, False

    def after(self, step: int) -> dict[str, float]:
        """What is known after a step: "seconds_left", once, if it is worth saying; else {}."""
        now = time.monotonic()
        if not self.began:
            self.first, self.began = step, now
        done = step - self.first
        if self.said or now - self.began < SECONDS or done % self.cycle or step >= self.steps:
            return {}
        self.said = True
        left = (now - self.began) / done * (self.steps - step)
        return {"seconds_left": round(left)} if left > SECONDS else {}
