"""Near duplicates among real covers: which altered copies are found, and which pairs wrongly.

`recall` is the proportion of covers of which a copy is found, by kind of alteration; every copy is
saved as a JPEG. `pairs` are the pairs of different files among all the covers that are taken for
the same picture. Which of them are wrong, only eyes can tell: those that somebody looked at are in
data/measured/near_duplicates.csv (columns `first`, `second`: names of covers, and `same`), so that
`false_pairs` counts the wrong ones and `unknown_pairs` those that nobody has looked at;
`--sheet FILE.png` draws these. `false_per_1000` is per 1,000 different covers.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from albumlib.dataset import duplicates
from albumlib.dataset.images import decode

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/data"
REVIEWED = ROOT / "data/measured/near_duplicates.csv"
SIZE = 64  # pixels a side of a cover set, unless told otherwise


def crop(picture: Image.Image, edge: float) -> np.ndarray:
    """The picture without `edge` of its side at each edge, in its old size."""
    box = [edge * picture.width, edge * picture.height]
    box += [picture.width - box[0], picture.height - box[1]]
    return np.asarray(picture.resize(picture.size, Image.Resampling.LANCZOS, tuple(box)))


def frame(picture: Image.Image, edge: float, colour: str = "white") -> np.ndarray:
    """The picture within a frame of `edge` of its side, together in its old size."""
    large = picture.resize((500, 500), Image.Resampling.LANCZOS)
    framed = ImageOps.expand(large, round(500 * edge), colour)
    return np.asarray(framed.resize(picture.size, Image.Resampling.LANCZOS))


def frame_over(picture: Image.Image, edge: float) -> np.ndarray:
    """The picture with its outermost `edge` painted black."""
    inner = np.asarray(picture).copy()
    width = round(edge * picture.width)
    inner[:width] = inner[-width:] = inner[:, :width] = inner[:, -width:] = 0
    return inner


def enhanced(kind: type, factor: float, picture: Image.Image) -> np.ndarray:
    return np.asarray(kind(picture).enhance(factor))


def moved(picture: Image.Image) -> np.ndarray:
    """The picture without 3 % at the left and at the bottom."""
    width, height = picture.size
    box = (0.03 * width, 0, width, 0.97 * height)
    return np.asarray(picture.resize(picture.size, Image.Resampling.LANCZOS, box))


KINDS: dict[str, Callable[[Image.Image], np.ndarray]] = {
    "contrast_less_30": partial(enhanced, ImageEnhance.Contrast, 0.7),
    "contrast_more_30": partial(enhanced, ImageEnhance.Contrast, 1.3),
    "brighter_25": partial(enhanced, ImageEnhance.Brightness, 1.25),
    "darker_25": partial(enhanced, ImageEnhance.Brightness, 0.75),
    "saturation_less_30": partial(enhanced, ImageEnhance.Color, 0.7),
    "greyscale": partial(enhanced, ImageEnhance.Color, 0.0),
    "cropped_1_5": partial(crop, edge=0.015),
    "cropped_3": partial(crop, edge=0.03),
    "framed_2": partial(frame, edge=0.02),
    "framed_4": partial(frame, edge=0.04),
    "framed_4_black": partial(frame, edge=0.04, colour="black"),
    "painted_over_4": partial(frame_over, edge=0.04),
    "moved_3": moved,
    "quality_40": np.asarray,
}
QUALITY = {"quality_40": 40}  # of a JPEG; of other kinds 90


def recall(covers: Sequence[bytes], kind: Callable, quality: int = 90) -> float:
    """The proportion of covers whose altered copy is in one group with them."""
    originals, copies = [], []
    for data in covers:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        stream = io.BytesIO()
        Image.fromarray(kind(picture)).save(stream, "JPEG", quality=quality)
        originals.append(decode(data, SIZE).pixels)
        copies.append(decode(stream.getvalue(), SIZE).pixels)
    found = groups([*originals, *copies])
    return float(np.mean(found[: len(covers)] == found[len(covers) :]))


def groups(covers: Sequence[np.ndarray]) -> np.ndarray:
    """The group of each cover (S, S, 3)."""
    thumbs = np.array([duplicates.thumbnails(cover) for cover in covers])
    digests = np.array([hashlib.sha256(cover.tobytes()).hexdigest() for cover in covers])
    return duplicates.groups_of_duplicates(hashes_of(covers), thumbs, digests)


def hashes_of(covers: Sequence[np.ndarray]) -> np.ndarray:
    """The perceptual hashes (N, 2) of covers."""
    return np.array([duplicates.perceptual_hashes(cover) for cover in covers], dtype=np.uint64)


def real_covers() -> list[Path]:
    """The real covers beside the project, if they are there."""
    return sorted([*(SHARED / "covers").glob("*"), *(SHARED / "real/covers").glob("*")])


def pairs_of(group: np.ndarray) -> list[tuple[int, int]]:
    """All pairs within each group."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order])) + 1
    return [pair for members in np.split(order, starts) for pair in combinations(members, 2)]


def reviewed() -> dict[tuple[str, str], bool]:
    with REVIEWED.open(newline="") as file:
        return {(r["first"], r["second"]): r["same"] == "yes" for r in csv.DictReader(file)}


def name(path: Path) -> str:
    """A cover's name within the shared data."""
    return path.relative_to(SHARED).with_suffix("").as_posix()


def measured(covers: Sequence[Path], altered: int, seed: int = 0) -> dict:
    """Recall by kind on some of the covers, and the pairs among all of them."""
    rng = np.random.default_rng(seed)
    some = rng.choice(len(covers), min(altered, len(covers)), replace=False)
    originals = [covers[number].read_bytes() for number in np.sort(some)]
    found = {
        kind: round(recall(originals, alter, QUALITY.get(kind, 90)), 3)
        for kind, alter in KINDS.items()
    }
    group = groups([decode(path.read_bytes(), SIZE, aspect=9).pixels for path in covers])
    named = [(name(covers[i]), name(covers[j])) for i, j in pairs_of(group)]
    known = reviewed() if REVIEWED.exists() else {}
    wrong = sum(known.get(pair) is False for pair in named)
    different = len(np.unique(group))
    return {
        "covers": len(covers),
        "altered": len(originals),
        "recall": found,
        "different": different,
        "pairs": len(named),
        "false_pairs": wrong,
        "unknown_pairs": [pair for pair in named if pair not in known],
        "false_per_1000": round(1000 * wrong / different, 3),
    }


def draw(pairs: Sequence[tuple[str, str]], path: Path, columns: int = 6, side: int = 110) -> None:
    """A contact sheet of pairs, numbered."""
    rows = -(-len(pairs) // columns)
    sheet = Image.new("RGB", (columns * (2 * side + 14), rows * (side + 16)), "white")
    for number, pair in enumerate(pairs):
        left, top = number % columns * (2 * side + 14), number // columns * (side + 16)
        for place, cover in enumerate(pair):
            picture = Image.open(next(SHARED.glob(f"{cover}.*"))).convert("RGB")
            sheet.paste(picture.resize((side, side)), (left + place * side, top))
        ImageDraw.Draw(sheet).text((left + 2, top + side + 1), str(number), fill="black")
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--altered", type=int, default=300, help="covers of which copies are made")
    parser.add_argument("--seed", type=int, default=0, help="of their choice")
    parser.add_argument("--sheet", type=Path, help="picture of the pairs nobody has looked at")
    given = parser.parse_args()
    covers = real_covers()
    if not covers:
        raise SystemExit(f"there are no real covers in {SHARED}")
    result = measured(covers, given.altered, given.seed)
    unknown = result.pop("unknown_pairs")
    if given.sheet and unknown:
        draw(unknown, given.sheet)
    print(json.dumps(result | {"unknown_pairs": len(unknown)}))


if __name__ == "__main__":
    main()
