"""What a notebook was made from, so that a run of the course skips what has not changed.

Each notebook of a run leaves `data/state/<name>.json`. It runs again if its code or the package's,
its parameters, the files they name, or what earlier chapters made for it have changed; its former
work is then set aside, for a training must not go on from weights that were made otherwise.
"""

import ast
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from albumlib.runtime.files import write_text
from albumlib.runtime.paths import PACKAGE

CATALOGUE = ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "covers")


@dataclass(frozen=True)
class Work:
    """The earlier chapters that a notebook builds upon, and what it makes in the data folder."""

    needs: tuple[str, ...]
    makes: tuple[str, ...] = ()


CHAPTERS = {  # a notebook that is not among them needs all before it
    "01_scraping": Work((), CATALOGUE),
    "02_cleaning": Work(("01_scraping",), ("coverset",)),
    "03_label_eda": Work(("02_cleaning",)),
    "04_wgan_logan": Work(("02_cleaning",), ("wgan_logan",)),
    "05_acgan": Work(("02_cleaning",), ("acgan", "acgan_wgan_logan")),
    "06_latent_explorer": Work(("02_cleaning", "05_acgan")),
    "07_evaluation": Work(("02_cleaning", "04_wgan_logan", "05_acgan")),
    "08_why_2021_failed": Work(("02_cleaning",), ("why_2021_failed",)),
    "09_styles": Work((), ("style",)),
    "10_track_names": Work(("02_cleaning",), ("titles",)),
    "11_lettering": Work(("01_scraping", "02_cleaning"), ("lettered", "named")),
    "12_popularity_and_time": Work(("02_cleaning",), ("windows",)),
    "13_quantum_prior": Work(("02_cleaning",), ("priors",)),
    "14_real_music": Work(("02_cleaning",)),
}


@dataclass(frozen=True)
class Job:
    """One notebook with the parameters that it will be given."""

    notebook: Path
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        return self.notebook.stem

    @property
    def work(self) -> Work:
        """What it needs and makes."""
        beside = (path.stem for path in sorted(self.notebook.parent.glob("[0-9]*.ipynb")))
        return CHAPTERS.get(self.name) or Work(tuple(n for n in beside if n < self.name))


def reason_to_run(job: Job, data: Path) -> str:
    """Why a notebook has to run, in words; "" if what it made is up to date."""
    state = _read(data, job.name)
    if not state:
        return "new"
    if changed := _changed(state, job, data):
        return "changed: " + ", ".join(changed)
    if any(not (data / name).exists() for name in job.work.makes[:1]):
        return "its work is gone"
    return "" if state["finished"] else "not finished"


def begin(job: Job, data: Path) -> None:
    """Note what a notebook is about to be made from, and set aside what was made otherwise.

    What was gathered stays when only code has changed: it may have taken days to fetch.
    """
    state = _read(data, job.name)
    changed = _changed(state, job, data) if state else []
    if changed and (changed != ["code"] or job.work.needs):
        for name in job.work.makes:
            _set_aside(data / name)
    _write(data, job.name, {"inputs": _inputs(job, data), "finished": None})


def finish(job: Job, data: Path) -> None:
    """Note that a notebook was made from what was noted when it began."""
    now = datetime.now(timezone.utc).isoformat()
    _write(data, job.name, {**_read(data, job.name), "finished": now})


def _changed(state: dict, job: Job, data: Path) -> list[str]:
    return [what for what, hash in _inputs(job, data).items() if state["inputs"].get(what) != hash]


def _inputs(job: Job, data: Path) -> dict[str, str]:
    values = {n: v for n, v in sorted(job.parameters.items()) if n != "data_dir"}
    needed = [_read(data, name) for name in job.work.needs]
    return {
        "code": _hash([_package(), *code_of(job.notebook)]),
        "parameters": _hash(values),
        "files": _hash(list(_files(_defaults(job.notebook) | values, job.notebook.parent))),
        "earlier chapters": _hash([needed, list(_manifests(job, data))]),
    }


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


@cache
def _package() -> str:
    return _hash([path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))])


def code_of(notebook: Path) -> list[str]:
    """The source of each cell of code."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def parameter_lines(notebook: Path) -> list[ast.stmt]:
    """The lines of the cell in which a notebook sets its parameters."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    return [line for cell in tagged for line in ast.parse("".join(cell["source"])).body]


def _defaults(notebook: Path) -> dict[str, Any]:
    """Values of the parameters as the notebook sets them itself."""
    return {
        ast.unparse(line.target): ast.literal_eval(line.value)
        for line in parameter_lines(notebook)
        if isinstance(line, ast.AnnAssign) and isinstance(line.value, ast.Constant)
    }


def _files(values: dict[str, Any], folder: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of the files that parameters name, as `make` would look at them."""
    for name, value in values.items():
        if name == "data_dir" or not isinstance(value, str) or not value:
            continue
        path = folder / value
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                about = file.stat()
                yield file.name, about.st_size, about.st_mtime_ns


def _manifests(job: Job, data: Path) -> Iterator[str]:
    for need in job.work.needs:
        for made in CHAPTERS[need].makes if need in CHAPTERS else ():
            manifest = data / made / "manifest.json"
            if manifest.exists():
                yield manifest.read_text(encoding="utf-8")


def _set_aside(path: Path) -> None:
    """Move what was made to `old/`, in the place of what lay there."""
    aside = path.parent / "old" / path.name
    if not path.exists() or path.is_symlink():
        return
    if aside.is_dir():
        shutil.rmtree(aside)
    aside.parent.mkdir(exist_ok=True)
    path.replace(aside)


def _read(data: Path, name: str) -> dict:
    path = data / "state" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write(data: Path, name: str, state: dict) -> None:
    write_json(data / "state" / f"{name}.json", state)


def write_json(path: Path, values: dict) -> None:
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(values, indent=2) + "\n")
