"""Options that several commands have, and how what is given with them is read."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from albumlib.runtime import LARGEST_SEED
from albumlib.sources.choose import NAMES

NAME = "python -m albumlib"


Source = Literal[NAMES]
Profile = Literal["smoke", "laptop", "gpu"]
# As in training.config.RECIPES, which would load torch
Recipe = Literal["acgan", "acgan_wgan_logan", "wgan_logan", "acgan_long", "small_set", "style"]

SourceOption = Annotated[Source, typer.Option(help="Where tracks and covers come from.")]
TableOption = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="Tracks as CSV, Excel, JSON or Parquet, for --source tables; spd_train.npy, for "
        "--source legacy; release.tar.xz, for --source musicbrainz without requests for tracks.",
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


def _forget_pauses(wanted: bool) -> bool:
    if wanted:
        from albumlib.sources import web

        typer.echo(f"pauses forgotten: {web.forget_pauses()}")
    return wanted


ForgetOption = Annotated[
    bool,
    typer.Option(
        "--forget-pauses",
        callback=_forget_pauses,
        help="Ask hosts again that asked for a pause; it is kept for a day at most.",
    ),
]
ModelArgument = Annotated[Path, typer.Argument(help="A checkpoint, or its folder from `train`.")]
SeedOption = Annotated[
    int, typer.Option(min=0, max=LARGEST_SEED, help="The same seed gives the same result.")
]
Settings = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Repeatable.")
]


def pairs(texts: list[str]) -> dict[str, str]:
    """Names and values of "name=value"."""
    for text in texts:
        if not text.partition("=")[1] or not text.partition("=")[0]:
            raise typer.BadParameter(f"{text!r} is not of the form name=value")
    return dict(text.split("=", 1) for text in texts)


def training_settings(texts: list[str] | None) -> dict:
    """Settings of a training, each text turned into its field's type."""
    from dataclasses import fields

    from albumlib.course.planning import from_text
    from albumlib.training.config import TrainingConfig

    kinds = {field.name: field.type for field in fields(TrainingConfig)}
    return {n: from_text(kinds.get(n, "str"), v) for n, v in pairs(texts or []).items()}


def extra_features(arguments: list[str]) -> list[str]:
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


def feature_values(texts: list[str]) -> dict[str, float]:
    """Features by name from "energy=0.9"."""
    from albumlib import features

    values = {}
    for name, text in pairs(texts).items():
        if name not in features.NAMES:
            raise typer.BadParameter(
                f"{name!r} is no feature; there are {', '.join(features.NAMES)}"
            )
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = math.nan
        if math.isnan(values[name]):
            raise typer.BadParameter(f"{name} must be a number such as 0.5, got {text!r}")
    return values
