"""Does a training keep its share of a machine that has other work to do?

A training (64 pixels, recipe `acgan`, as many threads as there are cores) is timed idle, and beside
2 and 12 processes that spin; these stand still in between, so that each round measures every
setting in every state, one after the other, and whatever else the machine does falls on all alike.
They stand still, too, while a training imports torch, which takes a minute beside twelve. A round
takes about a minute on an idle machine of two cores; none begins that would not end within
`--minutes`, and what was measured by then is printed. `share` is the worse of `share_2` and
`share_12`: what the training made, by what the same threads would make idle in a fair part of the
processor time that training and spinning processes had together. `idle_loss` is what the settings
of albumlib.runtime.threads cost on the idle machine against those of OpenMP and the C library
(below 0 they save time). `quiet` is the part of the machine that nothing else used beside the idle
training: below 0.9 the idle numbers, which are corrected for it, want a quieter hour.

    python tests/benchmarks/busy.py --compare GOMP_SPINCOUNT=1000 OMP_WAIT_POLICY=PASSIVE
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from albumlib.runtime import threads

BESIDE = (0, 2, 12)
OURS, DEFAULT = "ours", "OpenMP's own"
OURS_SET = threads.QUIET | threads.MEMORY
WORKER = """
import sys, time
import numpy as np
from albumlib.dataset.batches import Batches
import torch
from albumlib.runtime import threads
from albumlib.runtime.affinity import Together
from albumlib.training.config import recipe
from albumlib.training.trainer import Trainer

ours = "ours" in sys.argv
if ours:
    threads.shorten_slices()
together = Together(torch.get_num_threads() if ours else 1)
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (256, 64, 64, 3), dtype=np.uint8)
config = recipe("acgan", labels=False)
trainer = Trainer(config, None, "cpu")
batches = Batches(images, None, np.arange(len(images)), config.batch_size, 0, "cpu")
for _ in range(config.penalty_every):  # whole cycles, then, whatever the time
    trainer.advance(batches)
print("ready", flush=True)
sys.stdin.readline()
steps, began, cpu = 0, time.perf_counter(), time.process_time()
while time.perf_counter() - began < float(sys.argv[1]) or trainer.step % config.penalty_every:
    trainer.advance(batches)
    together.look()
    steps += 1
took = time.perf_counter() - began
print(steps * config.batch_size, took, time.process_time() - cpu)
"""
SPIN = "import os\nwhile os.getppid() == {}:\n    for _ in range(10**6):\n        pass"


@contextmanager
def running(spinning: list[psutil.Process]) -> Iterator[None]:
    """These processes spin until the end of the block, and only then."""
    for one in spinning:
        one.resume()
    try:
        yield
    finally:
        for one in spinning:
            one.suspend()


def surroundings(setting: dict[str, str] | None, spinning: list[psutil.Process]) -> dict[str, str]:
    """The environment of a training; None is our own setting, chosen beside what spins."""
    environment = {k: v for k, v in os.environ.items() if k not in OURS_SET} | (setting or {})
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    environment.setdefault("OMP_NUM_THREADS", str(threads.cores()))
    if setting is None:
        with running(spinning):
            threads.prepare(environment)
    return environment


def measure(setting: dict[str, str] | None, spinning: list[psutil.Process], seconds: float) -> dict:
    """One timing of a training beside processes that spin."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(seconds), "" if setting == {} else "ours"],
        env=surroundings(setting, spinning), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as worker:  # fmt: skip
        worker.stdout.readline()
        before, all_before = sum(one.cpu_times().user for one in spinning), processor_time()
        with running(spinning):
            print("go", file=worker.stdin, flush=True)
            said = worker.stdout.readline()
        others = sum(one.cpu_times().user for one in spinning) - before
        used = processor_time() - all_before
    images, took, cpu = map(float, said.split())
    elsewhere = max(0.0, used - others - cpu)  # by what has nothing to do with this
    found = {"rate": images / took, "cpu": cpu, "others": others, "elsewhere": elsewhere}
    return found | {name: found[name] / took for name in ("cpu", "others", "elsewhere")}


def processor_time() -> float:
    """Seconds that all processors together have worked."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def summary(runs: dict[int, list[dict]], cores: int) -> dict[str, float]:
    """What a setting came to: rates are medians over the rounds, the idle one the best."""
    found = {"images_per_s": round(max(run["rate"] for run in runs[0]), 1)}
    quiet = [1 - run["elsewhere"] / cores for run in runs[0]]
    whole = max(run["rate"] / part for run, part in zip(runs[0], quiet, strict=True))
    for count in filter(runs.get, BESIDE[1:]):
        fair = [whole * (run["cpu"] + run["others"]) / (count + cores) for run in runs[count]]
        rates = [run["rate"] for run in runs[count]]
        shares = [rate / part for rate, part in zip(rates, fair, strict=True)]
        found[f"images_per_s_beside_{count}"] = round(statistics.median(rates), 1)
        found[f"share_{count}"] = round(statistics.median(shares), 2)
    shares = [found[name] for name in found if name.startswith("share_")]
    found |= {"share": min(shares)} if shares else {}
    return found | {"quiet": round(max(quiet), 2)}


def timings(settings: dict[str, dict | None], spinning: list[psutil.Process], seconds: float):
    """One round: every setting in every state, in turn."""
    for count, name in itertools.product(BESIDE, settings):
        if name == DEFAULT and count:  # which would take minutes
            continue
        found = measure(settings[name], spinning[:count], seconds)
        shown = {key: round(value, 2) for key, value in found.items()}
        print(f"{name}, beside {count}: {shown}", file=sys.stderr)
        yield name, count, found


def compared(settings: dict[str, dict | None], asked: argparse.Namespace) -> tuple[dict, int]:
    """What each setting came to, and the rounds that there was time for."""
    command = [sys.executable, "-c", SPIN.format(os.getpid())]
    spinning = [psutil.Process(subprocess.Popen(command).pid) for _ in range(max(BESIDE))]
    runs = {name: {count: [] for count in BESIDE} for name in settings}
    began, done = time.monotonic(), 0
    try:
        for one in spinning:
            one.suspend()
        while done < asked.rounds and (
            not done or (time.monotonic() - began) * (done + 1) / done < 60 * asked.minutes
        ):
            for name, count, found in timings(settings, spinning, asked.seconds):
                runs[name][count].append(found)
            done += 1
    finally:
        for one in spinning:
            one.kill()
            one.wait()
    return {name: summary(found, threads.cores()) for name, found in runs.items()}, done


def main() -> None:
    """Run it, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5, help="of each timing, at least [5]")
    parser.add_argument("--rounds", type=int, default=3, help="if there is time for them [3]")
    parser.add_argument("--minutes", type=float, default=8, help="for all rounds [8]")
    parser.add_argument("--compare", nargs="*", default=[], metavar="NAME=VALUE,...")
    asked = parser.parse_args()
    settings: dict[str, dict | None] = {OURS: None, DEFAULT: {}}
    for text in asked.compare:
        settings[text] = dict(pair.split("=", 1) for pair in text.split(","))
    found, rounds = compared(settings, asked)
    for name, row in found.items():
        print(f"{name:>28}  {row}", file=sys.stderr)
    ours = found.pop(OURS)
    loss = 1 - ours["images_per_s"] / found[DEFAULT]["images_per_s"]
    print(json.dumps(ours | {"idle_loss": round(loss, 3), "rounds": rounds, "compared": found}))


if __name__ == "__main__":
    main()
