"""Work spread over processes, threads or a Dask cluster, a few tasks ahead of their results."""

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context, parent_process
from typing import TypeVar

from albumlib import AlbumlibError

Item, Result = TypeVar("Item"), TypeVar("Result")
_own: list[Callable] = []  # in a worker process: the task it was started for


def spread(
    task: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    *,
    threads: bool = False,
    stop: Callable[[], None] | None = None,
    dask: str = "",
) -> Iterator[Result]:
    """Yield task(item) for each item, in order; with less than two workers, do it right here.

    Processes are for work that computes, `threads` for work that waits: there, a result comes as
    soon as it is there. The task travels to each process once. With the address of a Dask scheduler
    it runs on that cluster. Whatever ends it early (an error, Ctrl-C) takes back the tasks that
    have not begun; `stop` is called to tell those under way to hurry.
    """
    if dask:
        yield from _on_cluster(task, items, dask)
    elif workers < 2:
        yield from map(task, items)
    else:
        with _pool(task, workers, threads) as pool:
            submit = partial(pool.submit, task if threads else _run)
            yield from _ahead(submit, items, workers, stop, _soonest if threads else deque.popleft)


def _soonest(waiting: deque[Future]) -> Future:
    done = wait(waiting, return_when=FIRST_COMPLETED).done
    future = next(future for future in waiting if future in done)
    waiting.remove(future)
    return future


def _ahead(
    submit: Callable,
    items: Iterable[Item],
    workers: int,
    stop: Callable[[], None] | None = None,
    take: Callable[[deque], Future] = deque.popleft,
) -> Iterator[Result]:
    waiting: deque[Future] = deque()
    try:
        for item in items:
            with _without_ctrl_c():  # processes begin here, and inherit it
                waiting.append(submit(item))
            if len(waiting) >= 2 * workers:
                yield take(waiting).result()
        while waiting:
            yield take(waiting).result()
    except BrokenProcessPool as error:
        raise AlbumlibError(
            "a worker process was killed, perhaps for want of memory: start again with "
            "fewer workers, all that was done is kept"
        ) from error
    finally:
        for future in waiting:
            future.cancel()
        if waiting and stop:
            stop()


def _on_cluster(task: Callable, items: Iterable[Item], address: str) -> Iterator[Result]:
    """The same on a Dask cluster, whose workers must see the same files under the same names."""
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise AlbumlibError(
            "Dask is not installed: python -m pip install 'albumlib[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise AlbumlibError(f"no Dask scheduler answers at {address} ({error})") from error
    with client:
        submit = partial(client.submit, task, pure=False)
        try:
            yield from _ahead(submit, items, max(1, sum(client.nthreads().values())))
        except KilledWorker as error:
            raise AlbumlibError(
                "a worker of the cluster was lost several times over the same part, perhaps for "
                "want of memory: start again, all that was done is kept"
            ) from error


def _pool(task: Callable, workers: int, threads: bool) -> Executor:
    if threads:
        return ThreadPoolExecutor(workers)
    return ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(task,)
    )


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Ctrl-C is for the parent alone: a worker it met on its start would print a traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(task: Callable) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _own[:] = [task]


def _end_with_parent() -> None:
    """A pool whose parent was killed would wait for work for ever."""
    parent_process().join()
    os._exit(1)


def _run(item: Item) -> Result:
    return _own[0](item)
