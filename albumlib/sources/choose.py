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


FILES = {  # the option that says where the others are, and what must be there
    "tables": ("table", "a table (CSV, Excel, JSON lines or Parquet, packed or not)"),
    "folder": ("pictures", "a folder of pictures"),
    "parquet": ("pictures", "a folder of Parquet files with pictures"),
    "music": ("pictures", "a folder of music"),
    "legacy": ("table", "the file of 2021"),
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
    if name == "musicbrainz":
        return _musicbrainz(ask, table)
    if name == "spotify":
        return _spotify(ask)
    if name not in FILES:
        raise SourceError(f"there is no source {name!r}; there are {', '.join(NAMES)}")
    return _of_files(name, table, pictures)


def _of_files(name: str, table: str, pictures: str) -> Source:
    option, what = FILES[name]
    path = {"table": table, "pictures": pictures}[option]
    if not path:
        raise SourceError(f"the source {name!r} needs {what}, given as --{option}")
    if name == "tables":
        from albumlib.sources.tables import Table

        return Table(path, covers=pictures or "draw")
    kind = getattr(import_module(f"albumlib.sources.{name}"), name.capitalize())
    return kind(path)


def _musicbrainz(ask: str, dump: str) -> Source:
    from albumlib.sources.musicbrainz import Dump, MusicBrainz

    kinds = "|".join(ASKED["musicbrainz"])
    before, *parts = re.split(rf"(?:^|[\s,]+)({kinds}):", ask.strip())
    if before or not (ask or dump):
        raise _refused("musicbrainz", ask)
    wish = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    covers = open_covers("coverart")
    return Dump(dump, covers, **wish) if dump else MusicBrainz(covers.web, covers, **wish)


def _spotify(ask: str) -> Source:
    from albumlib.sources import spotify, web

    kind, _, words = ask.partition(":")
    if kind not in ASKED["spotify"]:
        raise _refused("spotify", ask)
    return spotify.Spotify(web.Web(spotify.HOSTS), **{kind: words})


def _refused(name: str, ask: str) -> SourceError:
    if not ask:
        example = "--ask 'artist:Nina Simone'"
        return SourceError(f"the source {name!r} needs to know what to ask for, such as {example}")
    known = ", ".join(f"{kind}:" for kind in ASKED[name])
    return SourceError(f"{name} cannot be asked for {ask!r}: begin with one of {known}")


def open_covers(name: str) -> Covers | None:
    """The service that covers come from instead of the source: "coverart", or "" for none."""
    if not _is_asked(name, "coverart", "covers"):
        return None
    from albumlib.sources import coverart, web

    return coverart.CoverArtArchive(web.Web(coverart.HOSTS, contact=coverart.contact()))


def open_labels(name: str) -> Labels | None:
    """The service that is asked for missing features: "reccobeats", or "" for none."""
    if not _is_asked(name, "reccobeats", "features"):
        return None
    from albumlib.sources import reccobeats, web

    return reccobeats.ReccoBeats(web.Web(reccobeats.HOSTS))


def _is_asked(name: str, known: str, what: str) -> bool:
    if name and name != known:
        raise SourceError(f"there is no service {name!r} for {what}; there is {known}")
    return bool(name)
