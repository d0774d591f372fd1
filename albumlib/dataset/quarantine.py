"""The quarantine: what cleaning put aside, why, and what a person decided to let go after all.

Releases are lines in `released.txt` beside the catalogue: the id of a track or the reference of a
cover, and after a tab, if you like, a note. The next cleaning follows them.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from albumlib import AlbumlibError

FILE = "released.txt"
GOOD_ENOUGH = ("duplicate", "not square", "no name", "odd date", "track stands twice")


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

    Raises QuarantineError if one of them is not in the quarantine, or is of no use to anybody.
    """
    before, path = released(folder), Path(folder) / FILE
    quarantine = read(coverset)
    rows = set(quarantine.loc[quarantine["what"] == "row", "id"])
    reasons = quarantine.set_index("id")["reason"]
    new = sorted(set(ids) - before)
    for name in new:
        if name not in reasons:
            raise QuarantineError(f"{name!r} is not in the quarantine of {coverset}")
        if name in rows:
            raise QuarantineError(f"{name!r} is of the table: correct it there and gather again")
        # a file without a picture has nothing to keep
        if reasons[name] not in GOOD_ENOUGH and not reasons[name].endswith(" out of range"):
            raise QuarantineError(f"{name!r} cannot be released: {reasons[name]}")
    kept = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(f"{line}\n" for line in [*kept, *new]), encoding="utf-8")
    temporary.replace(path)
    return len(before) + len(new)
