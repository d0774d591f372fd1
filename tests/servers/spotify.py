"""A stand-in for Spotify: tokens, and the part of the Web API that a gathering asks for.

By default it is what a new app meets since 2026: ten results a search page, nothing for several
ids at once, no popularity, no audio features. `old` gives all that back. The world is invented;
everything follows from an album's number and a track's place on it. Its tracks are those that the
stand-in for ReccoBeats knows by the same ids.
"""

from __future__ import annotations

import base64
import contextlib
import io
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from PIL import Image

from albumlib import features
from tests.servers.standin import Reply, StandIn, _Handler

SECRET = base64.b64encode(b"client:secret").decode()
USER = "token-of-a-user"
WIDTHS = (640, 300, 64)
AUDIO = [name for name in features.NAMES if name != "popularity"]


@dataclass(frozen=True)
class Busy(Reply):
    """An answer that asks for a pause."""

    headers: dict[str, str] = field(default_factory=dict)


def error(status: int, message: str, reason: str = "", **headers: str) -> Reply:
    about = {"status": status, "message": message} | ({"reason": reason} if reason else {})
    return Busy({"error": about}, status, headers=headers)


def spotify_id(kind: str, number: int) -> str:
    return f"{kind}{number:021d}"


class Spotify(StandIn):
    """`albums` albums of `length` tracks, all by one artist.

    `quota` is how many requests are answered in all, `limited` how many first ones meet the rate
    limit, which asks for `pause` seconds.
    """

    def __init__(
        self, albums: int = 12, length: int = 5, *, old: bool = False,
        allows_features: bool = False, premium: bool = True, quota: int = 10**9,
        limited: int = 0, pause: str = "0", **options,
    ):  # fmt: skip
        self.albums, self.length, self.old, self.premium = albums, length, old, premium
        self.allows_features = allows_features or old
        self.quota, self.limited, self.pause = quota, limited, pause
        self.tokens: list[str] = []
        super().__init__(self.reply, **options)
        self._server.RequestHandlerClass = type("Handler", (_SpotifyHandler,), {"host": self})
        self.api, self.token_url = f"{self.url}/v1/", f"{self.url}/api/token"

    @property
    def asked(self) -> list[str]:
        """Paths of the API that were asked for, without questions of tokens and pictures."""
        return [request.path for request in self.requests if request.path.startswith("/v1")]

    # What there is ------------------------------------------------------------------------------

    def artist(self) -> dict:
        return {"id": spotify_id("R", 1), "name": "The Standins", "type": "artist"}

    def album(self, number: int) -> dict:
        album_id = spotify_id("A", number)
        images = [{"url": f"{self.url}/i/{album_id}/{w}", "width": w, "height": w} for w in WIDTHS]
        return {
            "id": album_id, "name": f"Album {number}", "artists": [self.artist()],
            "release_date": f"{1990 + number}-06", "images": images, "total_tracks": self.length,
        }  # fmt: skip

    def track(self, number: int, place: int, whole: bool = True) -> dict:
        index = number * self.length + place
        found = {
            "id": spotify_id("0", index), "name": f"Track {index}", "artists": [self.artist()],
            "type": "track",
        }  # fmt: skip
        if whole:
            found |= {"album": self.album(number), "external_ids": {"isrc": f"QZABC{index:07d}"}}
            found |= {"popularity": index % 101} if self.old else {}
        return found

    def every(self) -> list[dict]:
        return [self.track(a, p) for a in range(self.albums) for p in range(self.length)]

    def features(self, track_id: str) -> dict | None:
        index = int(track_id[1:])
        if index % 10 == 7:
            return None  # tracks that were never measured
        values = dict.fromkeys(AUDIO, index % 100 / 100)
        return values | {
            "id": track_id,
            "tempo": 60.0 + index % 100,
            "loudness": -float(index % 30),
        }

    def playlists(self) -> dict[str, list[dict]]:
        """Two of the user's: one with a file of their own and a track that is gone."""
        tracks = self.every()
        own = {"id": None, "name": "my own file", "is_local": True}
        return {
            spotify_id("P", 1): [tracks[0], own, None, tracks[1]],
            spotify_id("P", 2): tracks[2:60],
        }

    # What it answers ----------------------------------------------------------------------------

    def reply(self, path: str, query: dict[str, str], login: str) -> Reply:
        if path == "/api/token":
            return self._token(login)
        if path.startswith("/i/"):
            return Reply(_picture(int(path.rsplit("/", 1)[-1])), kind="image/jpeg")
        if (refusal := self._refusal(login)) is not None:
            return refusal
        kind, *rest = path.removeprefix("/v1/").strip("/").split("/")
        if kind in ("me", "playlists") and not login.endswith(USER):
            return error(401, "Valid user authentication required")
        try:
            return getattr(self, "_" + kind.replace("-", "_"))(query, *rest)
        except (ValueError, IndexError, KeyError, AttributeError):
            return error(404, "Resource not found")

    def _token(self, login: str) -> Reply:
        if login != f"Basic {SECRET}":
            return Reply({"error": "invalid_client", "error_description": "Invalid client"}, 400)
        self.tokens.append(f"token-{len(self.tokens)}")
        return Reply({"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3600})

    def _refusal(self, login: str) -> Reply | None:
        if login.removeprefix("Bearer ") not in {*self.tokens[-1:], USER}:
            return error(401, "The access token expired")
        if not self.premium:
            return error(403, "Active premium subscription required for the owner of the app.")
        if len(self.asked) > self.quota:
            return error(429, "Too many requests", "QUOTA_EXCEEDED", **{"Retry-After": "48925"})
        if len(self.asked) <= self.limited:
            return error(429, "Too many requests", **{"Retry-After": self.pause})
        return None

    def _page(self, items: list, query: dict[str, str], most: int, default: int) -> dict | Reply:
        limit, offset = int(query.get("limit", default)), int(query.get("offset", 0))
        if not 1 <= limit <= most:
            return error(400, "Invalid limit")
        end = offset + limit
        following = "there is more" if end < len(items) else None
        return {"items": items[offset:end], "next": following, "total": len(items)}

    def _search(self, query: dict[str, str]) -> Reply:
        kind = query["type"]
        words = query["q"].casefold()
        items = self.every() if kind == "track" else [{**self.artist(), "name": "Them"}]
        items += [self.artist()] if kind == "artist" and "standins" in words else []
        items = [] if words == "nothing" else items
        if int(query.get("offset", 0)) + int(query.get("limit", 5)) > 1000:
            return error(400, "Invalid offset")
        return _paged(self._page(items, query, 50 if self.old else 10, 5), f"{kind}s")

    def _artists(self, query: dict[str, str], artist: str, what: str = "") -> Reply:
        if artist != self.artist()["id"]:
            return error(404, "Resource not found")
        if not what:
            return Reply(self.artist())
        albums = [self.album(number) for number in range(self.albums)]
        return _paged(self._page(albums, query, 50 if self.old else 10, 20))

    def _albums(self, query: dict[str, str], album: str = "", what: str = "") -> Reply:
        if not album:
            return self._several(query, 20, "albums", self._album)
        if not what:
            return Reply(self._album(album))
        return _paged(self._page(self._tracks_of(int(album[1:])), query, 50, 20))

    def _album(self, album: str) -> dict:
        number = int(album[1:])
        if number >= self.albums:
            raise ValueError(album)
        tracks = self._page(self._tracks_of(number), {}, 50, 50)
        return self.album(number) | {"tracks": tracks}

    def _tracks_of(self, number: int) -> list[dict]:
        return [self.track(number, place, whole=False) for place in range(self.length)]

    def _tracks(self, query: dict[str, str]) -> Reply:
        return self._several(
            query, 50, "tracks", lambda track: self.track(*divmod(int(track[1:]), self.length))
        )

    def _audio_features(self, query: dict[str, str]) -> Reply:
        if not self.allows_features:
            return error(403, "Forbidden")
        found = [self.features(track) for track in query["ids"].split(",")]
        return Reply({"audio_features": found}) if len(found) <= 100 else error(400, "Too many ids")

    def _several(self, query: dict[str, str], most: int, name: str, one) -> Reply:
        ids = query["ids"].split(",")
        if not self.old:
            return error(403, "Forbidden")
        return Reply({name: list(map(one, ids))}) if len(ids) <= most else error(400, "Too many")

    def _me(self, query: dict[str, str], what: str) -> Reply:
        return _paged(self._page([{"id": one} for one in self.playlists()], query, 50, 20))

    def _playlists(self, query: dict[str, str], playlist: str, what: str) -> Reply:
        items = [{"item": track} for track in self.playlists()[playlist]]
        if playlist.endswith("1"):
            items = [{"track": entry["item"]} for entry in items]  # as it was until 2026
        return _paged(self._page(items, query, 50, 20))


def _paged(page: dict | Reply, name: str = "") -> Reply:
    if isinstance(page, Reply):
        return page
    return Reply({name: page} if name else page)


def _picture(width: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, width), "teal").save(file, "JPEG")
    return file.getvalue()


class _SpotifyHandler(_Handler):
    host: Spotify

    def do_GET(self) -> None:  # noqa: N802
        request = self.host.begin(self.path, "")
        parts = urlsplit(self.path)
        login = self.headers.get("Authorization", "")
        reply = self.host.answer(parts.path, dict(parse_qsl(parts.query)), login)
        with contextlib.suppress(OSError):
            if request.fault:
                self._fail(request.fault, reply)
            else:
                self._send(reply, getattr(reply, "headers", None))
                request.answered = True

    def do_POST(self) -> None:  # noqa: N802
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()
