"""How the threads of one operation wait for each other, how many there are, and their memory.

Torch's operations end at a barrier. OpenMP's threads spin there for up to 10 ms before they sleep,
which is quickest on an idle machine and waste on a busy one. So they sleep at once where the
machine is busy when a process starts, and spin for a millisecond where it is not.

A thread that has slept at a barrier waits for the turns of other processes before it runs again,
and its partners for it. So time slices are the shortest that Linux grants: who asks for less at a
time comes sooner, and gets no more in all.

Memory is taken in pages of 2 MiB where Linux has them (`transparent_hugepage`), and what a training
step frees is kept for the next. Where processes take turns, the addresses of pages are looked up
anew at each turn, which on a virtual machine can cost more time than the turn has.

`tests/benchmarks/busy.py` measures all three. No number that is computed depends on them.

Settings take effect when a process starts, or when torch is imported, so they are put into the
environment before: by the command line for itself, by the course for each kernel, and by `make lab`
for the notebooks, as

    env $(python -m albumlib.runtime.threads) jupyter lab

What a person has set is left as it is.
"""

import contextlib
import ctypes
import os
import platform
import struct
import sys
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path

# Images of a training for each second of the processor, beside a score of other processes: 6 with
# libgomp's own setting, 26 with 20,000 turns, 38 with 4,000, 42 with 1,000 or 300, 43 with none.
# Idle, 1,000 turns cost 9 % and 20,000 nothing.
QUIET = {
    "GOMP_SPINCOUNT": "20000",  # libgomp, in torch's wheels for Linux: turns of the waiting loop
    "KMP_BLOCKTIME": "1",  # libiomp and libomp, in conda's torch and on macOS: milliseconds
}
BUSY = {"GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
# glibc from 2.35 on, in bytes. Pages of 2 MiB, a training step takes 0.7 to 0.85 of its time on an
# idle machine; beside six processes on the same core 1.3 times that, where pages of 4 KiB take 2.8.
MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"
    f":glibc.malloc.top_pad={2**26}"
    f":glibc.malloc.mmap_threshold={2**25}"  # the most that it may be
    f":glibc.malloc.trim_threshold={2**29}"
}
# Beside twelve processes that spin, a training makes a quarter more images with it. The kernel's
# own is 0.7 ms times 1 + log2 of the cores; 0.1 ms is the least that it takes.
SLICE = 100_000  # nanoseconds
SET_ATTRIBUTES = {"x86_64": 314, "aarch64": 274}  # the system call, which glibc has from 2.41 on
SAMPLES, APART = 5, 0.01  # looks at what runs, and seconds between them

_chosen: set[str] = set()  # what `prepare` has put into this process's own environment


def prepare(environment: MutableMapping[str, str] = os.environ) -> None:
    """Put the settings into an environment, such as this process's before it imports torch."""
    for name, value in wanted(environment).items():
        if name not in environment or name in _chosen:
            environment[name] = value
            if environment is os.environ:
                _chosen.add(name)


def restart() -> None:
    """Start this process once more with the settings, before it has loaded anything: how memory is
    taken is read at the very start, and never again."""
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ |= MEMORY
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def shorten_slices() -> None:
    """Ask for short time slices for all threads of this process, and for what it will start.

    Linux from 6.12 on heeds it (sched_setattr(2), EEVDF); elsewhere nothing changes.
    """
    call = SET_ATTRIBUTES.get(platform.machine()) if sys.platform == "linux" else None
    for path in Path("/proc/self/task").iterdir() if call else ():
        thread = int(path.name)
        with contextlib.suppress(OSError):  # a thread that has just ended
            if os.sched_getscheduler(thread) in (os.SCHED_OTHER, os.SCHED_BATCH):
                nice = os.getpriority(os.PRIO_PROCESS, thread)
                ctypes.CDLL(None).syscall(call, thread, _attributes(nice), 0)


def _attributes(nice: int) -> bytes:
    """The kernel's `struct sched_attr`, which keeps the policy and changes the slice."""
    keep_policy, priority, deadline, period = 0x08, 0, 0, 0
    return struct.pack("=IIQiIQQQ", 48, 0, keep_policy, nice, priority, SLICE, deadline, period)


def wanted(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings for a process that starts just now with such an environment."""
    if "OMP_WAIT_POLICY" in environment:
        return MEMORY
    return MEMORY | (BUSY if crowded() else QUIET)


def crowded() -> bool:
    """Whether more wants to run just now than this machine has cores."""
    return _running() > (os.cpu_count() or 1)


def _running() -> float:
    """Threads that run or want to, this one among them: the least of some looks, for many are
    there for a moment only. Where Linux does not count them, the average of a minute."""
    counts = []
    for _ in range(SAMPLES):
        try:
            text = Path("/proc/stat").read_text(encoding="ascii")
        except OSError:
            return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        counts.append(int(text.partition("procs_running ")[2].split()[0]))
        time.sleep(APART)
    return min(counts)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared(processes: int) -> dict[str, str]:
    """What to add to the environment of each of several processes, so that they share the cores:
    nothing for a single one, or where OMP_NUM_THREADS is set already.
    """
    if processes < 2 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // processes))}


if __name__ == "__main__":
    print(*(f"{name}={value}" for name, value in wanted(os.environ).items()))
