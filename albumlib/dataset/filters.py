"""Filters: which rows of a table are wanted, said in plain words.

    popularity=50..                from 50 on; ..50 is up to, 20..50 between, ends included
    release_date=1990..1999        dates by their beginning: all of 1999 is in
    genre=rock,pop                 one of these, in capitals or not
    genre!=live                    all but these
    text=no                        yes or no

A missing value passes no filter.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from albumlib import AlbumlibError
from albumlib.runtime.names import today

FORM = re.compile(r"\s*(\w+)\s*(!?=)\s*(.*?)\s*")
TRUTH = {"yes": True, "true": True, "no": False, "false": False}


class FilterError(AlbumlibError):
    """A filter that cannot be understood, or for a column that does not exist."""


@dataclass(frozen=True)
class Filter:
    """One condition on one column: a range, or a list of values that are wanted or not."""

    column: str
    unwanted: bool
    value: str

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """A filter from "column=value" or "column!=value". Raises FilterError.

        >>> table = pd.DataFrame({"year": [1968, 1991, None], "genre": ["rock", "pop", "pop"]})
        >>> Filter.parse("year=1990..").matches(table).tolist()
        [False, True, False]
        >>> Filter.parse("genre!=pop").matches(table).tolist()
        [True, False, False]
        """
        form = FORM.fullmatch(text)
        if not form or not form[3]:
            raise FilterError(
                f"{text!r} is no filter: write such as popularity=50.., genre=rock,pop, "
                "genre!=live, release_date=1990..1999 or text=no"
            )
        return cls(today(form[1], warn=True), form[2] == "!=", form[3])

    def __str__(self) -> str:
        return f"{self.column}{'!=' if self.unwanted else '='}{self.value}"

    def matches(self, table: pd.DataFrame) -> pd.Series:
        """Which rows pass. Raises FilterError if the table has no such column."""
        if self.column not in table:
            known = ", ".join(name for name in table.columns if table[name].dtype != object)
            raise FilterError(f"there is no {self.column!r} to select by; there is {known}")
        values = table[self.column]
        inside = self._within(values) if ".." in self.value else self._among(values)
        return values.notna() & (values != "") & (inside.fillna(False) != self.unwanted)

    def _within(self, values: pd.Series) -> pd.Series:
        low, high = (end.strip() for end in self.value.split("..", 1))
        if pd.api.types.is_numeric_dtype(values):
            return values.between(
                self._number(low) if low else -float("inf"),
                self._number(high) if high else float("inf"),
            )
        return (values >= low) & ((values.str[: len(high)] <= high) | (high == ""))

    def _among(self, values: pd.Series) -> pd.Series:
        words = [word.strip().casefold() for word in self.value.split(",")]
        if pd.api.types.is_bool_dtype(values):
            if unknown := set(words) - set(TRUTH):
                raise FilterError(f"{self}: yes or no, not {unknown.pop()!r}")
            return values.isin([TRUTH[word] for word in words])
        if pd.api.types.is_numeric_dtype(values):
            return values.isin([self._number(word) for word in words])
        return values.str.casefold().isin(words)

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise FilterError(f"{self}: {text!r} is no number") from None


def outside(table: pd.DataFrame, filters: Iterable[Filter]) -> pd.Series:
    """For each row the filters that it does not pass, joined by "; ": "" if it is wanted."""
    missed = pd.Series("", index=table.index, dtype=str)
    for one in filters:
        missed = missed.where(one.matches(table), missed + f"; {one}")
    return missed.str.removeprefix("; ")
