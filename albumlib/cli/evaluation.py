"""Commands that measure: a model, and how much of its song a set of covers shows."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from albumlib.cli.options import ModelArgument, SeedOption
from albumlib.runtime.console import bars

app = typer.Typer()

DataArgument = Annotated[
    Path, typer.Argument(help="The cover set whose test covers it is compared with.")
]
FileOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers here, too.")
]
MostOption = Annotated[
    int, typer.Option(min=20, help="Generate so many covers, for as many real ones.")
]
ImageNetOption = Annotated[bool, typer.Option(help="Also by ImageNet features, the slowest part.")]
OcrOption = Annotated[
    int, typer.Option(min=0, help="Also let an OCR engine read so many covers, slowly.")
]

SHOWN = {  # column: what stands above it, how it is printed
    "r2": ("R²", ".3f"), "r2_low": ("from", ".3f"), "r2_high": ("to", ".3f"),
    "r2_permuted": ("shuffled", ".3f"), "spearman": ("Spearman", ".2f"),
    "r2_year_genre": ("year+genre", ".3f"), "r2_beyond": ("beyond", ".3f"),
    "n": ("covers", ".0f"), "artists": ("artists", ".0f"),
}  # fmt: skip


@app.command()
def evaluate(
    model: ModelArgument,
    data: DataArgument,
    json_file: FileOption = None,
    most: MostOption = 2000,
    imagenet: ImageNetOption = True,
    ocr: OcrOption = 0,
    seed: SeedOption = 0,
) -> None:
    """Measure how good a model's covers are, beside real ones.

    Covers are generated for the labels of one half of the test covers and compared with the other
    half. `real` is what the first half's own covers get in their place, `spread` how much that
    varies from parting to parting, and `away` how many spreads the model lies from it; `perfect`
    is what the imprint's own law gets with the same labels.

    \b
    Example: python -m albumlib evaluate data/pretrained/acgan.safetensors data/imprint/coverset
    """
    _make_room(json_file)
    from albumlib.dataset.coverset import CoverSet
    from albumlib.evaluation import instruments, perfect, scorecard
    from albumlib.models.checkpoint import load_generator
    from albumlib.sampling.latent import generated

    generator = load_generator(model)
    coverset = CoverSet.open(data, generator.size)
    imprint = perfect.imprint_of(coverset)
    conditional = bool(generator.labels) and coverset.has_labels
    with bars() as progress:
        given = {"labels": conditional, "imagenet": imagenet, "most": most, "seed": seed}
        bench = instruments.bench_for(coverset, imprint, **given, progress=progress)
    best = instruments.perfect_sample(bench, coverset, imprint) if imprint else None
    pixels = generated(generator, bench.asked.asked if conditional else len(bench.asked), seed)
    sample = bench.sample(pixels)
    scores = bench.scores(sample, bench.numbers(best) if best else None)
    if ocr:
        scores["text_ocr"] = instruments.ocr_score(bench, coverset, sample, best, ocr)
    typer.echo(scorecard.table(scores))
    n, n_test = len(bench.asked), len(bench.real)
    typer.echo(f"n = {n:,}, of {n_test:,} test covers" + scorecard.caution(n))
    if json_file:
        numbers = scorecard.flat(scores) | {"n": n, "n_test": n_test}
        json_file.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


@app.command()
def visible(
    folder: Annotated[Path, typer.Argument(help="A gathered and cleaned folder, or a cover set.")],
    file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here.")] = None,
    extractor: Annotated[
        Literal["imagenet", "own"], typer.Option(help="`own` is the course's small network.")
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
    _make_room(file)
    from albumlib.dataset import CoverSet
    from albumlib.evaluation.visible import flat
    from albumlib.evaluation.visible import visible as measure

    table = measure(CoverSet.open(folder), extractor, seed)
    for line in lines(table):
        typer.echo(line)
    if file:
        file.write_text(json.dumps(flat(table), indent=1) + "\n", encoding="utf-8")


def _make_room(file: Path | None) -> None:
    """Make the folder of a file, before the work whose numbers it is to hold."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)


def lines(table) -> list[str]:
    """The table as text: a line of names, then one for each feature, year and genre."""
    columns = [name for name in SHOWN if name in table]
    head = " ".join(f"{SHOWN[name][0]:>10}" for name in columns)
    rows = [f"{'':16} {head}"]
    for name, row in table.iterrows():
        cells = (format(row[key], SHOWN[key][1]) if row[key] == row[key] else "" for key in columns)
        rows.append(f"{name:16} " + " ".join(f"{cell:>10}" for cell in cells))
    return rows
