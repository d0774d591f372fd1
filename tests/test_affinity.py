"""A training's threads: together where the machine is busy, spread where it has room."""

import itertools
import os
import subprocess
import sys

import pytest

from albumlib.runtime import affinity, threads
from albumlib.runtime.affinity import APART, HELD, Together

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not bind threads to cores"
)
ALL = [0, 1, 2, 3]


class Machine:
    """Four cores, and a process whose threads are held from core 3 on, then 0, then 1."""

    def __init__(self):
        self.now = self.idle = self.used = 0.0
        self.bound, self.firsts = ALL, itertools.cycle([3, 0, 1])

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.used

    def randrange(self, _: int) -> int:
        return next(self.firsts)

    def move(self, cores: list[int], count: int) -> None:
        self.bound = cores[:count]

    def spend(self, seconds: float, idle: float, used: float) -> None:
        """Time passes, in which so many cores are idle and so many are the process's."""
        self.now += seconds
        self.idle += seconds * idle
        self.used += seconds * used


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(affinity, "time", made)
    monkeypatch.setattr(affinity, "_idle", lambda cores: made.idle)
    monkeypatch.setattr(affinity, "_move", made.move)
    monkeypatch.setattr(affinity, "SystemRandom", lambda: made)
    monkeypatch.setattr(affinity.os, "sched_getaffinity", lambda _: set(ALL))
    for name in ("GOMP_CPU_AFFINITY", "OMP_PROC_BIND"):
        monkeypatch.delenv(name, raising=False)
    for name, value in threads.BUSY.items():
        monkeypatch.setenv(name, value)
    return made


def seen(machine: Machine, together: Together, *spent: float) -> list[int]:
    machine.spend(*spent)
    together.look()
    return machine.bound


def test_threads_are_held_on_as_many_cores_as_they_had_the_time_of(machine):
    together = Together(4)
    assert seen(machine, together, APART, 0.0, 1.3) == [3, 0]
    machine.spend(HELD, 0.0, 1.9)
    assert seen(machine, together, APART, 0.0, 1.9) == ALL, "to see what they would get"
    assert seen(machine, together, APART, 0.0, 0.4) == [3], "where they were alone"


@pytest.mark.parametrize(
    ("threads", "spent"),
    [(4, (APART, 0.5, 1.3)), (4, (APART / 2, 0.0, 1.3)), (4, (APART, 0.0, 3.4)),
     (2, (APART, 0.0, 1.2)), (1, (APART, 0.0, 0.3))],
    ids=["idle time", "too early", "all of the machine", "both cores", "one thread"],
)  # fmt: skip
def test_else_they_are_spread(machine, threads, spent):
    assert seen(machine, Together(threads), *spent) == ALL


def test_where_there_is_room_again_they_spread(machine):
    together = Together(4)
    seen(machine, together, APART, 0.0, 0.9)
    assert seen(machine, together, APART, 0.1, 1.0) == [3], "a moment's idleness is none"
    assert seen(machine, together, APART, 2.0, 1.0) == ALL


def test_who_shares_cores_is_held_on_others_the_next_time(machine):
    together = Together(4)
    seen(machine, together, APART, 0.0, 0.9)
    assert seen(machine, together, APART, 1.0, 0.5) == ALL
    assert seen(machine, together, APART, 0.0, 0.9) == [0]


def test_at_the_end_they_are_spread_again_also_after_an_error(machine):
    with pytest.raises(KeyboardInterrupt), Together(4) as together:
        assert seen(machine, together, APART, 0.0, 0.9) == [3]
        raise KeyboardInterrupt
    assert machine.bound == ALL


@pytest.mark.parametrize(
    ("name", "value"),
    [("GOMP_CPU_AFFINITY", "0"), ("OMP_PROC_BIND", "true"), ("GOMP_SPINCOUNT", "20000")],
)
def test_threads_that_are_bound_or_spin_stay_where_they_are(machine, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    together = Together(4)
    machine.bound = [2]
    assert seen(machine, together, APART, 0.0, 0.9) == [2]


REAL = """
import os, threading
from pathlib import Path
from albumlib.runtime import affinity

def cores():
    return {len(os.sched_getaffinity(int(path.name))) for path in Path("/proc/self/task").iterdir()}

threading.Thread(target=threading.Event().wait, daemon=True).start()
affinity.APART, affinity.FULL = 0.1, 2.0  # busy, whatever else there is
with affinity.Together(len(os.sched_getaffinity(0))) as together:
    before = cores()
    affinity.time.sleep(0.2)
    together.look()
    print(before, cores())
print(cores())
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
                    reason="there is one core only")  # fmt: skip
def test_all_threads_of_a_process_are_moved_and_moved_back():
    said = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=True,
                          env=os.environ | threads.BUSY)  # fmt: skip
    whole = {len(os.sched_getaffinity(0))}
    assert said.stdout == f"{whole} {{1}}\n{whole}\n"


TRAINED = """
import sys
import numpy as np
from albumlib.runtime import affinity
from albumlib.training.config import TrainingConfig
from albumlib.training.loop import train

def weights(folder):
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    small = dict(size=32, batch_size=8, generator_width=8, critic_width=8, latent=8, steps=6)
    return train(TrainingConfig(**small), images, None, folder).state_dict()

moves, move = [], affinity._move
affinity._move = lambda cores, count: (moves.append(count), move(cores, count))
spread = weights(sys.argv[1] + "/spread")
affinity.APART, affinity.FULL, affinity.HELD = 0.0, 2.0, 0.0  # busy: held and spread by turns
affinity.math = type("", (), {"ceil": int})  # whatever the two threads got: one core
held = weights(sys.argv[1] + "/held")
print(len(moves) > 3, all((held[name] == weight).all() for name, weight in spread.items()))
"""


def test_what_is_computed_is_the_same(tmp_path):
    environment = os.environ | threads.BUSY | {"OMP_NUM_THREADS": "2"}
    said = subprocess.run([sys.executable, "-c", TRAINED, tmp_path], capture_output=True, text=True,
                          check=True, env=environment)  # fmt: skip
    assert said.stdout.split() == ["True", "True"]
