"""Titles read as characters, as words, or both: which steers a cover best, and on unknown words?

Each build begins with the pretrained model of chapter 5 and learns titles for as many steps. Then
covers are drawn for held-out titles and nothing else, and the matcher of chapter 10 looks for each
title among a hundred. Once the titles are as they are, once every word has an ending that no
vocabulary holds. `--out` keeps the table that chapter 10 shows. The last line is JSON.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSet
from albumlib.dataset.gathering import gather
from albumlib.evaluation import retrieval
from albumlib.models import conditions, titles
from albumlib.models.networks import Generator
from albumlib.sampling import latent
from albumlib.sources.imprint.imprint import Imprint
from albumlib.training.config import recipe
from albumlib.training.loop import train

ROOT = Path(__file__).parents[2]
PRETRAINED = ROOT / "data" / "pretrained"
START = PRETRAINED / "acgan_start.safetensors"
COUNT = 1000  # covers to measure by


def bent(title: str) -> str:
    """The title with an ending on each word: "Quiet Cedar" becomes "Quietish Cedarish"."""
    return re.sub(r"(\w{3,})", r"\1ish", title)


def trained(covers: CoverSet, reads: str, seed: int, steps: int, work: Path) -> Generator:
    config = recipe("acgan", start=START, steps=steps, seed=seed, titles=reads, label_dropout=0.5)
    told, words = conditions.of_covers(covers, **config.conditions, seed=seed)
    return train(
        config, covers.images, told, work / f"{reads}_{seed}", rows=covers.rows("train"),
        words=words, start=START,
    )  # fmt: skip


def found(model: Generator, matcher, known, asked: list[str], meant: list[str]) -> float:
    """Share of covers, drawn for `asked`, that lead the matcher to the title that was `meant`."""
    nothing = np.full((len(asked), model.labels), np.nan)  # the features and layouts
    rows = conditions.rows(nothing, {}, asked, model.words)
    covers = latent.draw(model, latent.latents(model, list(range(len(asked)))), rows)
    ranks = retrieval.retrieval_ranks(matcher, covers, titles.tokens(meant, known))
    return retrieval.accuracy(ranks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="a cover set at 64 px, in place of 800 albums")
    parser.add_argument("--steps", type=int, default=60, help="of training, each")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--work", type=Path, default=ROOT / "data" / "titles")
    parser.add_argument("--out", type=Path, help="the table, as CSV")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.data:
        covers = CoverSet.open(options.data)
    else:
        gather(Imprint(albums=800), options.work, size=64)
        covers = clean(options.work, size=64)
    matcher, known = retrieval.load_matcher(PRETRAINED / "matcher.safetensors")
    names = conditions.cover_titles(covers)
    meant = [names[row] for row in np.resize(covers.rows("test"), COUNT)]
    shuffled = list(np.random.default_rng(0).permutation(meant))
    rows = []
    for seed in range(options.seeds):
        for reads in titles.ENCODERS:
            model = trained(covers, reads, seed, options.steps, options.work)
            row = {"reads": reads, "seed": seed}
            row["as they are"] = found(model, matcher, known, meant, meant)
            row["unknown words"] = found(model, matcher, known, [bent(t) for t in meant], meant)
            row["shuffled"] = found(model, matcher, known, meant, shuffled)
            print(row, flush=True)
            rows.append(row)
    table = pd.DataFrame(rows)
    if options.out:
        table.to_csv(options.out, index=False)
    means = table.drop(columns="seed").groupby("reads").mean().round(3)
    print(json.dumps(means.to_dict("index")))


if __name__ == "__main__":
    main()
