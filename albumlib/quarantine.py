"""The quarantine: what cleaning put aside, why, and what a person decided to let go after all.

Releases are lines in `released.txt` beside the catalogue: the id of a track or the reference of a
cover, and after a tab, if you like, a note. The next cleaning heeds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from albumlib import AlbumlibError

FILE = "released.txt"


class QuarantineError(AlbumlibError):
    """There is no quarantine, or it does not hold what is asked for."""


def read(coverset: str | Path) -> pd.DataFrame:
    """The quarantine of a cover set: `what` (track or cover), `id`, `reason`, all `reasons`."""
    path = Path(coverset) / "quarantine.parquet"
    if not path.exists():
        raise QuarantineError(
            f"there is no quarantine in {coverset}: run `python -m albumlib clean` first"
        )
    return pd.read_parquet(path)


def released(folder: str | Path) -> frozenset[str]:
    """Ids that were released in a folder of gathered songs."""
    path = Path(folder) / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return frozenset(line.split("\t")[0].strip() for line in lines) - {""}


def release(folder: str | Path, coverset: str | Path, ids: Iterable[str]) -> int:
    """Let tracks or covers go at the next cleaning; returns how many are released in all.

    Raises QuarantineError if one of them is not in the quarantine.
    """
    known = set(read(coverset)["id"]) | released(folder)
    ids = list(ids)
    if strangers := [name for name in ids if name not in known]:
        raise QuarantineError(f"{strangers[0]!r} is not in the quarantine of {coverset}")
    every = sorted(released(folder) | set(ids))
    path = Path(folder) / FILE
    kept = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    there = {line.split("\t")[0].strip() for line in kept}
    temporary = path.with_suffix(".tmp")
    lines = [*kept, *(name for name in every if name not in there)]
    temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    temporary.replace(path)
    return len(every)
