"""Spotify through spotipy: what its Web API still gives to a person's own app.

New apps get names, albums, pictures and ISRCs: ten tracks a search page, albums one by one, about
a thousand requests a day. Older ones may still ask for several albums at once, for popularity and
for audio features; which of it is gone is found out once and remembered. What Spotify keeps back
comes from a service by id (see `sources.Labels`).
API: https://developer.spotify.com/documentation/web-api
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import logging
import math
import random
import re
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from albumlib import __version__, features
from albumlib.sources import web as http
from albumlib.sources.base import CoverError, Page, SourceError, Track
from albumlib.sources.web import Failed, Limit, Unreachable, Wait, Web, credentials

API = "https://api.spotify.com/v1/"
TOKENS = "https://accounts.spotify.com/api/token"
DAY = " in a day"  # behind a host's name: the gate that keeps its budget
HOSTS = {
    "api.spotify.com": Limit(10, 5.0),
    "api.spotify.com" + DAY: Limit(1000, 86_400.0),  # unpublished; people met it near 1,100
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
GONE_FOR = 30 * 86_400.0  # seconds until we ask again for what was gone
MEMORY = http.MEMORY.with_name("spotify.json")
REDIRECT = "http://127.0.0.1:8888/callback"
SCOPE = "playlist-read-private playlist-read-collaborative"
DASHBOARD = "https://developer.spotify.com/dashboard"


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
        self.wish = {name: text.strip() for name, text in wishes.items() if text.strip()}
        if len(self.wish) != 1:
            raise SourceError(
                "Spotify needs one thing to gather: a search, an artist, albums, or playlists"
            )
        _tell(POLICY)
        self.web = web
        self._client = _Client(web, api, login or _login(tokens, bool(playlists)), Path(memory))

    @property
    def identity(self) -> str:
        [(kind, text)] = self.wish.items()
        return f"spotify:{kind}:{text}"

    def pages(self, position: str = "") -> Iterator[Page]:
        """Tracks as they come; what the position is depends on the wish."""
        [(kind, text)] = self.wish.items()
        yield from getattr(self, f"_by_{kind}")(text, position)

    def cover(self, reference: str, size: int) -> bytes:
        """The smallest of the album's pictures that is wide enough. Raises CoverError."""
        pictures = sorted((int(w), url) for w, url in map(str.split, reference.split("\n")))
        url = next((url for width, url in pictures if width >= size), pictures[-1][1])
        try:
            return self.web.get(url, kind="image/").body
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
        done, artist_id = int(position or 0), self._artist(artist)
        while True:
            options = {"include_groups": "album,single", "limit": PAGE, "offset": done}
            found = self._client.ask("artist_albums", artist_id, **options)
            for page in self._albums([album["id"] for album in found["items"]]):
                done += page.albums
                yield Page(page.tracks, str(done))
            if not _goes_on(found, done):
                return

    def _by_albums(self, albums: str, position: str) -> Iterator[Page]:
        done = int(position or 0)
        for page in self._albums(re.split(r"[\s,]+", albums)[done:]):
            done += page.albums
            yield Page(page.tracks, str(done))

    def _by_playlists(self, playlists: str, position: str) -> Iterator[Page]:
        last, _, seen = position.partition(" ")
        every = self._own_playlists() if playlists == "all" else re.split(r"[\s,]+", playlists)
        rest = itertools.dropwhile(lambda playlist: last and playlist != last, every)
        for playlist in rest:
            offset = int(seen or 0)
            for found in self._paged("playlist_items", MANY_TRACKS, offset, playlist):
                offset += len(found)
                # a track is called an item since 2026
                tracks = [entry.get("item") or entry.get("track") for entry in found]
                yield Page(self._tracks(tracks), f"{playlist} {offset}")
            seen = ""

    def _own_playlists(self) -> Iterator[str]:
        for found in self._paged("current_user_playlists", MANY_TRACKS, 0):
            yield from (playlist["id"] for playlist in found if playlist)

    def _paged(self, what: str, length: int, offset: int, *about: str) -> Iterator[list]:
        while True:
            found = self._client.ask(what, *about, limit=length, offset=offset)
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
        for artist in found["artists"]["items"]:
            if artist["name"].casefold() == name.casefold():
                return artist["id"]
        raise SourceError(
            f"Spotify knows no artist {name!r}: check how the name is written, or give the link "
            "of the artist's page"
        )

    # Albums and tracks --------------------------------------------------------------------------

    def _albums(self, ids: list[str]) -> Iterator[_Part]:
        """The tracks of these albums: many albums a request, or one where that is gone."""
        rest = list(ids)
        while rest:
            some, rest = rest[:MANY_ALBUMS], rest[MANY_ALBUMS:]
            found = self._client.try_many("albums", some)
            if found is None:
                found = (self._client.ask("album", album_id) for album_id in some)
                yield from (_Part(self._album_tracks([album]), 1) for album in found)
            else:
                yield _Part(self._album_tracks(filter(None, found["albums"])), len(some))

    def _album_tracks(self, albums: Iterable[dict]) -> list[Track]:
        tracks = []
        for album in albums:
            part = album["tracks"]
            tracks += [track | {"album": album} for track in part["items"]]
            if _goes_on(part, len(part["items"])):
                more = self._paged("album_tracks", MANY_TRACKS, len(part["items"]), album["id"])
                tracks += [track | {"album": album} for found in more for track in found]
        return self._tracks(self._whole(tracks))

    def _whole(self, tracks: list[dict]) -> list[dict]:
        """Tracks as they stand on albums, with popularity and ISRC where the app still may."""
        whole: dict[str, dict] = {}
        for some in _parts([track["id"] for track in tracks], MANY_TRACKS):
            found = self._client.try_many("tracks", some)
            if found is None:
                break
            whole |= {track["id"]: track for track in found["tracks"] if track}
        return [whole.get(track["id"], {}) | track for track in tracks]

    def _tracks(self, found: list[dict | None]) -> list[Track]:
        """Tracks with all that is known of them; files of the user's own have no id and are no
        tracks of Spotify's."""
        known = [track for track in found if track and track.get("id") and track.get("album")]
        measured: dict[str, dict] = {}
        for some in _parts([track["id"] for track in known], MANY_FEATURES):
            answer = self._client.try_many("audio_features", some)
            if answer is None:
                _tell(NO_FEATURES)
                break
            measured |= {one["id"]: one for one in answer if one}
        return [_track(track, measured.get(track["id"], {})) for track in known]


class _Part(NamedTuple):
    """The tracks of some albums."""

    tracks: list[Track]
    albums: int


def _track(found: dict, measured: dict) -> Track:
    album, artists = found["album"], found.get("artists") or [{}]
    date = album.get("release_date") or ""
    pictures = [p for p in album.get("images") or () if p.get("url") and p.get("width")]
    values = {name: {**measured, **found}.get(name) for name in features.NAMES}
    return Track(
        id=found["id"],
        name=found.get("name") or "",
        artist=artists[0].get("name") or "",
        album_id=album["id"],
        album=album.get("name") or "",
        release_date="" if date.startswith("0000") else date,
        cover="\n".join(f"{picture['width']} {picture['url']}" for picture in pictures),
        features={n: float(v) for n, v in values.items() if isinstance(v, (int, float))},
        isrc=((found.get("external_ids") or {}).get("isrc") or "").upper(),
    )


def _goes_on(page: dict, seen: int) -> bool:
    """Whether there is a page after this one, with which so much has been seen."""
    return bool(page["items"] and page.get("next") and seen < page.get("total", math.inf))


def _parts(ids: list[str], length: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), length):
        yield ids[start : start + length]


@functools.cache
def _tell(sentence: str) -> None:
    """Say it once."""
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


# The client -------------------------------------------------------------------------------------

# What an answer must hold to be one; anything else is asked for again.
NEEDS = {
    "artist": "id", "artist_albums": "items", "album": "tracks", "albums": "albums",
    "album_tracks": "items", "tracks": "tracks", "playlist_items": "items",
    "current_user_playlists": "items", "audio_features": "",  # a list
}  # fmt: skip
WRONG = {"invalid_client", "invalid_grant", "unauthorized_client", "access_denied"}


class _Again(Exception):
    """It went wrong this time; `final` is what to say if it always does, `seconds` the pause."""

    def __init__(self, final: SourceError, seconds: float = 0.0):
        super().__init__(str(final))
        self.final, self.seconds = final, seconds


class _Gone(SourceError):
    """This app may not ask that."""


class QuotaUsed(Wait):
    """No more requests today; `until` is when there will be."""

    def __init__(self, whose: str, until: datetime):
        self.until = until
        SourceError.__init__(
            self,
            f"{whose} is used up: start again after {until:%H:%M on %d %B %Y}, everything "
            "gathered so far is kept",
        )


class _Client:
    """spotipy, but patient: budget, pauses, retries, and sentences for what goes wrong.

    spotipy's own retries are off: they sleep for as long as the server says, in silence.
    """

    def __init__(self, web: Web, api: str, login: Any, memory: Path):
        import spotipy

        logging.getLogger("spotipy").setLevel(logging.CRITICAL)  # it would log tokens
        self._spotify = spotipy.Spotify(
            auth_manager=login, requests_session=_session(), requests_timeout=http.TIMEOUT
        )
        self._spotify.prefix = api
        self._web, self._login, self._memory = web, login, memory
        self._host = urlsplit(api).netloc
        self._app = hashlib.sha256(str(login.client_id).encode()).hexdigest()[:16]

    def ask(self, what: str, *about: Any, **options: Any) -> Any:
        """What spotipy's method `what` answers. Raises SourceError with what to do."""
        for attempt in itertools.count():
            try:
                return self._once(what, about, options)
            except _Again as error:
                if attempt == http.RETRIES:
                    raise error.final from error
                seconds = error.seconds or 0.5 * 2**attempt * random.uniform(0.5, 1)
                self._web.pause(self._host, seconds)
        raise AssertionError("unreachable")

    def try_many(self, what: str, ids: list[str]) -> Any:
        """The answer to several ids at once; None if this app may not ask that (any more)."""
        if not ids or self._gone().get(f"{self._app} {what}", 0) > time.time():
            return None
        try:
            return self.ask(what, ids)
        except _Gone:
            gone = self._gone() | {f"{self._app} {what}": time.time() + GONE_FOR}
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(json.dumps(gone), encoding="utf-8")
            return None

    def _gone(self) -> dict[str, float]:
        """Until when we do not ask for what was refused, by app and method."""
        try:
            return json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _once(self, what: str, about: tuple, options: dict) -> Any:
        import requests
        import spotipy

        method = getattr(self._spotify, what)
        try:
            with self._web.gate(self._host + DAY), self._web.gate(self._host):
                found = _called(method, about, options)
        except Wait as error:
            if DAY not in str(error):
                raise
            requests_a_day = self._web.hosts[self._host + DAY].requests
            budget = f"the budget of {requests_a_day:,} requests to Spotify a day"
            raise QuotaUsed(budget, error.until) from error
        except spotipy.SpotifyException as error:
            raise self._told(error, what) from error
        except spotipy.SpotifyOauthError as error:
            raise _told_of_login(error) from error
        except requests.RequestException as error:
            raise _Again(_OFFLINE) from error
        needs = options["type"] + "s" if what == "search" else NEEDS[what]
        if not isinstance(found, dict if needs else list) or (needs and needs not in found):
            raise _Again(_BROKEN)
        return found

    def _told(self, error: Any, what: str) -> Exception:
        """What to raise for an answer that is none."""
        status, about = error.http_status, (error.msg or "").split("\n")[-1].strip()
        seconds = http.retry_after(error.headers)
        if status == 429 and error.reason == "QUOTA_EXCEEDED":
            self._web.pause(self._host + DAY, seconds or http.COME_BACK)
            until = datetime.fromtimestamp(time.time() + (seconds or http.COME_BACK))
            return QuotaUsed("your Spotify account's quota for all of its apps", until)
        if status in http.BUSY or status in http.BROKEN:
            return _Again(_BROKEN, seconds)
        if status == 401:
            self._login.cache_handler.save_token_to_cache(None)
            return _Again(SourceError(f"Spotify does not accept the login ({about}): log in again"))
        if "premium" in about.lower():
            return SourceError(
                "Spotify answers apps only while their owner has Premium: subscribe with the "
                "account that owns the app, or gather from another source"
            )
        if status in (403, 404, 410) and what in ("albums", "tracks", "audio_features"):
            return _Gone(about)
        if status in (404, 410):
            return SourceError("Spotify knows nothing of that name: check the link or id you gave")
        if status == 403:
            return SourceError(
                f"Spotify forbids that to your app ({about}): gather something that is yours, or "
                f"add yourself to the app's users at {DASHBOARD}"
            )
        return SourceError(f"Spotify does not understand the request ({about}): change it")


_OFFLINE = Unreachable(
    "Spotify cannot be reached: check the network and start again, everything gathered so far is "
    "kept"
)
_BROKEN = SourceError(
    "Spotify is out of order: start again later, everything gathered so far is kept"
)


def _called(method: Any, about: tuple, options: dict) -> Any:
    """What spotipy answers, without its warnings; None, as spotipy says, for what is no JSON."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return method(*about, **options)
        except (TypeError, KeyError):  # spotipy's own, at features or a token that are none
            return None


def _told_of_login(error: Any) -> Exception:
    if error.error not in WRONG:
        answer = getattr(error.__context__, "response", None)
        return _Again(_BROKEN, 0.0 if answer is None else http.retry_after(answer.headers))
    return SourceError(
        "Spotify does not accept your credentials: compare SPOTIPY_CLIENT_ID and "
        f"SPOTIPY_CLIENT_SECRET with your app's at {DASHBOARD}"
    )


def _login(tokens: str, user: bool) -> Any:
    """The app's own login, or the user's, from credentials; the token is kept in memory alone."""
    from spotipy import cache_handler, oauth2

    secrets = credentials(
        "SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET", where=f"make an app at {DASHBOARD}"
    )
    options = {
        "client_id": secrets["SPOTIPY_CLIENT_ID"],
        "client_secret": secrets["SPOTIPY_CLIENT_SECRET"],
        "requests_session": _session(),
        "requests_timeout": http.TIMEOUT,
        "cache_handler": cache_handler.MemoryCacheHandler(),
    }
    if user:
        login = oauth2.SpotifyOAuth(**options, redirect_uri=REDIRECT, scope=SCOPE)
    else:
        login = oauth2.SpotifyClientCredentials(**options)
    login.OAUTH_TOKEN_URL = tokens
    return login


def _session() -> Any:
    """A session that follows no redirect, and hangs up on what is too long or too slow."""
    import requests

    session = requests.Session()
    session.headers["User-Agent"] = f"albumlib/{__version__}"
    session.max_redirects = 0
    session.hooks["response"].append(_read)
    return session


def _read(answer: Any, **options: Any) -> None:
    """Read the body before requests does, which would take any."""
    import requests
    from urllib3.exceptions import HTTPError

    try:
        answer._content = http.whole_body(answer)
    except (http.TooMuch, HTTPError) as error:
        answer.close()
        raise requests.RequestException(str(error)) from error
