"""What the pretrained `listener` makes of a title, of text or none, and of a year, each alone.

Albums of the built-in imprint that no model has learned from; numbers of their own covers, half of
which bear names, stand beside those of generated ones. `--out` keeps the JSON that the models' card
quotes. The last line is JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from albumlib import features
from albumlib.dataset import statistics
from albumlib.evaluation import legibility, retrieval
from albumlib.models import conditions, load_generator, titles
from albumlib.models.networks import Generator
from albumlib.sampling import latent
from albumlib.sources.imprint import Imprint

PRETRAINED = Path(__file__).parents[2] / "data" / "pretrained"
YEARS = np.arange(1955, 2026, 10)


def drawn(model: Generator, count: int, names: list[str] | tuple = (), **known) -> np.ndarray:
    """`count` covers with these conditions and no others: titles, or labels by name."""
    labels = np.full((count, 10), np.nan)
    if "labels" in known:
        labels = known.pop("labels")
    extras = {name: np.full(count, known.get(name, np.nan)) for name in model.extras}
    rows = conditions.rows(labels, extras, names or [""] * count, model.words)
    return latent.draw(model, latent.latents(model, list(range(count))), rows)


def titles_found(model: Generator, covers: np.ndarray, names: list[str]) -> dict[str, float]:
    """How often the matcher finds a title among a hundred, first or among the first five."""
    matcher, words = retrieval.load_matcher(PRETRAINED / "matcher.safetensors")
    asked = titles.tokens(names, words)
    generated = drawn(model, len(names), names)
    order = np.random.default_rng(0).permutation(len(names))
    pairs = {"": (generated, asked), "_real": (covers, asked)}
    pairs["_shuffled"] = (generated, asked[order])
    ranks = {name: retrieval.retrieval_ranks(matcher, *pair) for name, pair in pairs.items()}
    top1 = {f"title_top1{name}": retrieval.accuracy(rank) for name, rank in ranks.items()}
    return top1 | {f"title_top5{name}": retrieval.accuracy(rank, 5) for name, rank in ranks.items()}


def text_found(model: Generator, covers: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Proportions of covers with legible text, asked for with the features of other albums."""
    network, part = legibility.load_text_reader(), labels[:500]
    asked = {f"text_{name}": drawn(model, len(part), labels=part, text=value)
             for name, value in {"with": 1.0, "without": 0.0}.items()}  # fmt: skip
    asked |= {"text_real": covers}
    return {name: float(legibility.legible(network, some).mean()) for name, some in asked.items()}


def years_followed(model: Generator, covers: np.ndarray, years: np.ndarray) -> dict[str, float]:
    """Rank correlation over decades of each image statistic, generated and real."""
    many = np.concatenate([drawn(model, 200, year=float(year)) for year in YEARS])
    generated = statistics.image_statistics(many).groupby(np.repeat(YEARS, 200)).mean()
    decades = (years // 10 * 10 + 5).clip(YEARS[0], YEARS[-1])
    real = statistics.image_statistics(covers).groupby(decades).mean()
    common = generated.index.intersection(real.index)
    follows = generated.loc[common].corrwith(real.loc[common], method="spearman")
    return {f"year_{name.replace(' ', '_')}": value for name, value in follows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=PRETRAINED / "listener.safetensors")
    parser.add_argument("--albums", type=int, default=300, help="the card's numbers are of 2,000")
    parser.add_argument("--out", type=Path, help="the numbers, as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    imprint, model = Imprint(albums=options.albums, text=True), load_generator(options.model)
    albums = [imprint.album(number) for number in range(options.albums)]
    covers = np.stack([imprint.picture(album.index, 64) for album in albums])
    names = [f"{album.title}: {album.titles[0]}" for album in albums]
    labels = features.to_unit(np.stack([album.mean for album in albums]))
    years = np.array([int(album.release_date[:4]) for album in albums])
    found = {
        "albums": options.albums,
        **titles_found(model, covers, names),
        **text_found(model, covers, labels),
        **years_followed(model, covers, years),
    }
    found = {name: round(float(value), 4) for name, value in pd.Series(found).items()}
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
