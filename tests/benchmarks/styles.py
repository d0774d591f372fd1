"""A style from few covers: how few are enough, and what of the recipe it takes.

    python tests/benchmarks/styles.py few        25 to 400 covers of one artist, in one ink
    python tests/benchmarks/styles.py recipe     100 covers, one part of the recipe changed
    python tests/benchmarks/styles.py genres     real covers: a genre that the base never saw

Each dot is a fine-tuning, of the pretrained model or of a base trained here. Half of the held-out
covers choose its checkpoint, the other half give the numbers. `--out` keeps the table, as chapter 9
shows it; stopped, it goes on. The last line is JSON: the distance left, as a share of the one
before, over seeds.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from albumlib import features
from albumlib.dataset.cleaning import clean
from albumlib.dataset.gathering import gather
from albumlib.sources.folder import Folder
from albumlib.sources.imprint.imprint import Imprint
from albumlib.studies import finetuning
from albumlib.training.config import recipe
from albumlib.training.loop import train

ROOT = Path(__file__).parents[2]
START = ROOT / "data" / "pretrained" / "acgan_start.safetensors"
ARTIST = 3
COUNTS = (25, 100, 400)
VARIANTS: dict[str, dict] = {
    "the recipe": {},
    "only moved": {"augment": "shift"},
    "neither moved nor recoloured": {"augment": ""},
    "first block frozen": {"freeze_critic": 1},
    "a quarter of the rates": {"generator_rate": 1e-4, "critic_rate": 1e-4},
}
GENRES = ("country", "rock")  # that the base does not see


def artist(options) -> Iterator[pd.DataFrame]:
    """Of the built-in imprint: the recipe at ever more covers, or its variants at 100."""
    covers, values = Imprint().by_artist(ARTIST, COUNTS[-1] + 2 * options.held, size=64)
    covers = finetuning.printed(covers)
    labels = features.to_unit(values).astype(np.float32)
    validation, test = np.split(np.arange(COUNTS[-1], len(covers)), 2)
    few = options.what == "few"
    for name, changes in ({"the recipe": {}} if few else VARIANTS).items():
        yield finetuning.how_few(
            START, covers, labels, options.work / name.replace(" ", "_"),
            counts=COUNTS if few else (100,), validation=validation, test=test,
            seeds=range(options.seeds), steps=options.steps, **changes,
        ).assign(variant=name)  # fmt: skip


def genres(options) -> Iterator[pd.DataFrame]:
    """Real covers, whose files are named after their genre; nothing is known of their music."""
    gather(Folder(options.pictures), options.work / "real", size=128)
    covers = clean(options.work / "real", size=64)
    genre = covers.table["cover"].str.split("_").str[0].to_numpy()
    learned, held = covers.rows("train"), covers.rows("heldout")
    others = learned[~np.isin(genre[learned], GENRES)]
    config = recipe("small_set", augment="", steps=options.base)
    train(config, covers.images, None, options.work / "base", rows=others)
    for name in GENRES:
        rows, apart = learned[genre[learned] == name], held[genre[held] == name]
        validation, test = np.array_split(len(rows) + np.arange(len(apart)), 2)
        yield finetuning.how_few(
            options.work / "base", covers.images[[*rows, *apart]], None, options.work / name,
            counts=(100, len(rows)), validation=validation, test=test,
            seeds=range(options.seeds), steps=options.steps,
        ).assign(variant=name)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = ("few", "recipe", "genres")
    parser.add_argument("what", nargs="?", choices=what, default="recipe")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60, help="at the most; chapter 9 shows 300")
    parser.add_argument(
        "--held", type=int, default=600, help="covers that choose, and as many that report"
    )
    parser.add_argument("--pictures", default=ROOT.parent / "shared/data/covers", help="for genres")
    parser.add_argument("--base", type=int, default=1000, help="steps of the base of genres")
    parser.add_argument("--work", type=Path, default=ROOT / "data" / "styles")
    parser.add_argument("--out", type=Path, help="the table, as CSV")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = []
    for part in genres(options) if options.what == "genres" else artist(options):
        print(part[["variant", "covers", "seed", "step", "kid_start", "kid", "copied"]], flush=True)
        parts.append(part)
    table = pd.concat(parts)
    if options.out:
        table.to_csv(options.out, index=False)
    left = (table["kid"] / table["kid_start"]).groupby([table["variant"], table["covers"]]).mean()
    shares = {f"{name}, {count} covers": round(share, 3) for (name, count), share in left.items()}
    print(json.dumps(shares))


if __name__ == "__main__":
    main()
