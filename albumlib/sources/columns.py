"""From the headers of somebody's table to our names, and from its cells to features in their units.

Known are the names used by TidyTuesday's `spotify_songs.csv`, Exportify, Chosic, the well-known
tables of Kaggle and Hugging Face, MusicOSet and the Free Music Archive. A unit is what the header
says ("%", "(dB)", "(BPM)"), else what most values of the column say; no single value decides.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np
import pandas as pd

from albumlib import features

# Our name for each column, and what else it is called once `track_` and the like are taken off,
# with underscores or without.
SYNONYMS = {
    "id": ("id", "uri"),
    "name": ("name", "song", "track", "title"),  # a video may have the title
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
    "isrc": ("isrc", "isrc_code", "external_ids_isrc"),
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
# Before a name, and of no meaning here: "track_energy", "trackEnergy", "audio_features.energy".
PREFIXES = r"^(?:track|song|spotify|audiofeatures|audio|echonest|features)+(?=.)"
FLAGS = {"pop", "acoustic", "dance", "instrumental", "live"}  # such columns may be yes or no
UNITS = {"%": r"%|\bpercent\b|\bpct\b", "dB": r"\(db\)", "BPM": r"\(bpm\)"}
MISSING = {
    "", "-", "--", "\u2013", "\u2014", "?", ".", "na", "n/a", "nan", "null", "none", "nil",
    "unknown", "missing", "undefined", "\\n", "n.a.", "<na>",
}  # fmt: skip
BEFORE = 10  # lines among which the header is looked for
NUMBER = re.compile(r"\d+(?:[./]\d+)?")  # of a track on its album, perhaps of so many
MOST = 0.9  # of a column's values that a unit must explain
LOUDEST = 0.25  # of the songs of a table may be louder than full scale


@dataclass(frozen=True)
class Column:
    """A column of the table: its place, its header, and what the header says of the unit."""

    place: int
    header: str
    unit: str = ""  # "%", "dB", "BPM", or "" where the header does not say
    passed_over: tuple[str, ...] = ()  # other headers that claim the same


def find_columns(
    headers: Sequence[str], rows: Sequence[Sequence[object]] = ()
) -> dict[str, Column]:
    """Which column holds what: our name to `Column`. Of several candidates the best name wins.

    A column that has only numbers in these `rows` is not taken for names if there is another.

    >>> found = find_columns(["Track URI", "Beats Per Minute (BPM)", "nrgy"])
    >>> {ours: column.header for ours, column in found.items()}
    {'id': 'Track URI', 'energy': 'nrgy', 'tempo': 'Beats Per Minute (BPM)'}
    """
    plain = [_plain(header) for header in headers]
    cells = enumerate(zip_longest(*rows, fillvalue=""))
    numbered = {place for place, column in cells if _is_numbered(column)}
    found = {}
    for ours, names in SYNONYMS.items():
        names = [name.replace("_", "") for name in names]
        ranked = sorted(
            (
                ours == "name" and place in numbered, names.index(name), -len(whole),
                str(headers[place]).strip().replace("_", "") != whole, place,
            )
            for place, (name, whole) in enumerate(plain)
            if name in names
        )  # fmt: skip
        if ranked:
            first, *rest = (rank[-1] for rank in ranked)
            others = tuple(str(headers[place]) for place in rest)
            found[ours] = Column(first, str(headers[first]).strip(), _unit(headers[first]), others)
    return found


def _plain(header: object) -> tuple[str, str]:
    """A header without units, range, case, blanks and prefixes, and with its prefixes."""
    units = r"\((?:s|db|bpm|ms|0\D{1,4}10{0,2})\)|%|\bpercent\b|\bpct\b"
    whole = re.sub(r"[^\w#]|_", "", re.sub(units, "", str(header).lower()))
    return re.sub(PREFIXES, "", whole), whole


def _is_numbered(cells: Sequence[object]) -> bool:
    """Whether there are numbers in a column, and nothing else."""
    said = [text for cell in cells if (text := str(cell).strip()).casefold() not in MISSING]
    return bool(said) and all(map(NUMBER.fullmatch, said))


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
    """Which of the first rows holds the headers: of those that name a feature the one that names
    most columns, else the first.
    """
    known = {place: find_columns(row).keys() for place, row in enumerate(rows)}
    named = [place for place in known if known[place] & {*features.NAMES}]
    return max(named, key=lambda place: len(known[place]), default=0)


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
SMALL = Scale("small numbers", 1)  # on another's scale, or on none that is known
SHARES = tuple(feature.name for feature in features.FEATURES if feature.high == 1)


def find_scales(
    values: Mapping[str, pd.Series], columns: Mapping[str, Column]
) -> dict[str, Scale | None]:
    """The scale of each feature's column, None for one that fits no scale that is known.

    Proportions are looked at together: a column that could be several things is what the others
    are.
    """
    known = {name: column[np.isfinite(column)].to_numpy() for name, column in values.items()}
    found = {name: _SCALES.get(name, _share)(known[name]) for name in values}
    found |= dict.fromkeys(in_percent(values, columns), PERCENT)
    # values up to 10 among percentages are small percentages
    most = next((scale for scale in (PERCENT, TEN) if scale in found.values()), None)
    found = {name: most if scale in (TEN, SMALL) else scale for name, scale in found.items()}
    shares = [scale for name, scale in found.items() if name in SHARES]
    clear = [scale for scale in shares if scale not in (None, UNDECIDED)]
    usual = max(clear, key=clear.count) if clear else None
    for name, scale in found.items():
        if scale is UNDECIDED:
            large = (known[name] > 1).mean() if len(known[name]) else 0
            found[name] = usual or (PERCENT if large >= 0.5 else SHARE)
        if usual is not PERCENT and _is_flag(columns[name], known[name]):
            found[name] = None
    return found


def in_percent(values: Mapping[str, pd.Series], columns: Mapping[str, Column]) -> list[str]:
    """The proportions that are percentages, as their headers or cells say.

    Under headers that say so there may be fractions: what a spreadsheet shows as 75 % is 0.75.
    """
    named = [name for name in values if name in SHARES and columns[name].unit == "%"]
    signed = [name for name in named if not _unit(columns[name].header)]
    together = [values[name].to_numpy() for name in named if name not in signed]
    fractions = together and _share(np.concatenate(together)) is SHARE
    return signed if fractions else named


def _share(known: np.ndarray) -> Scale | None:
    """What proportions say of their scale; what is 0 on every scale says nothing."""
    known = known[np.isfinite(known) & (known != 0)]
    small = np.mean(known <= 1) if len(known) else 1
    if len(known) and np.mean(known < 0) > 1 - MOST:
        return None
    if small >= MOST and ((known > 0) & (known < 1)).any():
        return SHARE
    if small > 0.5:
        return UNDECIDED
    if np.mean(known <= 10) >= MOST:
        return TEN if np.mean(known > 5) > 1 - MOST else SMALL
    return PERCENT if np.mean(known <= 100) >= MOST else None


def _popularity(known: np.ndarray) -> Scale | None:
    if not len(known):
        return HUNDRED
    above = known[known > 0]
    if len(above) and np.mean(above <= 1) >= MOST and (above < 1).any():
        return OF_ONE
    return None if np.mean(known > 100) > 0.5 or np.mean(known < 0) > 1 - MOST else HUNDRED


def _loudness(known: np.ndarray) -> Scale | None:
    return None if len(known) and np.mean(known > 0) > LOUDEST else DECIBELS


def _tempo(known: np.ndarray) -> Scale | None:
    known = known[known != 0]  # no beat was found
    tempo = features.FEATURES[features.NAMES.index("tempo")]
    return BEATS if not len(known) or tempo.low <= np.median(known) <= tempo.high else None


def _is_flag(about: Column, known: np.ndarray) -> bool:
    """Whether a column says yes or no, as one for each genre may ("pop")."""
    return _plain(about.header)[0] in FLAGS and len(known) > 0 and set(known) <= {0, 1}


_SCALES = {"popularity": _popularity, "loudness": _loudness, "tempo": _tempo}
