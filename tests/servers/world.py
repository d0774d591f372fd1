"""Stand-ins for MusicBrainz, the Cover Art Archive and ReccoBeats, of an invented world.

All follows from a track's number. Of every ten albums one has two editions and one has no cover;
of every ten tracks one has no ISRC, one is unknown to ReccoBeats, and one has two records there.
"""

from __future__ import annotations

import io
import random
import struct
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from albumlib import features
from albumlib.sources.coverart import CoverArtArchive
from albumlib.sources.musicbrainz import MusicBrainz
from albumlib.sources.reccobeats import ReccoBeats
from albumlib.sources.web import Limit, Web
from tests.servers.standin import Reply, StandIn

TRACKS_A_PAGE = 500  # as MusicBrainz does: whole releases, but no more tracks than that
MANY = Limit(1000, 1.0)
AUDIO = tuple(name for name in features.NAMES if name != "popularity")


def mbid(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def number_of(text: str) -> int:
    return int(text.rsplit("-", 1)[-1], 16)


ARTIST, LABEL, GROUP, RELEASE, RECORDING, RECORD = range(1, 7)


@dataclass(frozen=True)
class World:
    """`albums` albums of `length` tracks each, `per_artist` of them by one artist."""

    albums: int
    length: int = 8
    per_artist: int = 5

    @property
    def tracks(self) -> int:
        return self.albums * self.length

    def isrc(self, track: int) -> str:
        return "" if track % 10 == 3 else f"QZABC{track:07d}"

    def is_known(self, track: int) -> bool:
        """Whether ReccoBeats knows it."""
        return bool(self.isrc(track)) and track % 10 != 7

    def has_cover(self, album: int) -> bool:
        return album % 10 != 9

    def track_id(self, track: int) -> str:
        """As the source names it."""
        return f"{mbid(GROUP, track // self.length)}/{mbid(RECORDING, track)}"

    def features(self, track: int) -> dict[str, float]:
        """What ReccoBeats says."""
        rng = random.Random(track)
        audio = {name: round(rng.random(), 3) for name in AUDIO}
        return audio | {"tempo": 60.0 + track % 100, "loudness": -float(track % 30)}

    def popularity(self, track: int) -> int:
        return 1 + track % 99

    def labels(self, track: int) -> np.ndarray:
        """The ten features that a gathering should know in the end, NaN where nobody does."""
        if not self.is_known(track):
            return features.to_array({})
        return features.to_array(self.features(track) | {"popularity": self.popularity(track)})

    def picture(self, album: int, width: int) -> bytes:
        return self._jpeg + struct.pack(">IH", album, width)

    @cached_property
    def _jpeg(self) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (32, 32), "teal").save(file, "JPEG")
        return file.getvalue()

    def releases_of(self, album: int) -> list[dict]:
        """An album's editions."""
        return [self._release(album, edition) for edition in range(2 if album % 10 == 4 else 1)]

    def _release(self, album: int, edition: int) -> dict:
        artist = album // self.per_artist
        credit = [{"name": f"Artist {artist}", "joinphrase": "", "artist": self.artist(artist)}]
        numbers = range(album * self.length, (album + 1) * self.length)
        return {
            "id": mbid(RELEASE, 2 * album + edition),
            "title": f"Album {album}",
            "status": "Official",
            "date": f"{1990 + album % 30}",
            "artist-credit": credit,
            "release-group": self.group(album),
            "label-info": [{"label": {"id": mbid(LABEL, 1), "name": "The Label"}}],
            "cover-art-archive": {"front": self.has_cover(album)},
            "media": [{"tracks": [self._track(number, credit) for number in numbers]}],
        }

    def _track(self, number: int, credit: list) -> dict:
        recording = {"id": mbid(RECORDING, number), "title": f"Track {number}", "video": False}
        recording["isrcs"] = [self.isrc(number)] if self.isrc(number) else []
        return {"title": f"Track {number}", "artist-credit": credit, "recording": recording}

    def artist(self, number: int) -> dict:
        return {"id": mbid(ARTIST, number), "name": f"Artist {number}"}

    def group(self, album: int) -> dict:
        return {
            "id": mbid(GROUP, album),
            "title": f"Album {album}",
            "first-release-date": f"{1990 + album % 30}-05-01",
            "genres": [{"name": "rock", "count": 1}, {"name": "jazz", "count": 3}],
        }


class Services:
    """The stand-ins of one world: `musicbrainz`, `coverart`, `archive`, `node`, `reccobeats`."""

    def __init__(self, world: World, faults: float = 0.0, **options):
        self.world = world
        self.musicbrainz = StandIn(self._musicbrainz, faults, seed=1, **options)
        self.coverart = StandIn(self._coverart, faults, seed=2, **options)
        self.archive = StandIn(self._archive, faults, seed=3, **options)
        self.node = StandIn(self._node, faults, seed=4, **options)
        self.reccobeats = StandIn(self._reccobeats, faults, seed=5, **options)
        self.all = {
            "musicbrainz": self.musicbrainz,
            "coverart": self.coverart,
            "archive": self.archive,
            "node": self.node,
            "reccobeats": self.reccobeats,
        }
        self.addresses = {name: server.url for name, server in self.all.items()}

    def close(self) -> None:
        for server in self.all.values():
            server.close()

    # MusicBrainz ------------------------------------------------------------------------------

    def _musicbrainz(self, path: str, query: dict[str, str], agent: str) -> Reply:
        if "(" not in agent:
            return Reply({"error": "say whom to write to"}, 403)
        if query.get("fmt") != "json":
            return Reply(b"<metadata/>", 200, "application/xml")
        if int(query.get("limit", 25)) > 100:
            return Reply({"error": "limit"}, 400)
        what = path.rsplit("/", 1)[-1]
        if "query" in query:
            return self._search(what, query["query"], int(query.get("offset", 0)))
        if what != "release" or "recordings" not in query.get("inc", ""):
            return Reply({"error": "no such thing"}, 404)
        return self._browse(query)

    def _browse(self, query: dict[str, str]) -> Reply:
        world = self.world
        if "artist" in query:
            first = number_of(query["artist"]) * world.per_artist
            albums = range(first, min(first + world.per_artist, world.albums))
        elif "label" in query:
            albums = range(world.albums)
        else:
            album = number_of(query["release-group"])
            albums = range(album, album + 1)
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 25))
        editions = [(album, n) for album in albums for n in range(2 if album % 10 == 4 else 1)]
        most = max(1, min(limit, TRACKS_A_PAGE // world.length))
        part = editions[offset : offset + most]
        releases = [world.releases_of(album)[edition] for album, edition in part]
        return Reply({"releases": releases, "release-count": len(editions)})

    def _search(self, what: str, query: str, offset: int) -> Reply:
        world = self.world
        if what == "release-group":
            numbers = range(world.albums)
            if "releasegroup:" in query:
                title = query.split('releasegroup:"')[1].split('"')[0]
                numbers = [n for n in numbers if f"Album {n}" == title]
            found = [world.group(number) for number in numbers]
        elif what == "artist":
            artists = range(-(-world.albums // world.per_artist))
            query = query.casefold()
            found = [world.artist(n) for n in artists if f"artist {n}" in query or "near" in query]
        else:
            found = [{"id": mbid(LABEL, 1), "name": "The Label"}] if "The Label" in query else []
        return Reply({f"{what}s": found[offset : offset + 100], "count": len(found)})

    # Cover Art Archive, the Internet Archive, and one of its nodes ----------------------------

    def _coverart(self, path: str, query: dict[str, str], agent: str) -> Reply:
        kind, identity, front = path.strip("/").split("/")
        album = number_of(identity)
        if kind != "release-group" or not self.world.has_cover(album):
            return Reply(b"no cover", 404, "text/plain")
        name = f"mbid-{identity}_thumb{front.removeprefix('front-')}.jpg"
        return Reply(b"", 307, location=f"{self.archive.url}/download/{name}")

    def _archive(self, path: str, query: dict[str, str], agent: str) -> Reply:
        return Reply(b"", 302, location=f"{self.node.url}/items/{path.rsplit('/', 1)[-1]}")

    def _node(self, path: str, query: dict[str, str], agent: str) -> Reply:
        name, width = path.rsplit("/", 1)[-1].removesuffix(".jpg").split("_thumb")
        return Reply(self.world.picture(number_of(name), int(width)), 200, "image/jpeg")

    # ReccoBeats -------------------------------------------------------------------------------

    def _reccobeats(self, path: str, query: dict[str, str], agent: str) -> Reply:
        ids = query.get("ids", "").split(",")
        if len(ids) > 40 or any(" " in one for one in ids):
            return Reply({"error": "ids"}, 400)
        numbers = [n for one in ids for n in self._records(one)]
        content = [self._record(n, path.endswith("audio-features")) for n in numbers]
        random.Random(len(self.reccobeats.requests)).shuffle(content)
        return Reply({"content": content})

    def _records(self, one: str) -> list[int]:
        """Records by id or ISRC: twice the track's number, and one more for a lesser twin."""
        if "-" in one:
            return [number_of(one)]
        number = int(one[5:]) if one.startswith("QZABC") else int(one)
        if number >= self.world.tracks or not self.world.is_known(number):
            return []
        twin = number % 10 == 5 and len(one) == 12
        return [2 * number, 2 * number + 1] if twin else [2 * number]

    def _record(self, record: int, measured: bool) -> dict:
        number, twin = divmod(record, 2)
        spotify = f"{number + twin * 10**9:022d}"
        about = {
            "id": mbid(RECORD, record),
            "isrc": self.world.isrc(number),
            "href": f"https://open.spotify.com/track/{spotify}",
        }
        if not measured:
            return about | {"popularity": 0 if twin else self.world.popularity(number)}
        if twin:
            return about | dict.fromkeys(AUDIO, 0.0)
        return about | self.world.features(number) | {"key": 1, "mode": 0}


def web_for(addresses: dict[str, str], *, limit: Limit = MANY, **options) -> Web:
    """A client that may ask the stand-ins at these addresses (see `Services.addresses`)."""
    hosts = {urlsplit(url).netloc: limit for url in addresses.values()}
    options = {"contact": "me@example.org", "memory": ":memory:"} | options
    return Web(hosts, trusted=frozenset(hosts), **options)


def sources_for(web: Web, addresses: dict[str, str], **wish) -> tuple[MusicBrainz, ReccoBeats]:
    """The real source and the real labels, asking the stand-ins."""
    covers = CoverArtArchive(web, addresses["coverart"], addresses["musicbrainz"])
    source = MusicBrainz(web, covers, api=addresses["musicbrainz"], **wish)
    return source, ReccoBeats(web, addresses["reccobeats"])
