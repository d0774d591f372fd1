"""How threads wait: set before torch is there, and never over what a person has set."""

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from albumlib.runtime import threads

QUIET, BUSY, MEMORY = threads.QUIET, threads.BUSY, threads.MEMORY


@pytest.fixture(params=[1, 2, 3])
def wanted(request, monkeypatch):
    """What is right where so many threads run on two cores."""
    counted = f"ctxt 5\nprocs_running {request.param}\nprocs_blocked 0\n"
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: counted)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(threads, "APART", 0)
    return BUSY if request.param > 2 else QUIET


def test_threads_wait_as_the_machine_is_and_never_against_what_is_set(wanted):
    environment = {"GOMP_SPINCOUNT": "7"}
    threads.prepare(environment)
    assert environment == wanted | MEMORY | {"GOMP_SPINCOUNT": "7"}
    set_already = {"OMP_WAIT_POLICY": "ACTIVE", "GLIBC_TUNABLES": "glibc.malloc.perturb=1"}
    policy = dict(set_already)
    threads.prepare(policy)
    assert policy == set_already


def test_each_kernel_is_given_what_is_right_when_it_starts(monkeypatch):
    for name in QUIET | MEMORY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_chosen", set())
    monkeypatch.setattr(threads, "crowded", lambda: False)
    threads.prepare()
    assert {name: os.environ[name] for name in QUIET} == QUIET
    monkeypatch.setattr(threads, "crowded", lambda: True)
    kernel = dict(os.environ)
    threads.prepare(kernel)
    assert {name: kernel[name] for name in QUIET} == BUSY
    for name in QUIET | MEMORY:
        monkeypatch.delenv(name)


def test_a_busy_machine_is_seen():
    command = [sys.executable, "-c", "while True: pass"]
    spinning = [subprocess.Popen(command) for _ in range(3 * os.cpu_count())]
    try:
        time.sleep(1)
        assert threads.crowded()
    finally:
        for one in spinning:
            one.kill()
            one.wait()


@pytest.mark.parametrize(
    ("processes", "given", "found"),
    [(1, None, {}), (2, None, {"OMP_NUM_THREADS": "3"}), (9, None, {"OMP_NUM_THREADS": "1"}),
     (2, "5", {})],
)  # fmt: skip
def test_processes_share_the_cores(monkeypatch, processes, given, found):
    monkeypatch.setattr(threads, "cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads.shared(processes) == found


def test_a_shell_can_ask_for_the_settings():
    command = [sys.executable, "-m", "albumlib.runtime.threads"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert dict(pair.split("=", 1) for pair in said.split()) in (QUIET | MEMORY, BUSY | MEMORY)


def test_the_command_line_sets_them_before_torch_is_imported():
    code = (
        "import os, sys; from albumlib import __main__ as line; assert 'torch' not in sys.modules;"
        "line.app = lambda *given, **named: print(os.environ['GOMP_SPINCOUNT']); line.main()"
    )
    environment = {"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert run.stdout.strip() in ("0", QUIET["GOMP_SPINCOUNT"]), run.stderr


LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    not LARGE_PAGES.exists()
    or "[madvise]" not in LARGE_PAGES.read_text()
    or platform.libc_ver()[0] != "glibc"
    or tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 35),
    reason="only where large pages are had on request, and glibc requests them",
)
def test_the_command_line_asks_for_its_memory_in_large_pages():
    """What is written into a fresh 30 MB may lie in them ("hg"), and the arguments arrive."""
    code = (
        "import sys; from albumlib.runtime import threads; threads.restart();"
        "kept = bytearray(b'1' * 30_000_000); text = open('/proc/self/smaps').read();"
        "print(sys.argv[1:], any(' hg' in line for line in text.splitlines()))"
    )
    environment = {"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", code, "a b", "--c"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == "['a b', '--c'] True", run.stderr


SCHED = Path("/proc/self/sched")
LINUX = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))
SLICES = """
import os, threading
from pathlib import Path
from albumlib.runtime import threads

os.nice(3)
done = threading.Event()
started = [threading.Thread(target=done.wait, daemon=True) for _ in range(2)]
started[0].start()
threads.shorten_slices()
started[1].start()
for path in sorted(Path("/proc/self/task").glob("*/sched")):
    lines = [line.split() for line in path.read_text().splitlines()]
    print({line[0]: int(line[2]) for line in lines if line and line[0] in ("prio", "se.slice")})
"""


@pytest.mark.skipif(
    not (SCHED.exists() and LINUX >= (6, 12)),
    reason="Linux grants slices from 6.12 on, and shows them where it was built to",
)
def test_each_thread_has_short_slices_and_is_as_nice_as_before():
    command = [sys.executable, "-c", SLICES]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [str({"prio": 123, "se.slice": threads.SLICE})] * 3


def test_where_slices_cannot_be_asked_for_nothing_happens(monkeypatch):
    monkeypatch.setattr(threads.platform, "machine", lambda: "vax")
    threads.shorten_slices()
    monkeypatch.setattr(threads.sys, "platform", "darwin")
    threads.shorten_slices()
