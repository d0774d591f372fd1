"""How threads wait: set before torch is there, and never over what a person has set."""

import subprocess
import sys

import pytest

from albumlib.runtime import threads


def test_what_is_set_already_stays():
    environment = {"GOMP_SPINCOUNT": "7"}
    threads.prepare(environment)
    assert environment == threads.WAITING | {"GOMP_SPINCOUNT": "7"}
    policy = {"OMP_WAIT_POLICY": "ACTIVE"}
    threads.prepare(policy)
    assert policy == {"OMP_WAIT_POLICY": "ACTIVE"}


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
    assert dict(pair.split("=") for pair in said.split()) == threads.WAITING


def test_the_command_line_sets_them_before_torch_is_imported():
    code = (
        "import os, sys; from albumlib import __main__ as line; assert 'torch' not in sys.modules;"
        "line.app = lambda *given, **named: print(os.environ['GOMP_SPINCOUNT']); line.main()"
    )
    environment = {"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert run.stdout.strip() == threads.WAITING["GOMP_SPINCOUNT"], run.stderr
