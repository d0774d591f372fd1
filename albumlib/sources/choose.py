"""A source by its name: what the command line and notebook 01 offer."""

import re
from importlib import import_module

from albumlib.runtime.names import today
from albumlib.sources.base import Covers, Labels, Source, SourceError

NAMES = ("imprint", "tables", "folder", "musicbrainz", "music", "spotify", "legacy", "parquet")
ASKED = {  # what the live sources may be asked for
    "musicbrainz": ("artist", "label", "tag", "year"),
    "spotify": ("search", "artist", "albums", "playlists"),
}


# What a source cannot do without: one of these options, and how that is said.
NEEDED = {
    "tables": (
        ["table"],
        "a table (CSV, Excel, JSON lines or Parquet, packed or not), given as --table",
    ),
    "folder": (["pictures"], "a folder of pictures, given as --pictures"),
    "parquet": (["pictures"], "a folder of Parquet files with pictures, given as --pictures"),
    "music": (["pictures"], "a folder of music, given as --pictures"),
    "legacy": (["table"], "the file of 2021, given as --table"),
    "musicbrainz": (
        ["ask", "table"],
        "to know what to ask for, such as --ask 'artist:Nina Simone'",
    ),
    "spotify": (["ask"], "to know what to ask for, such as --ask 'artist:Nina Simone'"),
}


def open_source(
    name: str = "imprint",
    *,
    table: str = "",
    pictures: str = "",
    ask: str = "",
    seed: int = 2026,
    albums: int = 8000,
    corruption: float = 0.03,
    text: bool = False,
    features: str = "",
) -> Source:
    """The source called `name`.

    `table` is the file for "tables" and "legacy", and for "musicbrainz" its dump of releases, if
    that is to be read instead of asking the service; `pictures` the folder for "folder",
    "parquet" and "music", and for "tables" a folder of covers or "url" (drawn covers if empty).
    `ask` says what is wanted of "musicbrainz" and "spotify": "artist:NAME" or another of ASKED, a
    colon, and words; of "musicbrainz" also "tag:jazz year:1959". `seed`, `albums`, `corruption`
    and `text` are those of "imprint", and `features` is a table whose features its songs are to
    have.
    Raises SourceError for an unknown name or a missing path.
    """
    name = today(name, warn=True)
    if name == "imprint":
        from albumlib.sources.imprint.imprint import Imprint

        return Imprint(seed, albums, corruption, text, features)
    if features:
        raise SourceError(f"--features is of the built-in imprint, not of {name}")
    if name not in NEEDED:
        raise SourceError(f"there is no source {name!r}; there are {', '.join(NAMES)}")
    given = {"table": table, "pictures": pictures, "ask": ask}
    of, words = NEEDED[name]
    if not any(given[one] for one in of):
        raise SourceError(f"the source {name!r} needs {words}")
    if name in ASKED:
        return _musicbrainz(ask, table) if name == "musicbrainz" else _spotify(ask)
    return _of_files(name, table, pictures)


def _of_files(name: str, table: str, pictures: str) -> Source:
    if name == "tables":
        from albumlib.sources.tables import Table

        return Table(table, covers=pictures or "draw")
    kind = getattr(import_module(f"albumlib.sources.{name}"), name.capitalize())
    return kind(pictures if NEEDED[name][0] == ["pictures"] else table)


def _musicbrainz(ask: str, dump: str) -> Source:
    from albumlib.sources.musicbrainz import Dump, MusicBrainz

    kinds = "|".join(ASKED["musicbrainz"])
    before, *parts = re.split(rf"(?:^|[\s,]+)({kinds}):", ask.strip())
    if before:
        raise _refused("musicbrainz", ask)
    wish = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    covers = open_covers("coverart")
    return Dump(dump, covers, **wish) if dump else MusicBrainz(covers.web, covers, **wish)


def _spotify(ask: str) -> Source:
    from albumlib.sources.spotify import HOSTS, Spotify
    from albumlib.sources.web import Web

    kind, _, words = ask.partition(":")
    if kind not in ASKED["spotify"]:
        raise _refused("spotify", ask)
    return Spotify(Web(HOSTS), **{kind: words})


def _refused(name: str, ask: str) -> SourceError:
    known = ", ".join(f"{kind}:" for kind in ASKED[name])
    return SourceError(f"{name} cannot be asked for {ask!r}: begin with one of {known}")


def open_covers(name: str) -> Covers | None:
    """The service that covers come from instead of the source: "coverart", or "" for none."""
    if not name:
        return None
    if name != "coverart":
        raise SourceError(f"there is no service {name!r} for covers; there is coverart")
    from albumlib.sources.coverart import HOSTS, CoverArtArchive, contact
    from albumlib.sources.web import Web

    return CoverArtArchive(Web(HOSTS, contact=contact()))


def open_labels(name: str) -> Labels | None:
    """The service that is asked for missing features: "reccobeats", or "" for none."""
    if not name:
        return None
    if name != "reccobeats":
        raise SourceError(f"there is no service {name!r} for features; there is reccobeats")
    from albumlib.sources.reccobeats import HOSTS, ReccoBeats
    from albumlib.sources.web import Web

    return ReccoBeats(Web(HOSTS))
