"""Commands about models: train, generate, film, explore, export."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from albumlib import AlbumlibError
from albumlib.cli.options import (
    Recipe,
    SeedOption,
    Settings,
    extra_features,
    feature_values,
    training_settings,
)
from albumlib.runtime.console import bars, say, training_bar

app = typer.Typer()


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
    -p sets any field of albumlib.training.TrainingConfig: -p titles=both to listen to titles,
    -p extras=year,text to more than the ten features.

    With --from and --pictures it learns a style, ends when held-out pictures are no longer
    approached, and keeps the nearest model. Several processes train one model together when
    torchrun starts them: torchrun --nproc-per-node 4 -m albumlib train ...

    \b
    Examples: python -m albumlib train data/imprint/coverset -p batch_size=32 --out data/model
              python -m albumlib train --from data/pretrained/acgan.safetensors \\
                  --pictures my/covers --out data/mine
              python -m albumlib train data/imprint/coverset --from data/model -p size=128 \\
                  -p generator_width=8 -p critic_width=16 --out data/larger
    """
    from albumlib.dataset.coverset import CoverSet
    from albumlib.models import conditions
    from albumlib.training import config as builds
    from albumlib.training import loop

    if bool(data) == bool(pictures) or (pictures and not start):
        raise typer.BadParameter("give a cover set, or --pictures with --from")
    given = {"steps": steps, "seed": seed, "max_minutes": minutes} | training_settings(parameter)
    if pictures:
        _learn_style(start, pictures, out, given)
        return
    covers = CoverSet.open(data, given.get("size"))
    config = builds.recipe(recipe.value, **{"size": covers.size} | given)
    labels, words = conditions.of_covers(covers, **config.conditions)
    with training_bar(config.steps) as progress:
        loop.train(
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
    text: Annotated[
        bool | None,
        typer.Option("--text/--no-text", help="For a model that knows of text."),
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
              python -m albumlib generate data/model --album Harvest --data data/imprint/coverset
              python -m albumlib generate data/model --table songs.csv --out covers --size 512
              python -m albumlib generate data/model --music song.flac --out song.png
    """
    from albumlib.models import checkpoint
    from albumlib.sampling import generate

    generator = checkpoint.load_generator(model)
    given = feature_values([*(feature or []), *extra_features(context.args)])
    if (given or song or album or table or music) and not generator.labels:
        raise AlbumlibError(f"{model} was trained without labels: only --seed changes its covers")
    if sum(map(bool, (song, album, table, music))) > 1:
        raise typer.BadParameter("--song, --album, --music and --table: choose one of them")
    if table:
        with bars() as progress:
            say(generate.table_to_files(
                generator, table, out, size=size, seed=seed, truncation=truncation,
                progress=progress,
            ))  # fmt: skip
        return
    if (song or album) and data is None:
        raise typer.BadParameter("--song and --album need --data, the cover set to search")
    values = generate.measured(music) if music else generate.wanted(data, song, album)
    if music:
        told = ", ".join(f"{name} {v:.3g}" for name, v in values.items() if v is not None)
        typer.echo(f"heard {told}; the other features are left open", err=True)
    values |= given
    count = count or (1 if song or album or music else 16)
    more = {"title": title, "year": year, "text": text}
    typer.echo(generate.to_file(
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
    from albumlib.models import checkpoint
    from albumlib.sampling import request, video

    generator = checkpoint.load_generator(model)
    drawings = [request.load(picture, generator) for picture in pictures]
    with bars() as progress:
        typer.echo(video.film(
            drawings, generator, out, seconds=seconds, size=size, loop=loop, progress=progress
        ))  # fmt: skip


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
    port: Annotated[int, typer.Option(help="Of the page on this machine.")] = 8866,
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
    raise typer.Exit(subprocess.run(command).returncode)


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
              python -m albumlib export data/imprint/coverset data/shared
    """
    if what.suffix == ".safetensors" or (what / "generator.safetensors").exists():
        from albumlib.models import checkpoint
        from albumlib.sampling import export

        for path in export.export(checkpoint.load_generator(what), out).values():
            typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
        return
    from albumlib.dataset import huggingface

    with bars() as progress:
        huggingface.export(what, out, size or None, workers=workers, progress=progress)
    typer.echo(f'next: datasets.load_dataset("{out}")')


def _learn_style(start: Path, pictures: Path, out: Path, given: dict) -> None:
    """What `train --from --pictures` does."""
    from albumlib.dataset import cleaning, gathering
    from albumlib.sources.folder import Folder
    from albumlib.studies import finetuning

    config = finetuning.style_config(start, **given)
    with bars() as progress:
        gathering.gather(Folder(pictures), out / "covers", size=2 * config.size, progress=progress)
        covers = cleaning.clean(out / "covers", size=config.size, progress=progress)
    say(covers.manifest["funnel"])
    with training_bar(config.steps) as progress:
        finetuning.fine_tune(
            start, covers.images, None, out, rows=covers.rows("train"),
            heldout=covers.rows("heldout"), config=config, progress=progress,
        )  # fmt: skip
    nearest = finetuning.best(finetuning.read_history(out))
    typer.echo(f"kept: step {nearest['step']}, distance {nearest['kid']:.4f} (KID)")
    typer.echo(f"next: python -m albumlib generate {out}")
