"""How the threads of one operation wait for each other, and how many there are.

Torch's operations end at a barrier. OpenMP's threads spin there for up to 10 ms before they sleep,
which is quickest on an idle machine, and wasteful on a busy one: a thread that waits for another
one, which waits for the processor, keeps that very processor busy. `tests/benchmarks/busy.py`
measures what the settings here keep of a fair share of the machine, and what they cost.

They take effect when torch is imported, so they are put into the environment before: by the
command line for itself and for all that it starts, and by `make lab` for the notebooks, as

    env $(python -m albumlib.runtime.threads) jupyter lab

What the environment says already is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# Images of a training for each second of the processor, beside a score of other processes: 6 with
# libgomp's own setting, 26 with 20,000 turns, 38 with 4,000, 42 with 1,000 or 300, 43 with none.
# Idle, 1,000 turns cost 9 % and 20,000 nothing.
WAITING = {
    "GOMP_SPINCOUNT": "4000",  # libgomp, in torch's wheels for Linux: turns of the waiting loop
    "KMP_BLOCKTIME": "1",  # libiomp and libomp, in conda's torch and on macOS: milliseconds
}


def prepare(environment: MutableMapping[str, str] = os.environ) -> None:
    """Put the settings into an environment, such as this process's before it imports torch."""
    for name, value in WAITING.items():
        if "OMP_WAIT_POLICY" not in environment:
            environment.setdefault(name, value)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared(processes: int) -> dict[str, str]:
    """What to add to the environment of each of several processes, so that they share the cores.

    Empty for a single process, and where OMP_NUM_THREADS is set already.
    """
    if processes < 2 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // processes))}


if __name__ == "__main__":
    print(*(f"{name}={value}" for name, value in WAITING.items()))
