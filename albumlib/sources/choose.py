"""A source by its name: what the command line and notebook 01 offer."""

from __future__ import annotations

from albumlib.sources import Labels, Source, SourceError

NAMES = ("synthetic", "tables", "folder", "musicbrainz", "music", "spotify", "legacy")
ASKED = {  # what the live sources may be asked for
    "musicbrainz": ("artist", "label", "tag", "year"),
    "spotify": ("search", "artist", "albums", "playlists"),
}


def open_source(
    name: str = "synthetic",
    *,
    table: str = "",
    pictures: str = "",
    ask: str = "",
    seed: int = 2021,
    albums: int = 8000,
    dirt: float = 0.03,
) -> Source:
    """The source called `name`.

    `table` is the file for "tables" and "legacy"; `pictures` the folder for "folder" and "music",
    and for "tables" a folder of covers or "url" (drawn covers if empty). `ask` says what is wanted
    of "musicbrainz" and "spotify": "artist:NAME" or another of ASKED, a colon, and words. `seed`,
    `albums` and `dirt` are those of "synthetic".
    Raises SourceError for an unknown name or a missing path.
    """
    from albumlib.sources.folder import Folder
    from albumlib.sources.synthetic import RecordLabel
    from albumlib.sources.tables import Table

    if name == "synthetic":
        return RecordLabel(seed=seed, albums=albums, dirt=dirt)
    if name == "tables" and table:
        return Table(table, covers=pictures or "draw")
    if name == "folder" and pictures:
        return Folder(pictures)
    if name == "music" and pictures:
        from albumlib.sources.music import Music

        return Music(pictures)
    if name == "legacy" and table:
        from albumlib.sources.legacy import Legacy

        return Legacy(table)
    if name in ASKED and ask:
        return _live(name, ask)
    missing = {
        "tables": "a table",
        "folder": "a folder of pictures",
        "music": "a folder of music, given as --pictures",
        "legacy": "the file of 2021, given as --table",
        **dict.fromkeys(ASKED, "to know what to ask for, such as --ask 'artist:Nina Simone'"),
    }
    if name in missing:
        raise SourceError(f"the source {name!r} needs {missing[name]}")
    raise SourceError(f"there is no source {name!r}; there are {', '.join(NAMES)}")


def _live(name: str, ask: str) -> Source:
    from albumlib.sources import coverart, musicbrainz, spotify
    from albumlib.sources.web import Web

    kind, _, words = ask.partition(":")
    if kind not in ASKED[name]:
        known = ", ".join(f"{kind}:" for kind in ASKED[name])
        raise SourceError(f"{name} cannot be asked for {ask!r}: begin with one of {known}")
    if name == "spotify":
        return spotify.Spotify(Web(spotify.HOSTS), **{kind: words})
    web = Web(musicbrainz.HOSTS, contact=coverart.contact())
    return musicbrainz.MusicBrainz(web, **{kind: words})


def open_labels(name: str) -> Labels | None:
    """The service that is asked for missing features: "reccobeats", or "" for none."""
    if not name:
        return None
    if name != "reccobeats":
        raise SourceError(f"there is no service {name!r} for features; there is reccobeats")
    from albumlib.sources.reccobeats import HOSTS, ReccoBeats
    from albumlib.sources.web import Web

    return ReccoBeats(Web(HOSTS))
