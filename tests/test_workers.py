import itertools
import os
import subprocess
import sys

import psutil
import pytest

from albumlib import AlbumlibError
from albumlib.runtime.workers import spread


def square(number):
    return number * number


def die(number):
    os._exit(3)


@pytest.mark.parametrize(
    "options", [{"workers": 1}, {"workers": 2}, {"workers": 3, "threads": True}]
)
def test_results_come_in_order_and_no_more_than_a_few_tasks_are_taken_ahead(options):
    taken = itertools.count()
    items = (next(taken) for _ in range(1000))
    results = spread(square, items, **options)
    assert [next(results) for _ in range(10)] == [n * n for n in range(10)]
    results.close()
    assert next(taken) <= 10 + 2 * options["workers"]


def test_a_killed_worker_is_said_plainly():
    with pytest.raises(AlbumlibError, match="worker process was killed"):
        list(spread(die, range(4), 2))


def test_a_cluster_that_is_not_there_is_said_plainly():
    pytest.importorskip("distributed")
    with pytest.raises(AlbumlibError, match="no Dask scheduler answers at nonsense://x"):
        list(spread(square, range(4), 2, dask="nonsense://x"))


PARENT = """
import itertools, time
from albumlib.runtime.workers import spread
if __name__ == "__main__":
    for _ in spread(time.sleep, itertools.chain([0] * 8, SECONDS), 2):
        print("up", flush=True)
"""


@pytest.mark.parametrize("busy", [True, False], ids=["at work", "waiting for work"])
def test_no_worker_outlives_a_parent_that_was_killed(tmp_path, busy):
    seconds = "[60.0] * 4" if busy else "iter(lambda: time.sleep(60), 1)"
    (tmp_path / "parent.py").write_text(PARENT.replace("SECONDS", seconds))
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE)
    parent.stdout.readline()
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 2
    parent.kill()
    parent.wait()
    alive = psutil.wait_procs(children, timeout=5)[1]
    for child in alive:
        child.kill()
    assert alive == []
