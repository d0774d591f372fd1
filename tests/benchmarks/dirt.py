"""Planted corruption against what cleaning finds: recall by kind of defect, and clean covers lost.

The built-in imprint corrupts a proportion of its covers and knows what it did to which. They are
gathered and cleaned, and its truth is compared with the outcomes: an unusable file must be put
aside for the right reason, a repairable one must be in the set and look as it was drawn, a
duplicate must stand in one group with its original. `recall` is by kind, `found` of `planted` as
counts; `clean_lost` is the proportion of clean covers that are not in the set, though no copy of
them stands for them.

A duplicate whose original is itself unusable, or has lost a strip to transparency, has no pair.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from albumlib.dataset import quarantine
from albumlib.dataset.cleaning import clean
from albumlib.dataset.coverset import CoverSet
from albumlib.dataset.gathering import gather
from albumlib.sources.imprint.corruption import DEFECTS, DUPLICATES, UNUSABLE
from albumlib.sources.imprint.imprint import Imprint
from tests.test_cleaning import REASONS

ALIKE = 6.0  # grey levels between a repaired cover and the one that was drawn, on average


class Outcomes:
    """What became of each cover of the imprint."""

    def __init__(self, imprint: Imprint, size: int, folder: Path, covers: CoverSet):
        self.imprint, self.size, self.covers = imprint, size, covers
        self.row = {cover: row for row, cover in enumerate(covers.table["cover"])}
        rejects = quarantine.read(folder / "coverset").query("what == 'cover'").set_index("id")
        self.reason, self.reasons = rejects["reason"].to_dict(), rejects["reasons"].to_dict()
        self.defect = [imprint.truth(index).defect for index in range(imprint.albums)]

    def stands_for(self, index: int) -> str:
        """The cover that stands in the set for this one's picture; "" if there is none."""
        cover = f"album/{index}"
        copy = self.reasons.get(cover, "").split(" ")[-1]
        return cover if cover in self.row else copy if self.reason[cover] == "duplicate" else ""

    def original(self, index: int) -> int:
        return self.imprint._original_of(index) if self.defect[index] in DUPLICATES else index

    def counts(self, index: int) -> bool:
        """Whether the defect of a cover can be found at all."""
        other = self.defect[self.original(index)]
        return self.defect[index] not in DUPLICATES or other not in (*UNUSABLE, "alpha")

    def is_right(self, index: int) -> bool:
        """Whether what became of a corrupted cover is what its defect demands."""
        defect = self.defect[index]
        if defect in UNUSABLE:
            return self.reason.get(f"album/{index}") == REASONS[defect]
        if defect in DUPLICATES:
            return self.stands_for(index) == self.stands_for(self.original(index)) != ""
        return self.is_its_own_picture(index) and self.looks_repaired(index)

    def is_its_own_picture(self, index: int) -> bool:
        """Whether a cover is in the set, or a true copy of it is."""
        name = self.stands_for(index)
        other = int(name.removeprefix("album/")) if name else -1
        return bool(name) and self.original(other) == self.original(index)

    def looks_repaired(self, index: int) -> bool:
        row = self.row.get(f"album/{index}")
        if row is None:
            return True  # a better copy stands for it
        drawn = self.imprint.picture(index, self.size)
        if self.defect[index] == "greyscale":
            drawn = ImageOps.grayscale(drawn).convert("RGB")
        if self.defect[index] == "alpha":
            drawn.paste((255, 255, 255), (0, 0, drawn.width // 12, drawn.height))
        wanted = drawn.resize((self.covers.size,) * 2, Image.Resampling.LANCZOS)
        return bool(np.abs(self.covers.images[row].astype(int) - wanted).mean() <= ALIKE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1500, help="covers")
    parser.add_argument("--dirt", type=float, default=0.1, help="proportion that is corrupted")
    parser.add_argument("--size", type=int, default=300, help="of the files in pixels")
    parser.add_argument("--seed", type=int, default=2021, help="of the imprint")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the covers here, and go on from there")
    given = parser.parse_args()

    imprint = Imprint(given.seed, albums=given.n, corruption=given.dirt)
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        gather(imprint, folder, size=given.size, workers=given.workers)
        started = time.perf_counter()
        covers = clean(folder, workers=given.workers)
        took = time.perf_counter() - started
        outcomes = Outcomes(imprint, given.size, folder, covers)
        corrupt = [i for i, defect in enumerate(outcomes.defect) if defect and outcomes.counts(i)]
        planted = Counter(outcomes.defect[i] for i in corrupt)
        wrong = [i for i in corrupt if not outcomes.is_right(i)]
        untouched = [i for i, defect in enumerate(outcomes.defect) if not defect]
        lost = [i for i in untouched if not outcomes.is_its_own_picture(i)]
    found = planted - Counter(outcomes.defect[i] for i in wrong)
    for index in (*wrong, *lost):
        cover = f"album/{index}"
        print(cover, outcomes.defect[index] or "clean", outcomes.reasons.get(cover, "in the set"))
    result = {
        "n": given.n,
        "recall": {
            kind: round(found[kind] / planted[kind], 4) for kind in DEFECTS if planted[kind]
        },
        "planted": dict(planted),
        "found": dict(found),
        "clean": len(untouched),
        "clean_lost": round(len(lost) / len(untouched), 5),
        "clean_s": round(took, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
