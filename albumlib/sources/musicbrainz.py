"""MusicBrainz: artists, albums, tracks and their ISRCs, open (CC0), from the service or a dump.

By artist or label, releases are browsed, up to 100 or 500 tracks a request. By tag or year,
release groups are searched, and one release of each is read. Editions of an album share its
release group, which is the album here; a recording that is on two albums is a track of both.
API: https://musicbrainz.org/doc/MusicBrainz_API, dumps:
https://musicbrainz.org/doc/Development/JSON_Data_Dumps
"""

from __future__ import annotations

import contextlib
import itertools
import json
import lzma
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from albumlib.sources.base import Page, SourceError, Track
from albumlib.sources.coverart import HOSTS, MBID, CoverArtArchive, quoted
from albumlib.sources.web import Web

__all__ = ["HOSTS", "Dump", "MusicBrainz"]

API = "https://musicbrainz.org/ws/2"
WITH = "recordings+isrcs+artist-credits+release-groups+genres"
MOST = 100  # of anything a page
TRACKS = 500  # of which a page of releases has no more, but whole releases
LINES = 1000  # of a dump a page
LICENCE = "Names, dates and codes are MusicBrainz's, CC0. " + CoverArtArchive.licence


class MusicBrainz:
    """The service as a source: all releases of one artist or label, or of a tag, a year, or both.

    `artist` and `label` are names or MusicBrainz ids.
    """

    name = "musicbrainz"
    licence = LICENCE
    waits = True

    def __init__(
        self,
        web: Web,
        covers: CoverArtArchive | None = None,
        *,
        artist: str = "",
        label: str = "",
        tag: str = "",
        year: str = "",
        api: str = API,
    ):
        self.web, self.api, self.covers = web, api, covers or CoverArtArchive(web)
        self.wish = _wish(artist=artist, label=label, tag=tag, year=year)
        if self.wish.keys() not in ({"artist"}, {"label"}, {"tag"}, {"year"}, {"tag", "year"}):
            raise SourceError("MusicBrainz needs one artist, one label, or a tag, a year, or both")

    @property
    def identity(self) -> str:
        return f"musicbrainz:{_said(self.wish)}"

    def pages(self, position: str = "") -> Iterator[Page]:
        """Pages of tracks. Whatever was learned on the way is in the position."""
        step = self._search if self.wish.keys() & {"tag", "year"} else self._browse
        state = json.loads(position or '{"offset": 0}')
        while not state.get("end"):
            tracks, state = step(state)
            yield Page(tracks, json.dumps(state))

    def cover(self, reference: str, size: int) -> bytes:
        return self.covers.cover(reference, size)

    def _browse(self, state: dict) -> tuple[list[Track], dict]:
        [(what, name)] = self.wish.items()
        if "id" not in state:
            return [], state | {"id": self._resolve(what, name)}
        found = self._releases({what: state["id"], "offset": state["offset"], "limit": MOST})
        releases, offset = found["releases"], state["offset"] + len(found["releases"])
        end = not releases or offset >= found.get("release-count", 0)
        return _tracks(releases), state | {"offset": offset, "end": end}

    def _search(self, state: dict) -> tuple[list[Track], dict]:
        """One album of those found, or the next page of albums."""
        if left := state.get("left"):
            found = self._releases({"release-group": left[0], "limit": 1})
            return _tracks(found["releases"], self.wish.get("tag", "")), state | {"left": left[1:]}
        found = self._ask("release-group", self._query(), state["offset"])
        groups = [group["id"] for group in found["release-groups"]]
        return [], {"offset": state["offset"] + len(groups), "left": groups, "end": not groups}

    def _query(self) -> str:
        terms = ["status:official"]
        if tag := self.wish.get("tag"):
            terms.append(f"tag:{quoted(tag)}")
        if year := self.wish.get("year"):
            terms.append(f"firstreleasedate:{year}")
        return " AND ".join(terms)

    def _resolve(self, what: str, name: str) -> str:
        """The id of an artist or label."""
        if MBID.fullmatch(name):
            return name
        found = self._ask(what, quoted(name))[f"{what}s"]
        for candidate in found:
            if candidate["name"].casefold() == name.casefold():
                return candidate["id"]
        near = ", ".join(repr(candidate["name"]) for candidate in found[:3])
        raise SourceError(
            f"MusicBrainz knows no {what} {name!r}" + (f"; near it are {near}" if near else "")
        )

    def _ask(self, what: str, query: str, offset: int = 0) -> dict:
        params = {"query": query, "limit": MOST, "offset": offset, "fmt": "json"}
        return self.web.json(f"{self.api}/{what}", params=params, needs=f"{what}s")

    def _releases(self, params: dict) -> dict:
        params = params | {"inc": WITH, "status": "official", "fmt": "json"}
        return self.web.json(f"{self.api}/release", params=params, needs="releases")


class Dump:
    """MusicBrainz's JSON dump of releases as a source: no request for a million tracks.

    `path` is the dump as it comes (release.tar.xz), or the file `release` in it, one release a
    line. Official releases with a front cover are taken, of an `artist`, a `label`, a `tag`, a
    `year`, of several of these at once, or all.
    """

    name = "musicbrainz"
    licence = LICENCE
    waits = True

    def __init__(
        self,
        path: str | Path,
        covers: CoverArtArchive,
        *,
        artist: str = "",
        label: str = "",
        tag: str = "",
        year: str = "",
    ):
        self.path, self.covers, self.web = Path(path), covers, covers.web
        self.wish = _wish(artist=artist, label=label, tag=tag, year=year)
        if not self.path.is_file():
            raise SourceError(
                f"there is no dump {path}: get release.tar.xz from MusicBrainz's JSON dumps"
            )

    @property
    def identity(self) -> str:
        return f"musicbrainz:{self.path.name}:{_said(self.wish)}"

    def pages(self, position: str = "") -> Iterator[Page]:
        """Pages of tracks. The position is a line of the dump."""
        start = int(position or 0)
        try:
            with _opened(self.path) as lines:
                rest = itertools.islice(lines, start, None)
                while chunk := list(itertools.islice(rest, LINES)):
                    releases = [_read(line, n) for n, line in enumerate(chunk, start + 1)]
                    start += len(chunk)
                    yield Page(_tracks(filter(self._wanted, releases)), str(start))
        except (OSError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
            raise SourceError(f"{self.path} is damaged, fetch it again ({error})") from error

    def cover(self, reference: str, size: int) -> bytes:
        return self.covers.cover(reference, size)

    def _wanted(self, release: dict) -> bool:
        art = release.get("cover-art-archive") or {"front": True}
        if release.get("status") not in ("Official", None) or not art.get("front"):
            return False
        return all(_matches(release, what, wish) for what, wish in self.wish.items())


# What service and dump have in common: their releases ---------------------------------------


def _tracks(releases: Iterable[dict], genre: str = "") -> list[Track]:
    return [track for release in releases for track in _tracks_of(release, genre)]


def _tracks_of(release: dict, genre: str) -> Iterator[Track]:
    """The tracks of a release; its album is the release group."""
    group = release.get("release-group") or release
    about = {
        "album_id": group["id"],
        "album": group.get("title") or release.get("title", ""),
        "release_date": group.get("first-release-date") or release.get("date") or "",
        "genre": genre or _first_genre(release) or _first_genre(group),
        "cover": f"release-group/{group['id']}",
    }
    for track in _listed(release):
        recording = track.get("recording") or {}
        if recording.get("id") and not recording.get("video"):
            credits = track.get("artist-credit") or release.get("artist-credit") or []
            yield Track(
                id=f"{group['id']}/{recording['id']}",
                name=track.get("title") or recording.get("title", ""),
                artist="".join(c.get("name", "") + c.get("joinphrase", "") for c in credits),
                isrc=min(recording.get("isrcs") or [""]),
                **about,
            )


def _listed(release: dict) -> Iterator[dict]:
    for medium in release.get("media") or []:
        yield from medium.get("tracks") or []


def _first_genre(entity: dict) -> str:
    genres = entity.get("genres") or []
    return max(genres, key=lambda genre: genre.get("count", 0), default={}).get("name", "")


def _matches(release: dict, what: str, wish: str) -> bool:
    """Whether a release of the dump is by this artist, on this label, of this tag or year."""
    group = release.get("release-group") or release
    if what == "year":
        return str(group.get("first-release-date") or release.get("date") or "").startswith(wish)
    if what == "artist":
        entities = [c.get("artist") or {} for c in release.get("artist-credit") or []]
    elif what == "label":
        entities = [i.get("label") or {} for i in release.get("label-info") or []]
    else:
        entities = [*_tagged(release), *_tagged(group)]
    return any(wish.casefold() in (e.get("name", "").casefold(), e.get("id")) for e in entities)


def _tagged(entity: dict) -> list[dict]:
    return (entity.get("genres") or []) + (entity.get("tags") or [])


def _wish(**wishes: str) -> dict[str, str]:
    """What is asked for, without what is not."""
    return {what: str(wish) for what, wish in wishes.items() if wish}


def _said(wish: dict[str, str]) -> str:
    return ",".join(f"{what}={value}" for what, value in wish.items())


def _read(line: bytes, number: int) -> dict:
    try:
        return json.loads(line)
    except ValueError as error:
        raise SourceError(f"line {number} of the dump is no release: fetch it again") from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a dump, packed or not."""
    if not path.name.endswith(".tar.xz"):
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as lines:
            yield lines
        return
    with tarfile.open(path, "r|xz") as packed:
        for member in packed:
            if member.name.rsplit("/", 1)[-1] == "release":
                yield packed.extractfile(member)
                return
    raise SourceError(f"{path} holds no file of releases")
