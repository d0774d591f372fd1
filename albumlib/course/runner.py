"""The course without a person: notebooks run headless, their numbers kept, a report written.

    run_course("laptop")    runs/laptop/01_scraping.ipynb ...   the executed notebooks
                            runs/laptop/logs/                   what each of them printed
                            runs/laptop/data/                   what they gathered and trained
                            runs/laptop/data/state/             what each was made from
                            runs/laptop/results.json            "05_acgan.label_r2": 0.61, ...
                            runs/laptop/report.html             numbers and figures on one page

`record` and `profile_value`, which the notebooks call, need nothing of papermill.
"""

import json
import math
import numbers
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from albumlib.course.expected import claims, marks, ranges_of
from albumlib.course.kernels import Kernels, execute, shown
from albumlib.course.planning import CourseError, find_notebooks, plan
from albumlib.course.state import Job, begin, finish, reason_to_run, write_json
from albumlib.runtime import threads
from albumlib.runtime.paths import NOTEBOOKS
from albumlib.runtime.progress import spoken

PROFILES = ("smoke", "laptop", "gpu")

Progress = Callable[[str], None]


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


def settle_paths() -> None:
    """Let a notebook's relative paths count from the notebooks' folder, wherever it is run."""
    here, home = Path.cwd(), NOTEBOOKS.resolve()
    if here.is_relative_to(home.parent) and not here.is_relative_to(home) and home.is_dir():
        os.chdir(home)


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


def check_claims(data_dir: str | Path, notebook: str, profile: str) -> None:
    """Print which of a notebook's recorded headline numbers are as its prose has them; `profile` is
    "" for covers that are not the built-in imprint's.
    """
    print(claims(read_results(Path(data_dir) / "results.json"), profile, notebook))


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
    data: Path
    jobs: list[Job]
    workers: int = 1
    timeout: int | None = None  # seconds a cell may take
    environment: Mapping[str, str] = field(default_factory=dict)  # added to that of the kernels
    progress: Progress = print
    kernels: Kernels = field(default_factory=Kernels)


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
    kernels: Kernels | None = None,
) -> Path:
    """Run notebooks in order and return the path of the report.

    `out` is `runs/<profile>` by default, `notebooks` all of the course. `parameters` must be known
    to at least one notebook, and have its type (a str is converted); `common` ones (seed, source,
    table, pictures) are given to the notebooks that have them. A `data_dir` among the parameters is
    where the run gathers and trains. A notebook whose inputs have not changed since it finished is
    skipped. Up to `workers` notebooks run at a time, each after those it needs, and share the
    cores; `timeout` is in seconds for a cell, 0 for none; `environment` is added to that of the
    kernels, which are kept in `kernels`. Raises CourseError before anything runs, or when a
    notebook fails; the results until then are kept, and the report says how far the run came.
    """
    from albumlib.course.report import profile_of, write_report

    out, data, jobs = _planned(profile, out, notebooks, parameters, common)
    around = threads.shared(workers) | dict(environment or {})
    run = Run(out, data, jobs, workers, timeout or None, around, progress, kernels or Kernels())
    for folder in (data, out / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        _run_all(run)
    finally:
        results = read_results(run.data / "results.json")
        held = profile_of({"profile": profile, **(common or {})})
        results |= ranges_of(results, held)
        write_json(out / "results.json", dict(sorted(results.items())))
        report = write_report(out)
    _tell(marks(results, held), progress)
    return shown(report)


def _tell(outside: Mapping[str, str], progress: Progress) -> None:
    for sentence in outside.values():
        progress(f"not as expected: {sentence}")
    if outside:
        counted = "1 number is" if len(outside) == 1 else f"{len(outside)} numbers are"
        progress(f"{counted} not as expected, marked in the report")


def preview(*given: Any, **named: Any) -> Iterator[tuple[Job, str]]:
    """What `run_course` would run if it were given the same, and why; "" for what it would skip."""
    out, data, jobs = _planned(*given, **named)
    again: set[str] = set()
    for job in jobs:
        before = sorted(again.intersection(job.work.needs))
        reason = _reason(job, out, data) or (f"after {', '.join(before)}" if before else "")
        again |= {job.name} if reason else set()
        yield job, reason


def _planned(
    profile: str = "laptop",
    out: str | Path | None = None,
    notebooks: Sequence[Path] | None = None,
    parameters: Mapping[str, Any] | None = None,
    common: Mapping[str, Any] | None = None,
) -> tuple[Path, Path, list[Job]]:
    """Folder of the run, folder of its data, and what each notebook is given."""
    profile_value(profile, **dict.fromkeys(PROFILES))
    out, parameters = Path(out or f"runs/{profile}").absolute(), dict(parameters or {})
    data = Path(parameters.pop("data_dir", out / "data")).absolute()
    given = {"profile": profile, "data_dir": data, **(common or {})}
    return out, data, plan(find_notebooks() if notebooks is None else notebooks, parameters, given)


def _run_all(run: Run) -> None:
    """Run the jobs, each once those that it needs are done; the first failure ends the run."""
    if run.workers < 2:
        for job in run.jobs:
            _run(job, run)
        return
    with ThreadPoolExecutor(run.workers) as pool:
        try:
            _side_by_side(run, pool)
        except KeyboardInterrupt:
            run.progress("stopping: trainings under way save what they have")
            run.kernels.interrupt()
            raise


def _side_by_side(run: Run, pool: ThreadPoolExecutor) -> None:
    waiting, running = list(run.jobs), {}
    while waiting or running:
        for job in _ready(waiting, running, run.workers):
            waiting.remove(job)
            running[pool.submit(_run, job, run)] = job
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            running.pop(future)
            if error := future.exception():
                if running:
                    others = ", ".join(job.name for job in running.values())
                    run.progress(f"{error}\nwaiting for {others} to end; Ctrl-C stops them")
                wait(running)
                raise error


def _ready(waiting: list[Job], running: dict[Future, Job], workers: int) -> list[Job]:
    pending = {job.name for job in (*waiting, *running.values())}
    ready = [job for job in waiting if not pending.intersection(job.work.needs)]
    return ready[: workers - len(running)]


def _reason(job: Job, out: Path, data: Path) -> str:
    return reason_to_run(job, data) or (
        "" if (out / job.notebook.name).exists() else "its executed notebook is gone"
    )


def _run(job: Job, run: Run) -> None:
    place = f"{run.jobs.index(job) + 1}/{len(run.jobs)} {job.name}"
    reason = _reason(job, run.out, run.data)
    if not reason:
        run.progress(f"{place}: skipped, nothing has changed")
        return
    log = run.out / "logs" / f"{job.name}.log"
    run.progress(f"{place}: {reason}; it prints into {shown(log)}")
    started = time.monotonic()
    begin(job, run.data)
    execute(
        job, run.out / job.notebook.name, log, run.kernels, environment=run.environment,
        timeout=run.timeout,
        on_cell=lambda cell, total: run.progress(f"{place}: cell {cell} of {total}"),
    )  # fmt: skip
    finish(job, run.data)
    run.progress(f"{place}: done in {spoken(time.monotonic() - started)}")
