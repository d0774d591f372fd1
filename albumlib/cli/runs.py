"""Commands that run notebooks: course, sweep."""

from __future__ import annotations

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


@app.command()
def course(
    profile: Annotated[Profile, typer.Option(help="How much is gathered and trained.")] = (
        Profile.laptop
    ),
    source: SourceOption = Source.imprint,
    table: TableOption = "",
    pictures: PicturesOption = "",
    ask: AskOption = "",
    only: Annotated[
        str, typer.Option(metavar="LIST", help="Notebooks, such as 1,2,4 or 05_acgan.")
    ] = "",
    start: Annotated[str, typer.Option("--from", help="Begin with this notebook.")] = "",
    parameter: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run [runs/PROFILE, or runs/PROFILE-SOURCE].")
    ] = None,
    seed: SeedOption = 2021,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks that may run at a time.")] = 1,
    timeout: Annotated[int, typer.Option(min=0, help="Seconds for a cell; 0 for no limit.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and why.")] = (
        False
    ),
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
    from albumlib.course import runner as room
    from albumlib.course.planning import find_notebooks
    from albumlib.sources.choose import open_source

    parameters = pairs(parameter or [])
    ending = "" if source is Source.imprint else f"-{source.value}"
    out = out or Path("runs") / (profile.value + ending)
    if source in (Source.parquet, Source.music, Source.spotify, Source.legacy):
        raise AlbumlibError(_other_way(source, out))
    given = {"table": table, "pictures": pictures, "seed": seed} | ({"ask": ask} if ask else {})
    open_source(source.value, **given)  # fail now, not in 01
    asked = {
        "profile": profile.value,
        "out": out,
        "notebooks": find_notebooks(only.replace(",", " ").split(), start),
        "parameters": parameters,
        "common": {"source": source.value, **given},
    }
    if dry_run:
        for job, reason in room.preview(**asked):
            typer.echo(f"{'runs' if reason else 'skipped':>8}  {job.name}  {reason}".rstrip())
        return
    with ticker() as progress:
        report = room.run_course(**asked, progress=progress, workers=jobs, timeout=timeout)
    typer.echo(f"report: {report}")


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="The runs to make, as YAML.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the runs [runs/NAME].")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    gpus: Annotated[
        str, typer.Option(metavar="LIST", help="Such as 0,1: a run at a time on each.")
    ] = "",
    dask: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")
    ] = "",
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
    grid: {minutes: [1, 2]}     # every combination; or `cases:`, such as [{minutes: 1}]
    seeds: [1, 2, 3]
    measures: [05_acgan.label_r2]  # numbers to compare; without it all
    """
    from albumlib.course import sweep as room

    asked = room.read_sweep(file)
    with ticker() as progress:
        outcome = room.run_sweep(
            asked, out or Path("runs") / file.stem, workers=workers,
            gpus=[gpu for gpu in gpus.split(",") if gpu], dask=dask, progress=progress,
        )  # fmt: skip
    typer.echo(outcome.table.to_string())
    typer.echo(f"runs: {outcome.done} done, {outcome.failed} failed; see {outcome.folder}")
    raise typer.Exit(bool(outcome.failed))


def _other_way(source: Source, out: Path) -> str:
    """What to do with a source that notebook 01 has not."""
    if source is Source.spotify:
        return (
            "the course trains models, which Spotify's policy forbids with its content; to look "
            f"at what it has, use {NAME} gather --source spotify"
        )
    return (
        f"notebook 01 has no {source.value}: use {NAME} gather --source {source.value} "
        f"--out {out / 'data'}, then {NAME} course --from 2 --out {out}"
    )
