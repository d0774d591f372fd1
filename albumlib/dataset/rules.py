"""What a track must be: the rules over the table, and what becomes of a row that breaks one."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from albumlib import features

DATE = r"\d{4}(-\d{2}(-\d{2})?)?"
NEEDED = {"no album", "no cover"}  # faults that nothing can make good


def is_date(texts: pd.Series) -> pd.Series:
    """Which texts are "" or a day, month or year that the calendar knows."""
    whole = texts + texts.str.len().map({4: "-01-01", 7: "-01"}).fillna("")
    known = pd.to_datetime(whole, format="%Y-%m-%d", errors="coerce").notna()
    return (texts == "") | (texts.str.fullmatch(DATE) & known)


RULES = pa.DataFrameSchema(
    {
        "name": pa.Column(str, pa.Check(lambda s: s.str.strip() != "", error="no name")),
        "album_id": pa.Column(str, pa.Check(lambda s: s != "", error="no album")),
        "cover": pa.Column(str, pa.Check(lambda s: s != "", error="no cover")),
        "release_date": pa.Column(str, pa.Check(is_date, error="odd date")),
        **{
            feature.name: pa.Column(
                float,
                pa.Check.in_range(feature.low, feature.high, error=f"{feature.name} out of range"),
                nullable=True,
            )
            for feature in features.FEATURES
        },
    }
)


def check_tracks(
    tracks: pd.DataFrame, released: frozenset[str] = frozenset()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split tracks into those that pass all rules and those that do not, with their reasons.

    A tempo of 0 means that no beat was found, and becomes a missing value. A track that stands
    in the table twice (same album, name, artist and features) is kept once. Of tracks that were
    `released` whatever is wrong becomes a missing value, and they are kept.
    """
    tracks = tracks.copy()
    tracks[list(features.NAMES)] = tracks[list(features.NAMES)].astype(float)
    tracks.loc[tracks["tempo"] == 0, "tempo"] = np.nan
    reasons = _broken_rules(tracks)
    key = tracks["name"].str.casefold().str.strip()
    same = ["album_id", "artist", "key", *features.NAMES]
    twice = tracks.assign(key=key).duplicated(same)
    for row in np.flatnonzero(twice):
        reasons.setdefault(row, []).append("track stands twice")
    for row in np.flatnonzero(tracks["id"].isin(released)):
        if not NEEDED & set(reasons.get(row, NEEDED)):
            _pardon(tracks, row, reasons.pop(row))
    bad = sorted(reasons)
    rejected = pd.DataFrame(
        {
            "what": "track",
            "id": tracks["id"].iloc[bad].to_numpy(),
            "reason": [reasons[row][0] for row in bad],
            "reasons": ["; ".join(reasons[row]) for row in bad],
        }
    )
    return tracks.drop(tracks.index[bad]), rejected


def _pardon(tracks: pd.DataFrame, row: int, faults: list[str]) -> None:
    for fault in faults:
        name = fault.removesuffix(" out of range")
        if name in features.NAMES:
            tracks.iloc[row, tracks.columns.get_loc(name)] = np.nan
        if fault == "odd date":
            tracks.iloc[row, tracks.columns.get_loc("release_date")] = ""


def _broken_rules(tracks: pd.DataFrame) -> dict[int, list[str]]:
    tracks = tracks.reset_index(drop=True)
    try:
        RULES.validate(tracks, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.dropna(subset="index")
        return cases.groupby("index")["check"].apply(lambda c: sorted(set(map(str, c)))).to_dict()
    return {}
