"""The quarantine: what cleaning put aside, why, and what a person decided to let go after all.

Releases are lines in `released.txt` beside the catalogue: the id of a track or the reference of a
cover, and after a tab, if you like, a note. The next cleaning follows them.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from albumlib import AlbumlibError, features
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.coverset import FOLDER, CoverSetError
from albumlib.runtime.files import write_text
from albumlib.sources.standard import ASIDE, IMPORT

FILE = "released.txt"
QUARANTINE = "quarantine.parquet"
REASONS = 6  # that are named where nothing is left
GOOD_ENOUGH = ("duplicate", "not square", "no name", "odd date", "track stands twice")


class QuarantineError(AlbumlibError):
    """There is no quarantine, or it does not hold what is asked for."""


def read(coverset: str | Path) -> pd.DataFrame:
    """The quarantine of a cover set: `what` (track or cover), `id`, `reason`, all `reasons`."""
    path = Path(coverset) / QUARANTINE
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
    write_text(path, "".join(f"{line}\n" for line in [*kept, *new]))
    return len(before) + len(new)


def read_import(folder: Path) -> tuple[dict[str, int], pd.DataFrame]:
    """The number of a table's rows, and those that were put aside, as the quarantine has them.

    Both are empty where no table was read.
    """
    rows = pd.DataFrame(columns=["what", "id", "reason", "reasons"], dtype=object)
    if not (folder / IMPORT).exists():
        return {}, rows
    about = json.loads((folder / IMPORT).read_text(encoding="utf-8"))
    aside = pd.read_csv(folder / ASIDE, dtype=str, keep_default_na=False)
    rows["id"], rows["reason"] = "line " + aside["line"], aside["reason"]
    rows["reasons"] = aside["reason"] + ": " + aside["text"]
    return {"rows in the table": about["rows"]}, rows.assign(what="row")


def nothing_left(folder: Path, out: Path, rejected: Iterable[pd.DataFrame]) -> CoverSetError:
    """The error that not one cover is usable. Its quarantine is written unless an earlier set is
    there.
    """
    rejected = pd.concat(rejected)
    if not (out / "manifest.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        write_quarantine(rejected, out / QUARANTINE)
    counts = rejected["reason"].value_counts()
    shown = [f"{reason} ({count})" for reason, count in counts.head(REASONS).items()]
    return CoverSetError(
        f"not one usable cover is left in {folder}: {', '.join(shown)}; "
        f"{command(folder, out)} shows them all"
    )


def command(folder: Path, out: Path) -> str:
    """The command that shows what was put aside when `folder` was cleaned into `out`."""
    place = "" if out == folder / FOLDER else f" --coverset {out}"
    return f"python -m albumlib quarantine {folder}{place}"


def write_quarantine(rejected: pd.DataFrame, path: Path) -> None:
    """One row for each track, cover or row of a table that is not in the set, with its reasons."""
    rejected = rejected[["what", "id", "reason", "reasons"]].reset_index(drop=True)
    rejected.fillna({"reasons": rejected["reason"]}).to_parquet(path, index=False)


def overview(folder: Path) -> list[str]:
    """For people: which column became which feature in which unit, its 5, 50 and 95 % quantiles,
    and which features are missing."""
    with Catalog(folder / "catalog.sqlite") as catalog:
        table = catalog.tracks()[list(features.NAMES)].astype(float)
    columns = {}
    if (folder / IMPORT).exists():
        columns = json.loads((folder / IMPORT).read_text(encoding="utf-8"))["columns"]
    known = [name for name in features.NAMES if table[name].notna().any()]
    lines = ["feature           5 %     50 %     95 % of the tracks lie below"] if known else []
    for name in known:
        low, middle, high = table[name].quantile([0.05, 0.5, 0.95])
        about = columns.get(name)
        origin = f"  from {about['column']!r} in {about['unit']}" if about else ""
        lines.append(f"{name:<16} {low:>5.3g} {middle:>8.3g} {high:>8.3g}{origin}")
    missing = [name for name in features.NAMES if name not in known]
    return [*lines, f"missing: {', '.join(missing)}"] if missing else lines
