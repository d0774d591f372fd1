"""Commands about songs and covers: gather, budget, clean, quarantine."""

from pathlib import Path
from typing import Annotated

import typer

from albumlib.cli.options import (
    AskOption,
    ForgetOption,
    PicturesOption,
    SeedOption,
    SourceOption,
    TableOption,
)
from albumlib.runtime.console import bars, say

app = typer.Typer()


def _known_sizes(sizes: list[int]) -> list[int]:
    if set(sizes) - {32, 64, 128, 256}:  # as in models.networks.SIZES, which would load torch
        raise typer.BadParameter("models are trained on covers of 32, 64, 128 or 256 pixels a side")
    return sizes


LabelsOption = Annotated[
    str, typer.Option(metavar="SERVICE", help="Ask `reccobeats` for features that are missing.")
]
CoversOption = Annotated[
    str, typer.Option(metavar="SERVICE", help="Take covers from `coverart`, not the source.")
]
GatheredOption = Annotated[Path, typer.Option(help="Folder for the catalogue and the covers.")]
AlbumsOption = Annotated[int, typer.Option(min=1, help="Albums of the built-in imprint.")]
NamesOption = Annotated[
    bool,
    typer.Option("--text/--no-text", help="Set names on half of the built-in imprint's covers."),
]
FeaturesOption = Annotated[
    str,
    typer.Option(
        metavar="TABLE",
        help="Give the built-in imprint's songs the features of this table of tracks: how they "
        "are distributed and go together, not its rows.",
    ),
]
LimitOption = Annotated[int, typer.Option(min=0, help="Stop after so many tracks; 0 for all.")]
WidthOption = Annotated[int, typer.Option(min=32, max=3000, help="Width of the covers, pixels.")]
FetchersOption = Annotated[int, typer.Option(min=1, help="Covers drawn or fetched at a time.")]
FolderArgument = Annotated[Path, typer.Argument(help="What was gathered.")]
SetOption = Annotated[Path | None, typer.Option(help="The cover set [FOLDER/coverset].")]
SizesOption = Annotated[
    list[int],
    typer.Option(callback=_known_sizes, help="Pixels a side: 32, 64, 128 or 256. Repeatable."),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILTER",
        help="Only covers that pass this filter, such as popularity=50.., genre=rock,pop, "
        "release_date=1990..1999 or text=no. Repeatable.",
    ),
]
TextOption = Annotated[
    bool, typer.Option(help="Look for text on the covers; slow. Misses small and faint text.")
]
DetectorOption = Annotated[
    str,
    typer.Option(
        metavar="DETECTOR",
        help="Look for text with rapidocr, strict or strokes. With rapidocr four of five "
        "covers of text=no still bear some; strict finds more of it and takes longer.",
    ),
]
DecodersOption = Annotated[int, typer.Option(min=1, help="Processes that decode covers.")]
DaskOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Decode on the cluster of this scheduler.")
]


@app.command()
def gather(
    source: SourceOption = "imprint",
    table: TableOption = "",
    pictures: PicturesOption = "",
    ask: AskOption = "",
    labels: LabelsOption = "",
    covers: CoversOption = "",
    out: GatheredOption = Path("data/gathered"),
    albums: AlbumsOption = 8000,
    text: NamesOption = False,
    features: FeaturesOption = "",
    limit: LimitOption = 0,
    size: WidthOption = 300,
    workers: FetchersOption = 2,
    seed: SeedOption = 2026,
    forget_pauses: ForgetOption = False,
) -> None:
    """Gather tracks and covers into a folder.

    It goes on where it was stopped.

    \b
    Examples: python -m albumlib gather --albums 2000 --out data/imprint
              python -m albumlib gather --source tables --table songs.csv --out data/songs
              python -m albumlib gather --source musicbrainz --ask "artist:Nina Simone"
                --labels reccobeats --out data/simone
    """
    from albumlib.dataset import gathering
    from albumlib.dataset.quarantine import overview
    from albumlib.sources.choose import open_covers, open_labels, open_source

    chosen = open_source(
        source, table=table, pictures=pictures, ask=ask, seed=seed, albums=albums, text=text,
        features=features,
    )  # fmt: skip
    with bars() as progress:
        counts = gathering.gather(
            chosen, out, labels=open_labels(labels), covers=open_covers(covers),
            limit=limit or None, size=size, workers=workers, progress=progress, tell=typer.echo,
        )  # fmt: skip
    say(counts)
    typer.echo("\n".join([*getattr(chosen, "notes", ()), *overview(out)]))
    if source == "tables" and not (pictures or covers):
        typer.echo("covers were drawn for the features; --pictures or --covers brings real ones")
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
    folder: FolderArgument = Path("data/gathered"),
    out: SetOption = None,
    size: SizesOption = [64],  # noqa: B006
    where: WhereOption = None,
    text: TextOption = False,
    text_detector: DetectorOption = "",
    workers: DecodersOption = 2,
    dask: DaskOption = "",
) -> None:
    """Turn what was gathered into a cover set.

    Tracks and covers that break a rule are put aside, each with the reasons.

    \b
    Examples: python -m albumlib clean data/imprint --size 64
              python -m albumlib clean data/imprint --where year=1990.. --out data/nineties
    """
    from albumlib.dataset import cleaning
    from albumlib.dataset.coverset import FOLDER
    from albumlib.dataset.quarantine import command

    out = out or folder / FOLDER
    with bars() as progress:
        covers = cleaning.clean(
            folder, out, size=size, where=where or [], text=text_detector or text,
            workers=workers, dask=dask, progress=progress,
        )  # fmt: skip
    say(covers.manifest["funnel"] | {"put aside": covers.manifest["tracks rejected"]})
    typer.echo(f"what was put aside: {command(folder, out)}")
    typer.echo(f"next: python -m albumlib train {out}")


@app.command()
def quarantine(
    folder: Annotated[Path, typer.Argument(help="What was gathered and cleaned.")] = Path(
        "data/gathered"
    ),
    coverset: SetOption = None,
    sheets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a contact sheet for each reason.")
    ] = None,
    release: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Let a cover or track go. Repeatable.")
    ] = None,
) -> None:
    """Look at what cleaning put aside, and release from it.

    \b
    Examples: python -m albumlib quarantine data/imprint --sheets data/sheets
              python -m albumlib quarantine data/imprint --release album/17
    """
    from albumlib.dataset import quarantine as room
    from albumlib.dataset.coverset import FOLDER
    from albumlib.figures.rejects import write_quarantine

    coverset = coverset or folder / FOLDER
    counts = room.read(coverset).groupby(["what", "reason"]).size()
    say({f"{what}: {reason}": int(count) for (what, reason), count in counts.items()})
    for path in write_quarantine(folder, coverset, sheets) if sheets else ():
        typer.echo(path)
    if release:
        typer.echo(f"released: {room.release(folder, coverset, release)}")
        typer.echo(f"next: python -m albumlib clean {folder}")
