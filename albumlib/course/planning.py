"""Which notebooks run, and what each of them is given: checked before anything starts."""

import ast
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from albumlib import AlbumlibError
from albumlib.course.state import Job, parameter_lines
from albumlib.runtime import LARGEST_SEED
from albumlib.runtime.names import PARAMETERS, today
from albumlib.runtime.paths import NOTEBOOKS

TYPES = {"int": int, "float": float, "bool": bool, "str": str}
PATHS = ("data_dir", "table", "pictures")  # common parameters that name files


class CourseError(AlbumlibError):
    """The course cannot be run as asked, or one of its notebooks failed."""


def find_notebooks(
    only: Sequence[str] = (), start: str = "", folder: Path = NOTEBOOKS
) -> list[Path]:
    """The notebooks of the course in order: those named in `only`, and from `start` on, by number
    ("5" or "05") or by name ("05_acgan"). Raises CourseError for a name that is none.
    """
    every = sorted(folder.glob("[0-9]*.ipynb"))
    if not every:
        raise CourseError(
            f"there are no notebooks in {folder}: run this from a clone of the project"
        )
    chosen = [_named(name, every) for name in only] or every
    first = _named(start, every) if start else every[0]
    found = [notebook for notebook in every if notebook in chosen and notebook >= first]
    if not found:
        raise CourseError(f"none of {', '.join(only)} comes after {start}: name other notebooks")
    return found


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
    for values in (parameters, common):
        if "seed" in values:
            checked_seed(from_text("int", str(values["seed"])))
    declared = {notebook: _declared(notebook) for notebook in notebooks}
    every = sorted({name for known in declared.values() for name in known})
    parameters = {
        name if name in every else today(name, warn=True, former=PARAMETERS): value
        for name, value in parameters.items()
    }
    for name in parameters:
        if name not in every:
            raise CourseError(f"no notebook has a parameter {name!r}; known are {', '.join(every)}")
    jobs = []
    for notebook, known in declared.items():
        values = {name: _relative(name, value, notebook) for name, value in common.items()}
        values |= parameters
        own = {n: _typed(notebook, n, known[n], v) for n, v in values.items() if n in known}
        jobs.append(Job(notebook, own))
    return jobs


def checked_seed(seed: Any) -> None:
    """Raises CourseError for a seed that some chapter could not use."""
    if type(seed) is int and not 0 <= seed <= LARGEST_SEED:
        raise CourseError(f"seed must be from 0 to {LARGEST_SEED:,}, got {seed}")


def _declared(notebook: Path) -> dict[str, str]:
    """Name and type of each parameter, "" without one, from the notebook's parameters cell.

    Papermill has `inspect_notebook` for this, but passes over lines with a "=" in the comment.
    """
    try:
        lines = parameter_lines(notebook)
    except (OSError, ValueError, LookupError, TypeError, SyntaxError) as error:
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
    """A text from a command line as int, float or bool, or as it is if it does not read so.

    >>> from_text("int", "64"), from_text("bool", "true"), from_text("int", "many")
    (64, True, 'many')
    """
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
