"""Many runs of notebooks with other parameters and seeds, and what comes of each.

    read_sweep("sweep.yml")    runs/sweep/steps=100/seed=1/   a run of the course, as `course` makes
    run_sweep(...)             runs/sweep/runs.csv            a row for each run: its state, numbers
                               runs/sweep/summary.csv         mean and sd over seeds
                               runs/sweep/comparison.png      the same as a figure

Runs go side by side, each kernel on its own GPU if there are several, or over a Dask cluster
whose workers see the same files. A run that fails is noted, and the others go on.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any, get_origin

import pandas as pd

from albumlib import AlbumlibError
from albumlib.course.expected import without_ranges
from albumlib.course.kernels import KernelDied, Kernels
from albumlib.course.planning import NOTEBOOKS, checked_seed, find_notebooks, plan
from albumlib.course.runner import Progress, profile_value, read_results, run_course
from albumlib.course.state import CHAPTERS
from albumlib.runtime import threads
from albumlib.runtime.workers import spread

OWN = {"results.json", ".results.lock", "state", "old"}  # what each run has for itself


class SweepError(AlbumlibError):
    """A sweep that cannot be made as it is written."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep's file says; the lists of `grid` are combined, `cases` are each one."""

    notebooks: list
    profile: str = "smoke"
    data: str = ""  # the data folder of a finished run, for what earlier chapters made
    parameters: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list] = field(default_factory=dict)
    cases: list[dict[str, Any]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [2026])
    measures: list[str] = field(default_factory=list)

    @property
    def variants(self) -> dict[str, dict[str, Any]]:
        """Parameters of each variant by its name, such as "steps=100 minutes=2"."""
        combined = itertools.product(*self.grid.values())
        every = [dict(zip(self.grid, values, strict=True)) for values in combined]
        both = [listed | varied for listed in self.cases or [{}] for varied in every]
        return {" ".join(f"{n}={v}" for n, v in one.items()) or "as it is": one for one in both}


@dataclass(frozen=True)
class Run:
    """One run of a sweep."""

    variant: str
    parameters: dict[str, Any]
    seed: int

    @property
    def folder(self) -> Path:
        """Its place in the sweep's folder."""
        return Path(self.variant.replace("/", "_").replace(" ", "_")) / f"seed={self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to: mean and sd of each measure, a row for each variant."""

    folder: Path
    table: pd.DataFrame
    done: int
    failed: int


def read_sweep(path: str | Path, folder: Path = NOTEBOOKS) -> Sweep:
    """A sweep from its YAML file. Raises SweepError, or CourseError for a wrong parameter.

    Its notebooks are looked for in `folder`. This is YAML 1.2, in which 010 is ten and 1:30 a text.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        said = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise SweepError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    known = {one.name: get_origin(one.type) or one.type for one in fields(Sweep)}
    if not isinstance(said, dict) or "notebooks" not in said:
        raise SweepError(f"{path} must name its `notebooks`, such as [5]")
    for name, value in said.items():
        if name not in known:
            raise SweepError(f"{path} says {name!r}; known are {', '.join(known)}")
        if type(value) is not known[name]:
            raise SweepError(f"{name} of {path} must be a {known[name].__name__}, got {value!r}")
    found = find_notebooks([str(name) for name in said["notebooks"]], folder=folder)
    sweep = Sweep(**said | {"notebooks": found})
    _check(sweep, path)
    return sweep


def _check(sweep: Sweep, path: str | Path) -> None:
    """Everything that can be wrong with the runs, before the first begins."""
    for name, values in sweep.grid.items():
        if not isinstance(values, list) or not values:
            raise SweepError(f"{name} in the grid of {path} must be a list of values")
    if not all(isinstance(one, dict) for one in sweep.cases):
        raise SweepError(f"each of the cases of {path} must be like {{steps: 100}}")
    seeds = sweep.seeds
    if not seeds or any(type(one) is not int for one in seeds) or len(set(seeds)) < len(seeds):
        raise SweepError(f"seeds of {path} must be whole numbers, each once, got {seeds}")
    for seed in seeds:
        checked_seed(seed)
    if sweep.data and not Path(sweep.data).is_dir():
        raise SweepError(f"there is no folder {sweep.data}: run the earlier chapters first")
    profile_value(sweep.profile, smoke=1, laptop=1, gpu=1)
    for parameters in sweep.variants.values():
        plan(sweep.notebooks, sweep.parameters | parameters, {})


def runs_of(sweep: Sweep) -> list[Run]:
    """Every run of a sweep, seeds of the same variant one after the other."""
    return [
        Run(variant, sweep.parameters | parameters, seed)
        for variant, parameters in sweep.variants.items()
        for seed in sweep.seeds
    ]


def run_sweep(
    sweep: Sweep,
    out: str | Path,
    *,
    workers: int = 1,
    gpus: Sequence[str] = (),
    dask: str = "",
    progress: Progress = print,
) -> Outcome:
    """Make all runs of a sweep that are not made yet, and compare them.

    With `gpus`, as CUDA numbers them, each run sees one of them; else `workers` runs go at a time
    and share the cores. `dask` is the address of a scheduler whose workers take the runs. A run
    whose kernel is killed is tried once more. Ctrl-C stops the runs under way, whose trainings are
    saved. Raises SweepError if no run came to an end.
    """
    if gpus and dask:
        raise SweepError("a Dask cluster's workers have their own GPUs: leave out --gpus")
    out = Path(out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    runs = runs_of(sweep)
    workers = len(gpus) or workers
    if dask:  # its workers are elsewhere: they have nobody to tell, and GPUs of their own
        task = partial(_attempt, sweep, out)
    else:
        devices = Queue() if gpus else None
        for gpu in gpus:
            devices.put(gpu)
        group = Group(progress, threads.shared(workers), devices)
        task = partial(_attempt, sweep, out, group=group)

    def stop() -> None:
        progress("stopping: trainings under way save what they have")
        group.kernels.interrupt()

    order = {(run.variant, run.seed): place for place, run in enumerate(runs)}
    rows: list[dict] = []
    for row in spread(task, runs, workers, threads=True, dask=dask, stop=stop):
        rows.append(row)
        state = "done" if row["state"] == "done" else f"failed: {row['error']}"
        progress(f"run {len(rows)}/{len(runs)}, {row['variant']}, seed {row['seed']}: {state}")
        rows.sort(key=lambda row: order[row["variant"], row["seed"]])
        pd.DataFrame(rows).to_csv(out / "runs.csv", index=False)
    return compare(sweep, pd.DataFrame(rows), out)


@dataclass(frozen=True)
class Group:
    """What runs on one machine share."""

    tell: Progress = lambda line: None
    environment: Mapping[str, str] = field(default_factory=dict)  # added to that of the kernels
    devices: Queue | None = None  # GPUs that are free, by their CUDA numbers
    kernels: Kernels = field(default_factory=Kernels)


def _attempt(sweep: Sweep, out: Path, run: Run, group: Group | None = None) -> dict[str, Any]:
    """A row of the table of runs: what a run was, how it ended, its numbers."""
    row = {"variant": run.variant, "seed": run.seed, "state": "done", "error": ""}
    folder, group = out / run.folder, group or Group()
    try:
        with _device(group.devices) as device:
            _link(sweep, folder / "data")
            try:
                _run(sweep, run, folder, device, group)
            except KernelDied:
                if group.kernels.stopped:
                    raise
                _run(sweep, run, folder, device, group)
    except (AlbumlibError, OSError) as error:
        return row | {"state": "failed", "error": str(error)}
    return row | without_ranges(read_results(folder / "results.json"))


def _run(sweep: Sweep, run: Run, folder: Path, device: Mapping, group: Group) -> None:
    run_course(
        sweep.profile, folder, sweep.notebooks, run.parameters, {"seed": run.seed},
        lambda line: group.tell(f"{run.variant}, seed {run.seed}: {line}"),
        environment={**group.environment, **device}, kernels=group.kernels,
    )  # fmt: skip


@contextmanager
def _device(devices: Queue | None) -> Iterator[dict[str, str]]:
    """What a kernel's environment says of the GPU it may use, which nobody else has meanwhile."""
    if devices is None:
        yield {}
        return
    device = devices.get()
    try:
        yield {"CUDA_VISIBLE_DEVICES": device}
    finally:
        devices.put(device)


def _link(sweep: Sweep, data: Path) -> None:
    """Give a run what earlier chapters made, but for what its own notebooks will make."""
    if not sweep.data:
        return
    data.mkdir(parents=True, exist_ok=True)
    own = OWN.union(*(CHAPTERS[n.stem].makes for n in sweep.notebooks if n.stem in CHAPTERS))
    for made in Path(sweep.data).absolute().iterdir():
        if made.name not in own and not (data / made.name).exists():
            with suppress(FileExistsError):
                (data / made.name).symlink_to(made, made.is_dir())


def compare(sweep: Sweep, runs: pd.DataFrame, out: Path) -> Outcome:
    """Write table and figure of the runs that were done, a row and a mark for each variant."""
    done = runs[runs["state"] == "done"]
    if done.empty:
        raise SweepError(f"no run of the sweep was finished: {runs['error'].iloc[0]}")
    measures = sweep.measures or [name for name in done if "." in name]
    if missing := [name for name in measures if name not in done]:
        raise SweepError(f"no run has recorded {', '.join(missing)}")
    groups = done.groupby("variant", sort=False)[measures]
    table = groups.agg(["mean", "std"]).reindex(list(sweep.variants))
    table.columns = [name if what == "mean" else f"{name} sd" for name, what in table.columns]
    table.insert(0, "runs", groups.size().reindex(table.index, fill_value=0))
    table.to_csv(out / "summary.csv")
    _draw(sweep, done, measures, out / "comparison.png")
    return Outcome(out, table, len(done), len(runs) - len(done))


def _draw(sweep: Sweep, done: pd.DataFrame, measures: Sequence[str], path: Path) -> None:
    from albumlib import figures

    figures.use_style()
    values = {
        name: {v: done.loc[done["variant"] == v, name].dropna().tolist() for v in sweep.variants}
        for name in measures
    }
    figures.comparison(values).savefig(path, dpi=150)
