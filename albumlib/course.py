"""The course without a reader: notebooks run headless, their numbers kept, a report written.

    run_course("laptop")    runs/laptop/01_scraping.ipynb ...   the executed notebooks
                            runs/laptop/logs/                   what each of them printed
                            runs/laptop/data/                   what they gathered and trained
                            runs/laptop/results.json            "05_acgan.label_r2": 0.61, ...
                            runs/laptop/report.html             numbers and figures on one page

Papermill and its company are imported where they are used: `record` and `profile_value`, which
the notebooks call, need none of it.
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import numbers
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from albumlib import AlbumlibError

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PROFILES = ("smoke", "laptop", "gpu")
TYPES = {"int": int, "float": float, "bool": bool, "str": str}
PATHS = ("data_dir", "table", "pictures")  # common parameters that name files

Progress = Callable[[str], None]


class CourseError(AlbumlibError):
    """The course cannot be run as asked, or one of its notebooks failed."""


# What notebooks call --------------------------------------------------------------


def profile_value(profile: str, **values: Any) -> Any:
    """The value for this profile: `profile_value(profile, smoke=50, laptop=3000, gpu=60_000)`.

    Raises CourseError for a profile that does not exist or has no value.
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
    results = read_results(path)
    for name, value in measured.items():
        whole = isinstance(value, numbers.Integral)
        results[f"{notebook}.{name}"] = int(value) if whole else float(value)
    _write_json(path, dict(sorted(results.items())))


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


@dataclass(frozen=True)
class Job:
    """One notebook with the parameters that it will be given."""

    notebook: Path
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        return self.notebook.stem


def run_course(
    profile: str = "laptop",
    out: str | Path | None = None,
    notebooks: Sequence[Path] | None = None,
    parameters: Mapping[str, Any] | None = None,
    common: Mapping[str, Any] | None = None,
    progress: Progress = print,
) -> Path:
    """Run notebooks in order and return the path of the report.

    `out` is `runs/<profile>` by default, `notebooks` all of the course. `parameters` must be
    known to at least one notebook, and have its type (a str is converted); `common` ones (seed,
    source, table, pictures) are given to the notebooks that have them. Everything is checked
    before anything runs. Raises CourseError if not all is well, or when a notebook fails; the
    results until then are kept, and the report says how far the run came.
    """
    from albumlib.report import write_report

    profile_value(profile, **dict.fromkeys(PROFILES))
    out = Path(out or f"runs/{profile}")
    given = {"profile": profile, "data_dir": out / "data", **(common or {})}
    jobs = plan(notebooks or find_notebooks(), parameters or {}, given)
    for folder in ("data", "logs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    try:
        for number, job in enumerate(jobs, 1):
            progress(f"{number}/{len(jobs)} {job.name}: it prints into {_log(out, job)}")
            started = time.monotonic()
            _execute(job, out)
            progress(f"{number}/{len(jobs)} {job.name}: done in {_spoken(started)}")
    finally:
        _write_json(out / "results.json", read_results(out / "data" / "results.json"))
        report = write_report(out)
    return report


def find_notebooks(
    only: Sequence[str] = (), start: str = "", folder: Path = NOTEBOOKS
) -> list[Path]:
    """The notebooks of the course in order: those named in `only`, and from `start` on.

    They are named by number ("5" or "05") or by name ("05_acgan"). Raises CourseError for a
    name that is none.
    """
    every = sorted(folder.glob("[0-9]*.ipynb"))
    if not every:
        raise CourseError(
            f"there are no notebooks in {folder}: run this from a clone of the project"
        )
    chosen = [_named(name, every) for name in only] or every
    first = _named(start, every) if start else every[0]
    return [notebook for notebook in every if notebook in chosen and notebook >= first]


def _named(name: str, every: list[Path]) -> Path:
    wanted = name.removesuffix(".ipynb")
    for notebook in every:
        number = notebook.stem.partition("_")[0]
        if wanted == notebook.stem or (wanted.isdigit() and int(wanted) == int(number)):
            return notebook
    raise CourseError(
        f"there is no notebook {name!r}; there are {', '.join(n.stem for n in every)}"
    )


def plan(
    notebooks: Sequence[Path], parameters: Mapping[str, Any], common: Mapping[str, Any]
) -> list[Job]:
    """What each notebook will be given. Raises CourseError for a name or a type that is wrong."""
    declared = {notebook: _declared(notebook) for notebook in notebooks}
    for name in parameters:
        if not any(name in known for known in declared.values()):
            every = sorted({name for known in declared.values() for name in known})
            raise CourseError(f"no notebook has a parameter {name!r}; known are {', '.join(every)}")
    jobs = []
    for notebook, known in declared.items():
        values = {name: _relative(name, value, notebook) for name, value in common.items()}
        values |= parameters
        own = {n: _typed(notebook, n, known[n], v) for n, v in values.items() if n in known}
        jobs.append(Job(notebook, own))
    return jobs


def _declared(notebook: Path) -> dict[str, str]:
    """Name and type of each parameter, "" without one, from the notebook's parameters cell.

    Papermill has `inspect_notebook` for this, but passes over lines with a "=" in the comment.
    """
    import nbformat

    try:
        cells = nbformat.read(notebook, as_version=4).cells
        tagged = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
        lines = [line for source in tagged for line in ast.parse(source).body]
    except (OSError, ValueError, SyntaxError) as error:
        raise CourseError(f"{notebook} cannot be read ({error})") from error
    found = {}
    for line in lines:
        if isinstance(line, ast.AnnAssign):
            found[ast.unparse(line.target)] = ast.unparse(line.annotation)
        elif isinstance(line, ast.Assign):
            found |= {ast.unparse(target): "" for target in line.targets}
    return found


def _typed(notebook: Path, name: str, kind: str, value: Any) -> Any:
    """The value as the notebook's type; a str, as from a command line, is converted."""
    if kind not in TYPES:
        raise CourseError(f"{notebook.stem} must say whether {name} is int, float, bool or str")
    if isinstance(value, str):
        value = from_text(kind, value)
    if kind == "float" and type(value) is int:
        value = float(value)
    if type(value) is not TYPES[kind]:
        raise CourseError(f"{name} of {notebook.stem} must be {kind}, got {value!r}")
    return value


def from_text(kind: str, text: str) -> Any:
    """A text from a command line as int, float or bool, or as it is if it does not read so."""
    if kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return TYPES[kind](text)
    except ValueError:
        return text


def _relative(name: str, value: Any, notebook: Path) -> Any:
    """A common parameter; paths as seen from the notebook's folder, where it runs."""
    if name not in PATHS or not value or value == "url":
        return value
    return Path(os.path.relpath(value, notebook.parent)).as_posix()


def _execute(job: Job, out: Path) -> None:
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    with _log(out, job).open("w", encoding="utf-8") as log, _errors_into(log) as terminal:
        bar = {"desc": job.name, "leave": False, "file": terminal, "bar_format": BAR}
        try:
            papermill.execute_notebook(
                str(job.notebook),
                str(out / job.notebook.name),
                job.parameters,
                kernel_name="python3",
                cwd=str(job.notebook.parent),
                progress_bar=bar if terminal.isatty() else False,
                stdout_file=log,
                stderr_file=log,
            )
        except papermill.PapermillExecutionError as error:
            raise CourseError(_failure(job, out, error)) from error
        except DeadKernelError as error:
            reason = "its process was killed, most likely because the memory was full"
            raise CourseError(f"{job.name} stopped: {reason}") from error
        except NoSuchKernel as error:
            reason = "there is no Jupyter kernel `python3`: run `python -m albumlib doctor`"
            raise CourseError(reason) from error


BAR = "{desc}: cell {n_fmt} of {total_fmt} |{bar}| {elapsed}"


def _failure(job: Job, out: Path, error: Any) -> str:
    message = " ".join(str(error.evalue).split())[:300]
    return (
        f"{job.name} failed in its cell [{error.exec_count}]: {error.ename}: {message} "
        f"(the whole story is in {out / job.notebook.name})"
    )


@contextlib.contextmanager
def _errors_into(log: TextIO) -> Iterator[TextIO]:
    """Send what kernels write to the process's stderr into the log; yields the real stderr."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(log.fileno(), 2)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as terminal:
            yield terminal
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _log(out: Path, job: Job) -> Path:
    return out / "logs" / f"{job.name}.log"


def _spoken(started: float) -> str:
    seconds = round(time.monotonic() - started)
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _write_json(path: Path, values: dict) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
