"""Commands about what a trained model makes: generate, video, explore."""

import contextlib
import subprocess
from pathlib import Path
from typing import Annotated, Literal

import typer

from albumlib import AlbumlibError
from albumlib.cli.options import ModelArgument, SeedOption, extra_features, feature_values
from albumlib.runtime.console import bars, say

app = typer.Typer()


# As in sampling.finishing.FINISHES and sampling.captions.STYLES, which take long to load
FinishName = Literal["cutout", "riso", "halftone", "sharp", "smooth"]
StyleName = Literal["poster", "classic", "swiss", "magazine", "label", "spine"]
PictureOption = Annotated[
    Path,
    typer.Option(help="The picture to write, PNG, JPEG or (cutout) SVG; a folder with --table."),
]
CountOption = Annotated[
    int,
    typer.Option(
        min=0,
        max=1000,
        help="How many covers, of each row with --table [16; 1 for songs, albums, rows and print].",
    ),
]
FeatureOption = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--feature",
        metavar="NAME=VALUE",
        help="An audio feature in its own unit, repeatable, also as --energy 0.9; others stay in "
        "the middle, or as the song, the album or the table's row has them.",
    ),
]
SongOption = Annotated[str, typer.Option(help="A song of --data, words of its title.")]
AlbumOption = Annotated[str, typer.Option(help="An album of --data, its songs' average.")]
DataOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The cover set with --song or --album.")
]
TableOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A table of songs with features, or a folder of music: a cover for each.",
    ),
]
MusicOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A song: tempo, loudness and energy are measured."),
]
SizeOption = Annotated[
    int | None, typer.Option(help="Pixels a side [the model's own; 3000 with --finish].")
]
TitleOption = Annotated[
    str,
    typer.Option(
        help="Of a record, a song or both, for a model conditioned on titles; with --finish it is "
        "set on the cover. With --table: each row's name."
    ),
]
ArtistOption = Annotated[
    str, typer.Option(help="Set on the cover with --finish. With --table: each row's artist.")
]
FinishOption = Annotated[
    FinishName | None,
    typer.Option(help="For print: cut from paper, with ink's grain, in dots, or only enlarged."),
]
StyleOption = Annotated[
    StyleName | None,
    typer.Option("--type", help="Style of the words with --finish [what suits the picture]."),
]
SvgOption = Annotated[bool, typer.Option("--svg", help="With --table: SVGs in place of PNGs.")]
YearOption = Annotated[
    float | None, typer.Option(min=0, max=9999, help="For a model conditioned on years.")
]
TextOption = Annotated[
    bool | None, typer.Option("--text/--no-text", help="For a model conditioned on text.")
]
LayoutOption = Annotated[
    str, typer.Option(help="Such as rings or dots, for a model conditioned on layouts.")
]
TruncationOption = Annotated[
    float, typer.Option(min=0, max=1, help="1 for variety, less for ordinary covers.")
]
CandidatesOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=1000,
        help="For each cover draw so many, and take the one that shows its "
        "features best, judged by the training covers in --data.",
    ),
]

EXAMPLES = """\b
Examples: python -m albumlib generate data/model --energy 0.9 --valence 0.2 --out loud.png
          python -m albumlib generate data/model --album Harvest --data data/imprint/coverset
          python -m albumlib generate data/model --table songs.csv --out covers --size 512
          python -m albumlib generate data/model --music song.flac --out song.png
          python -m albumlib generate data/model --energy 0.9 --finish cutout --title Riot \\
            --artist "The Magnets" --out riot.svg
"""


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, epilog=EXAMPLES
)
def generate(
    context: typer.Context,
    model: ModelArgument,
    out: PictureOption = Path("covers.png"),
    count: CountOption = 0,
    feature: FeatureOption = None,
    song: SongOption = "",
    album: AlbumOption = "",
    data: DataOption = None,
    table: TableOption = None,
    music: MusicOption = None,
    size: SizeOption = None,
    finish: FinishOption = None,
    title: TitleOption = "",
    artist: ArtistOption = "",
    style: StyleOption = None,
    svg: SvgOption = False,
    year: YearOption = None,
    text: TextOption = None,
    layout: LayoutOption = "",
    truncation: TruncationOption = 1.0,
    seed: SeedOption = 2021,
    candidates: CandidatesOption = 1,
) -> None:
    """Generate covers with a trained model.

    What was asked for is kept in the picture, so that the explorer can open it again.
    """
    from albumlib.sampling.generate import request_for, to_file

    _one_of(song=song, album=album, music=music, table=table)
    _check_use(table, out, svg, finish, data and not (song or album or candidates > 1))
    wanted = _finish(finish, size, title, artist, style)
    given = feature_values([*(feature or []), *extra_features(context.args)])
    labelled = bool(song or album or music or table)
    generator = _generator(model, conditional=bool(given) or labelled)
    more = {"truncation": truncation, "year": year, "text": text, "layout": layout}
    more["title"] = title if not finish or "title" in generator.conditioned_on else ""
    count = count or (1 if labelled or finish else 16)
    request = request_for(_values(data, song, album, music) | given, seed, count, **more)
    request = _best(generator, request, data, table, candidates) if candidates > 1 else request
    if table:
        _table(generator, table, out, request, svg, size=size or 0, finish=wanted)
    else:
        typer.echo(to_file(generator, out, request, size or 0, wanted))


def _generator(model: Path, conditional: bool):
    from albumlib.models import checkpoint

    generator = checkpoint.load_generator(model)
    if conditional and not generator.labels:
        raise AlbumlibError(f"{model} was trained without labels: only --seed changes its covers")
    return generator


def _check_use(table: Path | None, out: Path, svg: bool, finish, data_unused: bool) -> None:
    """Refuse options that would change nothing, and a picture's name for many pictures."""
    if data_unused:
        raise typer.BadParameter("--data is for --song, --album or --candidates: give one of them")
    if svg and (not table or finish != "cutout"):
        raise typer.BadParameter(
            "--svg needs --table and --finish cutout; for one cover, name it --out cover.svg"
        )
    if table and out.suffix and not out.is_dir():
        raise typer.BadParameter(f"--table makes many pictures: name a folder, not --out {out}")


def _finish(finish, size: int | None, title: str, artist: str, style):
    """What is asked for in print, if --finish is given."""
    if not finish:
        if artist or style:
            raise typer.BadParameter("--artist and --type need --finish: they are for print")
        return None
    from albumlib.sampling.finishing import Finish

    size = Finish.size if size is None else size
    return Finish(finish, size, title, artist, style or "")


def _best(generator, request, data: Path | None, table: Path | None, candidates: int):
    """The request with the seeds of the best candidates."""
    if table or data is None or not generator.labels:
        raise typer.BadParameter(
            "--candidates needs --data, real covers with labels to choose by, a model with labels, "
            "and no --table"
        )
    from albumlib.dataset.coverset import CoverSet
    from albumlib.sampling.selection import best_seeds

    chosen = best_seeds(generator, request, CoverSet.open(data).with_labels(), candidates)
    typer.echo(f"chosen: seed {', '.join(map(str, chosen.seeds))}", err=True)
    return chosen


def _one_of(**options) -> None:
    if sum(map(bool, options.values())) > 1:
        raise typer.BadParameter(
            " and ".join(f"--{name}" for name, value in options.items() if value)
            + ": choose one of them"
        )


def _values(data: Path | None, song: str, album: str, music: Path | None) -> dict:
    """Features by name of what is given: a song or album of the cover set, or a music file."""
    from albumlib.sampling import generate

    if (song or album) and data is None:
        raise typer.BadParameter("--song and --album need --data, the cover set to search")
    if not music:
        return generate.wanted(data, song, album)
    values = generate.measured(music)
    found = ", ".join(f"{name} {v:.3g}" for name, v in values.items() if v is not None)
    typer.echo(f"measured: {found}; the other features are left open", err=True)
    return values


def _table(generator, table: Path, out: Path, request, svg: bool, **how) -> None:
    from albumlib.sampling.generate import REJECTED, table_to_files

    how["ending"] = ".svg" if svg else ".png"
    with bars() as progress:
        counts = table_to_files(generator, table, out, request, progress=progress, **how)
    say(counts)
    if counts["rows rejected"]:
        typer.echo(f"why: {out / REJECTED}")
    if not counts["covers drawn"]:
        raise AlbumlibError(f"no row of {table} could be used; {out / REJECTED} says why")
    typer.echo(out)


@app.command()
def video(
    model: Annotated[Path, typer.Argument(help="The checkpoint that made the pictures.")],
    pictures: Annotated[
        list[Path], typer.Argument(help="Two or more, as `generate` or the explorer saved them.")
    ],
    out: Annotated[Path, typer.Option(help="The video: .mp4, .webp or .gif.")] = Path("video.mp4"),
    seconds: Annotated[float, typer.Option(min=0.1, help="From one picture to the next.")] = 2.0,
    size: Annotated[int, typer.Option(help="Pixels that a cover is wide.")] = 256,
    loop: Annotated[bool, typer.Option("--loop", help="And back to the first.")] = False,
) -> None:
    """Interpolate from one saved picture to the next, as a video.

    \b
    Example: python -m albumlib video data/model quiet.png loud.png --loop --out video.gif
    """
    from albumlib.models import checkpoint
    from albumlib.sampling import video as interpolation

    generator = checkpoint.load_generator(model)
    requests = [_saved(picture, generator) for picture in pictures]
    with bars() as progress:
        typer.echo(interpolation.write(
            requests, generator, out, seconds=seconds, size=size, loop=loop, progress=progress
        ))  # fmt: skip


def _saved(picture: Path, generator):
    """The request in a picture; the error names the picture."""
    from albumlib.sampling import request

    if not picture.is_file():
        raise AlbumlibError(f"there is no picture {picture}")
    try:
        return request.load(picture, generator)
    except request.RequestError as error:
        raise AlbumlibError(f"{picture}: {error}") from error


@app.command()
def explore(
    coverset: Annotated[
        Path | None,
        typer.Argument(help="Gives songs and albums [one of the built-in imprint, made in --out]."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="CHECKPOINT", help="Repeatable [the pretrained ones]."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for saved pictures.")] = Path("data/explore"),
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Of the page on this machine.")
    ] = 8866,
    browser: Annotated[bool, typer.Option(help="Open it in a browser.")] = True,
) -> None:
    """Serve the explorer, sliders and a cover, as a page.

    \b
    Examples: python -m albumlib explore
              python -m albumlib explore data/mine/coverset --model data/model --no-browser
    """
    from albumlib.explorer import serve as serving

    models = {str(path): path for path in model or []} or serving.pretrained()
    with bars() as progress:
        covers = coverset or serving.cover_set(out, progress)
    page = serving.write_page(out, models, covers)
    command = serving.command(page, port, browser)
    typer.echo("the address stands below; Ctrl-C ends it", err=True)
    with contextlib.suppress(KeyboardInterrupt):  # which is how it is to be ended
        raise typer.Exit(subprocess.run(command).returncode)
