"""Commands about models: train, export."""

import os
from pathlib import Path
from typing import Annotated

import typer

from albumlib.cli.options import Recipe, SeedOption, Settings, training_settings
from albumlib.runtime.console import bars, say, training_bar

app = typer.Typer()

RecipeOption = Annotated[
    Recipe, typer.Option(help="Which variant; all but wgan_logan are conditioned on features.")
]
StartOption = Annotated[
    Path | None,
    typer.Option("--from", metavar="CHECKPOINT", help="Begin with this model's networks."),
]
StyleOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="With --from: learn the style of these 50 to 500 pictures, not of a cover set.",
    ),
]


@app.command()
def train(
    data: Annotated[Path | None, typer.Argument(help="A cover set, as written by `clean`.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint and samples.")] = Path(
        "data/model"
    ),
    recipe: RecipeOption = "acgan",
    steps: Annotated[int, typer.Option(min=1, help="Updates of the generator.")] = 2000,
    minutes: Annotated[float, typer.Option(min=0, help="Stop after so long; 0 for no limit.")] = 0,
    start: StartOption = None,
    pictures: StyleOption = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps [the fastest there is].")] = "",
    parameter: Settings = None,
    seed: SeedOption = 2021,
) -> None:
    """Train a model on a cover set.

    It goes on from the checkpoint that it finds in --out.
    -p sets any field of albumlib.training.TrainingConfig: -p titles=both conditions
    it on titles, -p extras=year,text on more than the ten features.

    With --from and --pictures it learns a style, ends when held-out pictures are no longer
    approached, and keeps the nearest model. Several processes train one model together when
    torchrun starts them: torchrun --nproc-per-node 4 -m albumlib train ...

    \b
    Examples: python -m albumlib train data/imprint/coverset -p batch_size=32 --out data/model
              python -m albumlib train --from data/pretrained/acgan_start.safetensors \\
                  --pictures my/covers --out data/mine
              python -m albumlib train data/imprint/coverset --from data/model -p size=128 \\
                  -p generator_width=8 -p critic_width=16 --out data/larger
    """
    if bool(data) == bool(pictures) or (pictures and not start):
        raise typer.BadParameter("give a cover set, or --pictures with --from")
    given = {"steps": steps, "seed": seed, "max_minutes": minutes} | training_settings(parameter)
    if pictures:
        _learn_style(start, pictures, out, given)
        return
    _learn_covers(data, out, recipe, given, start=start, device=device)
    if os.environ.get("RANK", "0") == "0":  # one of the processes that torchrun started
        typer.echo(f"next: python -m albumlib generate {out}")


@app.command()
def export(
    what: Annotated[Path, typer.Argument(help="A cover set from `clean`, or a checkpoint.")],
    out: Annotated[
        Path, typer.Argument(help="The folder to write; for a cover set it must not be there.")
    ],
    size: Annotated[
        int, typer.Option(help="Of the sizes in the set; 0 for the first it was cleaned to.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that write files.")] = 2,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="COVERSET",
            help="For a model: whose albums the sliders show, with names [the built-in imprint].",
        ),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="For a model: a smaller page that needs a web server.")
    ] = False,
    address: Annotated[
        str, typer.Option(metavar="URL", help="For a model: where the folder will be on the web.")
    ] = "",
) -> None:
    """Write a model, or a cover set, for others to use.

    A model as ONNX and as a page: one file with sliders that runs in the browser, without any
    network; the first time npm fetches what runs it. A cover set in Hugging Face's layout for
    images, of which `gather --source parquet --pictures FOLDER` reads any.

    \b
    Examples: python -m albumlib export data/pretrained/acgan.safetensors data/page
              python -m albumlib export data/imprint/coverset data/shared
    """
    is_model = what.suffix == ".safetensors" or (what / "generator.safetensors").exists()
    if size if is_model else (data or split or address):
        raise typer.BadParameter(
            "--size is for a cover set; --data, --split, --address for a model"
        )
    if is_model:
        _export_model(what, out, data, address=address, split=split)
    else:
        _export_set(what, out, size, workers)


def _export_model(what: Path, out: Path, data: Path | None, **how) -> None:
    from albumlib.models import checkpoint
    from albumlib.sampling import export

    albums = export.Albums.of_coverset(data) if data else None
    for path in export.export(checkpoint.load_generator(what), out, albums, **how).values():
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


def _export_set(what: Path, out: Path, size: int, workers: int) -> None:
    from albumlib.dataset import huggingface

    with bars() as progress:
        huggingface.export(what, out, size or None, workers=workers, progress=progress)
    typer.echo(f'next: datasets.load_dataset("{out}")')


def _learn_covers(
    data: Path, out: Path, recipe: str, given: dict, *, start: Path | None, device: str
) -> None:
    """What `train` does with a cover set."""
    from albumlib.dataset.coverset import CoverSet
    from albumlib.models import conditions
    from albumlib.training import config as builds
    from albumlib.training import loop

    covers = CoverSet.open(data, given.get("size"))
    config = builds.recipe(recipe, start=start, **{"size": covers.size} | given)
    known = builds.recipe(recipe, start=start).extras if start else ""
    labels, words = conditions.of_covers(covers, **config.conditions, optional=known)
    with training_bar(config.steps) as progress:
        loop.train(
            config, covers.images, labels, out, rows=covers.rows("train"), words=words,
            progress=progress, start=start, device=device,
        )  # fmt: skip


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
