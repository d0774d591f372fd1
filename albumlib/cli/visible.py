"""The command that says how much of its song a set of covers shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
SHOWN = {  # column: what stands above it, how it is printed
    "r2": ("R²", ".3f"), "r2_low": ("from", ".3f"), "r2_high": ("to", ".3f"),
    "r2_permuted": ("shuffled", ".3f"), "spearman": ("Spearman", ".2f"),
    "r2_year_genre": ("year+genre", ".3f"), "r2_beyond": ("beyond", ".3f"),
    "n": ("covers", ".0f"), "artists": ("artists", ".0f"),
}  # fmt: skip


@app.command()
def visible(
    folder: Annotated[Path, typer.Argument(help="A gathered and cleaned folder, or a cover set.")],
    file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here.")] = None,
    extractor: Annotated[
        str, typer.Option(help="imagenet, or own for the course's small network.")
    ] = "imagenet",
    seed: Annotated[int, typer.Option(help="Of folds, controls and intervals.")] = 2021,
) -> None:
    """Measure how much of its song a cover shows.

    R² of each feature predicted from the cover, out of sample, on artists that the regression has
    not seen; 95 % intervals over artists, and a control with shuffled labels. "year+genre" is
    what these two explain without the cover, "beyond" what the cover explains of the rest.

    \b
    Example: python -m albumlib visible data/mine --json visible.json
    """
    from albumlib.dataset import CoverSet
    from albumlib.evaluation.visible import flat
    from albumlib.evaluation.visible import visible as measure

    table = measure(CoverSet.open(folder), extractor, seed)
    for line in lines(table):
        typer.echo(line)
    if file:
        file.write_text(json.dumps(flat(table), indent=1) + "\n", encoding="utf-8")


def lines(table) -> list[str]:
    """The table as text: a line of names, then one for each feature, year and genre."""
    columns = [name for name in SHOWN if name in table]
    head = " ".join(f"{SHOWN[name][0]:>10}" for name in columns)
    rows = [f"{'':16} {head}"]
    for name, row in table.iterrows():
        cells = (format(row[key], SHOWN[key][1]) if row[key] == row[key] else "" for key in columns)
        rows.append(f"{name:16} " + " ".join(f"{cell:>10}" for cell in cells))
    return rows
