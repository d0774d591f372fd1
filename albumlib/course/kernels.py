"""A notebook executed from top to bottom, in a kernel of this very Python, whatever kernelspecs are
installed: a course must run with the package that was asked to run it.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from albumlib.course.planning import CourseError
from albumlib.course.state import Job, code_of
from albumlib.runtime import threads

GRACE = 10.0  # seconds in which an interrupted kernel may save what it has


class KernelDied(CourseError):
    """A notebook's process was killed: from outside, or for want of memory."""


@dataclass
class Kernels:
    """The kernels of a run, or of all runs of a sweep, which are interrupted together."""

    started: set = field(default_factory=set)
    stopped: bool = False

    def interrupt(self) -> None:
        """Pass Ctrl-C on to all kernels, whose trainings save a checkpoint, and start no more; one
        that is still there after GRACE seconds is killed.
        """
        self.stopped = True
        self._signal(signal.SIGINT)
        late = threading.Timer(GRACE, self._signal, [getattr(signal, "SIGKILL", signal.SIGTERM)])
        late.daemon = True
        late.start()

    def _signal(self, number: int) -> None:
        for kernel in list(self.started):
            process = kernel.provisioner and kernel.provisioner.process
            if process:
                process.send_signal(number)

    def manager(self, log: TextIO, environment: Mapping[str, str]) -> type:
        """A class of kernels for nbclient, which write their stderr into a log."""
        from ipykernel.kernelspec import get_kernel_dict
        from jupyter_client import AsyncKernelManager
        from jupyter_client.kernelspec import KernelSpec

        every = self

        class Kernel(AsyncKernelManager):
            async def start_kernel(self, **named: Any) -> None:
                if every.stopped:
                    raise CourseError("the run was stopped before this notebook began")
                every.started.add(self)
                self._kernel_spec = KernelSpec(**get_kernel_dict())
                known = {**os.environ, **environment}
                threads.prepare(known)
                await super().start_kernel(env=known, stderr=log, **named)

        return Kernel


def execute(
    job: Job,
    to: Path,
    log: Path,
    kernels: Kernels,
    *,
    environment: Mapping[str, str],
    timeout: int | None,
    on_cell: Callable[[int, int], None],
) -> None:
    """Run a notebook into the file `to`; what it prints goes to `log`.

    `on_cell` is called with the number of each code cell as it begins, and with how many there
    are. Raises CourseError when a cell fails or takes more than `timeout` seconds, KernelDied
    when the kernel's process does not survive.
    """
    import papermill

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # errors are said in words
    with log.open("w", encoding="utf-8") as stream, _in_words(job, to, log, timeout):
        papermill.execute_notebook(
            str(job.notebook),
            str(to),
            job.parameters,
            kernel_name="python3",
            progress_bar=False,
            stdout_file=stream,
            stderr_file=stream,
            execution_timeout=timeout,
            resources={"metadata": {"path": str(job.notebook.parent)}},
            kernel_manager_class=kernels.manager(stream, environment),
            on_cell_start=_cell_counter(job, on_cell),
        )


@contextmanager
def _in_words(job: Job, to: Path, log: Path, timeout: int | None) -> Iterator[None]:
    """What stopped a notebook, as one sentence."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import PapermillExecutionError

    try:
        yield
    except PapermillExecutionError as error:
        raise CourseError(_failure(job, to, error)) from error
    except CellTimeoutError as error:
        reason = f"a cell took longer than the {timeout} s of --timeout"
        raise CourseError(f"{job.name} was stopped: {reason}") from error
    except DeadKernelError as error:
        reason = "its process was killed, most likely because the memory was full"
        raise KernelDied(f"{job.name} stopped: {reason}") from error
    except RuntimeError as error:  # jupyter_client's, of a kernel that never answered
        reason = f"its process ended while it started ({error}); see {shown(log)}"
        raise KernelDied(f"{job.name} did not begin: {reason}") from error


def _cell_counter(job: Job, on_cell: Callable[[int, int], None]) -> Callable[..., None]:
    """A callback of nbclient that counts the cells of code as they begin."""
    total = len(code_of(job.notebook)) + bool(job.parameters)
    begun: list[int] = []

    def tell(cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code":
            begun.append(cell_index)
            on_cell(len(begun), total)

    return tell


def _failure(job: Job, to: Path, error: Any) -> str:
    message = " ".join(str(error.evalue).split())[:300]
    return (
        f"{job.name} failed in its cell [{error.exec_count}]: {error.ename}: {message} "
        f"(the whole story is in {shown(to)})"
    )


def shown(path: Path) -> Path:
    """A path as short as it can be from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
