"""Spotify through spotipy: what its Web API still gives to a person's own app.

New apps get names, albums, pictures and ISRCs, about a thousand requests a day. Older ones may
still ask for several albums at once, popularity and audio features; which of it is gone is found
out once and remembered. The rest comes from a service by id (see `base.Labels`).
API: https://developer.spotify.com/documentation/web-api
"""

import functools
import itertools
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from albumlib.sources import web as http
from albumlib.sources.base import CoverError, Failed, Page, SourceError, Track
from albumlib.sources.records import Odd, each, identity, known_features, number, part, text
from albumlib.sources.web import DAY, Limit, Web

API = "https://api.spotify.com/v1/"
TOKENS = "https://accounts.spotify.com/api/token"
HOSTS = {
    "api.spotify.com": Limit(10, 5.0),
    "api.spotify.com" + DAY: Limit(1000, 86_400.0),  # unpublished; people met it near 1,100
    "accounts.spotify.com": Limit(10, 5.0),
    "i.scdn.co": Limit(20, 1.0),
}
POLICY = (
    "Spotify's Developer Policy forbids using its content to train a machine-learning model. Look "
    "at what you gather here, and train on the built-in imprint or on open music instead."
)
NO_FEATURES = (
    "Spotify refuses audio features to your app: add --labels reccobeats to have them from there; "
    "otherwise they stay missing."
)
PAGE, FARTHEST = 10, 1000  # of a search: results a page, and in all
MANY_ALBUMS, MANY_TRACKS, MANY_FEATURES = 20, 50, 100  # ids a request, where several may be asked
ID = re.compile("[0-9A-Za-z]{1,64}")
MEMORY = http.MEMORY.with_name("spotify.json")


class Spotify:
    """One search, one artist's albums, some albums, or the user's own playlists, as a source.

    `artist` is a name, or like `albums` a Spotify link or id; `playlists` is "all", or links of
    some. Playlists ask for a login in the browser. `web` keeps the budget (see HOSTS). `login` is
    one of spotipy's auth managers, made from SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET if there
    is none. `memory` is a file that remembers what the app may not ask. Says Spotify's policy on
    stderr once. Raises SourceError without credentials, or unless there is one wish.
    """

    name = "spotify"
    licence = POLICY + " The pictures are their owners'."
    waits = True

    def __init__(
        self,
        web: Web,
        *,
        search: str = "",
        artist: str = "",
        albums: str = "",
        playlists: str = "",
        login: Any = None,
        api: str = API,
        tokens: str = TOKENS,
        memory: str | Path = MEMORY,
    ):
        wishes = {"search": search, "artist": artist, "albums": albums, "playlists": playlists}
        wished = [(kind, words.strip()) for kind, words in wishes.items() if words.strip()]
        if len(wished) != 1:
            raise SourceError(
                "Spotify needs one thing to gather: a search, an artist, albums, or playlists"
            )
        from albumlib.sources.spotify_client import Client

        _tell(POLICY)
        [(self._kind, self._words)] = wished
        self.identity = f"spotify:{self._kind}:{self._words}"
        self.web, self.put_aside = web, Counter()
        self._client = Client(web, api, tokens, login, bool(playlists), Path(memory))

    def pages(self, position: str = "") -> Iterator[Page]:
        """Tracks as they come; what the position is depends on the wish."""
        yield from getattr(self, f"_by_{self._kind}")(self._words, position)

    def cover(self, reference: str, size: int) -> bytes:
        """The smallest of the album's pictures that is wide enough. Raises CoverError."""
        known = (line.partition(" ") for line in reference.split("\n"))
        pictures = sorted((int(width), url) for width, _, url in known)
        url = next((url for width, url in pictures if width >= size), pictures[-1][1])
        try:
            return self.web.picture(url)
        except Failed as error:
            raise CoverError(str(error)) from error

    # The four ways in. Positions: results seen, albums done, playlist and items seen ----------

    def _by_search(self, words: str, position: str) -> Iterator[Page]:
        seen = int(position or 0)
        while seen < FARTHEST:
            found = self._client.ask("search", words, type="track", limit=PAGE, offset=seen)
            tracks = found["tracks"]["items"]
            if not tracks and not seen:
                raise SourceError(f"Spotify finds nothing for {words!r}: try other words")
            seen += PAGE
            if tracks:
                yield Page(self._tracks(tracks), str(seen))
            if not _goes_on(found["tracks"], seen):
                return

    def _by_artist(self, artist: str, position: str) -> Iterator[Page]:
        done, about = int(position or 0), {"include_groups": "album,single"}
        for found in self._paged("artist_albums", PAGE, done, self._artist(artist), **about):
            yield from self._albums(self._ids(found), done)
            done += len(found)

    def _by_albums(self, albums: str, position: str) -> Iterator[Page]:
        done = int(position or 0)
        return self._albums(re.split(r"[\s,]+", albums)[done:], done)

    def _by_playlists(self, playlists: str, position: str) -> Iterator[Page]:
        last, _, seen = position.partition(" ")
        every = self._own_playlists() if playlists == "all" else re.split(r"[\s,]+", playlists)
        rest = itertools.dropwhile(lambda playlist: last and playlist != last, every)
        for playlist in rest:
            offset = int(seen or 0)
            for found in self._paged("playlist_items", MANY_TRACKS, offset, playlist):
                offset += len(found)
                # a track is called an item since 2026
                entries = [entry for entry in found if isinstance(entry, dict)]
                tracks = [entry.get("item") or entry.get("track") for entry in entries]
                yield Page(self._tracks(tracks), f"{playlist} {offset}")
            seen = ""

    def _own_playlists(self) -> Iterator[str]:
        for found in self._paged("current_user_playlists", MANY_TRACKS, 0):
            yield from filter(None, self._ids(one for one in found if one))

    def _ids(self, found: Iterable[object]) -> list[str]:
        known = [list(each(_named, [one], self.put_aside)) for one in found]
        return [one[0][0] if one else "" for one in known]

    def _paged(
        self, what: str, length: int, offset: int, *about: str, **options: str
    ) -> Iterator[list]:
        while True:
            found = self._client.ask(what, *about, limit=length, offset=offset, **options)
            if found["items"]:
                yield found["items"]
            offset += len(found["items"])
            if not _goes_on(found, offset):
                return

    def _artist(self, name: str) -> str:
        """An artist's id, by link, id or name."""
        if re.search(r"spotify[.:]|^[0-9A-Za-z]{22}$", name):
            return self._client.ask("artist", name)["id"]
        found = self._client.ask("search", f'artist:"{name}"', type="artist", limit=PAGE)
        for artist_id, called in each(_named, found["artists"]["items"], self.put_aside):
            if called.casefold() == name.casefold():
                return artist_id
        raise SourceError(
            f"Spotify knows no artist {name!r}: check how the name is written, or give the link "
            "of the artist's page"
        )

    # Albums and tracks --------------------------------------------------------------------------

    def _albums(self, ids: list[str], done: int) -> Iterator[Page]:
        """The tracks of these albums, after `done` others: many a request, or one where that is
        gone.
        """
        for some in _parts(ids, MANY_ALBUMS):
            found = self._client.try_many("albums", list(filter(None, some)))
            if found is not None:
                done += len(some)
                yield Page(self._album_tracks(found["albums"]), str(done))
                continue
            for album_id in some:
                album = [self._client.ask("album", album_id)] if album_id else []
                done += 1
                yield Page(self._album_tracks(album), str(done))

    def _album_tracks(self, albums: Iterable[object]) -> list[Track]:
        tracks = []
        for album_id, page, album in each(_listed, filter(None, albums), self.put_aside):
            rest = []
            if _goes_on(page, len(page["items"])):
                rest = self._paged("album_tracks", MANY_TRACKS, len(page["items"]), album_id)
            listed = itertools.chain(page["items"], *rest)
            tracks += [track | {"album": album} for track in listed if isinstance(track, dict)]
        return self._tracks(self._whole(tracks))

    def _whole(self, tracks: list[dict]) -> list[dict]:
        """Tracks as they stand on albums, with popularity and ISRC where the app still may."""
        whole = self._details("tracks", tracks, MANY_TRACKS)
        return [whole.get(str(track.get("id")), {}) | track for track in tracks]

    def _tracks(self, found: list[Any]) -> list[Track]:
        """Tracks with all that is known of them; what is gone, and files of the user's own, are
        no tracks of Spotify's."""
        own = (isinstance(one, dict) and one.get("is_local") and not one.get("id") for one in found)
        known = [one for one, is_own in zip(found, own, strict=True) if one and not is_own]
        measured = self._details("audio_features", known, MANY_FEATURES)
        return list(each(functools.partial(_track, measured=measured), known, self.put_aside))

    def _details(self, what: str, tracks: list, length: int) -> dict[str, dict]:
        """What the app may still ask about several tracks at once, by their ids."""
        details: dict[str, dict] = {}
        for some in _parts(list(_by_id(tracks)), length):
            found = self._client.try_many(what, some)
            if found is None:
                if what == "audio_features":
                    _tell(NO_FEATURES)
                break
            details |= _by_id(found["tracks"] if what == "tracks" else found)
        return details


def _track(found: dict, measured: dict[str, dict]) -> Track:
    """A track as Spotify describes it. Raises Odd."""
    date, track_id = text(found, "album", "release_date"), identity(found, "id")
    artists = part(found, "artists", kind=list)
    return Track(
        id=track_id,
        name=text(found, "name"),
        artist=text(artists[0], "name") if artists else "",
        album_id=identity(found, "album", "id"),
        album=text(found, "album", "name"),
        release_date="" if date.startswith("0000") else date,
        cover="\n".join(map(_picture, part(found, "album", "images", kind=list))),
        features=known_features(measured.get(track_id, {}) | found),
        isrc=text(found, "external_ids", "isrc").upper(),
    )


def _picture(image: object) -> str:
    """Width (0 if nobody knows) and address of a picture. Raises Odd."""
    address = " ".join(identity(image, "url").split())  # with a space it will be refused
    return f"{number(part(image).get('width')) or 0:.0f} {address}"


def _listed(album: object) -> tuple[str, dict, object]:
    """An album's id, the page of its tracks, and the album. Raises Odd."""
    page = part(album, "tracks")
    if not isinstance(page.get("items"), list):
        raise Odd("an album without a list of tracks")
    return identity(album, "id"), page, album


def _by_id(found: list) -> dict[str, dict]:
    """Those that may be asked for again by their id."""
    known = (one for one in found if isinstance(one, dict) and isinstance(one.get("id"), str))
    return {one["id"]: one for one in known if ID.fullmatch(one["id"])}


def _named(found: object) -> tuple[str, str]:
    """The id and name of an artist, an album or a playlist. Raises Odd."""
    if not ID.fullmatch(identity(found, "id")):
        raise Odd("no Spotify id")
    return found["id"], text(found, "name")


def _goes_on(page: dict, seen: int) -> bool:
    """Whether there is a page after this one, with which so much has been seen."""
    total = number(page.get("total"))
    return bool(page["items"] and page.get("next")) and (total is None or seen < total)


def _parts(ids: list[str], length: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), length):
        yield ids[start : start + length]


@functools.cache
def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def requests_for(tracks: int, album: int = 10, *, many: bool = False) -> dict[str, int]:
    """How many requests Spotify needs for so many tracks, by the way in, pictures apart.

    `album` is how many tracks an album has, `many` whether the app may ask for several ids at
    once. A search ends after FARTHEST tracks, so more of them take more than one.
    """
    listed = PAGE * album  # tracks of a page of an artist's albums
    a_page = 1 + PAGE
    if many:
        a_page = 2 + math.ceil(listed / MANY_TRACKS) + math.ceil(listed / MANY_FEATURES)
    search = math.ceil(tracks / PAGE) * (2 if many else 1)
    return {"search": search, "artist": math.ceil(tracks / listed) * a_page}
