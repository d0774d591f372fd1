"""The command line: `python -m albumlib --help`.

Exit code 0 if all went well, 1 if something failed (one sentence says what), 2 for a command
that cannot be understood.
"""

from __future__ import annotations

import os
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from albumlib import AlbumlibError, __version__
from albumlib.console import Sentences, bars, say, ticker, training_bar

NAME = "python -m albumlib"


app = typer.Typer(
    cls=Sentences,
    help="From songs to album covers: gather, clean, train, generate, or run the whole course.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Source(str, Enum):
    """Where tracks and covers come from."""

    synthetic = "synthetic"
    tables = "tables"
    folder = "folder"
    musicbrainz = "musicbrainz"
    music = "music"
    spotify = "spotify"
    legacy = "legacy"
    parquet = "parquet"


class Profile(str, Enum):
    """How much is gathered and trained."""

    smoke = "smoke"
    laptop = "laptop"
    gpu = "gpu"


class Recipe(str, Enum):
    """The builds of the course, see albumlib.config.RECIPES."""

    acgan = "acgan"
    acgan_wgan_logan = "acgan_wgan_logan"
    wgan_logan = "wgan_logan"
    small_set = "small_set"
    style = "style"


SourceOption = Annotated[Source, typer.Option(help="Where tracks and covers come from.")]
TableOption = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="CSV or Parquet of tracks, for --source tables; spd_train.npy, for --source legacy; "
        "release.tar.xz, for --source musicbrainz without requests for tracks.",
    ),
]
PicturesOption = Annotated[
    str,
    typer.Option(
        metavar="FOLDER",
        help="Pictures, for --source folder; a data set of images in Hugging Face's layout, for "
        "--source parquet; music, for --source music. For --source tables: a "
        "folder of covers, or `url` for the addresses in the table; without it covers are drawn.",
    ),
]
AskOption = Annotated[
    str,
    typer.Option(
        metavar="KIND:WORDS",
        help="For --source musicbrainz: artist:NAME, label:NAME, tag:WORD or year:1999. For "
        "--source spotify: search:WORDS, artist:NAME, albums:LINKS or playlists:all.",
    ),
]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Settings = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Repeatable.")
]


@app.callback(invoke_without_command=True)
def _common(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    if version:
        typer.echo(f"albumlib {__version__}")
        raise typer.Exit


@app.command()
def doctor() -> None:
    """Check what is installed, and say what to do.

    \b
    Example: python -m albumlib doctor
    """
    from albumlib.doctor import examine

    findings = examine()
    for finding in findings:
        typer.echo(finding)
    raise typer.Exit(any(finding.state == "FAIL" for finding in findings))


@app.command()
def gather(
    source: SourceOption = Source.synthetic,
    table: TableOption = "",
    pictures: PicturesOption = "",
    ask: AskOption = "",
    labels: Annotated[
        str, typer.Option(metavar="SERVICE", help="Ask `reccobeats` for features that are missing.")
    ] = "",
    covers: Annotated[
        str, typer.Option(metavar="SERVICE", help="Take covers from `coverart`, not the source.")
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for the catalogue and the covers.")] = Path(
        "data/gathered"
    ),
    albums: Annotated[int, typer.Option(help="Albums of the built-in label.")] = 8000,
    limit: Annotated[int, typer.Option(help="Stop after so many tracks; 0 for all.")] = 0,
    size: Annotated[int, typer.Option(help="Width of the covers, pixels.")] = 300,
    workers: Annotated[int, typer.Option(help="Covers drawn or fetched at a time.")] = 2,
    seed: SeedOption = 2021,
) -> None:
    """Gather tracks and covers into a folder.

    It goes on where it was stopped.

    \b
    Examples: python -m albumlib gather --albums 2000 --out data/label
              python -m albumlib gather --source tables --table songs.csv --out data/songs
              python -m albumlib gather --source musicbrainz --ask "artist:Nina Simone"
                --labels reccobeats --out data/simone
    """
    from albumlib import gathering
    from albumlib.sources.choose import open_covers, open_labels, open_source

    chosen = open_source(
        source.value, table=table, pictures=pictures, ask=ask, seed=seed, albums=albums
    )
    with bars() as progress:
        counts = gathering.gather(
            chosen, out, labels=open_labels(labels), covers=open_covers(covers),
            limit=limit or None, size=size, workers=workers, progress=progress,
        )  # fmt: skip
    say(counts)
    typer.echo(f"next: python -m albumlib clean {out}")


@app.command()
def budget(
    tracks: Annotated[int, typer.Option(min=1, help="How many, with labels and covers.")] = (
        1_000_000
    ),
) -> None:
    """Say how many requests and days a gathering takes, by each route.

    \b
    Example: python -m albumlib budget --tracks 50000
    """
    from albumlib.sources import budget as room

    for route, requests in room.budget(tracks).items():
        typer.echo(f"{route}: {room.hours(requests) / 24:.1f} days")
        say(requests)


@app.command()
def clean(
    folder: Annotated[Path, typer.Argument(help="What was gathered.")] = Path("data/gathered"),
    out: Annotated[Path | None, typer.Option(help="The cover set [FOLDER/coverset].")] = None,
    size: Annotated[
        list[int], typer.Option(help="Pixels a side: 32, 64, 128 or 256. Repeatable.")
    ] = [64],  # noqa: B006
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WINDOW",
            help="Only covers in this window, such as popularity=50.., genre=rock,pop, "
            "release_date=1990..1999 or lettering=no. Repeatable.",
        ),
    ] = None,
    lettering: Annotated[bool, typer.Option(help="Look for text on the covers; slow.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that decode covers.")] = 2,
    dask: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Decode on the cluster of this scheduler.")
    ] = "",
) -> None:
    """Turn what was gathered into a cover set.

    Tracks and covers that break a rule are put aside, each with the reasons.

    \b
    Examples: python -m albumlib clean data/label --size 64
              python -m albumlib clean data/label --where year=1990.. --out data/nineties
    """
    from albumlib import cleaning

    with bars() as progress:
        covers = cleaning.clean(
            folder, out, size=size, where=where or [], lettering=lettering,
            workers=workers, dask=dask, progress=progress,
        )  # fmt: skip
    say(covers.manifest["funnel"])
    typer.echo(f"next: python -m albumlib train {out or folder / 'coverset'}")


@app.command()
def export(
    what: Annotated[Path, typer.Argument(help="A cover set from `clean`, or a checkpoint.")],
    out: Annotated[
        Path, typer.Argument(help="The folder to write; for a cover set it must not be there.")
    ],
    size: Annotated[
        int, typer.Option(help="Of the sizes in the set; 0 for the first it was cleaned to.")
    ] = 0,
    workers: Annotated[int, typer.Option(help="Processes that write files.")] = 2,
) -> None:
    """Write a model, or a cover set, for others to use.

    A model as ONNX and as a page: one file with sliders that draws in the browser, without any
    network; the first time npm fetches what runs it. A cover set in Hugging Face's layout for
    images, of which `gather --source parquet --pictures FOLDER` reads any.

    \b
    Examples: python -m albumlib export data/pretrained/acgan.safetensors data/page
              python -m albumlib export data/label/coverset data/shared
    """
    if what.suffix == ".safetensors" or (what / "generator.safetensors").exists():
        from albumlib import checkpoint, page

        for path in page.export(checkpoint.load_generator(what), out).values():
            typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
        return
    from albumlib import huggingface

    with bars() as progress:
        huggingface.export(what, out, size or None, workers=workers, progress=progress)
    typer.echo(f'next: datasets.load_dataset("{out}")')


@app.command()
def explore(
    coverset: Annotated[
        Path | None,
        typer.Argument(help="Gives songs and albums [one of the built-in label, made in --out]."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="CHECKPOINT", help="Repeatable [the pretrained ones]."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for saved pictures.")] = Path("data/explore"),
    port: Annotated[int, typer.Option(help="Of the page on this machine.")] = 8866,
    browser: Annotated[bool, typer.Option(help="Open it in a browser.")] = True,
) -> None:
    """Serve the explorer, sliders and a cover, as a page.

    \b
    Examples: python -m albumlib explore
              python -m albumlib explore data/mine/coverset --model data/model --no-browser
    """
    from albumlib import explore as serving

    models = {str(path): path for path in model or []} or serving.pretrained()
    with bars() as progress:
        covers = coverset or serving.cover_set(out, progress)
    page = serving.write_page(out, models, covers)
    command = serving.command(page, port, browser)
    typer.echo("the address stands below; Ctrl-C ends it", err=True)
    raise typer.Exit(subprocess.run(command).returncode)


@app.command()
def quarantine(
    folder: Annotated[Path, typer.Argument(help="What was gathered and cleaned.")] = Path(
        "data/gathered"
    ),
    coverset: Annotated[Path | None, typer.Option(help="The cover set [FOLDER/coverset].")] = None,
    sheets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a contact sheet for each reason.")
    ] = None,
    release: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Let a cover or track go. Repeatable.")
    ] = None,
) -> None:
    """Look at what cleaning put aside, and release from it.

    \b
    Examples: python -m albumlib quarantine data/label --sheets data/sheets
              python -m albumlib quarantine data/label --release album/17
    """
    from albumlib import quarantine as room
    from albumlib.sheets import write_quarantine

    coverset = coverset or folder / "coverset"
    counts = room.read(coverset).groupby(["what", "reason"]).size()
    say({f"{what}: {reason}": int(count) for (what, reason), count in counts.items()})
    for path in write_quarantine(folder, coverset, sheets) if sheets else ():
        typer.echo(path)
    if release:
        typer.echo(f"released: {room.release(folder, coverset, release)}")
        typer.echo(f"next: python -m albumlib clean {folder}")


@app.command()
def train(
    data: Annotated[Path | None, typer.Argument(help="A cover set, as written by `clean`.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint and samples.")] = Path(
        "data/model"
    ),
    recipe: Annotated[
        Recipe, typer.Option(help="The build; all but wgan_logan let the ten features steer.")
    ] = Recipe.acgan,
    steps: Annotated[int, typer.Option(min=1, help="Updates of the generator.")] = 2000,
    minutes: Annotated[float, typer.Option(help="Stop after so long; 0 for no limit.")] = 0,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="CHECKPOINT", help="Begin with this model's networks."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --from: learn the style of these 50 to 500 pictures, not of a cover set.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps [the fastest there is].")] = "",
    parameter: Settings = None,
    seed: SeedOption = 2021,
) -> None:
    """Train a model on a cover set.

    It goes on from the checkpoint that it finds in --out.
    -p sets any field of albumlib.config.TrainingConfig: -p titles=both to listen to titles,
    -p extras=year,lettering to more than the ten features.

    With --from and --pictures it learns a style, ends when held-out pictures are no longer
    approached, and keeps the nearest model. Several processes train one model together when
    torchrun starts them: torchrun --nproc-per-node 4 -m albumlib train ...

    \b
    Examples: python -m albumlib train data/label/coverset -p batch_size=32 --out data/model
              python -m albumlib train --from data/pretrained/acgan.safetensors \\
                  --pictures my/covers --out data/mine
              python -m albumlib train data/label/coverset --from data/model -p size=128 \\
                  -p generator_width=8 -p critic_width=16 --out data/larger
    """
    from albumlib import conditions, training
    from albumlib import config as settings
    from albumlib.coverset import CoverSet

    if bool(data) == bool(pictures) or (pictures and not start):
        raise typer.BadParameter("give a cover set, or --pictures with --from")
    given = {"steps": steps, "seed": seed, "max_minutes": minutes} | _settings(parameter)
    if pictures:
        _learn_style(start, pictures, out, given)
        return
    covers = CoverSet.open(data, given.get("size"))
    config = settings.recipe(recipe.value, **{"size": covers.size} | given)
    labels, words = conditions.of_covers(covers, config)
    with training_bar(config.steps) as progress:
        training.train(
            config, covers.images, labels, out, rows=covers.rows("train"), words=words,
            start=start, device=device, progress=progress,
        )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":  # one of the processes that torchrun started
        typer.echo(f"next: python -m albumlib generate {out}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def generate(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A checkpoint, or its folder from `train`.")],
    out: Annotated[
        Path,
        typer.Option(help="The picture to write, PNG or JPEG; a folder with --table."),
    ] = Path("covers.png"),
    count: Annotated[
        int, typer.Option(min=0, help="How many covers [1 with --song, --album, --music; else 16].")
    ] = 0,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--feature",
            metavar="NAME=VALUE",
            help="An audio feature in its own unit, repeatable, also as --energy 0.9; "
            "others stay in the middle, or as the song or album has them.",
        ),
    ] = None,
    song: Annotated[str, typer.Option(help="A song of --data, words of its title.")] = "",
    album: Annotated[str, typer.Option(help="An album of --data, its songs' average.")] = "",
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The cover set with --song or --album.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of features, a cover for each row.")
    ] = None,
    music: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A song to listen to: tempo, loudness and energy."),
    ] = None,
    size: Annotated[int, typer.Option(help="Pixels a side; 0 for the model's own.")] = 0,
    title: Annotated[
        str, typer.Option(help="Of a record, a song or both, for a model that reads titles.")
    ] = "",
    year: Annotated[float | None, typer.Option(help="For a model that knows years.")] = None,
    lettering: Annotated[
        bool | None,
        typer.Option("--lettering/--no-lettering", help="For a model that knows of lettering."),
    ] = None,
    truncation: Annotated[
        float, typer.Option(min=0, max=1, help="1 for variety, less for ordinary covers.")
    ] = 1.0,
    seed: SeedOption = 2021,
) -> None:
    """Draw covers with a trained model.

    What was asked for is kept in the picture, so that the explorer can open it again.

    \b
    Examples: python -m albumlib generate data/model --energy 0.9 --valence 0.2 --out loud.png
              python -m albumlib generate data/model --album Harvest --data data/label/coverset
              python -m albumlib generate data/model --table songs.csv --out covers --size 512
              python -m albumlib generate data/model --music song.flac --out song.png
    """
    from albumlib import checkpoint, generating

    generator = checkpoint.load_generator(model)
    given = _features([*(feature or []), *_extra_features(context.args)])
    if (given or song or album or table or music) and not generator.labels:
        raise AlbumlibError(f"{model} was trained without labels: only --seed changes its covers")
    if sum(map(bool, (song, album, table, music))) > 1:
        raise typer.BadParameter("--song, --album, --music and --table: choose one of them")
    if table:
        with bars() as progress:
            say(generating.table_to_files(
                generator, table, out, size=size, seed=seed, truncation=truncation,
                progress=progress,
            ))  # fmt: skip
        return
    if (song or album) and data is None:
        raise typer.BadParameter("--song and --album need --data, the cover set to search")
    values = generating.heard(music) if music else generating.wanted(data, song, album)
    if music:
        told = ", ".join(f"{name} {v:.3g}" for name, v in values.items() if v is not None)
        typer.echo(f"heard {told}; the other features are left open", err=True)
    values |= given
    count = count or (1 if song or album or music else 16)
    more = {"title": title, "year": year, "lettering": lettering}
    typer.echo(generating.to_file(
        generator, out, values, count=count, size=size, seed=seed, truncation=truncation, **more
    ))  # fmt: skip


@app.command()
def film(
    model: Annotated[Path, typer.Argument(help="The checkpoint that drew the pictures.")],
    pictures: Annotated[
        list[Path], typer.Argument(help="Two or more, as `generate` or the explorer saved them.")
    ],
    out: Annotated[Path, typer.Option(help="The film, .mp4 or .gif.")] = Path("film.mp4"),
    seconds: Annotated[float, typer.Option(min=0.1, help="From one picture to the next.")] = 2.0,
    size: Annotated[int, typer.Option(help="Pixels that a cover is wide.")] = 256,
    loop: Annotated[bool, typer.Option("--loop", help="And back to the first.")] = False,
) -> None:
    """Make a film that goes from one saved picture to the next.

    \b
    Example: python -m albumlib film data/model quiet.png loud.png --loop --out film.gif
    """
    from albumlib import checkpoint, drawing, films

    generator = checkpoint.load_generator(model)
    drawings = [drawing.load(picture, generator) for picture in pictures]
    with bars() as progress:
        typer.echo(films.film(
            drawings, generator, out, seconds=seconds, size=size, loop=loop, progress=progress
        ))  # fmt: skip


@app.command()
def course(
    profile: Annotated[Profile, typer.Option(help="How much is gathered and trained.")] = (
        Profile.laptop
    ),
    source: SourceOption = Source.synthetic,
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
    from albumlib import course as room
    from albumlib.sources.choose import open_source

    parameters = _pairs(parameter or [])
    ending = "" if source is Source.synthetic else f"-{source.value}"
    out = out or Path("runs") / (profile.value + ending)
    if source in (Source.parquet, Source.music, Source.spotify, Source.legacy):
        raise AlbumlibError(_other_way(source, out))
    given = {"table": table, "pictures": pictures, "seed": seed} | ({"ask": ask} if ask else {})
    open_source(source.value, **given)  # fail now, not in 01
    asked = {
        "profile": profile.value,
        "out": out,
        "notebooks": room.find_notebooks(only.replace(",", " ").split(), start),
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
    from albumlib import sweep as room

    asked = room.read_sweep(file)
    with ticker() as progress:
        outcome = room.run_sweep(
            asked, out or Path("runs") / file.stem, workers=workers,
            gpus=[gpu for gpu in gpus.split(",") if gpu], dask=dask, progress=progress,
        )  # fmt: skip
    typer.echo(outcome.table.to_string())
    typer.echo(f"runs: {outcome.done} done, {outcome.failed} failed; see {outcome.folder}")
    raise typer.Exit(bool(outcome.failed))


# Helpers of the commands ----------------------------------------------------------


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


def _learn_style(start: Path, pictures: Path, out: Path, given: dict) -> None:
    """What `train --from --pictures` does."""
    from albumlib import cleaning, gathering, styles
    from albumlib.sources.folder import Folder

    config = styles.style_config(start, **given)
    with bars() as progress:
        gathering.gather(Folder(pictures), out / "covers", size=2 * config.size, progress=progress)
        covers = cleaning.clean(out / "covers", size=config.size, progress=progress)
    say(covers.manifest["funnel"])
    with training_bar(config.steps) as progress:
        styles.fine_tune(
            start, covers.images, None, out, rows=covers.rows("train"),
            heldout=covers.rows("heldout"), config=config, progress=progress,
        )  # fmt: skip
    nearest = styles.best(styles.read_history(out))
    typer.echo(f"kept: step {nearest['step']}, distance {nearest['kid']:.4f} (KID)")
    typer.echo(f"next: python -m albumlib generate {out}")


def _pairs(texts: list[str]) -> dict[str, str]:
    """Names and values of "name=value"."""
    for text in texts:
        if not text.partition("=")[1] or not text.partition("=")[0]:
            raise typer.BadParameter(f"{text!r} is not of the form name=value")
    return dict(text.split("=", 1) for text in texts)


def _settings(texts: list[str] | None) -> dict:
    """Settings of a training, each text turned into its field's type."""
    from dataclasses import fields

    from albumlib.config import TrainingConfig
    from albumlib.course import from_text

    kinds = {field.name: field.type for field in fields(TrainingConfig)}
    return {n: from_text(kinds.get(n, "str"), v) for n, v in _pairs(texts or []).items()}


def _extra_features(arguments: list[str]) -> list[str]:
    """ "--energy 0.9" and "--energy=0.9" as "energy=0.9". Other options are none of ours."""
    from albumlib import features

    texts, left = [], list(arguments)
    while left:
        name, equals, value = left.pop(0).partition("=")
        if not name.startswith("-"):
            raise typer.BadParameter(f"unexpected argument {name!r}")
        if name.removeprefix("--") not in features.NAMES:
            raise typer.BadParameter(f"no such option, and no feature: {name}")
        if not equals and not left:
            raise typer.BadParameter(f"{name} needs a value")
        texts.append(f"{name.removeprefix('--')}={value if equals else left.pop(0)}")
    return texts


def _features(texts: list[str]) -> dict[str, float]:
    """Features by name from "energy=0.9"."""
    from albumlib import features

    values = {}
    for name, text in _pairs(texts).items():
        if name not in features.NAMES:
            raise typer.BadParameter(
                f"{name!r} is no feature; there are {', '.join(features.NAMES)}"
            )
        try:
            values[name] = float(text)
        except ValueError:
            raise typer.BadParameter(f"{name} must be a number, got {text!r}") from None
    return values


def main() -> None:
    """Run the command line. `--debug` may stand anywhere: it is moved to where it belongs."""
    app(sorted(sys.argv[1:], key=lambda argument: argument != "--debug"), prog_name=NAME)


if __name__ == "__main__":
    main()
