"""Does a training keep its share of a machine that has other work to do?

A training step (64 pixels, recipe `acgan`, as many threads as there are cores) is timed idle, and
beside 2 and 12 processes that spin; these stand still in between, so that each round measures
every setting in every state, one after the other, and whatever else the machine does falls on all
alike. `share` is the worse of `share_2` and `share_12`: what the training made, by what the same
threads would make idle in a fair part of the processor time that training and spinning processes
had together. `idle_loss` is what the setting of albumlib.runtime.threads costs against OpenMP's own
on the idle machine. `quiet` says how much of its time the idle training had: below 0.95 something
else was running, and the numbers of the idle machine want a quieter hour.

    python tests/benchmarks/busy.py --compare GOMP_SPINCOUNT=0 OMP_WAIT_POLICY=PASSIVE
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

import psutil

from albumlib.runtime import threads

BESIDE = (0, 2, 12)
DEFAULT = "OpenMP's own"
WORKER = """
import os, sys, time
import numpy as np
from albumlib.dataset.coverset import Batches
from albumlib.training.config import recipe
from albumlib.training.trainer import Trainer

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (256, 64, 64, 3), dtype=np.uint8)
config = recipe("acgan", labels=False)
trainer = Trainer(config, None, "cpu")
batches = Batches(images, None, np.arange(len(images)), config.batch_size, 0, "cpu")
for _ in range(2):
    trainer.advance(batches)
print("ready", flush=True)
for line in sys.stdin:
    steps, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < float(line) or steps % config.penalty_every:
        trainer.advance(batches)
        steps += 1
    took = time.perf_counter() - began
    print(steps * config.batch_size, took, time.process_time() - cpu, flush=True)
"""
SPIN = "import os\nwhile os.getppid() == {}:\n    for _ in range(10**6):\n        pass"


class Worker:
    """A training in a process of its own that waits to be asked for some seconds of it."""

    def __init__(self, environment: dict[str, str], cores: int):
        known = {name: value for name, value in os.environ.items() if name not in threads.WAITING}
        known |= {"OMP_NUM_THREADS": str(cores), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], env=known | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.process.stdout.readline()

    def train(self, seconds: float) -> tuple[float, float, float]:
        """Images, and the seconds of clock and of processor time that they took."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        images, took, cpu = map(float, self.process.stdout.readline().split())
        return images, took, cpu


def measure(worker: Worker, spinning: list[psutil.Process], seconds: float) -> dict[str, float]:
    """One timing of a training beside processes that spin."""
    for one in spinning:
        one.resume()
    before = sum(one.cpu_times().user for one in spinning)
    images, took, cpu = worker.train(seconds)
    others = sum(one.cpu_times().user for one in spinning) - before
    for one in spinning:
        one.suspend()
    return {"rate": images / took, "cpu": cpu / took, "others": others / took}


def summary(runs: dict[int, list[dict]], cores: int) -> dict[str, float]:
    """What a setting came to: rates are medians over the rounds, the idle one the best."""
    idle = max(run["rate"] for run in runs[0])
    found = {"images_per_s": round(idle, 1)}
    for count in filter(runs.get, BESIDE[1:]):
        shares = [
            run["rate"] / (idle * (run["cpu"] + run["others"]) / (count + cores))
            for run in runs[count]
        ]
        rate = statistics.median(run["rate"] for run in runs[count])
        found |= {f"images_per_s_beside_{count}": round(rate, 1)}
        found |= {f"share_{count}": round(statistics.median(shares), 2)}
    shares = [found[name] for name in found if name.startswith("share_")]
    found |= {"share": min(shares)} if shares else {}
    found["quiet"] = round(max(run["cpu"] for run in runs[0]) / cores, 2)
    return found


def compared(settings: dict[str, dict], rounds: int, seconds: float, cores: int) -> dict[str, dict]:
    """Every setting in every state, in turn."""
    workers = {name: Worker(environment, cores) for name, environment in settings.items()}
    command = [sys.executable, "-c", SPIN.format(os.getpid())]
    spinning = [psutil.Process(subprocess.Popen(command).pid) for _ in range(max(BESIDE))]
    for one in spinning:
        one.suspend()
    runs = {name: {count: [] for count in BESIDE} for name in settings}
    try:
        for _ in range(rounds):
            for count, name in itertools.product(BESIDE, workers):
                if name != DEFAULT or not count:  # which would take minutes beside twelve
                    found = measure(workers[name], spinning[:count], seconds)
                    runs[name][count].append(found)
                    told = {key: round(value, 2) for key, value in found.items()}
                    print(f"{name}, beside {count}: {told}", file=sys.stderr)
                    time.sleep(0.2)
    finally:
        for one in [*spinning, *(worker.process for worker in workers.values())]:
            one.kill()
            one.wait()
    return {name: summary(found, cores) for name, found in runs.items()}


def main() -> None:
    """Run it, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5, help="of each timing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--compare", nargs="*", default=[], metavar="NAME=VALUE,...")
    asked = parser.parse_args()
    settings = {"ours": threads.WAITING, DEFAULT: {}}
    for text in asked.compare:
        settings[text] = dict(pair.split("=", 1) for pair in text.split(","))
    found = compared(settings, asked.rounds, asked.seconds, asked.cores)
    for name, row in found.items():
        print(f"{name:>28}  {row}", file=sys.stderr)
    ours, default = found.pop("ours"), found[DEFAULT]
    loss = 1 - ours["images_per_s"] / default["images_per_s"]
    print(json.dumps(ours | {"idle_loss": round(loss, 3), "compared": found}))


if __name__ == "__main__":
    main()
