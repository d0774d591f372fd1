"""From the headers of somebody's table to our names, and from its cells to features in their units.

Known are the names used by TidyTuesday's `spotify_songs.csv`, Exportify, Chosic, the well-known
tables of Kaggle and Hugging Face, MusicOSet and the Free Music Archive. A unit is what the header
says ("%", "(dB)", "(BPM)"), else what most values of the column say; no single value decides.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from albumlib import features

# Our name for each column, and what else it is called once `track_` and the like are taken off.
SYNONYMS = {
    "id": ("id", "uri"),
    "name": ("name", "title", "song", "track", "song_name", "song_title"),
    "artist": (
        "artist", "artists", "artist_name", "artists_name", "artist_names", "artist_s_name",
        "primary_artist", "performer",
    ),
    "album_artist": ("album_artist", "album_artists", "album_artist_name", "album_artists_name"),
    "album_id": ("album_id", "album_uri", "spotify_album_id"),
    "album": ("album", "album_name", "album_title"),
    "release_date": (
        "release_date", "album_release_date", "album_date", "released", "released_year",
        "release_year", "year",
    ),
    "genre": ("genre", "genres", "playlist_genre", "top_genre", "main_genre", "artist_genres"),
    "isrc": ("isrc", "isrc_code"),
    "seed": ("seed",),  # of the cover that is to be generated for it
    "layout": ("layout",),  # of that cover
    "cover": (
        "cover_url", "image_url", "album_image_url", "album_cover_url", "artwork_url", "cover",
        "image", "img", "album_image_file", "album_cover",
    ),
    "popularity": ("popularity", "pop"),
    "acousticness": ("acousticness", "acous", "acoustic"),
    "danceability": ("danceability", "dnce", "dance"),
    "energy": ("energy", "nrgy"),
    "instrumentalness": ("instrumentalness", "instrumental"),
    "liveness": ("liveness", "live"),
    "loudness": ("loudness", "loudness_db", "db", "loud"),
    "speechiness": ("speechiness", "spch", "speech"),
    "tempo": ("tempo", "bpm", "beats_per_minute"),
    "valence": ("valence", "val", "happy", "happiness"),
}  # fmt: skip
TEXTS = tuple(name for name in SYNONYMS if name not in (*features.NAMES, "seed"))
# Before a name, and of no meaning here: "track_energy", "audio_features.energy".
PREFIXES = r"^(?:(?:track|song|spotify|audio|audio_features|echonest|features)_)+(?=.)"
FLAGS = {"pop", "acoustic", "dance", "instrumental", "live"}  # such columns may be yes or no
UNITS = {"%": r"%|\bpercent\b|\bpct\b", "dB": r"\(db\)", "BPM": r"\(bpm\)"}
MISSING = {
    "", "-", "--", "\u2013", "\u2014", "?", ".", "na", "n/a", "nan", "null", "none", "nil",
    "unknown", "missing", "undefined", "\\n",
}  # fmt: skip
BEFORE = 10  # lines among which the header is looked for
MOST = 0.9  # of a column's values that a unit must explain


@dataclass(frozen=True)
class Column:
    """A column of the table: its place, its header, and what the header says of the unit."""

    place: int
    header: str
    unit: str = ""  # "%", "dB", "BPM", or "" where the header does not say
    passed_over: tuple[str, ...] = ()  # other headers that claim the same


def find_columns(headers: Sequence[str]) -> dict[str, Column]:
    """Which column holds what: our name to `Column`. Of several candidates the best name wins.

    >>> found = find_columns(["Track URI", "Beats Per Minute (BPM)", "nrgy"])
    >>> {ours: column.header for ours, column in found.items()}
    {'id': 'Track URI', 'energy': 'nrgy', 'tempo': 'Beats Per Minute (BPM)'}
    """
    plain = [_plain(header) for header in headers]
    found = {}
    for ours, names in SYNONYMS.items():
        ranked = sorted(
            (names.index(name), -len(whole), str(headers[place]).strip() != whole, place)
            for place, (name, whole) in enumerate(plain)
            if name in names
        )
        if ranked:
            first, *rest = (rank[-1] for rank in ranked)
            others = tuple(str(headers[place]) for place in rest)
            found[ours] = Column(first, str(headers[first]).strip(), _unit(headers[first]), others)
    return found


def _plain(header: object) -> tuple[str, str]:
    """A header without units, case and prefixes, and with its prefixes."""
    text = re.sub(r"\((?:s|db|bpm|ms)\)|%|\bpercent\b|\bpct\b", "", str(header).strip().lower())
    whole = re.sub(r"[^\w#]+|_+", "_", text).strip("_")
    return re.sub(PREFIXES, "", whole), whole


def _unit(header: object) -> str:
    text = str(header).lower().replace("_", " ")
    return next((unit for unit, sign in UNITS.items() if re.search(sign, text)), "")


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


# Numbers ----------------------------------------------------------------------------------------


def numbers(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Cells as numbers, NaN where nothing is said, and which cells say something else.

    Decimal commas, thousands, and units behind the number are understood.

    >>> values, odd = numbers(pd.Series(["0,5", "-3 dB", "1,234.5", "n/a", "high"]))
    >>> values.tolist(), odd.tolist()
    ([0.5, -3.0, 1234.5, nan, nan], [False, False, False, False, True])
    """
    if cells.dtype.kind in "iufb":
        return cells.astype(float), pd.Series(False, index=cells.index)
    values = pd.to_numeric(cells, errors="coerce").astype(float)
    rest = cells[values.isna()]
    read = rest.map(_number).astype(float)
    values = values.where(values.notna(), read.reindex(values.index))
    said = ~rest.map(_is_missing).astype(bool) & read.isna()
    return values, said.reindex(values.index, fill_value=False)


def _is_missing(cell: object) -> bool:
    """Whether a cell says that nothing is known, or cannot be read."""
    text = "" if cell is None or cell is pd.NA else str(cell).strip().casefold()
    return text in MISSING or "\ufffd" in text or text.startswith("#")  # Excel's errors


def _number(cell: object) -> float:
    text = str(cell).strip().lower().replace("\u2212", "-")
    text = re.sub(r"\s*(%|db|bpm)$", "", text)
    if "," in text and "." in text:  # the last of the two is the decimal sign
        text = text.replace("." if text.rfind(",") > text.rfind(".") else ",", "")
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


# Units ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """How a column counts: its unit in words, and what its values are multiplied by."""

    unit: str
    factor: float


SHARE, TEN, PERCENT = Scale("0 to 1", 1), Scale("0 to 10", 0.1), Scale("%", 0.01)
HUNDRED, OF_ONE = Scale("0 to 100", 1), Scale("0 to 1", 100)  # popularity's two
DECIBELS, BEATS = Scale("dB", 1), Scale("BPM", 1)
UNDECIDED = Scale("several are possible", 1)
SHARES = tuple(feature.name for feature in features.FEATURES if feature.high == 1)


def find_scales(
    values: Mapping[str, pd.Series], columns: Mapping[str, Column]
) -> dict[str, Scale | None]:
    """The scale of each feature's column, None for one that fits no scale that is known.

    Proportions are looked at together: a column that could be several things is what the others
    are.
    """
    known = {name: column[np.isfinite(column)].to_numpy() for name, column in values.items()}
    found = {name: _SCALES.get(name, _share)(known[name], columns[name]) for name in values}
    shares = [scale for name, scale in found.items() if name in SHARES]
    clear = [scale for scale in shares if scale not in (None, UNDECIDED)]
    if PERCENT in clear:  # values up to 10 among percentages are small percentages
        clear = [PERCENT if scale is TEN else scale for scale in clear]
        found = {name: PERCENT if scale is TEN else scale for name, scale in found.items()}
    usual = max(clear, key=clear.count) if clear else None
    for name, scale in found.items():
        if scale is UNDECIDED:
            large = (known[name] > 1).mean() if len(known[name]) else 0
            found[name] = usual or (PERCENT if large >= 0.5 else SHARE)
        if usual is not PERCENT and _is_flag(columns[name], known[name]):
            found[name] = None
    return found


def _share(known: np.ndarray, about: Column) -> Scale | None:
    """What a column of proportions says of its scale; what is 0 on every scale says nothing."""
    if about.unit == "%":
        return PERCENT
    known = known[known != 0]
    small = np.mean(known <= 1) if len(known) else 1
    if small >= MOST and ((known > 0) & (known < 1)).any():
        return SHARE
    if small > 0.5:
        return UNDECIDED
    if np.mean(known <= 10) >= MOST:
        return TEN
    return PERCENT if np.mean(known <= 100) >= MOST else None


def _popularity(known: np.ndarray, about: Column) -> Scale | None:
    above = known[known > 0]
    if len(above) and about.unit != "%" and np.mean(above <= 1) >= MOST and (above < 1).any():
        return OF_ONE
    return None if len(known) and np.mean(known > 100) > 0.5 else HUNDRED


def _loudness(known: np.ndarray, about: Column) -> Scale | None:
    return None if len(known) and np.mean(known > 0) > 0.5 else DECIBELS


def _tempo(known: np.ndarray, about: Column) -> Scale | None:
    known = known[known != 0]  # no beat was found
    tempo = features.FEATURES[features.NAMES.index("tempo")]
    return BEATS if not len(known) or tempo.low <= np.median(known) <= tempo.high else None


def _is_flag(about: Column, known: np.ndarray) -> bool:
    """Whether a column says yes or no, as one for each genre may ("pop")."""
    return _plain(about.header)[0] in FLAGS and len(known) > 0 and set(known) <= {0, 1}


_SCALES = {"popularity": _popularity, "loudness": _loudness, "tempo": _tempo}
