"""Commands that run notebooks: course, sweep."""

from pathlib import Path
from typing import Annotated

import typer

from albumlib import AlbumlibError
from albumlib.cli.options import (
    NAME,
    AskOption,
    PicturesOption,
    Profile,
    SeedOption,
    Settings,
    Source,
    SourceOption,
    TableOption,
    pairs,
)
from albumlib.runtime.console import ticker

app = typer.Typer()


ProfileOption = Annotated[Profile, typer.Option(help="How much is gathered and trained.")]
OnlyOption = Annotated[
    str, typer.Option(metavar="LIST", help="Notebooks, such as 1,2,4 or 05_acgan.")
]
FromOption = Annotated[str, typer.Option("--from", help="Begin with this notebook.")]
OutOption = Annotated[
    Path | None, typer.Option(help="Folder of the run [runs/PROFILE, or runs/PROFILE-SOURCE].")
]
JobsOption = Annotated[int, typer.Option(min=1, help="Notebooks at a time; they share the cores.")]
TimeoutOption = Annotated[int, typer.Option(min=0, help="Seconds for a cell; 0 for no limit.")]
DryOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would run, why, and about how long it would take."),
]
FileArgument = Annotated[Path, typer.Argument(help="The runs to make, as YAML.")]
SweepOutOption = Annotated[Path | None, typer.Option(help="Folder of the runs [runs/NAME].")]
WorkersOption = Annotated[int, typer.Option(min=1, help="Runs at a time.")]
GpusOption = Annotated[
    str, typer.Option(metavar="LIST", help="Such as 0,1: a run at a time on each.")
]
DaskOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")
]


@app.command()
def course(
    profile: ProfileOption = "laptop",
    source: SourceOption = "imprint",
    table: TableOption = "",
    pictures: PicturesOption = "",
    ask: AskOption = "",
    only: OnlyOption = "",
    start: FromOption = "",
    parameter: Settings = None,
    out: OutOption = None,
    seed: SeedOption = 2026,
    jobs: JobsOption = 1,
    timeout: TimeoutOption = 0,
    dry_run: DryOption = False,
) -> None:
    """Run the notebooks and write a report.

    They run headless and in order; the report holds all their numbers and figures. Stopped or
    killed, the same command goes on from there; what has not changed since is skipped.

    -p sets a parameter of the notebooks: the first cell of each one names its own.

    \b
    Examples: python -m albumlib course --profile smoke
              python -m albumlib course --source tables --table songs.csv --from 3
              python -m albumlib course -p steps=500 --jobs 2 --dry-run
    """
    from albumlib.course.runner import run_course

    given = {"table": table, "pictures": pictures, "seed": seed} | ({"ask": ask} if ask else {})
    asked = _asked(profile, source, out, given) | _chosen(only, start, parameter)
    if dry_run:
        _preview(asked)
        return
    with ticker() as progress:
        report = run_course(**asked, progress=progress, workers=jobs, timeout=timeout)
    typer.echo(f"report: {report}")


@app.command()
def sweep(
    file: FileArgument,
    out: SweepOutOption = None,
    workers: WorkersOption = 1,
    gpus: GpusOption = "",
    dask: DaskOption = "",
) -> None:
    """Run notebooks many times with other parameters, and compare.

    Runs that fail are noted and the others go on; the same command again makes what is missing.

    \b
    Example: python -m albumlib sweep sweep.yml --workers 2
    \b
    notebooks: [5]              # numbers or names
    profile: smoke
    data: runs/smoke/data       # what earlier chapters made; without it each run makes its own
    parameters: {steps: 500}    # of every run
    grid: {size: [64, 128]}     # every combination; or `cases:`, such as [{steps: 100}]
    seeds: [1, 2, 3]
    measures: [05_acgan.label_r2]  # numbers to compare; without it all
    """
    from albumlib.course import sweep as sweeping

    asked = sweeping.read_sweep(file)
    with ticker() as progress:
        outcome = sweeping.run_sweep(
            asked, out or Path("runs") / file.stem, workers=workers,
            gpus=[gpu for gpu in gpus.split(",") if gpu], dask=dask, progress=progress,
        )  # fmt: skip
    typer.echo(outcome.table.to_string())
    typer.echo(f"runs: {outcome.done} done, {outcome.failed} failed; see {outcome.folder}")
    raise typer.Exit(bool(outcome.failed))


def _asked(profile: Profile, source: Source, out: Path | None, given: dict) -> dict:
    """What `run_course` is to be called with; a source that cannot be opened fails here."""
    from albumlib.sources.choose import open_source

    ending = "" if source == "imprint" else f"-{source}"
    out = out or Path("runs") / (profile + ending)
    if source in ("parquet", "music", "spotify", "legacy"):
        raise AlbumlibError(_other_way(source, out))
    open_source(source, **given)
    return {"profile": profile, "out": out, "common": {"source": source, **given}}


def _chosen(only: str, start: str, parameter: list[str] | None) -> dict:
    from albumlib.course.planning import find_notebooks

    notebooks = find_notebooks(only.replace(",", " ").split(), start)
    return {"notebooks": notebooks, "parameters": pairs(parameter or [])}


def _preview(asked: dict) -> None:
    """Say what a course would run and why, and what its trainings come to."""
    from albumlib.course.profiles import plans
    from albumlib.course.runner import preview

    ahead = []
    for job, reason in preview(**asked):
        typer.echo(f"{'runs' if reason else 'skipped':>8}  {job.name}  {reason}".rstrip())
        trainings = list(plans(job.notebook, asked["profile"], job.parameters)) if reason else []
        for training in trainings:
            typer.echo(f"{'':>10}{training}")
        ahead += trainings
    images, hours = sum(t.images for t in ahead), sum(t.seconds for t in ahead) / 3600
    if ahead:
        machine = (
            "a GPU, by what was measured on an H100" if asked["profile"] == "gpu" else "two cores"
        )
        typer.echo(f"in all {images:,} images, about {hours:.1f} hours of training "
                   f"(estimated for {machine})")  # fmt: skip


def _other_way(source: Source, out: Path) -> str:
    """What to do with a source that notebook 01 has not."""
    if source == "spotify":
        return (
            "the course trains models, which Spotify's policy forbids with its content; to look "
            f"at what it has, use {NAME} gather --source spotify"
        )
    return (
        f"notebook 01 has no {source}: use {NAME} gather --source {source} "
        f"--out {out / 'data'}, then {NAME} course --from 2 --out {out}"
    )
