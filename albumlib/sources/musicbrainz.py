"""MusicBrainz: artists, albums, tracks and their ISRCs, open (CC0), from the service or a dump.

By artist or label, releases are browsed, up to 100 or 500 tracks a request. By tag or year,
release groups are searched, and one release of each is read. Editions of an album share its
release group, which is the album here; a recording that is on two albums is a track of both.
API: https://musicbrainz.org/doc/MusicBrainz_API, dumps:
https://musicbrainz.org/doc/Development/JSON_Data_Dumps
"""

import contextlib
import itertools
import json
import lzma
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from albumlib.sources.base import Page, SourceError, Track
from albumlib.sources.coverart import MBID, CoverArtArchive, quoted, titled
from albumlib.sources.records import each, identity, number, part, text
from albumlib.sources.web import Web

API = "https://musicbrainz.org/ws/2"
WITH = "recordings+isrcs+artist-credits+release-groups+genres"
MOST = 100  # of anything a page
TRACKS = 500  # of which a page of releases has no more, but whole releases
LINES = 1000  # of a dump a page
LICENCE = "Names, dates and codes are MusicBrainz's, CC0. " + CoverArtArchive.licence


class MusicBrainz:
    """The service as a source: all releases of one artist or label, or of a tag, a year, or both.

    `wishes` are `artist` or `label` (MusicBrainz' word for an imprint), a name or MusicBrainz id,
    or `tag` and `year`.
    """

    name = "musicbrainz"
    licence = LICENCE
    waits = True

    def __init__(
        self, web: Web, covers: CoverArtArchive | None = None, *, api: str = API, **wishes: str
    ):
        self.web, self.api, self.covers = web, api, covers or CoverArtArchive(web)
        self.cover, self.put_aside = self.covers.cover, self.covers.put_aside
        self.wish = _wish(**wishes)
        self.identity = f"musicbrainz:{_said(self.wish)}"
        if self.wish.keys() not in ({"artist"}, {"label"}, {"tag"}, {"year"}, {"tag", "year"}):
            raise SourceError("MusicBrainz needs one artist, one label, or a tag, a year, or both")

    def pages(self, position: str = "") -> Iterator[Page]:
        """Pages of tracks. Whatever was learned on the way is in the position."""
        step = self._search if self.wish.keys() & {"tag", "year"} else self._browse
        state = json.loads(position or '{"offset": 0}')
        while not state.get("end"):
            tracks, state = step(state)
            yield Page(tracks, json.dumps(state))

    def _browse(self, state: dict) -> tuple[list[Track], dict]:
        [(what, name)] = self.wish.items()
        if "id" not in state:
            return [], state | {"id": self._resolve(what, name)}
        found = self._releases({what: state["id"], "offset": state["offset"], "limit": MOST})
        releases, offset = found["releases"], state["offset"] + len(found["releases"])
        end = not releases or offset >= (number(found.get("release-count")) or 0)
        return _tracks(releases, self.put_aside), state | {"offset": offset, "end": end}

    def _search(self, state: dict) -> tuple[list[Track], dict]:
        """One album of those found, or the next page of albums."""
        if left := state.get("left"):
            found = self._releases({"release-group": left[0], "limit": 1})
            tracks = _tracks(found["releases"], self.put_aside, self.wish.get("tag", ""))
            return tracks, state | {"left": left[1:]}
        found = self._ask("release-group", self._query(), state["offset"])
        groups = found["release-groups"]
        left = [mbid for mbid, _ in each(titled, groups, self.put_aside)]
        return [], {"offset": state["offset"] + len(groups), "left": left, "end": not groups}

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
        answer = self._ask(what, quoted(name))[f"{what}s"]
        found = list(each(titled, answer, self.put_aside))
        for mbid, called in found:
            if called.casefold() == name.casefold():
                return mbid
        near = ", ".join(repr(called) for _, called in found[:3])
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

    def __init__(self, path: str | Path, covers: CoverArtArchive, **wishes: str):
        self.path, self.covers, self.web = Path(path), covers, covers.web
        self.cover, self.put_aside = covers.cover, covers.put_aside
        self.wish = _wish(**wishes)
        self.identity = f"musicbrainz:{self.path.name}:{_said(self.wish)}"
        if not self.path.is_file():
            raise SourceError(
                f"there is no dump {path}: get release.tar.xz from MusicBrainz's JSON dumps"
            )

    def pages(self, position: str = "") -> Iterator[Page]:
        """Pages of tracks. The position is a line of the dump."""
        start = int(position or 0)
        try:
            with _opened(self.path) as lines:
                rest = itertools.islice(lines, start, None)
                while chunk := list(itertools.islice(rest, LINES)):
                    releases = [_read(line, n) for n, line in enumerate(chunk, start + 1)]
                    start += len(chunk)
                    wanted = itertools.chain(*each(self._chosen, releases, self.put_aside))
                    yield Page(_tracks(wanted, self.put_aside), str(start))
        except (OSError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
            raise SourceError(f"{self.path} is damaged, fetch it again ({error})") from error

    def _chosen(self, release: dict) -> list[dict]:
        """The release if it is asked for, or nothing. Raises Odd."""
        art = part(release, "cover-art-archive") or {"front": True}
        if text(release, "status") not in ("Official", "") or not art.get("front"):
            return []
        return [release] * all(_matches(release, what, wish) for what, wish in self.wish.items())


# What service and dump have in common: their releases ---------------------------------------


def _tracks(releases: Iterable[object], put_aside: Counter[str], genre: str = "") -> list[Track]:
    """All tracks of these releases; what is odd costs the release, or the track."""
    tracks: list[Track] = []
    for make, listed in each(partial(_opened_release, genre=genre), releases, put_aside):
        tracks += filter(None, each(make, listed, put_aside))
    return tracks


def _opened_release(release: object, genre: str) -> tuple[partial[Track | None], list]:
    """How to make tracks of what is listed on a release, and that. Raises Odd.

    The album is the release group.
    """
    group = part(release, "release-group") or release
    album_id = titled(group)[0]
    about = {
        "album_id": album_id,
        "album": text(group, "title") or text(release, "title"),
        "release_date": text(group, "first-release-date") or text(release, "date"),
        "genre": genre or _first_genre(release) or _first_genre(group),
        "cover": f"release-group/{album_id}",
    }
    media = part(release, "media", kind=list)
    listed = itertools.chain.from_iterable(part(one, "tracks", kind=list) for one in media)
    return partial(_track, about=about, credits=_credited(release)), list(listed)


def _track(found: object, about: dict[str, str], credits: str) -> Track | None:
    recording = part(found, "recording")
    if recording.get("video") or not recording:
        return None
    recording_id = identity(recording, "id")
    return Track(
        id=f"{about['album_id']}/{recording_id}",
        name=text(found, "title") or text(recording, "title"),
        artist=_credited(found) or credits,
        isrc=min(map(text, part(recording, "isrcs", kind=list)), default=""),
        **about,
    )


def _credited(entity: object) -> str:
    credits = part(entity, "artist-credit", kind=list)
    return "".join(text(credit, "name") + text(credit, "joinphrase") for credit in credits)


def _first_genre(entity: dict) -> str:
    genres = part(entity, "genres", kind=list)
    most = max(genres, key=lambda one: number(part(one).get("count")) or 0, default={})
    return text(most, "name")


def _matches(release: dict, what: str, wish: str) -> bool:
    """Whether a release of the dump is by this artist, on this label, of this tag or year."""
    group = part(release, "release-group") or release
    if what == "year":
        return (text(group, "first-release-date") or text(release, "date")).startswith(wish)
    if listed := {"artist": "artist-credit", "label": "label-info"}.get(what):
        named = [part(one, what) for one in part(release, listed, kind=list)]
    else:
        kinds = itertools.product((release, group), ("genres", "tags"))
        named = itertools.chain.from_iterable(part(one, kind, kind=list) for one, kind in kinds)
    wish = wish.casefold()
    return any(wish in (text(one, "name").casefold(), text(one, "id")) for one in named)


def _wish(artist: str = "", label: str = "", tag: str = "", year: str = "") -> dict[str, str]:
    wishes = {"artist": artist, "label": label, "tag": tag, "year": year}
    return {what: str(wish) for what, wish in wishes.items() if wish}


def _said(wish: dict[str, str]) -> str:
    return ",".join(f"{what}={value}" for what, value in wish.items())


def _read(line: bytes, place: int) -> dict:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"line {place} of the dump is no release: fetch it again") from error


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
