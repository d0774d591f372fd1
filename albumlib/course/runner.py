"""The course without a reader: notebooks run headless, their numbers kept, a report written.

    run_course("laptop")    runs/laptop/01_scraping.ipynb ...   the executed notebooks
                            runs/laptop/logs/                   what each of them printed
                            runs/laptop/data/                   what they gathered and trained
                            runs/laptop/data/state/             what each was made from
                            runs/laptop/results.json            "05_acgan.label_r2": 0.61, ...
                            runs/laptop/report.html             numbers and figures on one page

Papermill and its company are imported where they are used: `record` and `profile_value`, which
the notebooks call, need none of it.
"""

from __future__ import annotations

import json
import logging
import math
import numbers
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock

from albumlib.course.planning import CourseError, find_notebooks, plan
from albumlib.course.state import Job, begin, finish, reason_to_run, write_json

PROFILES = ("smoke", "laptop", "gpu")

Progress = Callable[[str], None]


class KernelDied(CourseError):
    """A notebook's process was killed: from outside, or for want of memory."""


# What notebooks call --------------------------------------------------------------


def profile_value(profile: str, **values: Any) -> Any:
    """The value for this profile: `profile_value(profile, smoke=50, laptop=3000, gpu=60_000)`.

    Raises CourseError for a profile that does not exist or has no value.

    >>> profile_value("laptop", smoke=50, laptop=3000)
    3000
    """
    if profile not in PROFILES or profile not in values:
        known = ", ".join(name for name in PROFILES if name in values)
        raise CourseError(f"profile must be one of {known}, got {profile!r}")
    return values[profile]


def record(data_dir: str | Path, notebook: str, **measured: float) -> None:
    """Keep a notebook's numbers: `record(data_dir, "05_acgan", label_r2=0.61)`.

    They go into `results.json` in `data_dir`, beside what was recorded before, as
    "05_acgan.label_r2". Raises CourseError for what is not a finite number.
    """
    for name, value in measured.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise CourseError(f"{notebook}.{name} must be a number, got {value!r}")
        if not math.isfinite(value):
            raise CourseError(f"{notebook}.{name} is {value}: there is nothing to record")
    path = Path(data_dir) / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".results.lock")):  # notebooks may run side by side
        results = read_results(path)
        for name, value in measured.items():
            whole = isinstance(value, numbers.Integral)
            results[f"{notebook}.{name}"] = int(value) if whole else float(value)
        write_json(path, dict(sorted(results.items())))


def read_results(path: str | Path) -> dict[str, float]:
    """The numbers recorded so far, {} if there are none."""
    path = Path(path)
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CourseError(f"{path} is damaged ({error}); delete it and run again") from error


# The run --------------------------------------------------------------------------


@dataclass
class Run:
    """A run of the course: where it goes, and how its notebooks are executed."""

    out: Path
    jobs: list[Job]
    workers: int = 1
    timeout: int | None = None  # seconds a cell may take
    environment: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = print
    kernels: set = field(default_factory=set)  # those that were started

    @property
    def data(self) -> Path:
        return self.out / "data"


def run_course(
    profile: str = "laptop",
    out: str | Path | None = None,
    notebooks: Sequence[Path] | None = None,
    parameters: Mapping[str, Any] | None = None,
    common: Mapping[str, Any] | None = None,
    progress: Progress = print,
    *,
    workers: int = 1,
    timeout: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Path:
    """Run notebooks in order and return the path of the report.

    `out` is `runs/<profile>` by default, `notebooks` all of the course. `parameters` must be
    known to at least one notebook, and have its type (a str is converted); `common` ones (seed,
    source, table, pictures) are given to the notebooks that have them. Everything is checked
    before anything runs. A notebook whose inputs have not changed since it finished is skipped;
    one that was cut off goes on from what it left. Up to `workers` notebooks run at a time, each
    after those it needs; `timeout` is in seconds for a cell, 0 for none; `environment` is added
    to that of the kernels. Raises CourseError if not all is well, or when a notebook fails; the
    results until then are kept, and the report says how far the run came.
    """
    from albumlib.course.report import write_report

    out, jobs = _planned(profile, out, notebooks, parameters, common)
    run = Run(out, jobs, workers, timeout or None, environment or {}, progress)
    for folder in ("data", "logs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    try:
        _run_all(run)
    finally:
        write_json(out / "results.json", read_results(run.data / "results.json"))
        report = write_report(out)
    return _shown(report)


def preview(
    profile: str = "laptop",
    out: str | Path | None = None,
    notebooks: Sequence[Path] | None = None,
    parameters: Mapping[str, Any] | None = None,
    common: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Job, str]]:
    """What `run_course` would run and why, "" for a notebook that it would skip."""
    out, jobs = _planned(profile, out, notebooks, parameters, common)
    again: set[str] = set()
    for job in jobs:
        before = sorted(again.intersection(job.work.needs))
        reason = _reason(job, out) or (f"after {', '.join(before)}" if before else "")
        again |= {job.name} if reason else set()
        yield job, reason


def _planned(
    profile: str,
    out: str | Path | None,
    notebooks: Sequence[Path] | None,
    parameters: Mapping[str, Any] | None,
    common: Mapping[str, Any] | None,
) -> tuple[Path, list[Job]]:
    profile_value(profile, **dict.fromkeys(PROFILES))
    out = Path(out or f"runs/{profile}").absolute()
    given = {"profile": profile, "data_dir": out / "data", **(common or {})}
    chosen = find_notebooks() if notebooks is None else notebooks
    return out, plan(chosen, parameters or {}, given)


def _run_all(run: Run) -> None:
    """Run the jobs, each once those that it needs are done; the first failure ends the run."""
    if run.workers < 2:
        for job in run.jobs:
            _run(job, run)
        return
    waiting, running = list(run.jobs), {}
    with ThreadPoolExecutor(run.workers) as pool:
        try:
            while waiting or running:
                for job in _ready(waiting, running, run.workers):
                    waiting.remove(job)
                    running[pool.submit(_run, job, run)] = job
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    running.pop(future)
                    future.result()
        except KeyboardInterrupt:
            _interrupt(run)
            raise


def _ready(waiting: list[Job], running: dict[Future, Job], workers: int) -> list[Job]:
    """Those of the waiting jobs that can begin now."""
    pending = {job.name for job in (*waiting, *running.values())}
    ready = [job for job in waiting if not pending.intersection(job.work.needs)]
    return ready[: workers - len(running)]


def _interrupt(run: Run) -> None:
    """Pass Ctrl-C on to the kernels, whose trainings save a checkpoint."""
    for kernel in run.kernels:
        if kernel.provisioner and kernel.provisioner.process:
            kernel.provisioner.process.send_signal(signal.SIGINT)


def _reason(job: Job, out: Path) -> str:
    return reason_to_run(job, out / "data") or (
        "" if (out / job.notebook.name).exists() else "its executed notebook is gone"
    )


def _run(job: Job, run: Run) -> None:
    place = f"{run.jobs.index(job) + 1}/{len(run.jobs)} {job.name}"
    reason = _reason(job, run.out)
    if not reason:
        run.progress(f"{place}: skipped, nothing has changed")
        return
    run.progress(f"{place}: {reason}; it prints into {_shown(_log(job, run.out))}")
    started = time.monotonic()
    begin(job, run.data)
    _execute(job, run, place)
    finish(job, run.data)
    run.progress(f"{place}: done in {_spoken(started)}")


def _execute(job: Job, run: Run, place: str) -> None:
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    logging.getLogger("papermill").setLevel(logging.ERROR)  # parameters were checked by `plan`
    with _log(job, run.out).open("w", encoding="utf-8") as log:
        try:
            papermill.execute_notebook(
                str(job.notebook),
                str(run.out / job.notebook.name),
                job.parameters,
                kernel_name="python3",
                progress_bar=False,
                stdout_file=log,
                stderr_file=log,
                execution_timeout=run.timeout,
                resources={"metadata": {"path": str(job.notebook.parent)}},
                kernel_manager_class=_kernels(run, log),
                on_cell_start=_cell_counter(job, place, run.progress),
            )
        except papermill.PapermillExecutionError as error:
            raise CourseError(_failure(job, run.out, error)) from error
        except CellTimeoutError as error:
            reason = f"a cell took longer than the {run.timeout} s of --timeout"
            raise CourseError(f"{job.name} was stopped: {reason}") from error
        except DeadKernelError as error:
            reason = "its process was killed, most likely because the memory was full"
            raise KernelDied(f"{job.name} stopped: {reason}") from error
        except NoSuchKernel as error:
            reason = "there is no Jupyter kernel `python3`: run `python -m albumlib doctor`"
            raise CourseError(reason) from error


def _kernels(run: Run, log: TextIO) -> type:
    """Kernels with the run's environment, and what they write to their stderr in the log."""
    from jupyter_client import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        async def start_kernel(self, **named: Any) -> None:
            run.kernels.add(self)
            environment = {**os.environ, **run.environment}
            await super().start_kernel(env=environment, stderr=log, **named)

    return Kernel


def _cell_counter(job: Job, place: str, progress: Progress) -> Callable[..., None]:
    """A callback of nbclient that tells of each cell of code as it begins."""
    import nbformat

    cells = nbformat.read(job.notebook, as_version=4).cells
    total = sum(cell.cell_type == "code" for cell in cells) + bool(job.parameters)
    begun: list[int] = []

    def tell(cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code":
            begun.append(cell_index)
            progress(f"{place}: cell {len(begun)} of {total}")

    return tell


def _failure(job: Job, out: Path, error: Any) -> str:
    message = " ".join(str(error.evalue).split())[:300]
    return (
        f"{job.name} failed in its cell [{error.exec_count}]: {error.ename}: {message} "
        f"(the whole story is in {_shown(out / job.notebook.name)})"
    )


def _log(job: Job, out: Path) -> Path:
    return out / "logs" / f"{job.name}.log"


def _shown(path: Path) -> Path:
    """A path as short as it can be told from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _spoken(started: float) -> str:
    seconds = round(time.monotonic() - started)
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
