"""The command that measures a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from albumlib.cli.options import SeedOption
from albumlib.runtime.console import bars

app = typer.Typer()

ModelArgument = Annotated[Path, typer.Argument(help="A checkpoint, or its folder from `train`.")]
DataArgument = Annotated[
    Path, typer.Argument(help="The cover set whose test covers it is held to.")
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
    is what the imprint's own art director gets with the same labels.

    \b
    Example: python -m albumlib evaluate data/pretrained/acgan.safetensors data/imprint/coverset
    """
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
