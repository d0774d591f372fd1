"""A table as its file has it: cells under our names, and the rows that are no rows."""

from dataclasses import dataclass, field

import pandas as pd

from albumlib import features
from albumlib.sources.columns import Column, find_columns

BEFORE = 10  # lines among which the header is looked for


@dataclass(frozen=True)
class PutAside:
    """A row that is not used: its line in the file (or its number there), why, and what it says."""

    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table as its file has it, under our names."""

    cells: pd.DataFrame  # indexed by the line at which each row begins
    columns: dict[str, Column]
    headers: list[str]
    put_aside: list[PutAside] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def header_place(rows: list[list[str]]) -> int:
    """Which of the first rows holds the headers: the first that names a feature, else the first."""
    named = (place for place, row in enumerate(rows) if {*features.NAMES} & {*find_columns(row)})
    return next(named, 0)
