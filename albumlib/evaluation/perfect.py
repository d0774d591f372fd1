"""The perfect generator: the built-in imprint's albums drawn anew, with the same labels and other
random numbers. Whatever a measure says of these covers, it cannot ask more of a model.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from albumlib import AlbumlibError
from albumlib.dataset.coverset import CoverSet
from albumlib.dataset.images import decode
from albumlib.sources.imprint.corruption import corrupted
from albumlib.sources.imprint.imprint import Imprint

FORMER = "imprint"  # where covers of the first law say that they come from


def imprint_of(coverset: CoverSet) -> Imprint | None:
    """The imprint that drew a cover set's covers, None for covers of another source.

    Raises AlbumlibError if its albums bear other titles than the set's, or if its covers are of a
    law that is gone.
    """
    source, given = (coverset.manifest.get(key) for key in ("source", "source_settings"))
    if source == FORMER:
        raise AlbumlibError("these covers are of the imprint's first law: gather them anew")
    imprint = Imprint.named(str(source or ""), **(given or {}))
    if imprint is None:
        return None
    if imprint.album(numbers(coverset, [0])[0]).title != coverset.table["album"].iloc[0]:
        raise AlbumlibError(
            f"these covers are not of the imprint with seed {imprint.seed}: gather them anew"
        )
    return imprint


def numbers(coverset: CoverSet, rows: Sequence[int]) -> list[int]:
    """The imprint's album numbers of some rows."""
    names = coverset.table["album_id"].iloc[list(rows)]
    return [int(name.removeprefix("album-")) for name in names]


def redrawn(
    imprint: Imprint, albums: Sequence[int], size: int, *, drawn: int = 0, seed: int = 0
) -> np.ndarray:
    """Covers (n, size, size, 3) uint8 of albums by number, with style and composition that follow
    from `seed` alone; written as a file of `drawn` pixels a side and read as the cleaning does.

    What the cleaning let through of an album's corruption, such as a cover in greys, is done to
    its new cover too: else these covers would follow their labels better than the real ones.
    """
    return np.stack([
        as_cleaned(
            imprint.picture(imprint.shown_on(album), drawn or size, chance=seed * 10**6 + place),
            size, place, imprint.truth(album).defect,
        )
        for place, album in enumerate(albums)
    ])  # fmt: skip


def as_cleaned(picture: Image.Image, size: int, chance: int = 0, defect: str = "") -> np.ndarray:
    """A drawn picture's pixels (size, size, 3) after its way through a file, corrupted or not."""
    return decode(corrupted(picture, defect, np.random.default_rng((chance, 5))), size).pixels
